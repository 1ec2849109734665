"""The map of all implementations: the raw output at which each first goes wrong."""

from __future__ import annotations

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

from sigmoid_bce.figures import style
from sigmoid_bce.figures.inputs import LaboratoryTables
from sigmoid_bce.numerics.criteria import PLACES, underflow

TITLE = "Conformance map"
READS = ("thresholds",)
DTYPES = ("bfloat16", "float16", "float32", "float64", "longdouble")
SIDES = {"correct": "right", "wrong": "wrong"}
"""How the columns name the sides: whether the raw output agrees with the label."""
PROGRAM = ["framework", "implementation", "mode", "dtype"]
DARK = 12
"""Colours of lower values are dark, and their numbers white."""


def first_wrong(thresholds: pd.DataFrame) -> pd.Series:
    """Return the least |x| at which each row goes wrong in any way, flushed subnormals excepted.

    Parameters
    ----------
    thresholds : DataFrame
        As `sigmoid_bce.numerics.tables.read_thresholds` returns it.

    Returns
    -------
    Series of float64
        inf where a row never goes wrong.
    """
    least = thresholds[PLACES].min(axis=1).fillna(np.inf)
    limit = thresholds["dtype"].map({d: underflow(d) for d in thresholds["dtype"].unique()})
    return least.where((thresholds["side"] == "wrong") | (least < limit), np.inf)


def _hard(thresholds: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of the labels 0 and 1, with `least`, where each first goes wrong."""
    hard = thresholds[thresholds["y"].isin([0, 1])]
    return hard.assign(least=first_wrong(hard))


def grid(thresholds: pd.DataFrame) -> pd.DataFrame:
    """Return the map's numbers.

    Parameters
    ----------
    thresholds : DataFrame
        As `sigmoid_bce.numerics.tables.read_thresholds` returns it.

    Returns
    -------
    DataFrame
        A row for each implementation and mode, in alphabetical order; columns by dtype, label and
        side. inf: never wrong; nan: not available in that precision.
    """
    hard = _hard(thresholds)
    row = hard["framework"] + ": " + hard["implementation"].str.slice(0, 60)
    row += hard["mode"].map(lambda mode: f" [{mode}]" if mode else "")
    hard = hard.assign(row=row, y=hard["y"].astype(int), side=hard["side"].map(SIDES))
    table = hard.pivot(index="row", columns=["dtype", "y", "side"], values="least")
    columns = pd.MultiIndex.from_product(
        [DTYPES, (0, 1), SIDES.values()], names=table.columns.names
    )
    return table.reindex(index=sorted(table.index, key=str.casefold), columns=columns)


def _label(axis: Axes, table: pd.DataFrame) -> None:
    """Name rows, columns and precisions."""
    axis.set_yticks(np.arange(len(table)) + 0.5, table.index, fontsize=7)
    names = [f"{column[1]} {column[2]}" for column in table.columns]
    axis.set_xticks(np.arange(len(names)) + 0.5, names, fontsize=7, rotation=60)
    axis.invert_yaxis()
    axis.xaxis.tick_top()
    axis.tick_params(length=0)
    for i, dtype in enumerate(DTYPES):
        axis.axvline(4 * i, color="black", lw=0.8)
        axis.annotate(
            dtype, (4 * i + 2, 1), xycoords=("data", "axes fraction"), xytext=(0, 36),
            textcoords="offset points", ha="center", fontsize=9,
        )  # fmt: skip


def draw(tables: LaboratoryTables) -> Figure:
    """Draw the map, coloured by the least |raw output| that goes wrong.

    White: never; hatched: not available in that precision.
    """
    style.use()
    table = grid(tables.thresholds)
    figure, axis = plt.subplots(figsize=(15, 2.2 + 0.23 * len(table)))
    numbers = table.to_numpy(float)
    colours = sns.color_palette("rocket", as_cmap=True).with_extremes(over="white")
    axis.set_facecolor("0.9")
    axis.patch.set_hatch("////")
    axis.patch.set_edgecolor("0.75")
    mesh = axis.pcolormesh(
        np.ma.masked_invalid(np.clip(numbers, 0.5, 1e9)),
        norm=LogNorm(0.5, 120),
        cmap=colours,
        edgecolors="white",
        linewidth=0.4,
    )
    for (i, j), value in np.ndenumerate(numbers):
        if np.isfinite(value):
            axis.text(
                j + 0.5, i + 0.5, f"{value:.3g}", ha="center", va="center", fontsize=6.5,
                color="white" if value < DARK else "black",
            )  # fmt: skip
    _label(axis, table)
    bar = figure.colorbar(mesh, ax=axis, shrink=0.4, aspect=40, extend="max")
    bar.set_label("least |raw output| at which it goes wrong (white: never)")
    return figure


def values(tables: LaboratoryTables) -> dict[str, int | float]:
    """Return the numbers that the caption quotes.

    Parameters
    ----------
    tables : LaboratoryTables

    Returns
    -------
    dict
        The number of programs (an implementation in a mode and a precision), and of those that
        never go wrong, go wrong on misclassified samples, and go wrong below a raw output of 10.
    """
    hard = _hard(tables.thresholds)
    least = hard.groupby(PROGRAM)["least"].min()
    wrong = hard[hard["side"] == "wrong"].groupby(PROGRAM)["least"].min()
    return {
        "programs": len(least),
        "never": int(np.isinf(least).sum()),
        "wrong_side": int(np.isfinite(wrong).sum()),
        "below_ten": int((least < 10).sum()),
    }
