"""What a figure shows, as a table: read from what is drawn, so that no figure can forget it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.collections import LineCollection, PathCollection, PolyCollection, QuadMesh
from matplotlib.figure import Figure, FigureBase
from matplotlib.image import AxesImage
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle, StepPatch
from matplotlib.text import Annotation, Text
from matplotlib.ticker import FixedFormatter, FixedLocator

COLUMNS = ("panel", "title", "x_axis", "y_axis", "series", "x", "y", "x_to", "y_to", "value")
"""The columns of every table.

panel, title
    The panel's number, from 1, and its title.
x_axis, y_axis
    The labels of the axes: what x and y are.
series
    The name of a curve, of points or of bars, as a legend has it.
x, y
    A point; where the axis has names for places ("nan", a loss), the name.
x_to, y_to
    The other end: of a bar's bin, of a band, of a rectangle.
value
    What a text or a colour says at that place.
"""
Row = dict[str, Any]


def _name(artist: Artist) -> str:
    """Return the name of an artist; Matplotlib numbers those that have none."""
    label = str(artist.get_label())
    return "" if re.match(r"_(child|nolegend)", label) else label.strip("_ ")


def _line(line: Line2D) -> Iterator[Row]:
    for x, y in zip(line.get_xdata(), line.get_ydata(), strict=True):
        yield {"x": x, "y": y}


def _points(points: PathCollection) -> Iterator[Row]:
    for x, y in np.asarray(points.get_offsets()):
        yield {"x": x, "y": y}


def _segments(lines: LineCollection) -> Iterator[Row]:
    for segment in lines.get_segments():
        (x, y), (x_to, y_to) = segment[0], segment[-1]
        yield {"x": x, "y": y, "x_to": x_to, "y_to": y_to}


def _band(band: PolyCollection) -> Iterator[Row]:
    for path in band.get_paths():
        points = pd.DataFrame(path.vertices[:-1], columns=["x", "y"])
        for x, found in points.groupby("x")["y"]:
            yield {"x": x, "y": found.min(), "y_to": found.max()}


def _steps(steps: StepPatch) -> Iterator[Row]:
    values, edges, _ = steps.get_data()
    for x, x_to, y in zip(edges[:-1], edges[1:], values, strict=True):
        yield {"x": x, "x_to": x_to, "y": y}


def _rectangle(part: Rectangle) -> Iterator[Row]:
    (x, y), (x_to, y_to) = part.get_xy(), part.get_corners()[2]
    yield {"x": x, "y": y, "x_to": x_to, "y_to": y_to}


def _cells(mesh: QuadMesh) -> Iterator[Row]:
    corners, values = mesh.get_coordinates(), np.ma.filled(mesh.get_array(), np.nan)
    middles = (corners[:-1, :-1] + corners[1:, 1:]) / 2
    for place, value in np.ndenumerate(values):
        yield {"x": middles[place][0], "y": middles[place][1], "value": value}


def _pixels(image: AxesImage) -> Iterator[Row]:
    values = np.ma.filled(image.get_array(), np.nan)
    for (y, x), value in np.ndenumerate(values[..., 0] if values.ndim == 3 else values):
        yield {"x": x, "y": y, "value": value}


def _words(text: Text) -> Iterator[Row]:
    x, y = text.get_position()
    yield {"x": x, "y": y, "value": text.get_text()}


READERS = {
    Line2D: _line,
    PathCollection: _points,
    LineCollection: _segments,
    PolyCollection: _band,
    StepPatch: _steps,
    Rectangle: _rectangle,
    QuadMesh: _cells,
    AxesImage: _pixels,
    Text: _words,
}
"""How the places of each kind of artist are read."""


def _rows(axes: Axes) -> Iterator[Row]:
    """Yield what a panel shows in the units of its axes; no lines across, no nameless shades."""
    for artist in axes.get_children():
        kind = next((kind for kind in READERS if isinstance(artist, kind)), None)
        name = _name(artist)
        decoration = isinstance(artist, Annotation) or (isinstance(artist, Rectangle) and not name)
        transform = getattr(artist, "get_offset_transform", artist.get_transform)()
        here = isinstance(artist, StepPatch | Rectangle) or transform == axes.transData
        if kind and here and not decoration and artist is not axes.patch and artist.get_visible():
            for row in READERS[kind](artist):
                yield {"series": name, **row}


def _named(axis: Axis) -> dict[float, str]:
    """Return the places of an axis that have a name."""
    locator, formatter = axis.get_major_locator(), axis.get_major_formatter()
    if not isinstance(locator, FixedLocator) or not isinstance(formatter, FixedFormatter):
        return {}
    return dict(zip(np.asarray(locator.locs, float).tolist(), formatter.seq, strict=False))


def _says(value: object, names: dict[float, str]) -> object:
    """Return the name of a place, or the number that its tick says."""
    if not names or not isinstance(value, float | int | np.number):
        return value
    name = names.get(float(value), "").strip()
    try:
        number = float(name.replace("−", "-"))
    except ValueError:
        return name or value
    return number if name == "0" else value  # 0 has no place on a logarithmic axis


def _title(axes: Axes) -> str:
    """Return a panel's title in one line, after that of its part of the figure."""
    part: FigureBase | None = axes.figure
    whole = "" if isinstance(part, Figure) or part is None else part.get_suptitle()
    return " ".join(f"{whole} {axes.get_title()}".split())


def _every(figure: FigureBase) -> Iterator[Axes]:
    """Yield the panels of a figure, in order, and the insets after the panel that they are in."""
    for axes in figure.axes:
        yield axes
        yield from (inset for inset in axes.child_axes if isinstance(inset, Axes))


def table(figure: Figure) -> pd.DataFrame:
    """Return what a figure shows, as a table.

    Parameters
    ----------
    figure : Figure

    Returns
    -------
    DataFrame
        A row for each point, bin, place of a band, cell of a map or text that lies at a place of
        its panel. Columns of `COLUMNS`, without those that are empty.

    Examples
    --------
    >>> from matplotlib import pyplot as plt
    >>> figure, axis = plt.subplots()
    >>> _ = axis.plot([1, 2], [30, 40], label="logits")
    >>> _ = axis.set(title="label 1", xlabel="raw output", ylabel="loss", yticks=[30])
    >>> print(table(figure).to_csv(index=False).strip())
    panel,title,x_axis,y_axis,series,x,y
    1,label 1,raw output,loss,logits,1,30
    1,label 1,raw output,loss,logits,2,40
    >>> plt.close(figure)
    """
    shown = [axes for axes in _every(figure) if axes.get_visible()]
    shown = [axes for axes in shown if axes.get_label() != "<colorbar>"]
    rows = []
    for number, axes in enumerate(shown, 1):
        labels = axes.get_xlabel() or figure.get_supxlabel(), axes.get_ylabel()
        about = {
            "panel": number,
            "title": _title(axes),
            "x_axis": _one(labels[0]),
            "y_axis": _one(labels[1] or figure.get_supylabel()),
        }
        names = {"x": _named(axes.xaxis), "y": _named(axes.yaxis)}
        for row in _rows(axes):
            places = {key: _says(row[key], names[key]) for key in names}
            rows.append({**about, **row, **places})
    made = pd.DataFrame(rows, columns=list(COLUMNS))
    used = [name for name in COLUMNS if made[name].notna().any() and (made[name] != "").any()]
    return made[used]


def _one(text: str) -> str:
    """Return a text of several lines in one."""
    return " ".join(text.split())
