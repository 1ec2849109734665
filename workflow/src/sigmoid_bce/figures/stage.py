"""Figures 4 and 5: the raw outputs of a network at one stage, and what they make of the loss."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure
from numpy.typing import NDArray

from sigmoid_bce.figures import style
from sigmoid_bce.figures.scatter import floor, loss_scatter
from sigmoid_bce.numerics import formulas


def draw(
    table: pd.DataFrame,
    classes: Sequence[str],
    title: str,
    unit: str = "images",
    histograms: dict[str, tuple[NDArray, NDArray]] | None = None,
) -> Figure:
    """Draw both histograms and the scatter of the losses.

    Parameters
    ----------
    table : DataFrame
        A comparison by sample: columns label, raw_output, sigmoid, bce_raw, bce_sigmoid.
    classes : sequence of two str
        Names of label 0 and label 1.
    title : str
    unit : str
        What is counted.
    histograms : dict, optional
        For raw_output and sigmoid, edges of bins (m + 1,) and counts by label (2, m): of all
        samples, where `table` holds some of them.

    Returns
    -------
    Figure
        Of three panels: raw outputs by class, sigmoid outputs by class, losses.
    """
    style.use()
    figure, axes = style.row(3, 13, 4, title)
    palette = dict(zip(classes, style.CLASS_COLOURS, strict=True))
    data = table.assign(label=table["label"].map(dict(enumerate(classes))))
    for axis, column, text in (
        (axes[0], "raw_output", "raw output"),
        (axes[1], "sigmoid", "sigmoid output"),
    ):
        shown, bins, weights = data, 60, None
        if histograms:
            bins, counts = histograms[column]
            centres = (bins[1:] + bins[:-1]) / 2
            # seaborn asks whether its bins are "auto", which an array cannot answer
            bins, weights = bins.tolist(), "count"
            shown = pd.DataFrame(
                {
                    column: np.tile(centres, 2),
                    "label": np.repeat(classes, len(centres)),
                    "count": counts.ravel(),
                }
            )
        sns.histplot(
            shown, x=column, hue="label", hue_order=list(classes), palette=palette,
            bins=bins, weights=weights, element="step", alpha=0.35, ax=axis,
            legend=axis is axes[0],
        )  # fmt: skip
        axis.set(xlabel=text, ylabel=unit)
        axis.set_yscale("symlog", linthresh=10)
    axes[0].get_legend().set(title=None, frame_on=False)
    clip = float(np.log1p(-formulas.EPSILON) - np.log(formulas.EPSILON))
    low, high = axes[0].get_xlim()
    for x in (-clip, clip):
        if low < x < high:
            axes[0].axvline(x, color=style.CLIP_COLOUR, ls="--", lw=1)
            axes[0].annotate(
                "clip", (x, 0.97), xycoords=("data", "axes fraction"), xytext=(3, 0),
                textcoords="offset points", va="top", color=style.CLIP_COLOUR, fontsize="small",
            )  # fmt: skip
    loss_scatter(axes[2], table, "label", classes)
    sns.despine(figure)
    return figure


def values(table: pd.DataFrame) -> dict[str, object]:
    """Return what a caption says of a comparison by sample.

    Parameters
    ----------
    table : DataFrame
        Columns label, raw_output, bce_sigmoid, bce_exact, clipped, dead.

    Returns
    -------
    dict
        Counts of samples (all, clipped, dead, on the wrong side), the range of raw outputs, the
        largest absolute error of the loss, the least loss that the clip lets through.
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
        "floor": floor(table["bce_sigmoid"].dtype),
    }
