"""README's first figure: what a misclassified sample costs, exactly and behind a clip."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sigmoid_bce.figures import style
from sigmoid_bce.numerics.article import EXACT, HISTORIC

FURTHEST = 32
"""The largest |raw output| that is shown."""
SIZE = 10.5
"""Points of every text: README's figure is also read on a phone."""


def _flat(loss: pd.Series) -> float:
    """Return the |raw output| from which on the loss is one value; the index is |raw output|."""
    return float(loss.index[loss < loss.iloc[-1]].max())


def _label(axis: Axes, text: str, place: tuple[float, float], colour: str, **options: str) -> None:
    options = {"ha": "left", "va": "center"} | options
    axis.text(*place, text, color=colour, fontsize=SIZE, **options)


def draw(curves: pd.DataFrame) -> Figure:
    """Draw the loss of a sample with label 1 against its distance on the wrong side.

    Parameters
    ----------
    curves : DataFrame
        As `sigmoid_bce.numerics.article_models.curves` returns them: y, x, curve, loss.

    Returns
    -------
    Figure
        The exact loss, the clipped one, and the zone in which its gradient is 0, each with its
        name beside it.
    """
    style.use()
    here = curves[(curves["y"] == 1) & curves["x"].between(-FURTHEST, 0)]
    table = here.pivot(index="x", columns="curve", values="loss")
    table = table.set_index(-table.index).sort_index()
    clipped, stop = table[HISTORIC], _flat(table[HISTORIC])
    ceiling = float(clipped.iloc[-1])
    figure, axis = plt.subplots(figsize=(style.PAGE, 3.7))
    axis.axvspan(stop, FURTHEST, color=style.RED, alpha=0.13, lw=0)
    axis.plot(table.index, table[EXACT], color=style.NAVY, lw=2.6)
    axis.plot(table.index, clipped, color=style.RED, lw=2.6, ls=(0, (4, 1.2)))
    _label(
        axis,
        "from the raw output:\nexact, it goes on growing",
        (25.3, 28.4),
        style.NAVY,
        ha="right",
    )
    stopped = f"behind a clipped sigmoid:\nit stops at {ceiling:.1f}"
    _label(axis, stopped, (FURTHEST - 0.4, ceiling - 2.6), style.RED, ha="right")
    dead = (
        "dead zone: the gradient is exactly 0,\nthe network learns nothing\nfrom its worst mistakes"
    )
    _label(axis, dead, (FURTHEST - 0.4, 4.4), "0.15", ha="right")
    _label(axis, "until the dead zone, both are the same", (0.8, 21.5), "0.15")
    ticks = np.arange(0, FURTHEST + 1, 8)
    axis.set(xlim=(0, FURTHEST), ylim=(0, FURTHEST), xticks=ticks, yticks=ticks)
    axis.tick_params(labelsize=SIZE)
    axis.set_xlabel(
        "how far a misclassified sample is on the wrong side, |raw output|", fontsize=SIZE
    )
    axis.set_ylabel("its loss", fontsize=SIZE)
    return figure
