"""The style of every figure, and how figures and their numbers are saved."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib import pyplot as plt
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogFormatter, LogFormatterMathtext
from numpy.typing import NDArray

from sigmoid_bce.figures import drawn
from sigmoid_bce.figures.texts import plain, power, width, wrap
from sigmoid_bce.jobs.files import replacing, write_csv

__all__ = ["plain", "power", "width", "wrap"]  # beside what is defined here

PAGE = 7.2
"""The largest width of a figure in inches: a column of text on a printed page, at full size."""
LEAST = 3.4
"""The least width of a figure of a `grid` in inches: half a page."""
SMALL = 7
"""The smallest size of a text in points; the largest is that of a figure's title, `TITLE`."""
TITLE = 9
NAVY, AMBER, GREEN, RED, PLUM = COLOURS = ("#263393", "#e7b13e", "#37a787", "#d84219", "#953d66")
"""Each differs from each other one in grey and to colour-blind eyes too, and from black."""
CLASS_COLOURS = (NAVY, AMBER)
CLIP_COLOUR = RED
DASHES = ("-", (0, (4, 1.5)), (0, (1, 1.2)), (0, (5, 1.2, 1, 1.2)))
MARKERS = ("o", "s", "^", "D", "v", "X", "<", ">", "P")
DPI = 200
FONTS = ("DejaVu Sans", "Bitstream Vera Sans", "Verdana", "Geneva")
"""Fonts of one width: the first comes with Matplotlib, browsers have one of the others."""
STYLE = {
    "axes.edgecolor": "0.3",
    "axes.labelsize": 8,
    "axes.linewidth": 0.7,
    "axes.prop_cycle": plt.cycler(color=COLOURS),
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlesize": 8,
    "figure.constrained_layout.use": True,
    "figure.labelsize": 8,
    "figure.titlesize": TITLE,
    "font.family": "sans-serif",
    "font.sans-serif": FONTS,
    "font.size": 8,
    "legend.fontsize": SMALL,
    "legend.frameon": False,
    "lines.linewidth": 1.3,
    "patch.linewidth": 0.7,
    "savefig.dpi": DPI,
    # texts are texts: they can be found, read aloud and drawn in fonts that have their characters
    "svg.fonttype": "none",
    # random ids would change the bytes of an unchanged figure
    "svg.hashsalt": "sigmoid-bce",
    # a $ in a name begins no formula
    "text.parse_math": False,
    **{f"{axis}tick.{part}": size for axis in "xy" for part, size in (
        ("labelsize", SMALL), ("major.size", 3), ("major.width", 0.7), ("minor.size", 1.8),
        ("minor.width", 0.5))},
}  # fmt: skip
"""What differs from Matplotlib's own settings."""


