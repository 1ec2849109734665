"""The share of dead samples while networks learn, above the exact loss."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from sigmoid_bce.figures import arms, style
from sigmoid_bce.figures.trainings import LearningTables

TITLE = "Figure 11: dead samples while learning"
SHOWN = ("logits", "sigmoid_clipped", "bce_loss", "wrong_side_zeroed", "correct_side_zeroed")
DEAD = {(label, side): f"dead_{label}_{side}" for label in (0, 1) for side in ("wrong", "correct")}
DASHES = {"wrong": "-", "correct": ":"}
LEAST = 1e-4
"""Smaller losses are drawn here."""


def shown(tables: LearningTables) -> list[str]:
    """Return the losses that have a column; without any of `SHOWN` but logits, the others too."""
    models = tables.plainest.models
    some = [loss for loss in SHOWN if loss in models]
    return some if len(some) > 1 else arms.ordered(models)[:5]


def curves(tables: LearningTables, loss: str) -> pd.DataFrame:
    """Return for each epoch the mean dead shares, and quantiles over the seeds of the exact loss.

    Returns
    -------
    DataFrame
        Columns of `DEAD`, q05, q50 and q95, with the epoch as the index.
    """
    columns = [*DEAD.values(), "val_exact_loss"]
    groups = tables.runs(tables.plainest, loss, columns).groupby("epoch")
    quantiles = {
        f"q{level:02}": groups["val_exact_loss"].quantile(level / 100) for level in (5, 50, 95)
    }
    return groups[list(DEAD.values())].mean().assign(**quantiles)


def draw(tables: LearningTables) -> Figure:
    """Draw a column for each loss: dead shares above, the exact validation loss below."""
    style.use()
    regime, losses = tables.plainest, shown(tables)
    title = f"{tables.place(regime)}, {len(regime.seeds)} seeds"
    figure, axes = style.grid(
        2 * len(losses),
        len(losses),
        (2.7, 2.5),
        title,
        ("epoch", ""),
        beside=1.3,
        sharex=True,
        sharey="row",
    )
    found = {loss: curves(tables, loss) for loss in losses}
    for i, (loss, table) in enumerate(found.items()):
        dead, exact = axes[i], axes[len(losses) + i]
        for (label, side), column in DEAD.items():
            dead.plot(
                table.index, table[column], ls=DASHES[side], lw=1.8,
                color=style.CLASS_COLOURS[label], label=f"label {label},\n{side} side",
            )  # fmt: skip
        dead.set_title(tables.heading(regime, loss), fontsize="medium")
        dead.set_ylim(-0.03, 1.03)
        some = table[["q05", "q50", "q95"]].clip(lower=LEAST)
        colour = arms.look(loss).colour
        exact.fill_between(table.index, some["q05"], some["q95"], color=colour, alpha=0.25, lw=0)
        exact.plot(table.index, some["q50"], color=colour, lw=1.8, label=loss)
        if loss != "logits":
            beside = found["logits"]["q50"].clip(lower=LEAST)
            exact.plot(beside.index, beside, color="0.4", lw=1, ls="--", label="logits")
        exact.set_yscale("log")
        for axis in (dead, exact):
            arms.epochs(axis, int(table.index[-1]))
    axes[0].set_ylabel("dead share of the label's\ntraining samples")
    axes[len(losses)].set_ylabel("exact validation loss")
    handles = [*axes[0].get_lines()]
    if len(losses) > 1:
        handles.append(axes[-1].get_lines()[-1])
    figure.legend(handles=handles, loc="outside right center", frameon=False)
    return figure


def values(tables: LearningTables) -> dict[str, int | float | str]:
    """Return what the caption quotes.

    Parameters
    ----------
    tables : LearningTables

    Returns
    -------
    dict
        The regime in a sentence, and one on the ends of the curves.
    """
    found = {loss: curves(tables, loss) for loss in shown(tables)}
    wrong = [DEAD[label, "wrong"] for label in (0, 1)]
    ends = (
        f"``{loss}`` {table[wrong].iloc[-1].max():.2g} and {table['q50'].iloc[-1]:.3g}"
        for loss, table in found.items()
    )
    return {
        "regime": tables.why_plainest(),
        "ends": "; ".join(ends),
        "epochs": int(max(np.max(table.index) for table in found.values())),
    }
