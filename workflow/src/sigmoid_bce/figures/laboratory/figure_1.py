"""Figure 1 of the article: the sigmoid, and the logit that inverts it."""

from __future__ import annotations

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from sigmoid_bce.figures import style
from sigmoid_bce.figures.inputs import LaboratoryTables

TITLE = "Figure 1: sigmoid and logit"
READS = ()


def draw(tables: LaboratoryTables) -> Figure:
    """Draw both functions, a panel each."""
    style.use()
    figure, axes = plt.subplots(1, 2, figsize=(style.PAGE, 2.7))
    x = np.linspace(-8, 8, 801)
    axes[0].plot(x, 1 / (1 + np.exp(-x)), label="sigmoid")
    axes[0].set(xlabel="x", ylabel="sigmoid(x)", title="1 / (1 + exp(-x))")
    p = np.linspace(0, 1, 2001)[1:-1]
    axes[1].plot(p, np.log(p / (1 - p)), label="logit")
    axes[1].set(xlabel="p", ylabel="logit(p)", title="log(p / (1 - p))")
    for axis in axes:
        axis.axhline(0, color="0.8", lw=0.8, zorder=0)
        axis.axvline(0, color="0.8", lw=0.8, zorder=0)
    return figure


def values(tables: LaboratoryTables) -> dict[str, int | float]:
    """Return the numbers that the caption quotes: none."""
    return {}
