"""Raw outputs, sigmoid outputs and losses of a network at one stage, as in figures 4 and 5."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator, NullLocator
from numpy.typing import NDArray

from sigmoid_bce.comparison.words import counted
from sigmoid_bce.figures import style, wrong_side
from sigmoid_bce.figures.phrases import scientific
from sigmoid_bce.figures.scatter import floor, loss_limits, loss_scatter

BINS = 60
LINEAR = 25
"""Counts up to which an axis is linear."""
COLUMNS = {"raw_output": "raw output", "sigmoid": "sigmoid output"}
"""The columns that have a histogram, and how their axes are labelled."""
PANEL, LINE = 1.5, 0.17
"""Heights of a panel and of a line of the legend, in inches."""
LEFT, GAP, RIGHT, BETWEEN, BELOW = 0.55, 0.62, 0.1, 0.16, 0.42
"""Room for labels beside, between and below panels, in inches."""
LOSSES = ("bce_exact", "bce_sigmoid")
COLUMN = (style.PAGE - LEFT - RIGHT - 2 * GAP) / 3
"""The width of a panel in inches."""

Histogram = tuple[NDArray[np.number], NDArray[np.number]]


def by_split(table: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Return the samples of each split, training first; those without a split are one part.

    Examples
    --------
    >>> table = pd.DataFrame({"split": ["validation", "train"], "raw_output": [1.0, 2.0]})
    >>> list(by_split(table)), list(by_split(table[["raw_output"]]))
    (['train', 'validation'], [''])
    """
    if "split" not in table:
        return {"": table}
    return {
        split: part for split in wrong_side.SPLITS if len(part := table[table["split"] == split])
    }


def _edges(table: pd.DataFrame, column: str) -> NDArray[np.float64]:
    return np.histogram_bin_edges(table[column].to_numpy(np.float64), BINS)


def _counts(table: pd.DataFrame, column: str, edges: NDArray[np.number]) -> NDArray[np.integer]:
    """Return how many samples of each label are in each bin, shape (2, m)."""
    values, labels = table[column].to_numpy(np.float64), table["label"].to_numpy()
    return np.stack([np.histogram(values[labels == y], edges)[0] for y in (0, 1)])


def count_axis(axis: Axes, most: float) -> None:
    """Make counts readable: whole numbers, with single samples visible beside many.

    Parameters
    ----------
    axis : Axes
    most : float
        The greatest count. From `LINEAR` on, the axis is logarithmic above 1.
    """
    if most <= LINEAR:
        axis.set_ylim(0, 1.05 * max(most, 1))
        axis.yaxis.set_major_locator(MaxNLocator(5, integer=True))
        return
    axis.set_yscale("symlog", linthresh=1, linscale=0.4)
    axis.set_ylim(0, 1.3 * most)
    powers = 10.0 ** np.arange(np.ceil(np.log10(1.3 * most)))
    ticks = np.outer(powers, (1, 3) if len(powers) < 4 else (1,)).ravel()
    axis.set_yticks([0, *ticks[ticks <= 1.3 * most]])
    axis.yaxis.set_major_formatter("{x:,.0f}")
    axis.yaxis.set_minor_locator(NullLocator())


def histogram(
    axis: Axes, edges: NDArray[np.number], counts: NDArray[np.number], names: Sequence[str]
) -> None:
    """Draw counts of label 0 as an area and of label 1 as a line, so that both are seen.

    Parameters
    ----------
    axis : Axes
    edges : ndarray, shape (m + 1,)
    counts : ndarray, shape (2, m)
    names : sequence of two str
        Of label 0 and label 1.
    """
    zero, one = style.CLASS_COLOURS
    drawn = np.where(counts > 0, counts, np.nan)  # no line where there is nobody
    axis.stairs(drawn[0], edges, fill=True, alpha=0.5, color=zero, lw=0, label=names[0])
    axis.stairs(drawn[1], edges, color=one, lw=1.3, label=names[1])
    count_axis(axis, counts.max())


