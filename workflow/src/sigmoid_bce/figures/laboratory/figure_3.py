"""Figure 3 of the article: the loss of one sample against its raw output, computed six ways."""

from __future__ import annotations

import numpy as np
import seaborn as sns
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from sigmoid_bce.figures import style
from sigmoid_bce.figures.inputs import LaboratoryTables
from sigmoid_bce.numerics import article
from sigmoid_bce.numerics.article import CURVES, EXACT, EXTENDED, HISTORIC, PREDICTED, RAW, TODAY

TITLE = "Figure 3: one sample"
READS = ("curves",)
COLOURS = dict(zip(CURVES, style.COLOURS, strict=False)) | {EXACT: "black", RAW: "0.75"}
# where curves coincide, the upper one lets the lower one through
DASHES = {TODAY: "--", EXTENDED: ":"}
WIDTHS = {EXACT: 0.8, RAW: 3.5, HISTORIC: 2.6, PREDICTED: 1.2, EXTENDED: 2.2}
PANELS = {"whole range": (-60, 60), "left border": (-18, -14), "right border": (14, 18)}
"""The range of raw outputs in each panel."""


def draw(tables: LaboratoryTables) -> Figure:
    """Draw a row for each label: the whole range on a logarithmic scale, then both borders."""
    style.use()
    figure, axes = plt.subplots(2, 3, figsize=(14, 8))
    for row, y in zip(axes, (1, 0), strict=True):
        here = tables.curves[tables.curves["y"] == y].sort_values("x")
        for axis, (name, (low, high)) in zip(row, PANELS.items(), strict=True):
            for order, curve in enumerate(CURVES):
                part = here[(here["curve"] == curve) & here["x"].between(low, high)]
                losses = part["loss"].where(np.isfinite(part["loss"]))
                if name == "whole range":
                    losses = losses.where(losses > 0)
                axis.plot(
                    part["x"],
                    losses,
                    color=COLOURS[curve],
                    lw=WIDTHS.get(curve, 1.8),
                    ls=DASHES.get(curve, "-"),
                    zorder=len(CURVES) * (1 + (curve in DASHES)) + order,
                    alpha=0.85,
                    label=curve,
                )
            axis.set(xlabel="raw output x", xlim=(low, high), title=f"label {y}: {name}")
            if name == "whole range":
                axis.set(yscale="log", ylim=(1e-27, 200), ylabel="BCE of the sample")
            else:
                axis.ticklabel_format(axis="y", scilimits=(-3, 3))
    axes[0, 0].legend(frameon=False, fontsize="small", loc="lower left")
    sns.despine(figure)
    return figure


def values(tables: LaboratoryTables) -> dict[str, int | float]:
    """Return the numbers that the caption quotes.

    Parameters
    ----------
    tables : LaboratoryTables

    Returns
    -------
    dict
        For label 1: the largest and the least loss of the Keras of 2018, and how much too small it
        is at x = -40; the x from which the plain formula in long double is 0; how many values
        Keras's loss takes between 14 and 18, and how many samples there are.
    """
    curves = tables.curves
    one = curves[curves["y"] == 1].pivot(index="x", columns="curve", values="loss")
    border = one.loc[14:18]
    fine = np.arange(40, 50, 1 / 1024, dtype=np.float32)
    return {
        "ceiling": float(one[HISTORIC].max()),
        "floor": float(one[HISTORIC].min()),
        "understated": float((one[EXACT] - one[HISTORIC])[-40.0]),
        "extended_zero": float(fine[np.argmax(article.extended(fine, 1.0) == 0)]),
        "steps": int(border[HISTORIC].nunique()),
        "samples": len(border),
    }
