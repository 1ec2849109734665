"""The gradient of one sample against its raw output, by each framework."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sigmoid_bce.figures import style, sweeps
from sigmoid_bce.figures.inputs import LaboratoryTables

TITLE = "Gradients"
READS = ("sweep",)
LEAST = 1e-18
"""Below it the axis is linear, so that an exact 0 is drawn at 0."""
ENDS = (0.0, 30.0)


def draw(tables: LaboratoryTables) -> Figure:
    """Draw |gradient| for label 1 down to 0, a panel for each framework, with the exact one."""
    rows = tables.sweep(["gradient", "gradient_exact"])
    looks = sweeps.Looks(rows)
    rows = rows[(rows["y"] == 1) & rows["x"].between(-40, 40) & (rows["x"] * 16 % 1 == 0)]
    rows = rows.assign(gradient=rows["gradient"].abs())
    some = rows.groupby(["framework", "implementation", "mode"], observed=True)["gradient"]
    rows = rows[some.transform("count") > 0]

    def curves(axis: Axes, name: str) -> sweeps.Entries:
        axis.set_yscale("symlog", linthresh=LEAST, linscale=0.5)
        axis.set(ylim=ENDS, yticks=[0, 1e-16, 1e-12, 1e-8, 1e-4, 1])
        axis.yaxis.set_major_formatter(style.power)
        axis.minorticks_off()
        entries = [
            sweeps.curve(axis, found, "gradient", i, looks.of(name, found.programs[0][0]))
            for i, found in enumerate(
                sweeps.distinct(sweeps.programs(parts[name], "gradient"), "gradient", 4)
            )
        ]
        exact = parts[name].drop_duplicates("x").sort_values("x")
        (line,) = axis.plot(
            exact["x"], exact["gradient_exact"].abs(), color="black", lw=0.7, label="exact"
        )
        return [(line, "exact"), *entries]

    parts = sweeps.frameworks(rows)
    return sweeps.panels(parts, curves, ylabel="|gradient|, label 1")


def values(tables: LaboratoryTables) -> dict[str, int | float]:
    """Return the numbers that the caption quotes: none."""
    return {}
