"""The gradient of one sample against its raw output, by each framework."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sigmoid_bce.figures import sweeps
from sigmoid_bce.figures.inputs import LaboratoryTables

TITLE = "Gradients"
READS = ("sweep",)
LOWEST = 1e-19
"""An exact 0 is drawn here, since a logarithmic axis has none."""


def draw(tables: LaboratoryTables) -> Figure:
    """Draw |gradient| for label 1 on a logarithmic scale, a panel for each framework."""
    rows = tables.sweep(["gradient"])
    rows = rows[(rows["y"] == 1) & rows["x"].between(-40, 40) & (rows["x"] * 16 % 1 == 0)]
    rows = rows.dropna(subset="gradient")

    def curves(axis: Axes, part: pd.DataFrame) -> None:
        found = sweeps.distinct(sweeps.programs(part, "gradient"), "gradient", digits=4)
        for i, (names, curve) in enumerate(found):
            values = np.maximum(curve["gradient"].abs(), LOWEST)
            # later curves are thinner, so that none hides another
            width, label = 3.2 - 0.45 * min(i, 6), sweeps.legend(names, most=4)
            axis.plot(curve["x"], values, lw=width, alpha=0.8, label=label)

    return sweeps.panels(rows, curves, ylim=(LOWEST / 2, 30), ylabel="|gradient|, label 1")


def values(tables: LaboratoryTables) -> dict[str, int | float]:
    """Return the numbers that the caption quotes: none."""
    return {}