def hide_x(row: Iterable[Axes]) -> None:
    """Leave the labels of x axes to the same axes in the row below."""
    for axis in row:
        axis.tick_params(labelbottom=False)
        axis.xaxis.label.set_visible(False)


def clip_lines(axis: Axes) -> None:
    """Mark the raw outputs beyond which the clip acts, where the panel shows them."""
    low, high = axis.get_xlim()
    for x in (-wrong_side.CLIP, wrong_side.CLIP):
        if low < x < high:
            axis.axvline(x, color=style.CLIP_COLOUR, ls="--", lw=1)


def legend(figure: Figure, classes: Sequence[str], table: pd.DataFrame, top: float) -> None:
    """Name the classes and lines of all panels above them, where they hide nothing.

    Parameters
    ----------
    figure : Figure
    classes : sequence of two str
    table : DataFrame
        Column label.
    top : float
        The legend's upper end, in inches from that of the figure.
    """
    zero, one = style.CLASS_COLOURS
    here = [
        name if (table["label"] == y).any() else f"{name}: none" for y, name in enumerate(classes)
    ]
    rows = (
        [(Patch(color=zero, alpha=0.5, lw=0), here[0]), (Line2D([], [], color=one), here[1])],
        [
            (Line2D([], [], color="0.6", lw=0.8), "exact loss: no difference"),
            (Line2D([], [], color=style.CLIP_COLOUR, ls="--", lw=1), "clip of the sigmoid output"),
            (Patch(color=wrong_side.SHADE, lw=0), "beyond it: loss flat, gradient 0"),
        ],
    )
    for i, row in enumerate(rows):
        at = 1 - (top + i * LINE) / figure.get_figheight()
        figure.legend(
            *zip(*row, strict=True), ncols=len(row), loc="upper left", bbox_to_anchor=(0.05, at),
            borderaxespad=0, borderpad=0, columnspacing=1.5, handlelength=1.8,
        )  # fmt: skip


def _panels(splits: int, mistakes: bool, title: str) -> tuple[Figure, list[list[Axes]], float]:
    """Return a figure with rows of panels, and where its legend begins in inches.

    A row has three panels. The last one has room for labels above it, since it has other axes.
    """
    lines = style.wrap(title, style.PAGE - 0.2, style.TITLE)
    top = 0.1 + 0.16 * len(lines)
    at = [top + 2 * LINE + 0.1 + (PANEL + BETWEEN) * row for row in range(splits)]
    if mistakes:
        at.append(at[-1] + PANEL + BELOW + 0.1)
    height = at[-1] + PANEL + BELOW
    figure = plt.figure(figsize=(style.PAGE, height), layout="none")
    figure.suptitle("\n".join(lines), y=1 - 0.06 / height, va="top")
    width, high = COLUMN / style.PAGE, PANEL / height
    lefts = [(LEFT + (COLUMN + GAP) * column) / style.PAGE for column in range(3)]
    bottoms = [1 - high - above / height for above in at]
    axes = [[figure.add_axes((x, y, width, high)) for x in lefts] for y in bottoms]
    return figure, axes, top


