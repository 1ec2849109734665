"""The difference of every loss from logits in the primary metric, with margins and verdicts."""

from __future__ import annotations

import textwrap
from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.lines import Line2D

from sigmoid_bce.figures import arms, style
from sigmoid_bce.figures.trainings import LearningTables
from sigmoid_bce.study.learning import Regime

TITLE = "Figure 9: paired differences"
COLUMNS = 4
"""Panels in a row."""


class Class(NamedTuple):
    """How a class of verdict is drawn."""

    colour: object
    marker: str
    filled: bool = True


CLASSES = {
    "harms": Class(style.RED, "<"),
    "helps": Class(style.GREEN, ">"),
    "equivalent": Class(style.NAVY, "o"),
    "open": Class("0.2", "o", filled=False),
    "not decidable": Class("0.45", "x"),
}
LEAST = 10.0
"""The axis reaches at least so many margins to either side."""


def _mark(verdict: str) -> dict[str, object]:
    """Return the options of a class's marker."""
    colour, marker, filled = CLASSES[verdict]
    return {
        "color": colour,
        "marker": marker,
        "markersize": 5,
        "markerfacecolor": colour if filled else "white",
        "linestyle": "none",
    }


def _panel(axis: Axes, rows: pd.DataFrame, losses: list[str]) -> None:
    """Draw the losses of one regime, from above: point, interval, class, failed runs."""
    for y, loss in enumerate(losses):
        if loss not in rows.index:
            continue
        row = rows.loc[loss]
        colour = CLASSES[row["verdict"]].colour
        if row["n"]:
            axis.plot([row["low"], row["high"]], [y, y], color=colour, lw=1.3)
            axis.plot([row["benefit"]], [y], label=row["verdict"], **_mark(row["verdict"]))
        if row["failed"] or row["failed_reference"]:
            text = f"nan {row['failed']} of {row['seeds']}"
            if row["failed_reference"]:
                text = f"nan {row['failed']}, logits {row['failed_reference']}"
            # on the side where the interval leaves more room
            left = not row["low"] + row["high"] < 0
            axis.text(
                0.02 if left else 0.98, y, text, transform=axis.get_yaxis_transform(),
                ha="left" if left else "right", va="center", color=colour, fontsize=7,
                bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.8},
            )  # fmt: skip


def _reach(tables: LearningTables) -> float:
    """Return the end of all axes: a power of ten that is beyond every interval."""
    found = [tables.harms(regime)[["low", "high", "benefit"]] for regime in tables.regimes]
    far = pd.concat(found).abs().to_numpy(float)
    most = max(LEAST, far[np.isfinite(far)].max(initial=0) * 1.2)
    return float(10 ** np.ceil(np.log10(most)))


def _question(
    part: SubFigure, tables: LearningTables, regimes: list[Regime], columns: int, reach: float
) -> None:
    """Draw the panels of one question."""
    losses = arms.ordered({loss for r in regimes for loss in r.models} - {"logits"})
    rows = -(-len(regimes) // columns)
    axes = part.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
    for axis in axes.flat[len(regimes) :]:
        axis.set_visible(False)
    for i, (axis, regime) in enumerate(zip(axes.flat, regimes, strict=False)):
        found = tables.harms(regime)
        axis.set_xscale("symlog", linthresh=1, linscale=0.6)
        axis.axvspan(-1, 1, color="0.9", lw=0, zorder=0)
        axis.axvline(0, color="0.5", lw=0.6, zorder=0.5)
        _panel(axis, found, losses)
        margin = found["margin"].iloc[0]
        place = textwrap.fill(tables.place(regime), 48)
        axis.set_title(f"{place}\n{regime.primary}, margin {margin:.2g}", fontsize=8)
        axis.set_xticks(arms.decades(reach))
        axis.xaxis.set_major_formatter(style.power)
        axis.xaxis.set_minor_locator(plt.NullLocator())
        axis.set(xlim=(-reach, reach), ylim=(len(losses) - 0.4, -0.6))
        axis.set_yticks(range(len(losses)), losses, fontsize=8)
        axis.tick_params(axis="x", labelsize=8, labelbottom=i + columns >= len(regimes))
        axis.tick_params(axis="y", length=0)
        if i + columns >= len(regimes):
            axis.set_xlabel("← harms   margins   helps →", fontsize=8)


def draw(tables: LearningTables) -> Figure:
    """Draw a panel for each regime, below its question, with a row for each loss."""
    style.use()
    questions = list(tables.questions())
    columns = min(COLUMNS, max(len(regimes) for _, regimes in questions))
    heights = [
        0.45 + -(-len(r) // columns) * (0.75 + 0.16 * max(len(one.models) for one in r))
        for _, r in questions
    ]
    figure = plt.figure(figsize=(1.8 + 2.8 * columns, sum(heights) + 0.4))
    *parts, last = figure.subfigures(
        len(questions) + 1, 1, squeeze=False, height_ratios=[*heights, 0.4]
    )[:, 0]
    reach = _reach(tables)
    for part, (question, regimes) in zip(parts, questions, strict=True):
        lines = textwrap.wrap(question, 20 + 34 * columns)
        part.suptitle("\n".join(lines), x=0.01, ha="left", fontsize=10, fontweight="bold")
        _question(part, tables, regimes, columns, reach)
    marks = [Line2D([], [], label=verdict, **_mark(verdict)) for verdict in CLASSES]
    last.legend(handles=marks, loc="center", ncols=len(marks), frameon=False)
    return figure


def values(tables: LearningTables) -> dict[str, int | float | str]:
    """Return what the caption quotes: the number of comparisons, and of those of each class."""
    verdicts = pd.concat([tables.harms(regime)["verdict"] for regime in tables.regimes])
    counts = {name.replace(" ", "_"): int((verdicts == name).sum()) for name in CLASSES}
    return {"comparisons": len(verdicts), "regimes": len(tables.regimes), **counts}
