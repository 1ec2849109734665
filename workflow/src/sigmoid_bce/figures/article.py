"""Figures 1 to 3 of the article: the sigmoid and back in float32, and one sample's loss."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from sigmoid_bce.figures import style
from sigmoid_bce.numerics import article
from sigmoid_bce.numerics.article import CURVES, EXACT, EXTENDED, HISTORIC, PREDICTED, RAW, TODAY

LOOKS = dict(zip(CURVES, style.COLOURS, strict=False)) | {EXACT: "black", RAW: "0.75"}
# where curves lie on one another, the upper lets the lower through
DASHES = {TODAY: "--", EXTENDED: ":"}
WIDTHS = {EXACT: 0.8, RAW: 3.5, HISTORIC: 2.6, PREDICTED: 1.2, EXTENDED: 2.2}


def sigmoid_and_logit() -> Figure:
    """Draw figure 1: the sigmoid, and the logit that undoes it on paper.

    Returns
    -------
    Figure
        Of two panels.
    """
    style.use()
    figure, axes = plt.subplots(1, 2, figsize=(9, 3.6))
    x = np.linspace(-8, 8, 801)
    axes[0].plot(x, 1 / (1 + np.exp(-x)))
    axes[0].set(xlabel="x", ylabel="sigmoid(x)", title="1 / (1 + exp(-x))")
    p = np.linspace(0, 1, 2001)[1:-1]
    axes[1].plot(p, np.log(p / (1 - p)))
    axes[1].set(xlabel="p", ylabel="logit(p)", title="log(p / (1 - p))")
    for axis in axes:
        axis.axhline(0, color="0.8", lw=0.8, zorder=0)
        axis.axvline(0, color="0.8", lw=0.8, zorder=0)
    sns.despine(figure)
    return figure


def round_trip(limits: Mapping[str, float]) -> Figure:
    """Draw figure 2: logit(sigmoid(x)) in float32 against x, and how far it is off.

    Parameters
    ----------
    limits : mapping of str to float
        What `article.limits` returned.

    Returns
    -------
    Figure
        Of two panels: the curve, and its relative error.
    """
    style.use()
    figure, axes = plt.subplots(1, 2, figsize=(10, 4))
    x = np.arange(0.25, 18, 1 / 2048, dtype=np.float32)
    _, y = article.round_trip(x)
    finite = np.isfinite(y)
    axes[0].plot(x[finite], y[finite], label="logit(sigmoid(x)), float32")
    axes[0].plot(x, x, color="0.6", lw=0.8, zorder=0, label="x")
    axes[0].axhline(limits["log_eps"], color="0.6", ls=":", lw=1, label="-log(eps of float32)")
    axes[0].set(xlabel="x", ylabel="logit(sigmoid(x))", xlim=(10, 18), ylim=(10, 18))
    error = np.abs(y[finite] - x[finite]) / x[finite]
    axes[1].plot(x[finite], np.maximum(error, 1e-9), lw=0.6)
    axes[1].axhline(0.01, color="0.6", ls=":", lw=1, label="1 %")
    axes[1].set(xlabel="x", ylabel="relative error", yscale="log", xlim=(0, 18))
    for axis in axes:
        axis.axvline(limits["off"], color=style.COLOURS[1], ls="--", lw=1, label="off by 1 %")
        axis.axvline(limits["one"], color=style.CLIP_COLOUR, ls="--", lw=1, label="sigmoid is 1")
        axis.legend(frameon=False, fontsize="small", loc="upper left")
    sns.despine(figure)
    return figure


def one_sample(curves: pd.DataFrame) -> Figure:
    """Draw figure 3: the loss of one sample against its raw output, by each way to compute it.

    Parameters
    ----------
    curves : DataFrame
        What `sigmoid_bce.numerics.article_models.curves` returned.

    Returns
    -------
    Figure
        A row a label; the whole range on a logarithmic scale, then the left and the right border.
    """
    style.use()
    figure, axes = plt.subplots(2, 3, figsize=(14, 8))
    for row, y in zip(axes, (1.0, 0.0), strict=True):
        here = curves[curves["y"] == y]
        borders = [(-60, 60), (-18, -14), (14, 18)]
        for axis, (low, high) in zip(row, borders, strict=True):
            for order, curve in enumerate(CURVES):
                part = here[(here["curve"] == curve) & here["x"].between(low, high)]
                whole = low == -60
                values = part["loss"].where(part["loss"] > 0) if whole else part["loss"]
                axis.plot(
                    part["x"],
                    values.where(np.isfinite(values)),
                    color=LOOKS[curve],
                    lw=WIDTHS.get(curve, 1.8),
                    ls=DASHES.get(curve, "-"),
                    zorder=len(CURVES) * (1 + (curve in DASHES)) + order,
                    alpha=0.85,
                    label=curve,
                )
            axis.set(xlabel="raw output x", xlim=(low, high))
            if whole:
                axis.set(yscale="log", ylim=(1e-27, 200))
        row[0].set_title(f"label {y:g}: whole range")
        row[1].set_title(f"label {y:g}: left border")
        row[2].set_title(f"label {y:g}: right border")
        row[0].set_ylabel("BCE of the sample")
        for axis in row[1:]:
            axis.ticklabel_format(axis="y", scilimits=(-3, 3))
    axes[0, 0].legend(frameon=False, fontsize="small", loc="lower left")
    sns.despine(figure)
    return figure


def border_values(curves: pd.DataFrame) -> dict[str, float]:
    """Return what the caption of figure 3 says.

    Parameters
    ----------
    curves : DataFrame
        What `sigmoid_bce.numerics.article_models.curves` returned.

    Returns
    -------
    dict of str to float
        For label 1: the historic formula's largest and smallest loss, by how much it understates
        the loss at x = -40, the smallest x from which the extended formula is 0; how many values it
        takes between 14 and 18, and how many samples there are.
    """
    one = curves[curves["y"] == 1].pivot(index="x", columns="curve", values="loss")
    border = one.loc[14:18]
    fine = np.arange(40, 50, 1 / 1024, dtype=np.float32)
    return {
        "ceiling": float(one[HISTORIC].max()),
        "floor": float(one[HISTORIC].min()),
        "understated": float(one.loc[-40, EXACT] - one.loc[-40, HISTORIC]),
        "extended_zero": float(fine[np.argmax(article.extended(fine, 1.0) == 0)]),
        "steps": int(border[HISTORIC].nunique()),
        "samples": len(border),
    }


def _second(curves: pd.DataFrame) -> tuple[Figure, dict]:
    limits = article.limits()
    return round_trip(limits), limits


FIGURES = {
    "figure-1": lambda curves: (sigmoid_and_logit(), {}),
    "figure-2": _second,
    "figure-3": lambda curves: (one_sample(curves), border_values(curves)),
}
"""From the article's curves to a figure and what its caption says, by the figure's name."""
