"""The difference of every loss from logits in the primary metric, with margins and verdicts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from sigmoid_bce.comparison.words import counted
from sigmoid_bce.figures import arms, style
from sigmoid_bce.figures.arms import ENDED_IN_NAN
from sigmoid_bce.figures.texts import those
from sigmoid_bce.figures.trainings import LearningTables
from sigmoid_bce.study.learning import REFERENCE, Regime

TITLE = "Figure 9: paired differences"
COLUMNS = 4
"""Panels in a row."""
NAMES, PANEL, BETWEEN, LINE, LEGEND = 1.45, 1.18, 0.24, 0.12, 0.3
"""Inches: names of losses, width of a panel, between two, height of a line, of the legend."""


EQUIVALENT = "equivalent to ``logits``"
OPEN = "open (more seeds are needed)"
NOT_DECIDABLE = "not decidable (twins differ as much)"


class Class(NamedTuple):
    """How a class of verdict is drawn."""

    colour: object
    marker: str
    words: tuple[str, str]  # of one comparison, of several
    filled: bool = True


CLASSES = {
    "harms": Class(style.RED, "<", ("harms", "harm")),
    "helps": Class(style.GREEN, ">", ("helps", "help")),
    "equivalent": Class(style.NAVY, "o", (f"is {EQUIVALENT}", f"are {EQUIVALENT}")),
    "open": Class("0.2", "o", (f"is {OPEN}", f"are {OPEN}"), filled=False),
    "not decidable": Class("0.45", "x", (f"is {NOT_DECIDABLE}", f"are {NOT_DECIDABLE}")),
}
LEAST = 10.0
"""The axis reaches at least so many margins to either side."""


def _mark(verdict: str) -> dict[str, object]:
    """Return the options of a class's marker."""
    colour, marker, _, filled = CLASSES[verdict]
    return {
        "color": colour,
        "marker": marker,
        "markersize": 4.2,
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
            ends = [row["low"], row["high"]]
            axis.plot(ends, [y, y], color=colour, lw=1.1, label="_95 % interval")
            axis.plot([row["benefit"]], [y], label=row["verdict"], **_mark(row["verdict"]))
        if row["failed"]:
            axis.annotate(
                f"{ENDED_IN_NAN}{row['failed']}", (1, y), (2, 0), va="center",
                xycoords=axis.get_yaxis_transform(), textcoords="offset points",
                fontsize=style.SMALL, annotation_clip=False,
            )  # fmt: skip


def _reach(tables: LearningTables) -> float:
    """Return the end of all axes: a power of ten that is beyond every interval."""
    found = [tables.harms(regime)[["low", "high", "benefit"]] for regime in tables.regimes]
    far = pd.concat(found).abs().to_numpy(float)
    most = max(LEAST, far[np.isfinite(far)].max(initial=0) * 1.2)
    return float(10 ** np.ceil(np.log10(most)))


def _heading(tables: LearningTables, regime: Regime, rows: pd.DataFrame) -> list[str]:
    """Return the lines above a panel: the regime, its metric and margin, what failed in logits."""
    failed = int(rows["failed_reference"].max())
    lines = style.wrap(tables.place(regime), PANEL + BETWEEN - 0.06, style.SMALL)
    measured = f"{regime.primary}, margin {rows['margin'].iloc[0]:.2g}"
    measured += f"; logits {ENDED_IN_NAN}{failed}" if failed else ""
    return [*lines, *style.wrap(measured, PANEL + BETWEEN - 0.06, style.SMALL)]


def _style(axis: Axes, losses: list[str], reach: float, *, first: bool, last: bool) -> None:
    """Give a panel its axes: names beside the first one of a row, directions in the last row."""
    axis.set_xscale("symlog", linthresh=1, linscale=0.6)
    axis.axvspan(-1, 1, color="0.9", lw=0, zorder=0)
    axis.axvline(0, color="0.5", lw=0.6, zorder=0.5)
    far = reach / 10
    name = style.power(far) if far > 100 else f"{far:g}"
    places = [-far, -1, 0, 1, far] if far > 1 else [-far, 0, far]
    ends = {far: name, -far: f"−{name}"}
    axis.set_xticks(places, [ends.get(x, f"{x:g}".replace("-", "−")) for x in places])
    axis.xaxis.set_minor_locator(plt.NullLocator())
    axis.set(xlim=(-reach, reach), ylim=(len(losses) - 0.4, -0.6))
    names = [style.plain(loss) for loss in losses]
    axis.set_yticks(range(len(losses)), names)
    axis.tick_params(axis="y", length=0, labelleft=first)
    axis.set_xlabel(
        "← harms  helps →\nin margins, log beyond ±1", fontsize=style.SMALL, visible=last
    )
    axis.spines[["top", "right"]].set_visible(True)


def _rows(tables: LearningTables) -> Iterator[tuple[list[str], list[tuple[Regime, list[str]]]]]:
    """Yield the panels of each row with their headings; before the first one, the question."""
    for question, regimes in tables.questions():
        asked = style.wrap(question, style.PAGE - 0.2, style.SMALL + 1, weight="bold")
        for start in range(0, len(regimes), COLUMNS):
            some = regimes[start : start + COLUMNS]
            yield asked, [(one, _heading(tables, one, tables.harms(one))) for one in some]
            asked = []


def draw(tables: LearningTables) -> Figure:
    """Draw a panel for each regime, below its question, with a row for each loss."""
    style.use()
    rows = list(_rows(tables))
    every = [
        arms.ordered({loss for r, _ in row for loss in r.models} - {REFERENCE}) for _, row in rows
    ]
    above = [
        LINE * (1.2 * len(asked) + max(len(lines) for _, lines in row)) + 0.12
        for asked, row in rows
    ]
    # the next question leaves room for ticks and labels, a row of the same question for ticks
    below = [0.46 if after else 0.24 for after in (*(bool(asked) for asked, _ in rows[1:]), True)]
    heights = [LINE * max(len(losses), 1) for losses in every]
    height = sum(above) + sum(heights) + sum(below) + LEGEND
    figure = plt.figure(figsize=(style.PAGE, height), layout="none")
    reach, top = _reach(tables), height
    for (asked, row), losses, head, high, under in zip(
        rows, every, above, heights, below, strict=True
    ):
        if asked:
            figure.text(
                0.05 / style.PAGE, (top - 0.04) / height, "\n".join(asked), va="top",
                fontsize=style.SMALL + 1, fontweight="bold",
            )  # fmt: skip
            question = " ".join(asked)
        top -= head + high
        for i, (regime, lines) in enumerate(row):
            left = NAMES + i * (PANEL + BETWEEN)
            place = np.array([left, top, PANEL, high]) / np.tile([style.PAGE, height], 2)
            axis = figure.add_axes(place, label=question)
            _panel(axis, tables.harms(regime), losses)
            _style(axis, losses, reach, first=not i, last=under > 0.3)
            axis.set_title("\n".join(lines), fontsize=style.SMALL, pad=3, linespacing=1)
        top -= under
    marks = [Line2D([], [], label=verdict, **_mark(verdict)) for verdict in CLASSES]
    marks.append(Line2D([], [], ls="none", label=f"{ENDED_IN_NAN} ended in nan"))
    marks.append(Patch(color="0.9", lw=0, label="within the margin"))
    figure.legend(
        handles=marks, loc="lower center", ncols=len(marks), columnspacing=1, handletextpad=0.2
    )
    return figure


def values(tables: LearningTables) -> dict[str, int | float | str]:
    """Return what the caption quotes: how many comparisons there are, and of each class."""
    verdicts = pd.concat([tables.harms(regime)["verdict"] for regime in tables.regimes])
    parts = [those(int((verdicts == name).sum()), *CLASSES[name].words) for name in CLASSES]
    number = counted(len(verdicts), "comparison")
    where = counted(len(tables.regimes), "regime")
    return {"found": f"Of {number} in {where}, {', '.join(parts[:-1])}, and {parts[-1]}."}
