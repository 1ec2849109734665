"""One loss against the other: the panel that figures 4, 5 and 6 share."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from numpy.typing import DTypeLike

from sigmoid_bce.figures import style
from sigmoid_bce.numerics import formulas

MANY = 5000
"""Points from which on a scatter is a picture inside the SVG."""


def floor(dtype: DTypeLike) -> float:
    """Return the least loss that the clip lets through.

    Examples
    --------
    >>> f"{floor('float32'):.3g}"
    '1.19e-07'
    """
    one = np.ones(1, dtype)
    return float(formulas.loss_from_probabilities(one, one)[0])


def loss_scatter(
    axes: Axes, table: pd.DataFrame, hue: str | None, labels: Sequence[str] = ()
) -> None:
    """Draw the loss from the sigmoid output against the loss from the raw output.

    Parameters
    ----------
    axes : Axes
    table : DataFrame
        With columns bce_raw and bce_sigmoid, and `hue` if that is given.
    hue : str or None
        A column of 0 and 1 to colour by.
    labels : sequence of str
        What to call 0 and 1.
    """
    least = floor(table["bce_sigmoid"].dtype)
    look = {"s": 9, "alpha": 0.6, "lw": 0, "rasterized": len(table) > MANY}
    shown = table[["bce_raw", "bce_sigmoid"]].clip(lower=1e-45)
    if hue is None:
        axes.scatter(*shown.to_numpy().T, color=style.COLOURS[2], **look)
    else:
        for value, label in enumerate(labels):
            part = shown[table[hue] == value]
            colour = style.CLASS_COLOURS[value]
            axes.scatter(*part.to_numpy().T, color=colour, label=label, **look)
    low = max(min(shown.min().min() / 3, least / 3), 1e-40)
    high = max(shown.max().max() * 3, 10)
    axes.plot([low, high], [low, high], color="0.6", lw=0.8, zorder=0, label="equal")
    axes.axhline(least, color=style.CLIP_COLOUR, ls="--", lw=1, label=f"clip, {least:.2g}")
    axes.set(
        xscale="log",
        yscale="log",
        xlim=(low, high),
        ylim=(least / 30, high),
        xlabel="BCE from the raw output",
        ylabel="BCE from the sigmoid output",
    )
    axes.legend(frameon=False, fontsize="small", loc="upper left")
