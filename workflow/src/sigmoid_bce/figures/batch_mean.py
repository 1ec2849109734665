"""Mean losses of batches: the difference between the losses that remains in a mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import NullLocator
from numpy.typing import NDArray

from sigmoid_bce.comparison.metrics import relative_error
from sigmoid_bce.comparison.words import counted
from sigmoid_bce.figures import style
from sigmoid_bce.figures.phrases import scientific
from sigmoid_bce.figures.scatter import SIZES, Limits, loss_limits, loss_scatter

COLUMNS = 3
"""Panels in a row."""
LEFT, GAP, RIGHT, BELOW = 0.55, 0.6, 0.1, 0.6
"""Room for labels beside, between and below panels, in inches."""
MOST = 200
"""Points of one batch size and one kind in the panel of errors, at most; the extremes are kept."""
LARGEST = 1e200
"""The largest error in percent that is drawn; an exact loss may be 1e-320."""
GOLDEN = (np.sqrt(5) - 1) / 2
KINDS = ("without a clipped sample", "with a clipped sample")
RAW, BASELINE = "mean from the raw outputs", "0.55"
"""The name and the colour of the other loss in the panel of errors."""


def relative_percent(batches: pd.DataFrame, loss: str) -> NDArray[np.float64]:
    """Return the relative error of a mean loss in percent, `LARGEST` at most.

    Examples
    --------
    >>> batches = pd.DataFrame({"bce_raw": [1.0, 0.5], "bce_exact": [1.0, 1.0]})
    >>> relative_percent(batches, "bce_raw").tolist()
    [0.0, 50.0]
    >>> float(relative_percent(batches.assign(bce_exact=1e-307), "bce_raw").max()) == LARGEST
    True
    """
    exact = batches["bce_exact"].to_numpy(np.float64)
    return 100 * np.minimum(relative_error(batches[loss].to_numpy(), exact), LARGEST / 100)


def _spread(values: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return some values, sorted, and places from -1 to 1 that set neighbours apart."""
    ranks = np.unique(np.linspace(0, len(values) - 1, min(MOST, len(values))).round().astype(int))
    return 2 * (GOLDEN * np.arange(len(ranks)) % 1) - 1, np.sort(values)[ranks]


def _rounding(batches: pd.DataFrame) -> float:
    """Return the relative error of one rounding to the precision of the losses, in percent."""
    return 50 * float(np.finfo(batches["bce_raw"].to_numpy().dtype).eps)


def _strip(
    axis: Axes,
    errors: Mapping[int, NDArray[np.float64]],
    at: float,
    least: float,
    name: str,
    **look: Any,
) -> None:
    """Draw the errors of each batch size as a cloud beside its tick, those of 0 at `least`."""
    for i, (size, error) in enumerate(errors.items()):
        spread, shown = _spread(error)
        axis.scatter(
            i + at + 0.16 * spread, shown.clip(least), s=SIZES[1], lw=0,
            label=f"_batches of {size}: {name}", **look,
        )  # fmt: skip


