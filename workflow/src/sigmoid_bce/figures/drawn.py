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
from matplotlib.patches import Patch, Rectangle, StepPatch
from matplotlib.text import Annotation, Text
from matplotlib.ticker import FixedLocator

COLUMNS = ("panel", "title", "x_axis", "y_axis", "series", "x", "y", "x_to", "y_to", "value")
"""The columns of a table.

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
OWN = "sigmoid_bce_table"
"""The attribute of a figure that is a table by itself, such as a map, for what it shows."""
SOME = ("x_to", "y_to", "value")
"""The columns that a table lacks if all of their places are empty."""
Row = dict[str, Any]


def _name(artist: Artist) -> str:
    """Return the name of an artist; Matplotlib numbers those that have none."""
    label = str(artist.get_label())
    return "" if re.match(r"_child\d", label) else label.strip("_ ")


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
    yield {"x": x, "y": y, "value": "; ".join(text.get_text().splitlines())}


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


def _in_units(artist: Artist, axes: Axes) -> bool:
    """Return whether the places of an artist are in the units of the axes."""
    if isinstance(artist, PathCollection):
        return artist.get_offset_transform() is axes.transData
    if isinstance(artist, Patch):
        return artist.get_data_transform() is axes.transData
    return artist.get_transform() is axes.transData


def _rows(axes: Axes) -> Iterator[Row]:
    """Yield what a panel shows in the units of its axes; no lines across, no nameless shades."""
    for artist in axes.get_children():
        kind = next((kind for kind in READERS if isinstance(artist, kind)), None)
        name = _name(artist)
        decoration = isinstance(artist, Annotation) or name == "nolegend"
        decoration |= isinstance(artist, Rectangle) and not name
        if kind and not decoration and artist.get_visible() and _in_units(artist, axes):
            for row in READERS[kind](artist):
                yield {"series": name, **row}


def _named(axis: Axis) -> dict[float, str]:
    """Return what the axis says at places that were chosen, with their ticks."""
    if not isinstance(axis.get_major_locator(), FixedLocator):
        return {}
    places = np.asarray(axis.get_major_locator()(), float)
    return dict(zip(places.tolist(), axis.get_major_formatter().format_ticks(places), strict=True))


def _says(value: object, names: dict[float, str]) -> object:
    """Return the name of a place, or its number; 0 has no place of its own on some axes."""
    if not names or not isinstance(value, float | int | np.number):
        return value
    name = _one(names.get(float(value), ""))
    if name == "0":
        return 0.0
    return name if any(sign.isalpha() for sign in name) else value


def _title(axes: Axes) -> str:
    """Return a panel's title in one line, after what the label of its axes says beside it."""
    title = _one(axes.get_title())
    label = _one(str(axes.get_label()))
    return title if label in title else f"{label} {title}".strip()


def panels(figure: FigureBase) -> Iterator[Axes]:
    """Yield the panels of a figure, in order, and the insets after the panel that they are in.

    Parameters
    ----------
    figure : Figure

    Examples
    --------
    >>> from matplotlib import pyplot as plt
    >>> figure, axes = plt.subplots(1, 2)
    >>> inset = axes[0].inset_axes([0, 0, 0.5, 0.5])
    >>> list(panels(figure)) == [axes[0], inset, axes[1]]
    True
    >>> plt.close(figure)
    """
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
        its panel. Columns of `COLUMNS`, without those of `SOME` that are empty. Of a figure with
        the attribute `OWN`, that table.

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
    if isinstance(own := getattr(figure, OWN, None), pd.DataFrame):
        return own
    shown = [axes for axes in panels(figure) if axes.get_visible()]
    shown = [axes for axes in shown if axes.get_label() != "<colorbar>"]
    rows = []
    for number, axes in enumerate(shown, 1):
        about = {
            "panel": number,
            "title": _title(axes),
            "x_axis": _label(axes, "x") or _one(figure.get_supxlabel()),
            "y_axis": _label(axes, "y") or _one(figure.get_supylabel()),
        }
        names = {"x": _named(axes.xaxis), "y": _named(axes.yaxis)}
        for row in _rows(axes):
            places = {key: _says(row[key], names[key]) for key in names}
            rows.append({**about, **row, **places})
    made = pd.DataFrame(rows, columns=list(COLUMNS))
    return made.drop(columns=[name for name in SOME if made[name].isna().all()])


def _label(axes: Axes, which: str) -> str:
    """Return the label of an axis; of panels that share it, one alone may show the label."""
    shared = getattr(axes, f"get_shared_{which}_axes")().get_siblings(axes)
    said = [getattr(one, f"get_{which}label")() for one in (axes, *shared)]
    return _one(next(filter(None, said), ""))


def _one(text: str) -> str:
    """Return a text of several lines in one."""
    return " ".join(text.split())
