"""The error of the loss in units in the last place, by each framework."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sigmoid_bce.figures import style, sweeps
from sigmoid_bce.figures.inputs import LaboratoryTables

TITLE = "Errors of the loss"
READS = ("sweep",)
ROUNDED = 0.5
"""The largest error of a correctly rounded loss, in units in the last place."""
ENDS = (0.0, 2e9)


def draw(tables: LaboratoryTables) -> Figure:
    """Draw the largest error within each unit of x for label 1, a panel for each framework."""
    rows = tables.sweep(["loss_ulp"])
    looks = sweeps.Looks(rows)
    rows = rows[(rows["y"] == 1) & rows["x"].between(-110, 110)]
    rows = rows.assign(x=rows["x"].round())
    keys = ["framework", "implementation", "mode", "x"]
    rows = rows.groupby(keys, sort=False, observed=True)["loss_ulp"].max().reset_index()

    def curves(axis: Axes, name: str) -> sweeps.Entries:
        axis.set_yscale("symlog", linthresh=1, linscale=1)
        axis.set(ylim=ENDS, yticks=[0, 1, 1e3, 1e6, 1e9])
        axis.yaxis.set_major_formatter(style.power)
        axis.minorticks_off()
        entries = [
            sweeps.curve(axis, found, "loss_ulp", i, looks.of(name, found.programs[0][0]))
            for i, found in enumerate(
                sweeps.distinct(sweeps.programs(parts[name], "loss_ulp"), "loss_ulp", 4)
            )
        ]
        rounded = axis.axhline(ROUNDED, color="black", lw=0.7, ls=":", zorder=0)
        return [(rounded, "correctly rounded"), *entries]

    parts = sweeps.frameworks(rows)
    return sweeps.panels(parts, curves, ylabel="error of the loss, ulp")


def values(tables: LaboratoryTables) -> dict[str, int | float]:
    """Return the numbers that the caption quotes: none."""
    return {}
