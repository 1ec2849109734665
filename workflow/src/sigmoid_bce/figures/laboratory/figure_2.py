"""Figure 2 of the article: the logit of the sigmoid in float32, and its error."""

from __future__ import annotations

from functools import cache

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from sigmoid_bce.figures import style
from sigmoid_bce.figures.inputs import LaboratoryTables
from sigmoid_bce.numerics import article
from sigmoid_bce.numerics.arrays import Float32Array

TITLE = "Figure 2: sigmoid and back"
READS = ()
STEP, WIDTH = 1 / 2048, 1 / 4
"""Steps between raw outputs, and the width of a bin of the band, which holds 512 of them."""
END = 18
SHADE = "0.9"
find_limits = cache(article.limits)  # it computes every float32 from 8 to 32


def errors() -> dict[str, Float32Array]:
    """Return the relative errors of the round trip, below the raw output whose sigmoid is 1.

    Returns
    -------
    dict of ndarray by str
        x, the middle of each bin of raw outputs; low, median and greatest, the errors that are not
        0: a tenth of them is below low; zero, the percentage of raw outputs whose error is 0.
    """
    x = np.arange(WIDTH, END, STEP, dtype=np.float32).reshape(-1, round(WIDTH / STEP))
    _, y = article.round_trip(x)
    error = np.abs(y - x) / x
    # a bin beyond which the logit is infinite ends the band
    known = np.isfinite(y)
    some = known.any(axis=1)
    wrong = np.where(known & (error > 0), error, np.nan)[some]
    low, median = np.nanquantile(wrong, (0.1, 0.5), axis=1)
    return {
        "x": np.nanmean(np.where(known, x, np.nan)[some], axis=1),
        "low": low,
        "median": median,
        "greatest": np.nanmax(wrong, axis=1),
        "zero": 100 * (error == 0).sum(axis=1)[some] / known.sum(axis=1)[some],
    }


def _marks(axis: Axes, limits: dict[str, float]) -> None:
    """Mark where the error reaches 1 %, and shade where the logit is infinite."""
    look = {"lw": 1, "zorder": 2}
    axis.axvline(limits["off"], color=style.CLIP_COLOUR, ls="--", label="off by 1 %", **look)
    axis.axvline(limits["one"], color="0.5", label="sigmoid is 1", **look)
    axis.axvspan(limits["one"], END, color=SHADE, lw=0, zorder=0)


def _say(axis: Axes, x: float, y: float, text: str, **look: str) -> None:
    """Write beside a line what it is, in units of the panel."""
    axis.text(x, y, text, fontsize=style.SMALL, linespacing=1.1, **look)


def _staircase(axis: Axes, limits: dict[str, float]) -> None:
    """Draw logit(sigmoid(x)) where its steps can be seen."""
    x = np.arange(12, END, STEP, dtype=np.float32)
    _, y = article.round_trip(x)
    finite = np.isfinite(y)
    corners = np.flatnonzero(np.diff(y[finite], prepend=np.nan, append=np.nan))
    places = np.unique(np.concatenate([corners, corners[1:] - 1]).clip(0, finite.sum() - 1))
    axis.plot(x[[0, -1]], x[[0, -1]], color="0.6", lw=0.8, zorder=1, label="x")
    axis.plot(x[places], y[places], color=style.COLOURS[0], zorder=3, label="logit(sigmoid(x))")
    axis.axhline(limits["log_eps"], color="0.6", ls=":", lw=1, zorder=1)
    _marks(axis, limits)
    axis.set(xlim=(12, END), ylim=(12, END), xlabel="raw output x", ylabel="logit(sigmoid(x))")
    axis.set_box_aspect(1)
    _say(axis, 12.15, limits["log_eps"] + 0.1, "the article's −log(eps)", va="bottom")
    _say(axis, 17.05, 17.5, "x", ha="right")
    _say(
        axis,
        limits["off"] + 0.1,
        12.2,
        f"off by 1 %\nfrom {limits['off']:.2f}",
        color=style.CLIP_COLOUR,
    )
    _say(axis, limits["one"] + 0.08, 13.6, "sigmoid\nis 1,\nlogit\ninfinite")


def _band(axis: Axes, found: dict[str, Float32Array], limits: dict[str, float]) -> None:
    """Draw the range of the errors in each bin."""
    colour = style.COLOURS[0]
    band = found["low"], found["greatest"]
    shade = axis.fill_between(
        found["x"], *band, color=colour, alpha=0.3, lw=0, label="nine of ten errors"
    )
    (middle,) = axis.plot(found["x"], found["median"], color=colour, label="median")
    axis.axhline(0.01, color="0.6", ls=":", lw=1)
    _marks(axis, limits)
    axis.set(xlim=(0, END), yscale="log", ylim=(3e-8, 0.3), ylabel="relative error")
    axis.set_yticks([1e-7, 1e-5, 1e-3, 1e-1], ["10⁻⁷", "10⁻⁵", "10⁻³", "10⁻¹"])
    axis.yaxis.set_minor_locator(NullLocator())
    axis.tick_params(labelbottom=False)
    _say(axis, 0.2, 0.013, "1 %", va="bottom")
    axis.legend(
        handles=[shade, middle], loc="upper left", bbox_to_anchor=(0.1, 1.0), borderaxespad=0
    )


def draw(tables: LaboratoryTables) -> Figure:
    """Draw logit(sigmoid(x)) in float32 against x, its relative error, and where that is 0."""
    style.use()
    limits, found = find_limits(), errors()
    figure = plt.figure(figsize=(style.PAGE, 3.5), layout="none")
    options = {"left": 0.075, "right": 0.985, "bottom": 0.125, "top": 0.97}
    grid = figure.add_gridspec(
        2, 2, width_ratios=(1, 1.1), height_ratios=(3, 1), wspace=0.22, hspace=0.12, **options
    )
    _staircase(figure.add_subplot(grid[:, 0]), limits)
    _band(figure.add_subplot(grid[0, 1]), found, limits)
    share = figure.add_subplot(grid[1, 1])
    share.stairs(
        found["zero"], WIDTH * np.arange(1, len(found["zero"]) + 2), fill=True,
        color=style.COLOURS[0], alpha=0.5, label="error exactly 0",
    )  # fmt: skip
    _marks(share, limits)
    share.set(xlim=(0, END), ylim=(0, 50), xlabel="raw output x", ylabel="error is 0, %")
    return figure


def values(tables: LaboratoryTables) -> dict[str, float]:
    """Return the numbers that the caption quotes: those of `numerics.article.limits`, and errors.

    Returns
    -------
    dict
        Also zero_percent and zero_until: the greatest percentage of raw outputs in a bin that come
        back unchanged, and the middle of the last bin that has any; doubles, by how much x grows
        while the greatest error doubles, between 8 and 13.
    """
    found = errors()
    any_zero = found["x"][found["zero"] > 0]
    steep = (found["x"] > 8) & (found["x"] < 13)
    slope = np.polyfit(found["x"][steep], np.log2(found["greatest"][steep]), 1)[0]
    return {
        **find_limits(),
        "zero_percent": float(found["zero"].max()),
        "zero_until": float(any_zero.max().round(1)),
        "doubles": float(1 / slope),
    }
