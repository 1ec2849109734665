"""Curves of the explorer: which samples of a sweep are kept, and how their values are written."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby
from typing import NamedTuple

import numpy as np
import pandas as pd

from sigmoid_bce.numerics.catalogue import DTYPES
from sigmoid_bce.numerics.names import BCE
from sigmoid_bce.numerics.sweep import QUANTITIES

FORMATS = ("float16", "bfloat16", "float32", "float64")
"""The formats whose bits the page shows. A sweep holds long doubles rounded to float64."""
UNIT = {"loss": 20.0, "gradient": 1.0}
"""The height of a chart."""
LEAST = 1e-330
"""What takes the place of 0 in logarithms, in long double."""


class Density(NamedTuple):
    """Which samples of a curve are kept."""

    steps: tuple[tuple[int, float], ...]
    """The |x| that every curve has, as (end, step) from 0 outward."""
    farther: int
    """Beyond them, one of so many samples."""
    decades: float
    """How far a curve may leave the line between two kept samples, in log10."""
    share: float
    """And as a share of the height of its chart."""


DENSE = Density(((20, 1 / 8), (40, 1 / 4), (120, 1)), 16, 0.02, 0.004)
"""For binary cross-entropy."""
SPARSE = Density(((8, 1 / 4), (20, 1 / 2), (40, 1), (120, 8)), 64, 0.1, 0.008)
"""For the other objectives, which are many: a decade is a few pixels where it counts."""


def chosen(table: pd.DataFrame, places: Iterable[float], objective: str) -> np.ndarray:
    """Return which samples of a curve are kept: fewer for all but binary cross-entropy.

    Parameters
    ----------
    table, places
        As for `kept`; the table has `gradient_exact`.
    objective : str
        One of `sigmoid_bce.numerics.objectives.OBJECTIVES`.

    Returns
    -------
    ndarray of bool, shape (n,)
    """
    if objective == BCE or not len(table):
        return kept(table, places)
    height = float(table["gradient_exact"].abs().max())
    return kept(table, places, density=SPARSE, height=height)


def kept(
    table: pd.DataFrame,
    places: Iterable[float],
    *,
    density: Density = DENSE,
    height: float = 1.0,
) -> np.ndarray:
    """Return which samples of a curve are kept: a grid, thresholds, and where it bends or jumps.

    Parameters
    ----------
    table : DataFrame
        Samples of one program and label, sorted by x, with the columns of a sweep.
    places : iterable of float
        The thresholds, as |x|. Each is kept with the sample before it.
    density : Density
    height : float
        The size of the largest gradient, which sets the height of the charts.

    Returns
    -------
    ndarray of bool, shape (n,)

    Examples
    --------
    >>> x = np.arange(-20, 20, 1 / 64)
    >>> table = pd.DataFrame({"x": x, "loss": np.where(x < 3.2, 1.0, 2.0), "gradient": np.nan})
    >>> x[kept(table, [])][184:188].tolist()
    [3.0, 3.125, 3.1875, 3.203125]
    """
    x = table["x"].to_numpy()
    if not len(x):
        return np.zeros(0, bool)
    mask = _grid(x, density)
    mask[[0, -1]] = True
    for place in places:
        for i in np.flatnonzero(np.abs(x) == place):
            mask[i] = True
            mask[min(max(int(i - np.sign(x[i])), 0), len(x) - 1)] = True
    for quantity in QUANTITIES:
        values = table[quantity].to_numpy()
        if not np.isnan(values).all():
            for shape in _shapes(values, UNIT[quantity] * height, density):
                _refine(x, shape, mask)
    return mask


def _grid(x: np.ndarray, density: Density) -> np.ndarray:
    """Return which samples are on the grid that every curve has."""
    size = np.abs(x)
    mask, start = np.zeros(len(x), bool), -1.0
    for end, step in density.steps:
        mask |= (size > start) & (size <= end) & (np.fmod(size, step) == 0)
        start = end
    mask[np.flatnonzero(size > start)[:: density.farther]] = True
    return mask


def _shapes(values: np.ndarray, unit: float, density: Density) -> list[np.ndarray]:
    """Return a curve on both scales of a chart, in units of what may be left out."""
    with np.errstate(divide="ignore"):
        logs = np.log10(np.maximum(np.abs(values.astype(np.longdouble)), LEAST)).astype(float)
    shapes = [values / unit / density.share, logs / density.decades]
    return [np.nan_to_num(shape, nan=1e9, posinf=2e9, neginf=-2e9) for shape in shapes]


def _refine(x: np.ndarray, shape: np.ndarray, mask: np.ndarray) -> None:
    """Keep more samples until the line through them is nowhere farther than 1 from a curve."""
    while True:
        error = np.abs(shape - np.interp(x, x[mask], shape[mask]))
        if error.max() <= 1:
            return
        # of each gap between kept samples, the farthest one and, at a jump, its neighbours
        starts = np.flatnonzero(mask)
        worst = np.maximum.reduceat(error, starts)
        gap = np.searchsorted(starts, np.arange(len(x)), side="right") - 1
        mask |= (error > 1) & (error >= worst[gap])


def ordered(values: np.ndarray, format: str) -> np.ndarray:
    """Return the bits of floats as integers that grow with the value; -0 is just below 0.

    Parameters
    ----------
    values : ndarray of float64
        Numbers of the format.
    format : str
        One of `FORMATS`.

    Returns
    -------
    ndarray of object
        Python's integers, so that differences never overflow.

    Examples
    --------
    >>> ordered(np.array([0.0, -0.0, 1.0]), "float16").tolist()
    [0, -1, 15360]
    """
    dtype = DTYPES[format]
    with np.errstate(over="ignore", invalid="ignore"):
        bits = values.astype(dtype).view(f"u{dtype.itemsize}").tolist()
    sign = 1 << (8 * dtype.itemsize - 1)
    return np.array([b if b < sign else sign - 1 - b for b in bits], object)


def format_of(values: np.ndarray, dtype: str) -> str:
    """Return the format that holds all values: the precision itself, or a wider one.

    Examples
    --------
    >>> format_of(np.array([0.1]), "float16"), format_of(np.array([0.5, np.nan]), "float16")
    ('float64', 'float16')
    """
    wider = ["float32", "float64"]
    names = wider if dtype == "float32" else [*([dtype] if dtype in FORMATS else []), *wider]
    for name in names if dtype != "longdouble" else ["float64"]:
        with np.errstate(over="ignore", invalid="ignore"):
            same = values.astype(DTYPES[name]).astype(np.float64)
        if np.array_equal(same, values, equal_nan=True):
            return name
    return "float64"


def written(values: np.ndarray, near: np.ndarray, format: str) -> str:
    """Return values as a text: the distance of each from one that is known, in floats.

    A distance has the base 36, `?` is nan, `=` is the value before, `*` counts repetitions.

    Parameters
    ----------
    values, near : ndarray of float64, shape (n,)
        The values, and the known ones. No known one is nan.
    format : str
        Of the values; one of `FORMATS`.

    Examples
    --------
    >>> near = np.array([1.0, 2.0, 3.0, 4.0])
    >>> written(near, near, "float32"), written(np.full(4, 2.0), near, "float16")
    ('0*4', 'sg 0 =*2')
    """
    steps = ordered(values, format) - ordered(near, format)
    nans = np.isnan(values)
    bits = ordered(values, format)
    tokens = []
    for i, step in enumerate(steps):
        if nans[i]:
            tokens.append("?")
        elif step == 0:
            tokens.append("0")
        elif i and not nans[i - 1] and bits[i] == bits[i - 1]:
            tokens.append("=")
        else:
            tokens.append(base36(step))
    return repeated(tokens)


def base36(number: int) -> str:
    """Return an integer in base 36.

    Examples
    --------
    >>> base36(35), base36(-36), base36(0)
    ('z', '-10', '0')
    """
    digits = ""
    rest = abs(number)
    while rest or not digits:
        rest, digit = divmod(rest, 36)
        digits = "0123456789abcdefghijklmnopqrstuvwxyz"[digit] + digits
    return f"-{digits}" if number < 0 else digits


def repeated(tokens: Iterable[str]) -> str:
    """Return tokens as a text in which repetitions are counted.

    Examples
    --------
    >>> repeated(["0", "0", "0", "1"])
    '0*3 1'
    """
    runs = ((token, len(list(run))) for token, run in groupby(tokens))
    return " ".join(token if count == 1 else f"{token}*{count}" for token, count in runs)


def shortest(values: np.ndarray, dtype: str) -> list[float]:
    """Return raw outputs as the shortest decimals that round to them in their precision.

    Examples
    --------
    >>> shortest(np.array([0.10000000149011612]), "float32")
    [0.1]
    """
    if dtype != "float32":
        return [float(value) for value in values]
    return [float(str(value)) for value in values.astype(np.float32)]
