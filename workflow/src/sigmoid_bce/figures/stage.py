"""Raw outputs, sigmoid outputs and losses of a network at one stage, as in figures 4 and 5."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, NullFormatter
from numpy.typing import NDArray

from sigmoid_bce.figures import style
from sigmoid_bce.figures.scatter import floor, loss_scatter
from sigmoid_bce.numerics import formulas

BINS = 60
LINEAR, LINTHRESH = 25, 10
"""Counts up to which an axis is linear, and up to which a logarithmic one is."""
COLUMNS = {"raw_output": "raw output", "sigmoid": "sigmoid output"}
"""The columns that have a histogram, and how their axes are labelled."""


def _binned(
    table: pd.DataFrame,
    column: str,
    histogram: tuple[NDArray[np.number], NDArray[np.number]] | None,
) -> tuple[NDArray[np.number], NDArray[np.number]]:
    """Return edges of bins and the counts of each label, shapes (m + 1,) and (2, m)."""
    if histogram is not None:
        return histogram
    values, labels = table[column].to_numpy(np.float64), table["label"].to_numpy()
    edges = np.histogram_bin_edges(values, BINS)
    return edges, np.stack([np.histogram(values[labels == y], edges)[0] for y in (0, 1)])


def _clip_lines(axis: Axes) -> None:
    """Mark the raw outputs beyond which the clip acts, where the panel shows them."""
    clip = float(np.log1p(-formulas.EPSILON) - np.log(formulas.EPSILON))
    low, high = axis.get_xlim()
    for i, x in enumerate(x for x in (-clip, clip) if low < x < high):
        # named in the legend, once: a text beside the line would lie on bars
        axis.axvline(x, color=style.CLIP_COLOUR, ls="--", lw=1, label="clip" if not i else "_clip")


def _count_axis(axis: Axes, most: float) -> None:
    """Make counts readable: whole numbers, with single samples visible beside many."""
    axis.set_ylim(bottom=0)
    if most <= LINEAR:
        axis.yaxis.set_major_locator(MaxNLocator(6, integer=True))
        return
    axis.set_yscale("symlog", linthresh=LINTHRESH, subs=range(2, 10))
    powers = 10.0 ** np.arange(np.ceil(np.log10(most)) + 1)
    steps = (1, 2, 5) if len(powers) < 4 else (1, 3) if len(powers) < 5 else (1,)
    ticks = np.concatenate([[0], *(np.array(steps) * power for power in powers)])
    axis.set_yticks([tick for tick in ticks if tick == 0 or 2 <= tick <= 1.2 * most])
    axis.yaxis.set_major_formatter("{x:,.0f}")
    axis.yaxis.set_minor_formatter(NullFormatter())


def draw(
    table: pd.DataFrame,
    classes: Sequence[str],
    title: str,
    unit: str = "samples",
    histograms: Mapping[str, tuple[NDArray[np.number], NDArray[np.number]]] | None = None,
) -> Figure:
    """Draw both histograms and the scatter of the losses.

    Parameters
    ----------
    table : DataFrame
        A row for each sample: columns label, raw_output, sigmoid, bce_raw, bce_sigmoid.
    classes : sequence of two str
        Names of label 0 and label 1.
    title : str
    unit : str
        The unit of the counts.
    histograms : mapping, optional
        For raw_output and sigmoid, edges of bins (m + 1,) and counts by label (2, m) of all
        samples, if `table` holds only some of them.

    Returns
    -------
    Figure
        Three panels: raw outputs by class, sigmoid outputs by class, losses.
    """
    style.use()
    figure, axes = style.row(3, 13, 4, title)
    for axis, (column, label) in zip(axes, COLUMNS.items(), strict=False):
        edges, counts = _binned(table, column, (histograms or {}).get(column))
        for name, colour, count in zip(classes, style.CLASS_COLOURS, counts, strict=True):
            axis.stairs(count, edges, fill=True, alpha=0.35, color=colour, label=name)
            axis.stairs(count, edges, color=colour, lw=1)
        axis.set(xlabel=label, ylabel=unit)
        _count_axis(axis, counts.max())
    _clip_lines(dict(zip(COLUMNS, axes, strict=False))["raw_output"])
    # above the panel, where the legend hides no bar
    axes[0].legend(frameon=False, ncols=3, loc="lower left", bbox_to_anchor=(0, 0.98))
    loss_scatter(axes[2], table, classes)
    sns.despine(figure)
    return figure


def values(table: pd.DataFrame) -> dict[str, int | float]:
    """Return the numbers that a caption quotes for one stage.

    Parameters
    ----------
    table : DataFrame
        Columns label, raw_output, bce_sigmoid, bce_exact, clipped, dead.

    Returns
    -------
    dict
        Counts of samples: all, clipped, dead, dead on the wrong side, on the wrong side; the range
        of raw outputs; the largest absolute error of the loss from the sigmoid outputs; the least
        value that this loss can take.
    """
    clipped, dead = table["clipped"], table["dead"]
    wrong = (table["raw_output"] > 0) != (table["label"] == 1)
    error = (table["bce_sigmoid"] - table["bce_exact"]).abs()
    return {
        "samples": len(table),
        "raw_min": float(table["raw_output"].min()),
        "raw_max": float(table["raw_output"].max()),
        "clipped": int(clipped.sum()),
        "clipped_percent": float(100 * clipped.mean()),
        "dead": int(dead.sum()),
        "dead_wrong": int((dead & wrong).sum()),
        "wrong": int(wrong.sum()),
        "error_max": float(error.max()),
        "floor": floor(table["bce_sigmoid"]),
    }
