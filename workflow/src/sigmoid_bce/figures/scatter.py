"""The panel that figures 4, 5 and 6 share: one loss against the other, on equal scales."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, NullLocator
from numpy.typing import NDArray

from sigmoid_bce.figures import style
from sigmoid_bce.figures.phrases import scientific
from sigmoid_bce.numerics import formulas

MANY = 5000
"""From this many points on, the SVG holds them as a picture."""

LEAST = 1e-12
"""Smaller losses, 0 included, are drawn here, and the panel says how many they are."""

STEPS = 300
"""Points that fall into the same of so many steps along an axis are drawn once."""

SIZES, ALONE = (20, 3), 9
"""Sizes of the points of label 0 and label 1: where both are, both are seen; of one class alone."""

Limits = tuple[float, float]


def floor(losses: pd.Series) -> float:
    """Return the least loss from a clipped sigmoid output, in the precision of some losses.

    Examples
    --------
    >>> f"{floor(pd.Series([0.3], dtype='float32')):.3g}"
    '1.19e-07'
    """
    one = np.ones(1, losses.to_numpy().dtype)
    return float(formulas.loss_from_probabilities(one, one)[0])


def loss_limits(table: pd.DataFrame) -> Limits:
    """Return the limits of both axes, so that they hold every loss from `LEAST` on, and the clip.

    Parameters
    ----------
    table : DataFrame
        Columns bce_raw and bce_sigmoid.

    Returns
    -------
    low, high : float

    Examples
    --------
    >>> table = pd.DataFrame({"bce_raw": [3e-9, 6.0], "bce_sigmoid": [1.2e-7, 6.0]}, dtype="f4")
    >>> [f"{limit:.2g}" for limit in loss_limits(table)]
    ['1e-09', '18']
    """
    losses = table[["bce_raw", "bce_sigmoid"]].to_numpy(np.float64)
    low = min(max(losses.min(), LEAST), floor(table["bce_sigmoid"]) / 10) / 3
    return low, max(3 * losses.max(), 10)


def thinned(
    x: NDArray[np.float64], y: NDArray[np.float64], limits: Limits
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return points of a logarithmic panel, those that no eye tells apart once.

    Parameters
    ----------
    x, y : ndarray of float64, shape (n,)
        Positive.
    limits : (float, float)
        Of both axes.

    Returns
    -------
    x, y : ndarray of float64, shape (m,)
        Sorted, each moved by at most half of one of `STEPS`.

    Examples
    --------
    >>> thinned(np.array([1.0, 1.001, 10.0]), np.ones(3), (0.1, 100))[0].round(6).tolist()
    [1.0, 10.0]
    """
    low, high = np.log10(limits)
    step = (high - low) / STEPS
    cells = np.unique(np.rint((np.log10(np.stack([x, y], axis=1)) - low) / step), axis=0)
    found = 10.0 ** (low + step * cells.T)
    return found[0], found[1]


def log_axes(axes: Axes, limits: Limits) -> None:
    """Give both axes the same logarithmic scale, with a tick every few decades."""
    axes.set(xscale="log", yscale="log", xlim=limits, ylim=limits)
    axes.set_box_aspect(1)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(LogLocator(numticks=5))
        axis.set_minor_locator(NullLocator())
        axis.set_major_formatter(style.power)


def loss_scatter(
    axes: Axes,
    table: pd.DataFrame,
    classes: Sequence[str],
    limits: Limits | None = None,
) -> None:
    """Draw the loss from the sigmoid output against the loss from the raw output.

    Parameters
    ----------
    axes : Axes
    table : DataFrame
        Columns bce_raw, bce_sigmoid and label (0 or 1).
    classes : sequence of two str
        Names of label 0 and label 1.
    limits : (float, float), optional
        Limits of both axes; those of `loss_limits` otherwise.
    """
    least, (low, high) = floor(table["bce_sigmoid"]), limits or loss_limits(table)
    axes.plot((low, high), (low, high), color="0.6", lw=0.8, zorder=0, label="equal")
    axes.axhline(least, color=style.CLIP_COLOUR, ls="--", lw=1, label="clip", zorder=0.5)
    shown = table[["bce_raw", "bce_sigmoid"]].astype(np.float64).clip(lower=LEAST)
    for label, name in enumerate(classes):
        part = shown[table["label"] == label].to_numpy()
        points = thinned(part[:, 0], part[:, 1], (low, high))
        alone = len(part) == len(shown)
        axes.scatter(
            *points, s=ALONE if alone else SIZES[label], lw=0, color=style.CLASS_COLOURS[label],
            label=name, rasterized=len(points[0]) > MANY,
        )  # fmt: skip
    log_axes(axes, (low, high))
    axes.set(xlabel="loss from the raw output", ylabel="loss from the sigmoid output")
    # a panel is read from the upper left: below the diagonal and the clip there is nothing
    axes.text(
        high / 1.5, least / 2, f"clip: {scientific(least, 2)}", color=style.CLIP_COLOUR,
        ha="right", va="top", fontsize=style.SMALL,
    )  # fmt: skip
    if beyond := int((table["bce_raw"] < LEAST).sum()):
        axes.text(
            0.03, 0.98, f"left edge: {beyond:,}\nbelow {style.power(LEAST)}",
            transform=axes.transAxes, va="top", fontsize=style.SMALL,
        )  # fmt: skip
