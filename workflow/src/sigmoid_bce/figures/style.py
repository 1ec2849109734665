"""The style of every figure, and how figures and their numbers are saved."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import seaborn as sns
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogFormatter, LogFormatterMathtext
from numpy.typing import NDArray

from sigmoid_bce.jobs.files import replacing
from sigmoid_bce.jobs.logs import one_line

COLOURS = sns.color_palette("colorblind")
CLASS_COLOURS = (COLOURS[0], COLOURS[1])
CLIP_COLOUR = COLOURS[3]
DPI = 150
LONGEST = 32  # characters of a name
SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def row(
    columns: int, width: float, height: float, title: str, **options: Any
) -> tuple[Figure, NDArray[np.object_]]:
    """Return a figure of panels in a row, whose layout needs no trial drawing.

    Parameters
    ----------
    columns : int
    width, height : float
        Size of the figure in inches.
    title : str
        Wrapped if it is wider than the figure.
    **options
        Options of `plt.subplots`.

    Returns
    -------
    figure : Figure
    axes : ndarray of Axes, shape (columns,)

    Examples
    --------
    >>> title = "elpv, efficientnet_lite0, loss logits, batch size 4, seed 0"
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


def grid(
    number: int,
    columns: int,
    size: tuple[float, float],
    title: str = "",
    labels: tuple[str, str] = ("", ""),
    beside: float = 0,
    **options: Any,
) -> tuple[Figure, list[Axes]]:
    """Return a figure of panels in rows, and their labels once for all.

    Parameters
    ----------
    number : int
        How many panels.
    columns : int
        Panels in a row, at most.
    size : (float, float)
        Width and height of a panel in inches.
    title : str
        Wrapped if it is wider than the figure.
    labels : (str, str)
        Of all x axes and of all y axes.
    beside : float
        Room for a legend beside the panels, in inches.
    **options
        Options of `plt.subplots`.

    Returns
    -------
    figure : Figure
    axes : list of Axes

    Examples
    --------
    >>> use()
    >>> figure, axes = grid(5, 3, (2, 2))
    >>> len(axes), figure.get_size_inches().tolist()
    (5, [6.0, 4.0])
    >>> plt.close(figure)
    """
    columns = min(columns, number)
    rows = -(-number // columns)
    width = size[0] * columns + beside
    lines = textwrap.wrap(title, max(30, round(11 * width)))
    height = size[1] * rows + 0.22 * len(lines)
    figure, axes = plt.subplots(rows, columns, figsize=(width, height), squeeze=False, **options)
    for axis in axes.flat[number:]:
        axis.remove()
    shown = list(axes.flat[:number])
    for axis in shown[-columns:]:
        axis.tick_params(labelbottom=True)  # also where the row below is shorter
    figure.suptitle("\n".join(lines))
    figure.supxlabel(labels[0], fontsize="medium")
    figure.supylabel(labels[1], fontsize="medium")
    return figure, shown


def use() -> None:
    """Set the style of all figures; they are drawn to files, never to a window."""
    mpl.rcdefaults()  # not those of a matplotlibrc in the user's home or working directory
    mpl.use("agg")
    sns.set_theme(context="paper", style="ticks", font_scale=1.1)
    # random ids would change the bytes of an unchanged figure
    mpl.rcParams["svg.hashsalt"] = "sigmoid-bce"
    mpl.rcParams["savefig.dpi"] = DPI
    mpl.rcParams["figure.constrained_layout.use"] = True
    # a $ in a name begins no formula
    mpl.rcParams["text.parse_math"] = False


def plain(text: str) -> str:
    r"""Return a text of users as a figure can show it: in one line, and not too long.

    Matplotlib leaves a name with a leading _ out of a legend, and SVG holds no control characters.

    Examples
    --------
    >>> plain("_cat\x00"), len(plain("long" * 1000))
    (' _cat\\x00', 32)
    """
    text = one_line(text)
    text = text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
    return f" {text}" if text.startswith("_") else text


def power(value: float, position: float | None = None) -> str:
    """Return the label of a tick on a logarithmic axis as plain Unicode text.

    Parameters
    ----------
    value : float
        A power of ten, its negative, or 0. Other values are written as numbers.
    position : float, optional
        The tick's index: Matplotlib passes it, and the label does not depend on it.

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
    """Save a figure as SVG and as PNG, each completely or not at all.

    Parameters
    ----------
    figure : Figure
    svg, png : str or Path
    """
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            if isinstance(axis.get_major_formatter(), LogFormatterMathtext):
                axis.set_major_formatter(power)  # parsing TeX for every tick is slow
                axis.set_minor_formatter(LogFormatter())
    # the layout of the PNG, whose text is wider, suits both
    for path in (png, svg):
        with replacing(path) as part:
            metadata = {"Date": None} if str(path).endswith(".svg") else None
            figure.savefig(part, format=Path(path).suffix[1:], metadata=metadata)
        if figure.get_layout_engine():
            figure.set_layout_engine("none")  # the second file reuses the layout


def close(figure: Figure) -> None:
    """Free a figure's memory."""
    plt.close(figure)


def write_values(values: Mapping[str, object], path: str | Path) -> None:
    """Write measured values as reStructuredText substitutions, which captions quote.

    Parameters
    ----------
    values : mapping
        Floats are written with three significant digits.
    path : str or Path
        The file to write. A caption includes it and quotes a value as ``|name|``.

    Examples
    --------
    >>> write_values({"samples": 2000, "raw_max": 16.118}, "/tmp/sigmoid-bce-example.rst")
    >>> print(Path("/tmp/sigmoid-bce-example.rst").read_text().rstrip())
    .. |samples| replace:: 2000
    .. |raw_max| replace:: 16.1
    """
    lines = [
        f".. |{name}| replace:: {value:.3g}"
        if isinstance(value, float)
        else f".. |{name}| replace:: {value}"
        for name, value in values.items()
    ]
    with replacing(path) as part:
        part.write_text("\n".join(lines) + "\n", encoding="utf-8")
