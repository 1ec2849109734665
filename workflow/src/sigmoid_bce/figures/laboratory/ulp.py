"""The error of the loss in units in the last place, by each framework."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sigmoid_bce.figures import sweeps
from sigmoid_bce.figures.inputs import LaboratoryTables

TITLE = "Errors of the loss"
READS = ("sweep",)
ROUNDED = 0.5
"""The largest error of a correctly rounded loss, in units in the last place."""


def draw(tables: LaboratoryTables) -> Figure:
    """Draw the largest error within each unit of x for label 1, a panel for each framework."""
    rows = tables.sweep(["loss_ulp"])
    rows = rows[(rows["y"] == 1) & rows["x"].between(-110, 110)]
    rows = rows.assign(x=rows["x"].round())
    keys = ["framework", "implementation", "mode", "x"]
    rows = rows.groupby(keys, sort=False, observed=True)["loss_ulp"].max().reset_index()

    def curves(axis: Axes, part: pd.DataFrame) -> None:
        found = sweeps.distinct(sweeps.programs(part, "loss_ulp"), "loss_ulp", digits=4)
        for names, curve in found:
            label = sweeps.legend(names, most=4)
            axis.plot(curve["x"], curve["loss_ulp"].clip(0.1, 1e9), lw=1.2, label=label)
        axis.axhline(ROUNDED, color="0.6", lw=0.8, ls=":", zorder=0)

    return sweeps.panels(rows, curves, ylim=(0.08, 2e9), ylabel="error of the loss, ulp")


def values(tables: LaboratoryTables) -> dict[str, int | float]:
    """Return the numbers that the caption quotes: none."""
    return {}
