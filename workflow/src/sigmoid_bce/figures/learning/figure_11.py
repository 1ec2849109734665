"""The share of dead samples while networks learn, above the exact loss."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from sigmoid_bce.comparison.words import counted
from sigmoid_bce.figures import arms, style
from sigmoid_bce.figures.trainings import LearningTables, literal
from sigmoid_bce.study.learning import REFERENCE

TITLE = "Figure 11: dead samples while learning"
SHOWN = ("logits", "sigmoid_clipped", "bce_loss", "wrong_side_zeroed", "correct_side_zeroed")
DEAD = {(label, side): f"dead_{label}_{side}" for label in (0, 1) for side in ("wrong", "correct")}
DASHES = {"wrong": "-", "correct": (0, (1, 1))}
WIDTHS = (3.2, 2.6, 1.6, 1.4)
"""Where curves coincide, the upper one lets the lower one through."""
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
    title = f"{tables.place(regime)}, {counted(len(regime.seeds), 'seed')}"
    size = (min(style.PAGE / len(losses), 2.4), 1.6)
    figure, axes = style.grid(
        2 * len(losses), len(losses), size, title, ("epoch", ""), sharex=True, sharey="row"
    )
    found = {loss: curves(tables, loss) for loss in losses}
    for i, (loss, table) in enumerate(found.items()):
        dead, exact = axes[i], axes[len(losses) + i]
        for order, ((label, side), column) in enumerate(DEAD.items()):
            dead.plot(
                table.index, table[column], ls=DASHES[side], lw=WIDTHS[order],
                color=style.CLASS_COLOURS[label], label=f"label {label}, {side} side",
            )  # fmt: skip
        dead.set_title(tables.heading(regime, loss, size[0] - 0.1), fontsize=style.SMALL)
        dead.set_ylim(-0.04, 1.04)
        some = table[["q05", "q50", "q95"]].clip(lower=LEAST)
        name = style.plain(loss)
        exact.fill_between(
            table.index, some["q05"], some["q95"], color="0.8", lw=0, label=f"_{name}, 5 % to 95 %"
        )
        exact.plot(table.index, some["q50"], color="black", label=f"_{name}, median")
        if loss != REFERENCE:
            beside = found[REFERENCE]["q50"].clip(lower=LEAST)
            exact.plot(beside.index, beside, color=style.PLUM, ls="--", label="_logits, median")
        exact.set_yscale("log")
        for axis in (dead, exact):
            arms.epochs(axis, int(table.index[-1]))
    axes[0].set_ylabel("dead share of the label's\ntraining samples")
    axes[len(losses)].set_ylabel("exact validation loss")
    handles = [
        *axes[0].get_lines(),
        Line2D([], [], color="black", label="median of the loss"),
        Patch(color="0.8", lw=0, label="5 % to 95 %"),
        Line2D([], [], color=style.PLUM, ls="--", label="median with logits"),
    ]
    style.legend(figure, handles)
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
    ends = [
        f"with {literal(loss)} {_dead(table[wrong].iloc[-1].max())} dead on the wrong side, "
        f"and the median exact loss is {table['q50'].iloc[-1]:.3g}"
        for loss, table in found.items()
    ]
    last = int(max(np.max(table.index) for table in found.values()))
    return {
        "regime": tables.why_plainest(),
        "ends": "; ".join(ends),
        "epochs": counted(last, "epoch"),
    }


def _dead(share: float) -> str:
    """Return in words which share of a label's samples is dead, of the label that has more."""
    return f"up to {100 * share:.3g} % of a label's samples are" if share else "no sample is"
