"""Figure 3 of the article: the loss of one sample against its raw output, computed six ways."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from sigmoid_bce.figures import style
from sigmoid_bce.figures.inputs import LaboratoryTables
from sigmoid_bce.numerics import article
from sigmoid_bce.numerics.article import EXACT, EXTENDED, HISTORIC, PREDICTED, RAW, TODAY

TITLE = "Figure 3: one sample"
READS = ("curves",)
ORDER = (EXACT, RAW, TODAY, HISTORIC, PREDICTED, EXTENDED)
"""Curves that coincide have the look of the first of them."""
LOOKS: dict[str, dict[str, Any]] = {
    EXACT: {"color": "black", "lw": 1.0},
    RAW: {"color": style.GREEN, "lw": 2.2},
    TODAY: {"color": style.NAVY, "lw": 1.6},
    HISTORIC: {"color": style.RED, "lw": 2.2},
    PREDICTED: {"color": style.AMBER, "lw": 1.2, "ls": style.DASHES[1]},
    EXTENDED: {"color": style.PLUM, "lw": 1.6, "ls": style.DASHES[2]},
}
PANELS = {
    "the whole range": (-60, 60),
    "wrong side: it stops growing": (-18, -14),
    "correct side: steps, then flat": (14, 18),
}
"""What happens in each panel, and its raw outputs for label 1; label 0 has the other sign."""
LEAST = 1e-27
"""Below this loss the axis of the whole range is linear, so that 0 can be drawn."""
SAME = 0.004
"""Curves are one if they differ by less than this share of the panel, which no eye can see."""


def _together(axis: Axes, table: pd.DataFrame) -> list[list[str]]:
    """Return the curves of a panel, those together that look the same on its axis."""
    scale, low_high = axis.yaxis.get_transform().transform, axis.get_ylim()
    near = SAME * float(np.ptp(scale(np.array(low_high))))
    heights = {name: scale(table[name].to_numpy(np.float64)) for name in ORDER if name in table}
    groups: list[list[str]] = []
    for curve, height in heights.items():
        for group in groups:
            other = heights[group[0]]
            if ((np.abs(height - other) <= near) | (np.isnan(height) & np.isnan(other))).all():
                group.append(curve)
                break
        else:
            groups.append([curve])
    return groups


def _name(group: list[str], table: pd.DataFrame) -> str:
    """Return the name of one line, which may stand for several curves."""
    text = "; ".join(group)
    infinite = table.index[np.isinf(table[group[0]])]
    if len(infinite):
        text += f" (inf from {infinite[infinite.to_series().abs().argmin()]:.3g})"
    return f"{len(group)} in one: {text}" if len(group) > 1 else text


def _panel(axis: Axes, here: pd.DataFrame, wide: bool, room: float) -> None:
    """Draw the curves of a panel, and their names below it."""
    shown = here.replace([np.inf], np.nan)
    if wide:
        axis.set_yscale("symlog", linthresh=LEAST, linscale=0.6)
        axis.set(ylim=(0, 200), yticks=[0, 1e-24, 1e-16, 1e-8, 1, 100])
        axis.yaxis.set_major_formatter(style.power)
        axis.minorticks_off()
    else:
        low, high = shown[EXACT].min(), shown[EXACT].max()
        axis.set_ylim(low - 0.04 * (high - low), high + 0.04 * (high - low))
        axis.ticklabel_format(axis="y", scilimits=(-3, 3), useMathText=False)
    handles = []
    for group in reversed(_together(axis, shown)):
        look = LOOKS[group[0]]
        # the thinner on top, so that none hides another
        axis.plot(shown.index, shown[group[0]], label=group[0], zorder=4 - look["lw"], **look)
        lines = style.wrap(_name(group, here), room - 0.45, style.SMALL)
        handles.append(Line2D([], [], label="\n".join(lines), **look))
    axis.legend(
        handles=handles[::-1], loc="upper left", bbox_to_anchor=(-0.12, -0.2), borderpad=0,
        handlelength=1.6, labelspacing=0.35,
    )  # fmt: skip


def draw(tables: LaboratoryTables) -> Figure:
    """Draw a row for each label: the whole range, then the wrong and the correct side enlarged."""
    style.use()
    figure, axes = plt.subplots(2, 3, figsize=(style.PAGE, 6.6))
    for row, y in zip(axes, (1, 0), strict=True):
        here = tables.curves[tables.curves["y"] == y]
        wide = here.pivot(index="x", columns="curve", values="loss").sort_index()
        for axis, (name, ends) in zip(row, PANELS.items(), strict=True):
            low, high = sorted(ends if y else (-end for end in ends))
            _panel(axis, wide.loc[low:high], low == -high, style.PAGE / 3)
            axis.set(xlim=(low, high), title=f"label {y}, {name}")
            axis.title.set_text("\n".join(style.wrap(axis.get_title(), 2.1, 8)))
        row[0].set_ylabel("loss of the sample")
        row[1].set_xlabel("raw output x")
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
