"""Panels of the sweep: a panel for each framework, a curve for each way to compute the loss."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sigmoid_bce.figures import style

PANELS_A_ROW = 3
LONGEST = 58
"""Characters of a name in a legend."""


def panels(
    rows: pd.DataFrame, draw: Callable[[Axes, pd.DataFrame], None], **settings: Any
) -> Figure:
    """Draw a panel for each framework, in alphabetical order.

    Parameters
    ----------
    rows : DataFrame
        Rows of the sweep.
    draw : callable
        Draws the rows of one framework into a panel.
    **settings
        Properties of every panel, as for `Axes.set`.

    Returns
    -------
    Figure
    """
    style.use()
    names = sorted(rows["framework"].unique(), key=str.casefold)
    height = -(-len(names) // PANELS_A_ROW)
    figure, axes = plt.subplots(height, PANELS_A_ROW, figsize=(15, 5 * height), squeeze=False)
    for axis in axes.flat[len(names) :]:
        axis.remove()
    for axis, name in zip(axes.flat, names, strict=False):
        draw(axis, rows[rows["framework"] == name])
        axis.set(title=name, xlabel="raw output x", yscale="log", **settings)
        # below the panel, where the legend hides no curve
        axis.legend(
            frameon=False, fontsize="x-small", loc="upper left", bbox_to_anchor=(-0.1, -0.16)
        )
    sns.despine(figure)
    return figure


def legend(names: Iterable[str], most: int) -> str:
    """Return the legend of a curve that stands for several programs.

    Examples
    --------
    >>> legend(["scipy", "numpy", "torch"], 2).splitlines()
    ['scipy', 'numpy', 'and 1 more']
    """
    names = list(names)
    lines = [name if len(name) < LONGEST else f"{name[:LONGEST]}..." for name in names[:most]]
    return "\n".join(lines + ([f"and {len(names) - most} more"] if len(names) > most else []))


def distinct(
    parts: Iterable[tuple[str, pd.DataFrame]], column: str, digits: int
) -> Iterator[tuple[list[str], pd.DataFrame]]:
    """Yield the curves that differ to so many digits, each with the names of all its programs.

    Parameters
    ----------
    parts : iterable of (str, DataFrame)
        For each program, its name and its rows, sorted by x.
    column : str
        The curve's values.
    digits : int
        Significant digits.

    Examples
    --------
    >>> parts = [(name, pd.DataFrame({"loss": [y]})) for name, y in [("a", 1.0), ("b", 1.00001)]]
    >>> [names for names, _ in distinct(parts, "loss", 4)]
    [['a', 'b']]
    """
    curves: dict[bytes, tuple[list[str], pd.DataFrame]] = {}
    for name, part in parts:
        content = np.char.mod(f"%.{digits - 1}e", part[column].to_numpy()).tobytes()
        curves.setdefault(content, ([], part))[0].append(name)
    yield from curves.values()


def programs(rows: pd.DataFrame, column: str) -> Iterator[tuple[str, pd.DataFrame]]:
    """Yield the rows of each program that has values in a column, sorted by name and x.

    Parameters
    ----------
    rows : DataFrame
        Rows of one framework's sweep.
    column : str

    Yields
    ------
    name : str
        The implementation and its mode.
    part : DataFrame
    """
    groups = rows.dropna(subset=column).groupby(["implementation", "mode"], observed=True)
    # a category's own order is the order of the rows
    for (name, mode), part in sorted(groups, key=lambda group: str(group[0])):
        yield f"{name}, {mode}" if mode else str(name), part.sort_values("x")