def draw(
    table: pd.DataFrame,
    classes: Sequence[str],
    title: str,
    unit: str = "samples",
    histograms: Mapping[str, Histogram] | None = None,
    mistakes: bool = True,
) -> Figure:
    """Draw raw outputs, sigmoid outputs and losses, a row of panels a split, and the wrong side.

    Parameters
    ----------
    table : DataFrame
        A row for each sample, as `sigmoid_bce.comparison.compare.samples` returns them; with a
        column split, training samples are drawn above validation samples.
    classes : sequence of two str
        Names of label 0 and label 1.
    title : str
    unit : str
        What the samples are called, in the plural.
    histograms : mapping, optional
        For raw_output and sigmoid, edges of bins (m + 1,) and counts by label (2, m) of all
        samples, if `table` holds only some of them, the furthest on the wrong side among them.
    mistakes : bool
        Whether to draw the wrong side.

    Returns
    -------
    Figure
        Of each split: raw outputs by class, sigmoid outputs by class, losses. Below them, the wrong
        side of each split, and a list of the samples that are furthest on it.
    """
    style.use()
    parts = {
        f"{wrong_side.SPLITS.get(split, '')} {unit}".strip(): part
        for split, part in by_split(table).items()
    }
    figure, axes, top = _panels(len(parts), mistakes, title)
    given = histograms or {}
    edges = {name: given[name][0] if name in given else _edges(table, name) for name in COLUMNS}
    losses, far = loss_limits(table), wrong_side.reach(table)
    for row, (called, part) in zip(axes, parts.items(), strict=False):
        for axis, name in zip(row, COLUMNS, strict=False):
            counts = given[name][1] if name in given else _counts(part, name, edges[name])
            histogram(axis, edges[name], counts, [f"{called}, {name}" for name in classes])
            margin = 0.03 * (edges[name][-1] - edges[name][0])
            limits = edges[name][0] - margin, edges[name][-1] + margin
            axis.set(xlabel=COLUMNS[name], ylabel=called, xlim=limits)
            axis.xaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 5, 10]))
        clip_lines(row[list(COLUMNS).index("raw_output")])
        loss_scatter(row[2], part, [f"{called}, {name}" for name in classes], losses)
        if row is not axes[len(parts) - 1]:
            hide_x(row)
    if mistakes:
        last = axes[-1]
        for axis, (called, part) in zip(last, parts.items(), strict=False):
            wrong_side.panel(axis, part, classes, far, called, PANEL, some=bool(histograms))
        for axis in last[len(parts) :]:
            axis.axis("off")
        wrong_side.listed(last[len(parts)], table, classes, unit, COLUMN)
    legend(figure, classes, table, top)
    return figure


def _lost(table: pd.DataFrame, one: str) -> str:
    """Say in a sentence how many samples are on the wrong side of the clip, and what it costs."""
    number = int(wrong_side.lost(table).sum())
    are = "are" if number > 1 else "is"
    said = f"{counted(number, one)} {are} on the wrong side of the clip"
    said = said[0].upper() + said[1:]
    far = wrong_side.furthest(table, 1)
    if not len(far):
        return f"{said}, and none is misclassified"
    x, exact, found = (scientific(float(far[n].iloc[0])) for n in ("raw_output", *LOSSES))
    if number:
        return (
            f"{said}; the furthest loses {exact}, but {found} by the loss from the sigmoid output"
        )
    return f"{said}; the furthest misclassified one has a raw output of {x}"


def _of_part(table: pd.DataFrame, one: str) -> dict[str, object]:
    """Return the numbers of some samples, in words where a noun depends on the number."""
    clipped, wrong = table["clipped"], wrong_side.is_wrong(table)
    share = f" ({scientific(100 * clipped.mean())} %)" if clipped.any() else ""
    return {
        "samples": counted(len(table), one),
        "raw_min": scientific(table["raw_output"].min()),
        "raw_max": scientific(table["raw_output"].max()),
        "clipped": f"{counted(int(clipped.sum()), one)}{share}",
        "wrong": counted(int(wrong.sum()), one),
        "lost": _lost(table, one),
    }


def values(table: pd.DataFrame, unit: str = "samples") -> dict[str, object]:
    """Return the numbers that a caption quotes for one stage.

    Parameters
    ----------
    table : DataFrame
        As for `draw`, with a column split.
    unit : str
        What the samples are called, in the plural.

    Returns
    -------
    dict
        By split, such as train_clipped: how many samples, the range of their raw outputs, how many
        are clipped and misclassified, and a sentence about those on the wrong side of the clip. Of
        all: error_max, the largest absolute error of the loss from the sigmoid outputs, and floor,
        the least value that this loss can take.
    """
    one = unit.removesuffix("s")
    found = {
        f"{split}_{name}": value
        for split, part in by_split(table).items()
        for name, value in _of_part(part, f"{wrong_side.SPLITS[split]} {one}").items()
    }
    error = (table["bce_sigmoid"] - table["bce_exact"]).abs()
    return {
        **found,
        "error_max": scientific(error.max()),
        "floor": scientific(floor(table["bce_sigmoid"])),
    }
