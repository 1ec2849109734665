"""The direction of the first gradient, and where the training ends."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from sigmoid_bce.comparison.words import counted
from sigmoid_bce.figures import style
from sigmoid_bce.figures.scatter import MANY
from sigmoid_bce.figures.texts import those
from sigmoid_bce.figures.trainings import LearningTables

TITLE = "Figure 12: the fate foretold"
COLUMNS = 5
"""Panels in a row."""
SIZE = (style.PAGE / COLUMNS, 1.55)
"""Inches of a panel."""
NONE = -1.75
"""Where runs are drawn whose first gradient is exactly 0 or not finite: it has no direction."""
ALONG = 0.9
"""From this cosine on, the caption says that the gradient points along the exact one."""


def runs(tables: LearningTables, loss: str) -> pd.DataFrame:
    """Return a row for each run of a loss in all regimes: cosine, val_accuracy, failed."""
    parts = {}
    for regime in tables.regimes:
        if loss in regime.models:
            first = tables.runs(regime, loss, ["gradient_cosine"]).query("epoch == 0")
            cosine = first.set_index("seed")["gradient_cosine"]
            place = str(regime.cell(loss)), regime.part, regime.question
            parts[place] = tables.judged(regime, loss).assign(cosine=cosine)
    found = pd.concat(parts, names=["cell", "part", "question"]).reset_index()
    # several questions may ask about one training
    return found.drop_duplicates(["cell", "seed"]).sort_values(["cell", "seed"])


def draw(tables: LearningTables) -> Figure:
    """Draw a panel for each loss, with a point for each run."""
    style.use()
    losses = tables.losses()
    labels = ("cosine of the first gradient and the exact one", "final validation accuracy")
    figure, axes = style.grid(len(losses), COLUMNS, SIZE, "", labels, sharex=True, sharey=True)
    parts = {loss: runs(tables, loss) for loss in losses}
    least = pd.concat(parts)["val_accuracy"].min()
    low = np.floor(10 * np.nanmin([least, 0.9])) / 10
    step = 0.08 * (1 - low)
    nowhere = low - 2 * step  # the place of runs that end in nan
    for axis, (loss, found) in zip(axes, parts.items(), strict=True):
        axis.axvspan(NONE - 0.3, NONE + 0.3, color="0.93", lw=0, zorder=0)
        axis.axhspan(nowhere - step, nowhere + step, color="0.93", lw=0, zorder=0)
        axis.axvline(0, color="0.8", lw=0.6, zorder=0)
        axis.plot(
            found["cosine"].fillna(NONE), found["val_accuracy"].where(~found["failed"], nowhere),
            "o", color=style.NAVY, alpha=0.35, ms=2.6, mew=0, label=f"_{style.plain(loss)}",
            rasterized=len(found) > MANY // 10,
        )  # fmt: skip
        lines = style.wrap(style.plain(loss), SIZE[0] - 0.15, style.SMALL)
        axis.set_title("\n".join([*lines, counted(len(found), "run")]), fontsize=style.SMALL)
        axis.set(xlim=(NONE - 0.3, 1.15), ylim=(nowhere - step, 1 + step / 2))
        axis.set_xticks([NONE, -1, 0, 1], ["none", "−1", "0", "1"])
        middle = (low + 1) / 2
        axis.set_yticks([nowhere, low, middle, 1], ["nan", *(f"{y:g}" for y in (low, middle, 1))])
    return figure


def values(tables: LearningTables) -> dict[str, int | float | str]:
    """Return what the caption quotes.

    Parameters
    ----------
    tables : LearningTables

    Returns
    -------
    dict
        A sentence on the runs of each kind of first gradient.
    """
    found = pd.concat([runs(tables, loss) for loss in tables.losses()])
    cosine = found["cosine"]
    kinds = {
        f"a cosine of at least {ALONG}": cosine >= ALONG,
        "a smaller cosine": cosine < ALONG,
        "no direction": cosine.isna(),
    }
    parts = []
    for name, some in kinds.items():
        here, ended = int(some.sum()), found.loc[some, "val_accuracy"].median()
        told = f" (median final accuracy {ended:.3g})" if np.isfinite(ended) else ""
        parts.append(f"{those(here, 'has', 'have')} {name}{told}")
    failed = those(int(found["failed"].sum()), "ended in nan", "ended in nan")
    text = f"Of {counted(len(found), 'training')}, {'; '.join(parts)}. Of all, {failed}."
    return {"found": text}
