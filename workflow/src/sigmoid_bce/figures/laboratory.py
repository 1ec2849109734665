"""The laboratory's figures: gradients, the conformance map, errors in ulps, the staircase."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

from sigmoid_bce.figures import style
from sigmoid_bce.jobs.files import read_parquet
from sigmoid_bce.numerics.findings import PLACES, underflow

PANELS_A_ROW = 3
WRAP = 58


def read_sweep(path: str | Path, columns: Sequence[str]) -> pd.DataFrame:
    """Return the float32 part of a sweep.

    Parameters
    ----------
    path : str or Path
        The sweep of all frameworks.
    columns : sequence of str
        Which numbers to read, beside framework, implementation, mode, y and x.

    Returns
    -------
    DataFrame
    """
    names = ["framework", "implementation", "mode", "y", "x", *columns]
    return read_parquet(path, columns=names, filters=[("dtype", "==", "float32")])


def _panels(
    rows: pd.DataFrame, draw: Callable[[Axes, pd.DataFrame], None], **settings: object
) -> Figure:
    """Draw a panel for each framework, from its rows."""
    style.use()
    names = list(dict.fromkeys(rows["framework"]))
    height = -(-len(names) // PANELS_A_ROW)
    figure, axes = plt.subplots(height, PANELS_A_ROW, figsize=(15, 5 * height), squeeze=False)
    for axis in axes.flat[len(names) :]:
        axis.remove()
    for axis, name in zip(axes.flat, names, strict=False):
        draw(axis, rows[rows["framework"] == name])
        axis.set(title=name, xlabel="raw output x", yscale="log", **settings)
        # below, where it hides no curve
        axis.legend(
            frameon=False, fontsize="x-small", loc="upper left", bbox_to_anchor=(-0.1, -0.16)
        )
    sns.despine(figure)
    return figure


def _ways(rows: pd.DataFrame, column: str) -> Iterator[tuple[str, pd.DataFrame]]:
    """Yield each curve that differs from those before, named after all that it stands for."""
    curves: dict[bytes, tuple[list[str], pd.DataFrame]] = {}
    for (name, mode), part in rows.groupby(["implementation", "mode"], sort=False, observed=True):
        part = part.dropna(subset=column).sort_values("x")
        if len(part):
            # the same to four digits is one line to the eye
            content = np.char.mod("%.3e", part[column].to_numpy()).tobytes()
            curves.setdefault(content, ([], part))[0].append(f"{name}, {mode}" if mode else name)
    for names, part in curves.values():
        label = "\n".join(name if len(name) < WRAP else f"{name[:WRAP]}..." for name in names[:4])
        yield label + (f"\nand {len(names) - 4} more" if len(names) > 4 else ""), part


def gradients(sweep: str | Path) -> Figure:
    """Draw the gradient of one sample with label 1 against its raw output.

    Parameters
    ----------
    sweep : str or Path
        The sweep of all frameworks.

    Returns
    -------
    Figure
        A panel a framework; |gradient| on a logarithmic scale, where an exact 0 lies on the bottom.
    """
    rows = read_sweep(sweep, ["gradient"])
    rows = rows[(rows["y"] == 1) & rows["x"].between(-40, 40) & (rows["x"] * 16 % 1 == 0)]
    rows = rows[rows["framework"].isin(rows.loc[rows["gradient"].notna(), "framework"])]

    def draw(axis: Axes, part: pd.DataFrame) -> None:
        for i, (label, curve) in enumerate(_ways(part, "gradient")):
            values = np.maximum(curve["gradient"].abs(), 1e-19)
            # thick below thin, so that none hides another
            axis.plot(curve["x"], values, lw=3.2 - 0.45 * min(i, 6), alpha=0.8, label=label)

    return _panels(rows, draw, ylim=(5e-20, 30), ylabel="|gradient|, label 1")


def errors(sweep: str | Path) -> Figure:
    """Draw the loss's error in units in the last place against the raw output, label 1.

    Parameters
    ----------
    sweep : str or Path
        The sweep of all frameworks.

    Returns
    -------
    Figure
        A panel a framework; the largest error within each unit of x, a lower bound of the true one.
    """
    rows = read_sweep(sweep, ["loss_ulp"])
    rows = rows[(rows["y"] == 1) & rows["x"].between(-110, 110)]
    rows = rows.assign(x=rows["x"].round())
    keys = ["framework", "implementation", "mode", "x"]
    rows = rows.groupby(keys, sort=False, observed=True)["loss_ulp"].max().reset_index()

    def draw(axis: Axes, part: pd.DataFrame) -> None:
        for label, curve in _ways(part, "loss_ulp"):
            axis.plot(curve["x"], curve["loss_ulp"].clip(0.1, 1e9), lw=1.2, label=label)
        axis.axhline(0.5, color="0.6", lw=0.8, ls=":", zorder=0)

    return _panels(rows, draw, ylim=(0.08, 2e9), ylabel="error of the loss, ulp")


def staircase(sweep: str | Path) -> Figure:
    """Draw the loss just before the sigmoid is exactly 1, enlarged.

    Parameters
    ----------
    sweep : str or Path
        The sweep of all frameworks.

    Returns
    -------
    Figure
        Label 1, where the loss is near 0, and label 0, where the sample is misclassified.
    """
    rows = read_sweep(sweep, ["loss", "loss_exact"])
    rows = rows[rows["x"].between(13.5, 18)]
    style.use()
    figure, axes = plt.subplots(1, 2, figsize=(15, 9))
    for axis, y in zip(axes, (1, 0), strict=True):
        here = rows[rows["y"] == y]
        curves: dict[bytes, tuple[list[str], pd.DataFrame]] = {}
        for framework, part in here.groupby("framework", sort=False, observed=True):
            for label, curve in _ways(part, "loss"):
                grid = curve[curve["x"] * 64 % 1 == 0]
                content = np.char.mod("%.2e", grid["loss"].to_numpy()).tobytes()
                name = f"{framework}: {label.split(chr(10))[0]}"
                curves.setdefault(content, ([], grid))[0].append(name)
        colours = sns.color_palette("husl", len(curves))
        for colour, (names, curve) in zip(colours, curves.values(), strict=True):
            label = "\n".join(names[:3])
            label += f"\nand {len(names) - 3} more" if len(names) > 3 else ""
            axis.plot(curve["x"], curve["loss"], lw=1.6, color=colour, label=label)
        truth = here.drop_duplicates("x").sort_values("x")
        axis.plot(truth["x"], truth["loss_exact"], color="black", lw=0.8, label="truth")
        axis.set(xlabel="raw output x", ylabel="BCE of the sample", title=f"label {y}")
        axis.legend(frameon=False, fontsize="xx-small", loc="upper left", bbox_to_anchor=(0, -0.1))
    axes[0].set(ylim=(-1e-7, 1.5e-6))
    axes[1].set(ylim=(11, 20))
    sns.despine(figure)
    return figure


def first_wrong(thresholds: pd.DataFrame) -> pd.Series:
    """Return the least |x| at which each row goes wrong in any way, flushed subnormals excepted.

    Parameters
    ----------
    thresholds : DataFrame
        As `sigmoid_bce.numerics.measure.read_thresholds` returns it.

    Returns
    -------
    Series of float64
        inf where that is nowhere.
    """
    least = thresholds[PLACES].min(axis=1).fillna(np.inf)
    limit = thresholds["dtype"].map({d: underflow(d) for d in thresholds["dtype"].unique()})
    return least.where((thresholds["side"] == "wrong") | (least < limit), np.inf)


def conformance(thresholds: pd.DataFrame) -> Figure:
    """Draw the map of all implementations: where each first goes wrong.

    Parameters
    ----------
    thresholds : DataFrame
        As `sigmoid_bce.numerics.measure.read_thresholds` returns it.

    Returns
    -------
    Figure
        A row for an implementation and mode; columns by dtype, label and side, coloured by the
        least |raw output| that goes wrong. White: never; hatched: not available in that precision.
    """
    style.use()
    hard = thresholds[thresholds["y"].isin([0, 1])].copy()
    hard["least"] = first_wrong(hard)
    hard["row"] = hard["framework"] + ": " + hard["implementation"].str.slice(0, 60)
    hard["row"] += hard["mode"].map(lambda mode: f" [{mode}]" if mode else "")
    hard["side"] = hard["side"].map({"correct": "right", "wrong": "wrong"})
    hard["column"] = [
        (d, f"{y:.0f} {s}") for d, y, s in zip(hard["dtype"], hard["y"], hard["side"], strict=True)
    ]
    dtypes = ("bfloat16", "float16", "float32", "float64", "longdouble")
    columns = [(d, f"{y} {s}") for d in dtypes for y in (0, 1) for s in ("right", "wrong")]
    table = hard.pivot(index="row", columns="column", values="least")
    table = table.reindex(index=dict.fromkeys(hard["row"]), columns=columns)
    figure, axis = plt.subplots(figsize=(15, 2.2 + 0.23 * len(table)))
    values = table.to_numpy(float)
    colours = sns.color_palette("rocket", as_cmap=True).copy()
    colours.set_over("white")
    axis.set_facecolor("0.9")
    axis.patch.set_hatch("////")
    axis.patch.set_edgecolor("0.75")
    mesh = axis.pcolormesh(
        np.ma.masked_invalid(np.clip(values, 0.5, 1e9)),
        norm=LogNorm(0.5, 120),
        cmap=colours,
        edgecolors="white",
        linewidth=0.4,
    )
    for (i, j), value in np.ndenumerate(values):
        if np.isfinite(value):
            dark = value < 12
            axis.text(
                j + 0.5, i + 0.5, f"{value:.3g}", ha="center", va="center",
                fontsize=6.5, color="white" if dark else "black",
            )  # fmt: skip
    axis.set_yticks(np.arange(len(table)) + 0.5, table.index, fontsize=7)
    axis.set_xticks(np.arange(len(columns)) + 0.5, [c for _, c in columns], fontsize=7, rotation=60)
    axis.invert_yaxis()
    axis.xaxis.tick_top()
    for i, dtype in enumerate(dtypes):
        axis.axvline(4 * i, color="black", lw=0.8)
        axis.text(4 * i + 2, -3.2, dtype, ha="center", fontsize=9)
    axis.tick_params(length=0)
    bar = figure.colorbar(mesh, ax=axis, shrink=0.4, aspect=40, extend="max")
    bar.set_label("least |raw output| at which it goes wrong (white: never)")
    return figure


def map_values(thresholds: pd.DataFrame) -> dict[str, object]:
    """Return what the caption of the map says.

    Parameters
    ----------
    thresholds : DataFrame
        As `sigmoid_bce.numerics.measure.read_thresholds` returns it.

    Returns
    -------
    dict
        Counts of programs (an implementation in a mode and a precision), and of those that go
        wrong nowhere, on the side of misclassified samples, and below a raw output of 10.
    """
    hard = thresholds[thresholds["y"].isin([0, 1])]
    hard = hard.assign(least=first_wrong(hard))
    program = ["framework", "implementation", "mode", "dtype"]
    least = hard.groupby(program)["least"].min()
    wrong = hard[hard["side"] == "wrong"].groupby(program)["least"].min()
    return {
        "programs": len(least),
        "never": int(np.isinf(least).sum()),
        "wrong_side": int(np.isfinite(wrong).sum()),
        "below_ten": int((least < 10).sum()),
    }


FIGURES = {
    "gradient": lambda sweep, thresholds: (gradients(sweep), {}),
    "conformance": lambda sweep, thresholds: (conformance(thresholds), map_values(thresholds)),
    "ulp": lambda sweep, thresholds: (errors(sweep), {}),
    "staircase": lambda sweep, thresholds: (staircase(sweep), {}),
}
"""From the sweep and the thresholds to a figure and what its caption says, by its name."""