def _errors(axis: Axes, batches: pd.DataFrame, sizes: Sequence[int]) -> None:
    """Draw the relative error of each batch by batch size, of both losses side by side."""
    parts = [batches[batches["batch_size"] == size] for size in sizes]
    found, base = (
        [relative_percent(part, loss) for part in parts] for loss in ("bce_sigmoid", "bce_raw")
    )
    every = np.concatenate([*found, *base])
    least = 10.0 ** np.floor(np.log10(every[every > 0].min(initial=_rounding(batches))))
    zero = least / 100 if (every == 0).any() else least
    for kind, name in enumerate(KINDS):
        held = [(part["clipped"] > 0).to_numpy() == bool(kind) for part in parts]
        some = {n: e[h] for n, e, h in zip(sizes, found, held, strict=True)}
        colour = style.CLASS_COLOURS[kind]
        _strip(axis, some, -0.2, zero, name, color=colour, zorder=2 + kind)
    _strip(axis, dict(zip(sizes, base, strict=True)), 0.2, zero, RAW, color=BASELINE)
    middles = [max(float(np.median(error)), zero) for error in found]
    ticks = np.arange(len(sizes))
    axis.hlines(
        middles, ticks - 0.42, ticks + 0.02, color="black", lw=1.2, zorder=4, label="median"
    )
    axis.axhline(_rounding(batches), color="0.6", ls=":", lw=0.8, zorder=0)
    axis.set(
        yscale="log", xlim=(-0.6, len(sizes) - 0.4), ylim=(zero / 2, 5 * max(every.max(), 1)),
        xlabel="batch size", ylabel="relative error of the mean, %",
    )  # fmt: skip
    axis.set_xticks(ticks, [f"{size:,}" for size in sizes])
    decades = np.arange(np.log10(least), np.log10(5 * max(every.max(), 1)))
    names = {zero: "0"} if zero < least else {}
    shown = 10.0 ** decades[:: -(-len(decades) // 5)][len(names) :]
    axis.set_yticks([*names, *shown], [*names.values(), *map(style.power, shown)])
    axis.yaxis.set_minor_locator(NullLocator())


def _of_size(axis: Axes, batches: pd.DataFrame, size: int, limits: Limits) -> None:
    """Draw the article's scatter of batches of one size."""
    part = batches[batches["batch_size"] == size]
    loss_scatter(axis, part.assign(label=part["clipped"] > 0), KINDS, limits)
    axis.set_title(counted(len(part), f"batch of {size:,}", f"batches of {size:,}"))


def _name(figure: Figure, top: float, batches: pd.DataFrame) -> None:
    """Name what is drawn above the panels, where the names hide nothing."""
    dot: dict[str, Any] = {"ls": "", "marker": "o"}
    held = batches["clipped"].to_numpy() > 0
    names = [
        f"{name}{'' if some.any() else ': none'}"
        for name, some in zip(KINDS, (~held, held), strict=True)
    ]
    rows = (
        [
            (
                Line2D([], [], color=style.CLASS_COLOURS[0], ms=4, **dot),
                f"mean from the sigmoid outputs, {names[0]}",
            ),
            (Line2D([], [], color=style.CLASS_COLOURS[1], ms=3, **dot), names[1]),
        ],
        [
            (Line2D([], [], color=BASELINE, ms=3, **dot), RAW),
            (Line2D([], [], color="black", lw=1.2), "median"),
            (
                Line2D([], [], color="0.6", ls=":", lw=0.8),
                f"one rounding to {batches['bce_raw'].dtype}",
            ),
        ],
    )
    for i, row in enumerate(rows):
        figure.legend(
            *zip(*row, strict=True), ncols=len(row), loc="upper left", borderaxespad=0, borderpad=0,
            bbox_to_anchor=(0.05, 1 - (top + 0.17 * i) / figure.get_figheight()),
            columnspacing=1.5, handlelength=1.6, handletextpad=0.5,
        )  # fmt: skip


def _panels(sizes: int, title: str) -> tuple[Figure, list[Axes], Axes, float]:
    """Return a figure, a panel for each size, one for errors, and where the legend begins.

    One size has its panel beside the errors, several have theirs above them.
    """
    lines = style.wrap(title, style.PAGE - 0.2, style.TITLE)
    top = 0.1 + 0.16 * len(lines)
    above = top + 0.6
    columns = min(sizes, COLUMNS)
    rows = -(-sizes // columns)
    width = (style.PAGE - LEFT - RIGHT - (COLUMNS - 1) * GAP) / COLUMNS
    beside = columns < COLUMNS
    height = above + (rows if beside else rows + 1) * (width + BELOW) - 0.15
    figure = plt.figure(figsize=(style.PAGE, height), layout="none")

    def panel(left: float, row: int, wide: float) -> Axes:
        bottom = height - above - row * (width + BELOW) - width
        return figure.add_axes(
            (left / style.PAGE, bottom / height, wide / style.PAGE, width / height)
        )

    places = [divmod(number, columns) for number in range(sizes)]
    panels = [panel(LEFT + column * (width + GAP), row, width) for row, column in places]
    left = LEFT + columns * (width + GAP) if beside else LEFT
    errors = panel(left, 0 if beside else rows, style.PAGE - RIGHT - left)
    figure.suptitle("\n".join(lines), y=1 - 0.06 / height, va="top")
    return figure, panels, errors, top


def draw(
    batches: pd.DataFrame, sizes: Sequence[int], title: str, every: Sequence[int] = ()
) -> Figure:
    """Draw the article's scatter of mean losses for some batch sizes, and the relative errors.

    Parameters
    ----------
    batches : DataFrame
        A row for each batch, as `sigmoid_bce.comparison.compare.batches` returns them.
    sizes : sequence of int
        The batch sizes that have a scatter.
    title : str
    every : sequence of int
        The batch sizes whose relative errors are drawn; by default, `sizes`.

    Returns
    -------
    Figure
    """
    style.use()
    every = sorted(every or sizes)
    figure, panels, errors, top = _panels(len(sizes), title)
    limits = loss_limits(batches[batches["batch_size"].isin([*sizes, *every])])
    for number, (axis, size) in enumerate(zip(panels, sizes, strict=True)):
        _of_size(axis, batches, size, limits)
        if number % COLUMNS:  # the panel to the left has the same axis
            axis.tick_params(labelleft=False)
            axis.yaxis.label.set_visible(False)
    _errors(errors, batches, every)
    _name(figure, top, batches[batches["batch_size"].isin([*sizes, *every])])
    return figure


def values(batches: pd.DataFrame, size: int) -> dict[str, object]:
    """Return the numbers that a caption quotes for batches of one size.

    Parameters
    ----------
    batches : DataFrame
        As for `draw`.
    size : int

    Returns
    -------
    dict
        The number of batches, in words; how many of them hold a clipped sample; the largest and the
        median relative error of the mean from the sigmoid outputs, in percent; raw_percent_max, the
        largest of the mean from the raw outputs.
    """
    part = batches[batches["batch_size"] == size]
    relative = relative_percent(part, "bce_sigmoid")
    return {
        "batch_size": size,
        "batches": counted(len(part), "batch"),
        "with_clipped": int((part["clipped"] > 0).sum()) or "none",
        "relative_percent_max": scientific(relative.max()),
        "relative_percent_median": scientific(np.median(relative)),
        "raw_percent_max": scientific(relative_percent(part, "bce_raw").max()),
    }
