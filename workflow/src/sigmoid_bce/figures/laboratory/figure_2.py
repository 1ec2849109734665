"""Figure 2 of the article: the logit of the sigmoid in float32, and its error."""

from __future__ import annotations

from functools import cache

import numpy as np
import seaborn as sns
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from sigmoid_bce.figures import style
from sigmoid_bce.figures.inputs import LaboratoryTables
from sigmoid_bce.numerics import article

TITLE = "Figure 2: sigmoid and back"
READS = ()
find_limits = cache(article.limits)  # it computes every float32 from 8 to 32


def draw(tables: LaboratoryTables) -> Figure:
    """Draw logit(sigmoid(x)) in float32 against x, and its relative error."""
    style.use()
    limits = find_limits()
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
        axis.legend(framealpha=1, edgecolor="none", fontsize="small", loc="upper left")
    sns.despine(figure)
    return figure


def values(tables: LaboratoryTables) -> dict[str, float]:
    """Return the numbers that the caption quotes, as `numerics.article.limits` returns them."""
    return find_limits()
