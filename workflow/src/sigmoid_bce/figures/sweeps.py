"""Panels of the sweep: a panel for each framework, a curve for each way to compute the loss."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sigmoid_bce.figures import style
from sigmoid_bce.jobs.logs import one_line

PANELS_A_ROW = 3
MOST = 4
"""Programs that a legend names for one curve."""
PANEL, ABOVE, BELOW, LINE, APART = 1.25, 0.08, 0.44, 0.118, 0.045
"""Inches: the height of a panel, the room above its title and for its x axis, of a line of the
names below, and between two names."""
Entries = list[tuple[Any, str]]
"""The curves of a panel and what to say of each."""


class Curve(NamedTuple):
    """A curve, and the programs whose values it has."""

    programs: list[tuple[str, str]]  # implementation and mode
    points: pd.DataFrame


class Looks:
    """How the curves of a figure are drawn: an implementation has one colour in all figures.

    Parameters
    ----------
    rows : DataFrame
        All rows of the sweep, whether a figure draws them or not. Implementations that several
        frameworks have get their colours first.
    """

    def __init__(self, rows: pd.DataFrame):
        pairs = rows[["framework", "implementation"]].drop_duplicates().astype(str)
        shared = Counter(pairs["implementation"])
        names = sorted(shared, key=lambda name: (-shared[name], name.casefold()))
        self.colours = {name: i % len(style.COLOURS) for i, name in enumerate(names)}
        self.used: Counter[tuple[str, int]] = Counter()

    def of(self, panel: str, implementation: str) -> dict[str, Any]:
        """Return the next look of an implementation in a panel: other dashes where one is taken."""
        colour = self.colours[implementation]
        number = self.used[panel, colour]
        self.used[panel, colour] += 1
        return style.looks(len(style.COLOURS) * (number + 1))[len(style.COLOURS) * number + colour]


def frameworks(rows: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Return the rows of each framework, in alphabetical order.

    Examples
    --------
    >>> list(frameworks(pd.DataFrame({"framework": ["scikit-learn", "PyTorch"]})))
    ['PyTorch', 'scikit-learn']
    """
    names = sorted(rows["framework"].unique(), key=str.casefold)
    return {name: rows[rows["framework"] == name] for name in names}


def panels(
    parts: Iterable[str],
    draw: Callable[[Axes, str], Entries],
    most: int = PANELS_A_ROW,
    height: float = PANEL,
    **settings: Any,
) -> Figure:
    """Draw a panel for each part of the sweep, and below it the names of its curves.

    Parameters
    ----------
    parts : iterable of str
        The title of each panel.
    draw : callable
        Draws the part of a title into a panel and returns its curves and their names.
    most : int
        Panels in a row.
    height : float
        Of each panel, in inches.
    **settings
        Properties of every panel, as for `Axes.set`.

    Returns
    -------
    Figure
    """
    style.use()
    parts = list(parts)
    columns = min(most, len(parts))
    room = style.PAGE / columns
    figure = plt.figure(figsize=(style.PAGE, PANEL), layout="none")
    drawn = []
    for place, name in enumerate(parts):
        axis = figure.add_axes((0, 0, 1, 1), label=name)
        title = style.wrap(one_line(name), room - 0.6, 8)
        axis.set(title="\n".join(title), xlabel="raw output x", **settings)
        if place % columns:
            axis.set_ylabel("")
        entries = draw(axis, name)
        texts = [style.wrap(text, room - 0.5, style.SMALL) for _, text in entries]
        drawn.append((axis, len(title), entries, texts))
    _place(figure, drawn, columns, height)
    return figure


def _place(figure: Figure, drawn: list[Any], columns: int, panel: float) -> None:
    """Set the height of a figure, and the places of its panels and of the names below each."""
    room = style.PAGE / columns
    rows = [drawn[start : start + columns] for start in range(0, len(drawn), columns)]
    names = [max(_height(texts) for *_, texts in row) for row in rows]
    titles = [0.14 * max(lines for _, lines, *_ in row) + ABOVE + 0.06 for row in rows]
    whole = sum(names) + sum(titles) + len(rows) * (panel + BELOW) + 0.05
    figure.set_figheight(whole)
    y = whole
    for row, below, above in zip(rows, names, titles, strict=True):
        y -= above + panel
        for column, (axis, _, entries, texts) in enumerate(row):
            left = column * room + 0.58
            box = (left / style.PAGE, y / whole, (room - 0.68) / style.PAGE, panel / whole)
            axis.set_position(box)
            legend(axis, entries, texts, BELOW)
        y -= BELOW + below


def _height(texts: Sequence[Sequence[str]]) -> float:
    """Return the inches that the names of a panel take."""
    return sum(LINE * len(lines) + APART for lines in texts) + 0.08


