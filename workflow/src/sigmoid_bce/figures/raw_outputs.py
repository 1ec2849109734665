"""Raw outputs of several labels as histograms, and of a segmentation map as pictures."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from numpy.typing import NDArray

from sigmoid_bce.comparison.words import counted
from sigmoid_bce.figures import style
from sigmoid_bce.figures.stage import clip_lines, histogram

MOST = 24
"""The largest number of labels that are drawn."""
COLUMNS = 4
"""Panels in a row, at most."""
RIGHT, WRONG = "0.75", style.CLIP_COLOUR
"""Colours of clipped pixels, by the side that they are on."""


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
    size = (style.PAGE / min(COLUMNS, max(2, len(shown))), 1.6)
    figure, axes = style.grid(len(shown), COLUMNS, size, title, ("", unit), sharex=True)
    for axis, (name, (edges, counts)) in zip(axes, shown, strict=True):
        histogram(axis, edges, counts, ("label 0", "label 1"))
        axis.set_title("\n".join(style.wrap(name, size[0] - 0.5, 8, 2)))
    for axis in axes[-COLUMNS:]:
        axis.set_xlabel("raw output")
    for axis in axes:
        clip_lines(axis)  # at last: each panel has the range of all
    _name(figure)
    return figure


def _name(figure: Figure) -> None:
    """Name the labels and the clip below the title."""
    zero, one = style.CLASS_COLOURS
    look = [
        (Patch(color=zero, alpha=0.5, lw=0), "label 0"),
        (Line2D([], [], color=one), "label 1"),
        (Line2D([], [], color=style.CLIP_COLOUR, ls="--", lw=1), "clip of the sigmoid output"),
    ]
    figure.legend(*zip(*look, strict=True), ncols=3, loc="outside lower left")


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
    high = 2.2 * min(1.5, shape[0] / shape[1])
    figure, axes = plt.subplots(1, 3, figsize=(style.PAGE, 0.9 + max(high, 0.6)))
    x, y = (table[name].to_numpy().reshape(shape) for name in ("raw_output", "label"))
    wrong = (x > 0) != (y > 0.5)
    clipped = table["clipped"].to_numpy().reshape(shape)
    axes[0].imshow(y, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    axes[0].set_title("label")
    reach = float(np.abs(x).max()) or 1.0
    picture = axes[1].imshow(x, cmap="PuOr_r", vmin=-reach, vmax=reach, interpolation="nearest")
    figure.colorbar(picture, ax=axes[1], shrink=0.8)
    axes[1].set_title("raw output")
    colours = np.array([(1.0, 1.0, 1.0), to_rgb(RIGHT), to_rgb(WRONG)])
    axes[2].imshow(colours[clipped * (1 + wrong)], interpolation="nearest")
    axes[2].set_title("clipped")
    for axis in axes:
        axis.set(xticks=[], yticks=[])
    numbers = (clipped & ~wrong).sum(), (clipped & wrong).sum()
    sides = zip((RIGHT, WRONG), numbers, ("correct", "wrong"), strict=True)
    look = [
        (Patch(fc=colour, ec="0.3"), f"{counted(int(n), 'pixel')} clipped on the {side} side")
        for colour, n, side in sides
    ]
    figure.legend(*zip(*look, strict=True), ncols=2, loc="outside lower right")
    figure.suptitle("\n".join(style.wrap(title, style.PAGE - 0.2, style.TITLE)))
    return figure