def looks(number: int) -> list[dict[str, Any]]:
    """Return options of `Axes.plot` that tell so many curves apart, in print too.

    Curves with the same dashes differ in colour by enough for grey and for colour-blind eyes.

    Examples
    --------
    >>> some = looks(30)
    >>> len({tuple(look.values()) for look in some})
    30
    >>> some[0], some[5]["ls"] == some[0]["ls"]
    ({'color': '#263393', 'ls': '-', 'marker': ''}, False)
    """
    colours, dashes = len(COLOURS), len(DASHES)
    return [
        {
            "color": COLOURS[i % colours],
            "ls": DASHES[i // colours % dashes],
            "marker": ("", *MARKERS)[i // (colours * dashes)],
        }
        for i in range(number)
    ]


def empty(axis: Axes, why: str) -> None:
    """Say in words why a panel is empty, in its middle.

    Parameters
    ----------
    axis : Axes
        Its ticks go; its title and its labels stay.
    why : str
        A sentence. It is broken into lines that fit the panel when the figure has its layout.
    """
    axis.set(xticks=[], yticks=[])
    room = axis.get_position().width * axis.figure.get_figure(root=True).get_figwidth() * 0.8
    lines = wrap(why, max(room, 0.8), SMALL)
    axis.text(
        0.5, 0.5, "\n".join(lines), transform=axis.transAxes, ha="center", va="center",
        color="0.35", fontsize=SMALL,
    )  # fmt: skip


def row(
    columns: int, width: float, height: float, title: str, between: float = 0.6, **options: Any
) -> tuple[Figure, NDArray[np.object_]]:
    """Return a figure of panels in a row, whose layout needs no trial drawing.

    Parameters
    ----------
    columns : int
    width, height : float
        Size of the figure in inches.
    title : str
        Wrapped if it is wider than the figure.
    between : float
        Inches between panels, for the labels of the y axes.
    **options
        Options of `plt.subplots`.

    Returns
    -------
    figure : Figure
    axes : ndarray of Axes, shape (columns,)

    Examples
    --------
    >>> title = "elpv, efficientnet_lite0, loss logits, batch size 4, seed 0"
    >>> use()
    >>> figure, axes = row(2, 3.5, 2.5, title)
    >>> axes.shape, len(figure.get_suptitle().splitlines())
    ((2,), 2)
    >>> plt.close(figure)
    """
    lines = wrap(title, width - 0.2, TITLE)
    left, right = 0.55, 0.1
    panel = (width - left - right - (columns - 1) * between) / columns
    grid = {
        "left": left / width,
        "right": 1 - right / width,
        "bottom": 0.42 / height,
        "top": 1 - (0.3 + 0.16 * len(lines)) / height,
        "wspace": between / panel,
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
        Width and height of a panel in inches; a single panel is wider, so that titles fit.
    title : str
        Wrapped if it is wider than the figure.
    labels : (str, str)
        Of all x axes and of all y axes.
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
    width = max(size[0] * columns, LEAST)
    lines = wrap(title, width - 0.2, TITLE)
    height = size[1] * rows + 0.17 * len(lines)
    figure, axes = plt.subplots(rows, columns, figsize=(width, height), squeeze=False, **options)
    for axis in axes.flat[number:]:
        axis.remove()
    shown = list(axes.flat[:number])
    for axis in shown[-columns:]:
        axis.tick_params(labelbottom=True)  # also where the row below is shorter
    figure.suptitle("\n".join(lines))
    figure.supxlabel(labels[0])
    figure.supylabel(labels[1])
    return figure, shown


def legend(figure: Figure, handles: Sequence[Artist]) -> None:
    """Give a figure a legend above its panels, where it hides nothing, and the room for it.

    The figure's title becomes that of the legend.

    Parameters
    ----------
    figure : Figure
        One with a layout engine.
    handles : sequence of Artist
        With labels.
    """
    widest = max(width(str(handle.get_label()), SMALL) for handle in handles)
    columns = int((figure.get_figwidth() - 0.2) // (widest + 0.45)) or 1
    columns = min(columns, len(handles))
    rows = -(-len(handles) // columns)
    figure.set_figheight(figure.get_figheight() + 0.1 + 0.15 * rows)
    title = figure.get_suptitle()
    figure.suptitle("")  # the layout would put the legend on it
    figure.legend(
        handles=handles, loc="outside upper center", ncols=columns, title=title or None,
        title_fontsize=TITLE,
    )  # fmt: skip


def use() -> None:
    """Set the style of all figures; they are drawn to files, never to a window."""
    mpl.rcdefaults()  # not those of a matplotlibrc in the user's home or working directory
    mpl.use("agg")
    mpl.rcParams |= STYLE
    # a PNG has a box there; the fonts of a browser, which draws the texts of an SVG, have more
    warnings.filterwarnings("ignore", "Glyph .* missing from font")


def finish(figure: Figure) -> None:
    """Let the ticks of logarithmic axes be plain texts, as `save` does; parsing TeX is slow."""
    for axes in drawn.panels(figure):
        for axis in (axes.xaxis, axes.yaxis):
            if isinstance(axis.get_major_formatter(), LogFormatterMathtext):
                axis.set_major_formatter(power)
                axis.set_minor_formatter(LogFormatter())


def save(
    figure: Figure,
    svg: str | Path,
    png: str | Path,
    csv: str | Path | None = None,
    *,
    sources: str = "",
) -> None:
    """Save a figure as SVG and as PNG, each completely or not at all.

    Parameters
    ----------
    figure : Figure
    svg, png : str or Path
    csv : str or Path, optional
        For what is drawn, as `sigmoid_bce.figures.drawn.table` reads it.
    sources : str
        What the figure is made from, for the metadata `Source` of both files.
    """
    finish(figure)
    source = {"Source": sources} if sources else {}
    # the layout of the PNG, whose text is wider, suits both; a figure without a layout keeps none:
    # Matplotlib would give it the default one after the first file, and draw it once more
    with mpl.rc_context({"figure.constrained_layout.use": False}):
        for path in (png, svg):
            with replacing(path) as part:
                metadata = source | ({"Date": None} if str(path).endswith(".svg") else {})
                figure.savefig(part, format=Path(path).suffix[1:], metadata=metadata)
            if figure.get_layout_engine():
                figure.set_layout_engine("none")  # the second file reuses the layout
    if csv:
        write_csv(drawn.table(figure), csv)


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
