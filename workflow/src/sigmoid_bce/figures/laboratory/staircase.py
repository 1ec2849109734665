"""The loss just before the sigmoid is exactly 1, enlarged."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sigmoid_bce.figures import sweeps
from sigmoid_bce.figures.inputs import LaboratoryTables

TITLE = "Staircase"
READS = ("sweep",)
PANELS = {
    "label 1, correct side: the loss is nearly 0": (1, (-1e-7, 1.5e-6)),
    "label 0, wrong side: the loss should grow": (0, (12, 19)),
}
"""The label of each panel, and the range of losses that it shows."""


def draw(tables: LaboratoryTables) -> Figure:
    """Draw the losses of all programs from x = 13.5 to 18, a panel for each label."""
    rows = tables.sweep(["loss", "loss_exact"])
    looks = sweeps.Looks(rows)
    taken: dict[tuple[str, str], Mapping[str, Any]] = {}
    rows = rows[rows["x"].between(13.5, 18) & (rows["x"] * 64 % 1 == 0)]
    named = rows["framework"].astype(str) + ": " + rows["implementation"].astype(str)
    alone = dict(zip(named, rows["implementation"].astype(str), strict=True))
    rows = rows.assign(implementation=named)
    parts = {title: rows[rows["y"] == y] for title, (y, _) in PANELS.items()}

    def look(program: tuple[str, str]) -> Mapping[str, Any]:
        """Return the look of a program, which no other one has in either panel."""
        if program not in taken:
            taken[program] = looks.of("", alone[program[0]])
        return taken[program]

    def curves(axis: Axes, name: str) -> sweeps.Entries:
        axis.set_ylim(PANELS[name][1])
        axis.ticklabel_format(axis="y", scilimits=(-3, 3), useMathText=False)
        found = sweeps.distinct(sweeps.programs(parts[name], "loss"), "loss", 3)
        entries = [
            sweeps.curve(axis, curve, "loss", i, look(curve.programs[0]))
            for i, curve in enumerate(sorted(found, key=lambda curve: -len(curve.programs)))
        ]
        truth = parts[name].drop_duplicates("x").sort_values("x")
        (line,) = axis.plot(
            truth["x"], truth["loss_exact"], color="black", lw=0.8, label="exact", zorder=3
        )
        return [(line, "exact"), *entries]

    return sweeps.panels(parts, curves, most=2, height=2.4, ylabel="loss of the sample")


def values(tables: LaboratoryTables) -> dict[str, int | float]:
    """Return the numbers that the caption quotes: none."""
    return {}
