"""The panel that figures 4, 5 and 6 share: one loss against the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from sigmoid_bce.figures import style
from sigmoid_bce.numerics import formulas

MANY = 5000
"""From this many points on, the SVG holds them as a picture."""

LEAST = 1e-40
"""Smaller losses, 0 included, are drawn here: a logarithmic axis has no 0."""


def floor(losses: pd.Series) -> float:
    """Return the least loss from a clipped sigmoid output, in the precision of some losses.

    Examples
    --------
    >>> f"{floor(pd.Series([0.3], dtype='float32')):.3g}"
    '1.19e-07'
    """
    one = np.ones(1, losses.to_numpy().dtype)
    return float(formulas.loss_from_probabilities(one, one)[0])


def loss_limits(table: pd.DataFrame) -> tuple[tuple[float, float], tuple[float, float]]:
    """Return the limits of both axes, so that they hold every point of a table.

    Parameters
    ----------
    table : DataFrame
        Columns bce_raw and bce_sigmoid.

    Returns
    -------
    x, y : tuple of float
        The lower and the upper limit.

    Examples
    --------
    >>> table = pd.DataFrame({"bce_raw": [3e-9, 6.0], "bce_sigmoid": [1.2e-7, 6.0]}, dtype="f4")
    >>> [f"{limit:.2g}" for limits in loss_limits(table) for limit in limits]
    ['1e-09', '18', '4e-09', '18']
    """
    least = floor(table["bce_sigmoid"])
    raw, sigmoid = (table[name].astype(np.float64) for name in ("bce_raw", "bce_sigmoid"))
    low = min(max(raw.min(), LEAST), least) / 3
    high = max(3 * raw.max(), 3 * sigmoid.max(), 10)
    return (low, high), (least / 30, high)


def loss_scatter(
    axes: Axes,
    table: pd.DataFrame,
    classes: Sequence[str] = (),
    limits: tuple[tuple[float, float], tuple[float, float]] | None = None,
) -> None:
    """Draw the loss from the sigmoid output against the loss from the raw output.

    Parameters
    ----------
    axes : Axes
    table : DataFrame
        Columns bce_raw and bce_sigmoid; with `classes`, also label (0 or 1).
    classes : sequence of str
        Names of label 0 and label 1. Points are coloured by label if they are given.
    limits : tuple, optional
        Limits of both axes; those of `loss_limits` otherwise.
    """
    least = floor(table["bce_sigmoid"])
    shown = table[["bce_raw", "bce_sigmoid"]].astype(np.float64).clip(lower=LEAST)
    look: dict[str, Any] = {"s": 9, "alpha": 0.6, "lw": 0, "rasterized": len(table) > MANY}
    for value, name in enumerate(classes):
        part = shown[table["label"] == value]
        axes.scatter(*part.to_numpy().T, color=style.CLASS_COLOURS[value], label=name, **look)
    if not classes:
        axes.scatter(*shown.to_numpy().T, color=style.COLOURS[2], **look)
    x, y = limits or loss_limits(table)
    axes.plot(x, x, color="0.6", lw=0.8, zorder=0, label="equal")
    axes.axhline(least, color=style.CLIP_COLOUR, ls="--", lw=1, label=f"clip, {least:.2g}")
    axes.set(
        xscale="log",
        yscale="log",
        xlim=x,
        ylim=y,
        xlabel="BCE from the raw output",
        ylabel="BCE from the sigmoid output",
    )
    axes.legend(frameon=False, fontsize="small", loc="upper left")
