"""One loss against the other: the panel that figures 4, 5 and 6 share."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from sigmoid_bce.figures import style
from sigmoid_bce.numerics import formulas

# the least loss that the clip lets through, in float32
FLOOR = float(formulas.loss_from_probabilities(np.float32([1.0]), np.float32([1.0]))[0])


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
    shown = table[["bce_raw", "bce_sigmoid"]].clip(lower=1e-45)
    if hue is None:
        axes.scatter(*shown.to_numpy().T, s=9, color=style.COLOURS[2], alpha=0.6, lw=0)
    else:
        for value, label in enumerate(labels):
            part = shown[table[hue] == value]
            colour = style.CLASS_COLOURS[value]
            axes.scatter(*part.to_numpy().T, s=9, color=colour, alpha=0.6, lw=0, label=label)
    low = max(min(shown.min().min() / 3, FLOOR / 3), 1e-40)
    high = max(shown.max().max() * 3, 10)
    axes.plot([low, high], [low, high], color="0.6", lw=0.8, zorder=0, label="equal")
    axes.axhline(FLOOR, color=style.CLIP_COLOUR, ls="--", lw=1, label=f"clip, {FLOOR:.2g}")
    axes.set(
        xscale="log",
        yscale="log",
        xlim=(low, high),
        ylim=(FLOOR / 30, high),
        xlabel="BCE from the raw output",
        ylabel="BCE from the sigmoid output",
    )
    axes.legend(frameon=False, fontsize="small", loc="upper left")
