"""How every figure looks, and how it is saved."""

from __future__ import annotations

import math
import textwrap
from pathlib import Path

import matplotlib as mpl
import seaborn as sns
from matplotlib import pyplot as plt
from matplotlib.figure import Figure
from matplotlib.ticker import LogFormatterMathtext
from numpy.typing import NDArray

from sigmoid_bce.jobs.files import replacing

COLOURS = sns.color_palette("colorblind")
CLASS_COLOURS = (COLOURS[0], COLOURS[1])
CLIP_COLOUR = COLOURS[3]
SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def row(
    columns: int, width: float, height: float, title: str, **options: object
) -> tuple[Figure, NDArray]:
    """Return a figure of panels in a row, laid out without drawing it first.

    Parameters
    ----------
    columns : int
    width, height : float
        Of the figure, in inches.
    title : str
        Broken into lines where it is wider than the figure.
    **options
        Of `plt.subplots`.

    Returns
    -------
    figure : Figure
    axes : ndarray of Axes, shape (columns,)

    Examples
    --------
    >>> title = "elpv, efficientnet_lite0, trained on logits, batch size 4, seed 0"
    >>> figure, axes = row(2, 4.4, 4.2, title)
    >>> axes.shape, len(figure.get_suptitle().splitlines())
    ((2,), 2)
    >>> plt.close(figure)
    """
    lines = textwrap.wrap(title, round(11 * width))
    grid = {
        "left": 0.75 / width,
        "right": 1 - 0.15 / width,
        "bottom": 0.55 / height,
        "top": 1 - (0.37 + 0.18 * len(lines)) / height,
        "wspace": 0.25,
    }
    figure, axes = plt.subplots(
        1,
        columns,
        figsize=(width, height),
        layout="none",
        gridspec_kw=grid,
        squeeze=False,
        **options,
    )
    figure.suptitle("\n".join(lines))
    return figure, axes[0]


def use() -> None:
    """Set the style of all figures, for files that no window shows."""
    mpl.use("agg")
    sns.set_theme(context="paper", style="ticks", font_scale=1.1)
    # with random ids, the same figure would give other bytes each time
    mpl.rcParams["svg.hashsalt"] = "sigmoid-bce"
    mpl.rcParams["savefig.dpi"] = 150
    mpl.rcParams["figure.constrained_layout.use"] = True


def power(value: float, position: int | None = None) -> str:
    """Return a tick's label on a logarithmic axis, in text that needs no typesetting.

    Parameters
    ----------
    value : float
        A power of ten, its negative, or 0; others are written as they are.
    position : int, optional
        Of the tick, which Matplotlib gives and nobody needs.

    Returns
    -------
    str

    Examples
    --------
    >>> power(1e-7), power(-100), power(0), power(3)
    ('10⁻⁷', '−10²', '0', '3')
    """
    exponent = round(math.log10(abs(value))) if value else 0
    if not math.isclose(abs(value), 10.0**exponent):
        return f"{value:g}"
    return f"{'−' if value < 0 else ''}10{str(exponent).translate(SUPERSCRIPTS)}"


def save(figure: Figure, svg: str | Path, png: str | Path) -> None:
    """Save a figure as SVG and as PNG, each whole or not at all.

    Parameters
    ----------
    figure : Figure
    svg, png : str or Path
    """
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            if isinstance(axis.get_major_formatter(), LogFormatterMathtext):
                axis.set_major_formatter(power)  # TeX would be parsed for every tick
    for path in (svg, png):
        with replacing(path) as part:
            metadata = {"Date": None} if str(path).endswith(".svg") else None
            figure.savefig(part, format=Path(path).suffix[1:], metadata=metadata)
        if figure.get_layout_engine():
            figure.set_layout_engine("none")  # the second one has the layout of the first


def write_values(values: dict[str, object], path: str | Path) -> None:
    """Write measured values as reStructuredText substitutions, for a caption to quote.

    Parameters
    ----------
    values : dict
        Floats are written with three significant digits.
    path : str or Path
        A caption includes this file and writes ``|name|`` for a value.
    """
    lines = [
        f".. |{name}| replace:: {value:.3g}"
        if isinstance(value, float)
        else f".. |{name}| replace:: {value}"
        for name, value in values.items()
    ]
    with replacing(path) as part:
        part.write_text("\n".join(lines) + "\n")
