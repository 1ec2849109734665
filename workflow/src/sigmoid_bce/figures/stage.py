"""Raw outputs, sigmoid outputs and losses of a network at one stage, as in figures 4 and 5."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from sigmoid_bce.figures import style
from sigmoid_bce.figures.scatter import floor, loss_scatter
from sigmoid_bce.numerics import formulas

BINS = 60
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
    for x in (-clip, clip):
        if low < x < high:
            axis.axvline(x, color=style.CLIP_COLOUR, ls="--", lw=1)
            axis.annotate(
                "clip", (x, 0.97), xycoords=("data", "axes fraction"), xytext=(3, 0),
                textcoords="offset points", va="top", color=style.CLIP_COLOUR, fontsize="small",
            )  # fmt: skip


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
        axis.set_yscale("symlog", linthresh=10, subs=range(2, 10))
        axis.yaxis.set_major_formatter("{x:,.0f}")
        axis.set_ylim(bottom=0)
    # above the panel, where the legend hides no bar
    axes[0].legend(frameon=False, ncols=2, loc="lower left", bbox_to_anchor=(0, 0.98))
    _clip_lines(dict(zip(COLUMNS, axes, strict=False))["raw_output"])
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
