"""The loss just before the sigmoid is exactly 1, enlarged."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd
import seaborn as sns
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from sigmoid_bce.figures import style, sweeps
from sigmoid_bce.figures.inputs import LaboratoryTables

TITLE = "Staircase"
READS = ("sweep",)
LIMITS = {1: (-1e-7, 1.5e-6), 0: (11, 20)}
"""The range of losses that is shown, by label."""


def _programs(rows: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """Yield the rows of each program of every framework."""
    groups = rows.groupby("framework", observed=True)
    for framework, part in sorted(groups, key=lambda group: str(group[0])):
        for name, curve in sweeps.programs(part, "loss"):
            yield f"{framework}: {name}", curve


def draw(tables: LaboratoryTables) -> Figure:
    """Draw the losses of all programs from x = 13.5 to 18, a panel for each label."""
    rows = tables.sweep(["loss", "loss_exact"])
    rows = rows[rows["x"].between(13.5, 18) & (rows["x"] * 64 % 1 == 0)]
    style.use()
    figure, axes = plt.subplots(1, len(LIMITS), figsize=(15, 9))
    for axis, (y, limits) in zip(axes, LIMITS.items(), strict=True):
        here = rows[rows["y"] == y]
        curves = list(sweeps.distinct(_programs(here), "loss", digits=3))
        colours = sns.color_palette("husl", len(curves))
        for colour, (names, curve) in zip(colours, curves, strict=True):
            label = sweeps.legend(names, most=3)
            axis.plot(curve["x"], curve["loss"], lw=1.6, color=colour, label=label)
        truth = here.drop_duplicates("x").sort_values("x")
        axis.plot(truth["x"], truth["loss_exact"], color="black", lw=0.8, label="exact")
        axis.set(xlabel="raw output x", ylabel="BCE of the sample", title=f"label {y}", ylim=limits)
        axis.legend(frameon=False, fontsize="xx-small", loc="upper left", bbox_to_anchor=(0, -0.1))
    sns.despine(figure)
    return figure


def values(tables: LaboratoryTables) -> dict[str, int | float]:
    """Return the numbers that the caption quotes: none."""
    return {}
