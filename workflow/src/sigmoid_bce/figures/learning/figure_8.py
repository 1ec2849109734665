"""The share of stuck trainings, for each loss in each regime."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.transforms import blended_transform_factory

from sigmoid_bce.comparison.ends import ABOVE_MAJORITY, DEAD
from sigmoid_bce.figures import style
from sigmoid_bce.figures.trainings import LearningTables
from sigmoid_bce.study.learning import REFERENCE, TWINS

TITLE = "Figure 8: stuck trainings"
WRAPPED = 11
"""Characters of a question an inch."""
DARK = 0.55
"""Text on darker colours is white."""


def words(row: pd.Series) -> Iterator[tuple[float, float, str]]:
    """Yield the lines of a cell: height, size, text."""
    yield 0.3, 8, f"{row['stuck']} of {row['n']}"
    if row["failed"]:
        yield 0.85, 6, f"{row['failed']} nan"
    if row["n"]:
        yield 0.6, 6, f"{100 * row['low']:.0f}–{100 * row['high']:.0f} %"


def _cell(axis: Axes, place: tuple[int, int], row: pd.Series, colours: plt.Colormap) -> None:
    """Draw the count, the interval and the failed runs of one loss in one regime."""
    x, y = place
    share = row["share"] if row["n"] else 0.0
    colour = colours(share) if share else "white"
    axis.add_patch(plt.Rectangle((x, y), 1, 1, fc=colour, ec="0.85", lw=0.6))
    black = "black" if row["stuck"] or row["failed"] else "0.55"
    for height, size, text in words(row):
        axis.text(
            x + 0.5, y + height, text, ha="center", va="center", fontsize=size,
            color="white" if share > DARK else black,
        )  # fmt: skip


def draw(tables: LearningTables) -> Figure:
    """Draw a table: a row for each regime, below its question, and a column for each loss."""
    style.use()
    losses = tables.losses()
    questions = list(tables.questions())
    width = 3.4 + 0.72 * len(losses)
    asked = [textwrap.wrap(question, round(WRAPPED * width)) for question, _ in questions]
    # a row holds two lines
    rows = [-(-len(lines) // 2) for lines in asked]
    height = len(tables.regimes) + sum(rows)
    size = (width, 1.5 + 0.36 * height)
    figure, axis = plt.subplots(figsize=size)
    colours = plt.get_cmap("YlOrRd")
    y, ticks = 0, {}
    # from the figure's left edge on, across the names of the regimes
    across = blended_transform_factory(figure.transFigure, axis.transData)
    for lines, high, (_, regimes) in zip(asked, rows, questions, strict=True):
        text = axis.text(
            0.01, y + high / 2, "\n".join(lines), fontsize=9, fontweight="bold", va="center",
            transform=across,
        )  # fmt: skip
        text.set_in_layout(False)
        y += high
        for regime in regimes:
            ticks[y + 0.5] = tables.place(regime)
            here = tables.of(tables.stuck, regime).set_index("loss")
            for x, loss in enumerate(losses):
                if loss in here.index:
                    _cell(axis, (x, y), here.loc[loss], colours)
                else:
                    axis.add_patch(plt.Rectangle((x, y), 1, 1, fc="0.9", ec="0.85", lw=0.6))
            y += 1
    axis.set(xlim=(-0.02, len(losses) + 0.02), ylim=(height + 0.02, 0))
    axis.set_yticks(list(ticks), list(ticks.values()), fontsize=8)
    slanted = {"rotation": 35, "ha": "left", "rotation_mode": "anchor"}
    axis.set_xticks(np.arange(len(losses)) + 0.5, losses, fontsize=8, **slanted)
    axis.xaxis.tick_top()
    axis.tick_params(length=0)
    axis.spines[:].set_visible(False)
    return figure


def values(tables: LearningTables) -> dict[str, int | float | str]:
    """Return what the caption quotes.

    Parameters
    ----------
    tables : LearningTables

    Returns
    -------
    dict
        The rule for being stuck; numbers of regimes, of losses, of trainings, of those stuck and
        of those that failed; how many trainings with logits and its twins there are, and how many
        of them are stuck.
    """
    stuck = tables.stuck
    plain = stuck[stuck["loss"].isin([REFERENCE, *TWINS])]
    return {
        "above": ABOVE_MAJORITY,
        "dead_percent": round(100 * DEAD),
        "regimes": len(tables.regimes),
        "losses": len(tables.losses()),
        "runs": int(stuck["n"].sum()),
        "stuck": int(stuck["stuck"].sum()),
        "failed": int(stuck["failed"].sum()),
        "plain_runs": int(plain["n"].sum()),
        "plain_stuck": int(plain["stuck"].sum()),
    }
