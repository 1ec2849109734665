"""The pictures of the documents, drawn from docs/numbers alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from committed import KEYS, read
from sigmoid_bce.figures import style

LOOKS = {
    "equivalent": ("o", "0.45"),
    "helps": ("^", style.COLOURS[2]),
    "harms": ("v", style.COLOURS[3]),
    "open": ("D", style.COLOURS[1]),
    "not decidable": ("s", style.COLOURS[4]),
}
"""Marker and colour of each verdict."""


def places(table: pd.DataFrame) -> list[str]:
    """Return the names of a table's regimes."""
    return [
        f"{question}: {data}, {model}, {size}"
        for question, data, model, size in table[
            ["question", "dataset", "model", "batch_size"]
        ].itertuples(index=False)
    ]


def regimes(folder: Path) -> Figure:
    """Draw what the clip changes in each regime of the study of learning, in margins."""
    style.use()
    table = read("learning").query("loss == 'sigmoid_clipped'").iloc[::-1].reset_index(drop=True)
    better = np.where(table["metric"] == "exact_loss", -1, 1) / table["margin"]
    middle = table["difference"] * better
    ends = np.sort(table[["t_low", "t_high"]].to_numpy() * better.to_numpy()[:, None], axis=1)
    figure, axis = plt.subplots(figsize=(7.2, 8.6), layout="constrained")
    axis.axvspan(-1, 1, color="0.9", label="within the margin")
    for verdict, (marker, colour) in LOOKS.items():
        rows = np.flatnonzero(table["verdict"] == verdict)
        if len(rows):
            axis.hlines(rows, *ends[rows].T, color=colour, lw=1.2)
            axis.plot(middle[rows], rows, marker, color=colour, label=f"{verdict} ({len(rows)})")
    axis.axvline(0, color="0.6", lw=0.8)
    axis.set_xscale("symlog", linthresh=2)
    axis.set_xticks([-100, -10, -1, 0, 1, 10], ["-100", "-10", "-1", "0", "1", "10"])
    axis.set_yticks(range(len(table)), places(table), fontsize=7)
    axis.set(
        ylim=(-0.7, len(table) - 0.3),
        xlabel="difference in margins: the clipped loss is\nworse on the left, better on the right",
    )
    axis.legend(loc="lower center", bbox_to_anchor=(0.3, 1), ncols=3, frameon=False, fontsize=8)
    return figure


def stuck(folder: Path) -> Figure:
    """Draw the share of stuck networks in each regime in which one is stuck."""
    style.use()
    table = read("stuck")
    place = KEYS["stuck"][:-1]
    clipped = table[(table["loss"] == "sigmoid_clipped") & (table["stuck"] > 0)].iloc[::-1]
    exact = table[table["loss"] == "logits"].set_index(place)["share"]
    figure, axis = plt.subplots(figsize=(7.2, 4), layout="constrained")
    rows = np.arange(len(clipped))
    axis.barh(rows, clipped["share"], 0.6, color=style.COLOURS[3], label="clipped loss")
    axis.hlines(rows, clipped["low"], clipped["high"], color="0.2", lw=1)
    reference = exact.loc[pd.MultiIndex.from_frame(clipped[place])]
    axis.plot(reference, rows, "k|", ms=12, mew=2, label="loss from raw outputs")
    axis.set_yticks(rows, places(clipped), fontsize=8)
    axis.xaxis.set_major_formatter(lambda share, _: f"{100 * share:.0f} %")
    axis.set(xlabel="stuck networks, with the 95 % interval", xlim=(-0.02, 1.02))
    axis.legend(loc="lower center", bbox_to_anchor=(0.3, 1), ncols=2, frameon=False)
    return figure


def steps(folder: Path) -> Figure:
    """Draw the float32 sigmoid, and the loss from it, close to where it becomes 1."""
    style.use()
    x = np.linspace(10, 20, 4001, dtype=np.float32)
    p = 1 / (1 + np.exp(-x))
    with np.errstate(divide="ignore"):
        wrong, right = -np.log(1 - p), -np.log(p)  # sigmoid-bce: ignore
    exact = np.logaddexp(0, x.astype(float)), np.logaddexp(0, -x.astype(float))
    figure, axes = plt.subplots(1, 2, figsize=(7.2, 3.2), layout="constrained")
    for axis, computed, true, side in zip(
        axes, (wrong, right), exact, ("label 0: a mistake", "label 1: a right prediction"),
        strict=True,
    ):  # fmt: skip
        axis.plot(x, true, color="black", lw=1, label="exact")
        axis.plot(x, computed, color=style.COLOURS[3], lw=1.5, label="from the sigmoid output")
        axis.set(xlabel="raw output", ylabel="loss", title=side, xlim=(10, 20))
    end, arrow = x[np.isinf(wrong)].min(), {"arrowstyle": "->", "color": "0.3"}
    axes[0].annotate(f"from {end:.1f} on:\ninfinite", (end, 15.94), (15, 11), arrowprops=arrow)
    axes[1].set_yscale("symlog", linthresh=1e-9)
    axes[1].set_ylim(-1e-9, 1e-4)
    axes[1].set_yticks([0, 1e-8, 1e-6, 1e-4], ["0", "10⁻⁸", "10⁻⁶", "10⁻⁴"])
    axes[1].annotate(f"from {end:.1f} on:\nexactly 0", (end, 0), (10.5, 0), arrowprops=arrow)
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=2)
    return figure


PICTURES = {
    f"docs/pictures/{function.__name__}.png": function for function in (regimes, stuck, steps)
}
