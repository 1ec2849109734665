"""Raw outputs of several labels as histograms, and of a segmentation map as pictures."""

from __future__ import annotations

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib import pyplot as plt
from matplotlib.figure import Figure
from numpy.typing import NDArray

from sigmoid_bce.figures import style

MOST = 24
"""The largest number of labels that are drawn."""


def by_label(
    names: list[str],
    histograms: list[tuple[NDArray[np.number], NDArray[np.number]]],
    unit: str,
    title: str,
) -> Figure:
    """Draw histograms of raw outputs, a panel a label.

    Parameters
    ----------
    names : list of str
        The labels; the first `MOST` are drawn.
    histograms : list of tuple
        For each label, edges of bins (m + 1,) and counts (2, m) of samples with value 0 and 1.
    unit : str
        The unit of the counts.
    title : str

    Returns
    -------
    Figure
    """
    style.use()
    shown = list(zip(names, histograms, strict=True))[:MOST]
    columns = min(4, len(shown))
    rows = -(-len(shown) // columns)
    figure, axes = plt.subplots(
        rows, columns, figsize=(3.6 * columns, 2.6 * rows), squeeze=False, sharex=True
    )
    for axis, (name, (edges, counts)) in zip(axes.flat, shown, strict=False):
        for value in (0, 1):
            axis.stairs(
                counts[value], edges, fill=True, alpha=0.45, color=style.CLASS_COLOURS[value],
                label=f"label {value}",
            )  # fmt: skip
        axis.set(title=name, xlabel="raw output", ylabel=unit)
        axis.set_yscale("symlog", linthresh=10)
    axes[0, 0].legend(frameon=False, fontsize="small")
    for axis in axes.flat[len(shown) :]:
        axis.remove()
    sns.despine(figure)
    figure.suptitle(title)
    return figure


def as_map(table: pd.DataFrame, shape: tuple[int, int], title: str) -> Figure:
    """Draw the labels and raw outputs of one map, and where the clip acts.

    Parameters
    ----------
    table : DataFrame
        A row for each pixel, in the order of the map's rows: columns label, raw_output, clipped.
    shape : tuple of int
        Height and width.
    title : str

    Returns
    -------
    Figure
    """
    style.use()
    figure, axes = plt.subplots(1, 3, figsize=(13, 0.8 + 4.2 * min(1.5, shape[0] / shape[1])))
    x, y = (table[name].to_numpy().reshape(shape) for name in ("raw_output", "label"))
    wrong = (x > 0) != (y > 0.5)
    clipped = table["clipped"].to_numpy().reshape(shape)
    axes[0].imshow(y, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    axes[0].set_title("label")
    reach = float(np.abs(x).max()) or 1.0
    picture = axes[1].imshow(x, cmap="RdBu_r", vmin=-reach, vmax=reach, interpolation="nearest")
    figure.colorbar(picture, ax=axes[1], shrink=0.8)
    axes[1].set_title("raw output")
    colours = np.array([(1, 1, 1), style.COLOURS[2], style.CLIP_COLOUR])
    axes[2].imshow(colours[clipped * (1 + wrong)], interpolation="nearest")
    axes[2].set_title(
        f"clipped: {int((clipped & ~wrong).sum()):,} on the correct side (green),\n"
        f"{int((clipped & wrong).sum()):,} on the wrong side (red)"
    )
    for axis in axes:
        axis.set(xticks=[], yticks=[])
    figure.suptitle(title)
    return figure
