"""The share of stuck trainings, for each loss in each regime."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.colors import Colormap
from matplotlib.figure import Figure

from sigmoid_bce.comparison.ends import ABOVE_MAJORITY, DEAD
from sigmoid_bce.comparison.words import counted
from sigmoid_bce.figures import style
from sigmoid_bce.figures.arms import ENDED_IN_NAN
from sigmoid_bce.figures.texts import those
from sigmoid_bce.figures.trainings import LearningTables, literal
from sigmoid_bce.study.learning import REFERENCE, TWINS

TITLE = "Figure 8: stuck trainings"
COLUMNS = 14
"""Losses beside each other, at most: a figure with more has several tables."""
COLUMN, LINE, NAMES = 0.38, 0.13, 1.78
"""Inches: the width of a loss, the height of a line, the room for the names of regimes."""
DARK = 0.55
"""Text on darker colours is white."""
KEY = (
    "A number: the stuck trainings. Below it: the 95 % interval of their share, in percent. "
    f"{ENDED_IN_NAN} trainings that ended in nan. Grey: the question does not ask about this loss."
)


def words(row: pd.Series) -> list[str]:
    """Return the lines of a cell: stuck trainings, the interval of their share, failed ones."""
    lines = [str(row["stuck"])] if row["n"] else []
    if row["stuck"]:
        lines.append(f"{100 * row['low']:.0f}–{100 * row['high']:.0f}")
    return [*lines, f"{ENDED_IN_NAN}{row['failed']}"] if row["failed"] else lines


@dataclass(frozen=True)
class Line:
    """A line of the table: a question, or the cells of a regime."""

    lines: list[str]
    height: float  # inches
    cells: pd.DataFrame | None = None  # by loss; of a question, none


def _lines(tables: LearningTables, losses: list[str], width: float) -> Iterator[Line]:
    """Yield the lines of a table of some losses."""
    for question, regimes in tables.questions():
        asked = style.wrap(question, width - 0.1, style.SMALL, weight="bold")
        yield Line(asked, LINE * (len(asked) + 0.8))
        for regime in regimes:
            cells = tables.of(tables.stuck, regime).set_index("loss")
            cells = cells[cells.index.isin(losses)]
            name = style.wrap(tables.place(regime), NAMES - 0.1, style.SMALL)
            most = max([len(name), *(len(words(row)) for _, row in cells.iterrows())])
            yield Line(name, LINE * (most + 0.5), cells)


def _cell(
    axis: Axes,
    place: tuple[float, float],
    height: float,
    row: pd.Series | None,
    colours: Colormap,
    question: str,
) -> None:
    """Draw the count, the interval and the failed runs of one loss in one regime."""
    x, y = place
    share = 0.0 if row is None or not row["n"] else row["share"]
    colour = "0.9" if row is None else colours(share) if share else "white"
    axis.add_patch(plt.Rectangle((x, y), 1, height, fc=colour, ec="0.8", lw=0.5))
    if row is not None:
        plain = "black" if row["stuck"] or row["failed"] else "0.45"
        axis.text(
            x + 0.5, y + height / 2, "\n".join(words(row)), ha="center", va="center",
            fontsize=style.SMALL, linespacing=1, color="white" if share > DARK else plain,
            label=f"_{question}",
        )  # fmt: skip


def _table(
    axis: Axes, shown: list[Line], losses: list[str], colours: Colormap, names: float
) -> None:
    """Draw one table, with a unit of y an inch."""
    y, ticks, question = 0.0, {}, ""
    for line in shown:
        if line.cells is None:
            question = " ".join(line.lines)
            axis.annotate(
                "\n".join(line.lines), (-names / COLUMN, y + line.height - LINE * 0.3),
                fontsize=style.SMALL, fontweight="bold", va="bottom", linespacing=1.1,
                annotation_clip=False,
            )  # fmt: skip
        else:
            ticks[y + line.height / 2] = "\n".join(line.lines)
            for x, loss in enumerate(losses):
                row = line.cells.loc[loss] if loss in line.cells.index else None
                _cell(axis, (x, y), line.height, row, colours, question)
        y += line.height
    axis.set(xlim=(0, len(losses)), ylim=(y, 0))
    axis.set_yticks(list(ticks), list(ticks.values()), fontsize=style.SMALL)
    places = np.arange(len(losses)) + 0.5
    axis.set_xticks(places, [style.plain(loss) for loss in losses], rotation=90)
    axis.tick_params(length=0, top=False, bottom=False, labeltop=True, labelbottom=False)
    axis.spines[:].set_visible(False)


def draw(tables: LearningTables) -> Figure:
    """Draw a table: a row for each regime, below its question, and a column for each loss."""
    style.use()
    every = tables.losses()
    blocks = [every[i : i + COLUMNS] for i in range(0, len(every), COLUMNS)]
    width = NAMES + COLUMN * max(len(blocks[0]), 4) + 0.1
    found = [list(_lines(tables, block, width)) for block in blocks]
    heads = [0.1 + max(style.width(style.plain(one), style.SMALL) for one in b) for b in blocks]
    heights = [sum(line.height for line in lines) for lines in found]
    key = style.wrap(KEY, width - 0.1, style.SMALL)
    below = 0.1 + LINE * len(key)
    height = sum(heads) + sum(heights) + 0.15 * len(blocks) + below
    figure = plt.figure(figsize=(width, height), layout="none")
    colours = plt.get_cmap("YlOrRd")
    top = height
    for block, lines, head, high in zip(blocks, found, heads, heights, strict=True):
        top -= head + high + 0.15
        place = (NAMES / width, (top + 0.1) / height, COLUMN * len(block) / width, high / height)
        _table(figure.add_axes(place), lines, block, colours, NAMES - 0.05)
    figure.text(0.05 / width, 0.03 / height, "\n".join(key), fontsize=style.SMALL, va="bottom")
    return figure


def values(tables: LearningTables) -> dict[str, int | float | str]:
    """Return what the caption quotes.

    Parameters
    ----------
    tables : LearningTables

    Returns
    -------
    dict
        The rule for being stuck, and sentences on how many trainings are stuck and how many failed,
        in all and with logits and its twins.
    """
    stuck = tables.stuck
    plain = stuck[stuck["loss"].isin([REFERENCE, *TWINS])]
    runs, some = counted(int(stuck["n"].sum()), "training"), int(stuck["stuck"].sum())
    asked = (
        f"{counted(len(tables.regimes), 'regime')} and with {counted(len(tables.losses()), 'loss')}"
    )
    failed = those(int(stuck["failed"].sum()), "ended in nan", "ended in nan")
    own = f"{plain['n'].sum():,} with {literal(REFERENCE)} and its twins"
    return {
        "above": ABOVE_MAJORITY,
        "dead_percent": round(100 * DEAD),
        "found": f"Of {runs} in {asked}, {those(some, 'is stuck', 'are stuck')}, and {failed}. "
        f"Of the {own}, {those(int(plain['stuck'].sum()), 'is stuck', 'are stuck')}.",
    }