def legend(axis: Axes, entries: Entries, texts: Sequence[Sequence[str]], below: float) -> None:
    """Name the curves of a panel below it, where the names hide no curve.

    Parameters
    ----------
    axis : Axes
    entries : list of (artist, str)
    texts : sequence of sequence of str
        The lines of each name.
    below : float
        Inches from the panel to the first name.
    """
    box = axis.get_position()
    height, width = box.height * axis.figure.get_figheight(), box.width * style.PAGE
    axis.legend(
        [artist for artist, _ in entries], ["\n".join(lines) for lines in texts], loc="upper left",
        bbox_to_anchor=(-0.5 / width, -below / height), borderaxespad=0, borderpad=0,
        handlelength=1.8, handletextpad=0.5, labelspacing=0.35,
    )  # fmt: skip


def named(programs: Iterable[tuple[str, str]], most: int = MOST) -> str:
    """Return the legend of a curve that stands for several programs.

    Examples
    --------
    >>> named([("log_loss", "")])
    'log_loss'
    >>> named([("BCELoss", "eager"), ("BCELoss", "compiled"), ("plain", "")])
    '3 in one: BCELoss (eager, compiled); plain'
    """
    programs = list(programs)
    modes: dict[str, list[str]] = {}
    for implementation, mode in programs:
        modes.setdefault(implementation, []).append(mode)
    texts = [
        f"{name} ({', '.join(filter(None, some))})" if any(some) else name
        for name, some in modes.items()
    ]
    shown = [*texts[:most], *([f"and {len(texts) - most} more"] if len(texts) > most else [])]
    text = "; ".join(shown)
    return f"{len(programs)} in one: {text}" if len(programs) > 1 else text


def remark(points: pd.DataFrame, column: str, ends: tuple[float, float]) -> str:
    """Return what of a curve the panel cannot show.

    Parameters
    ----------
    points : DataFrame
        With x and the curve's values.
    column : str
    ends : (float, float)
        The panel's limits.

    Examples
    --------
    >>> remark(pd.DataFrame({"x": [1, 2, 3], "g": [0.5, 70, np.nan]}), "g", (0, 9))
    ' (up to 70, beyond the axis; nan from x = 3)'
    """
    value, parts = points[column], []
    finite = value[np.isfinite(value)]
    if len(finite) and finite.max() > ends[1]:
        parts.append(f"up to {finite.max():.3g}, beyond the axis")
    if len(finite) and finite.min() < ends[0]:
        parts.append(f"down to {finite.min():.3g}, beyond the axis")
    for name, mask in (("inf", np.isinf(value)), ("nan", np.isnan(value))):
        if mask.any():
            at = points.loc[mask, "x"]
            parts.append(f"{name} from x = {at.loc[at.abs().idxmin()]:.4g}")
    return f" ({'; '.join(parts)})" if parts else ""


def distinct(
    parts: Iterable[tuple[tuple[str, str], pd.DataFrame]], column: str, digits: int
) -> list[Curve]:
    """Return the curves that differ to so many digits, each with all its programs.

    Parameters
    ----------
    parts : iterable of ((str, str), DataFrame)
        For each program, its implementation and mode, and its rows, sorted by x.
    column : str
        The curve's values.
    digits : int
        Significant digits.

    Examples
    --------
    >>> parts = [((n, ""), pd.DataFrame({"loss": [y]})) for n, y in [("a", 1.0), ("b", 1.00001)]]
    >>> [curve.programs for curve in distinct(parts, "loss", 4)]
    [[('a', ''), ('b', '')]]
    """
    curves: dict[bytes, Curve] = {}
    for program, part in parts:
        content = np.char.mod(f"%.{digits - 1}e", part[column].to_numpy()).tobytes()
        curves.setdefault(content, Curve([], part)).programs.append(program)
    return list(curves.values())


def programs(rows: pd.DataFrame, column: str) -> Iterator[tuple[tuple[str, str], pd.DataFrame]]:
    """Yield the rows of each program that has values in a column, sorted by name and x.

    Parameters
    ----------
    rows : DataFrame
        Rows of one framework's sweep.
    column : str

    Yields
    ------
    program : (str, str)
        The implementation and its mode.
    part : DataFrame
    """
    groups = rows.groupby(["implementation", "mode"], observed=True)
    # a category's own order is the order of the rows
    for (name, mode), part in sorted(groups, key=lambda group: str(group[0])):
        if part[column].notna().any():
            yield (str(name), str(mode)), part.sort_values("x")


def curve(
    axis: Axes, found: Curve, column: str, number: int, look: Mapping[str, Any]
) -> tuple[Any, str]:
    """Draw a curve, and return it with its name and what the panel cannot show of it.

    Parameters
    ----------
    axis : Axes
        With its final limits.
    found : Curve
    column : str
    number : int
        How many curves the panel has already: later ones are thinner, so that none hides another.
    look : mapping
        As `Looks.of` returns it.
    """
    name = named(found.programs)
    width = 2.6 - 0.4 * min(number, 4)
    every = max(1, len(found.points) // 9)
    (line,) = axis.plot(
        found.points["x"], found.points[column], lw=width, label=name, markevery=every, ms=3, **look
    )
    return line, name + remark(found.points, column, axis.get_ylim())
