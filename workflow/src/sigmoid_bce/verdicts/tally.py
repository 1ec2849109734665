"""Exact counts over a chunk of raw outputs, by binary search.

Each chunk is split by label and sorted. Counting the values beyond a threshold, or in a bin of a
histogram, is then a binary search: exact, and its cost does not depend on the number of thresholds.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

HALF_BINS = 512
"""Bins of the histogram of raw outputs, on either side of 0."""
SIGMOID_BINS = 60
EXTREMES = 64
"""The most extreme raw outputs kept of either label, at either end."""
LARGEST = float(np.finfo(np.float32).max)
GROUPS = [(y, side) for y in (0, 1) for side in ("correct", "wrong")]
Group = tuple[int, str]
Array = NDArray[Any]


@dataclass(frozen=True)
class Edges:
    """Thresholds on the magnitude of raw outputs, by label and side.

    Attributes
    ----------
    at : dict of ndarray of float64
        Ascending thresholds.
    flat : dict of ndarray of int
        Indices of the thresholds beyond which losses are summed.
    """

    at: dict[Group, NDArray[np.float64]]
    flat: dict[Group, NDArray[np.int64]]


@dataclass
class Tally:
    """Counts of the raw outputs of one label.

    Attributes
    ----------
    samples, ones, correct : int
        All samples; those with a label above 0.5; those on the correct side.
    soft, sideless : int
        Samples with a label strictly between 0 and 1; with 0.5, which has no correct side.
    left_out : int
        Samples that were not counted.
    low, high, wrong : float
        The least and greatest raw output; the greatest magnitude on the wrong side.
    loss : float
        Sum of the true losses.
    beyond : dict
        By label and side, the number of raw outputs that reach each threshold in magnitude.
    flat_loss : dict
        By label and side, the sum of the true losses of those that reach thresholds of
        `Edges.flat`.
    bin_width : float
        Width of the bins of `histogram`, a power of two.
    histogram : ndarray of int, shape (2, 2 * HALF_BINS)
        Raw outputs by label and bin, from -HALF_BINS to HALF_BINS bins.
    sigmoid_histogram : ndarray of int, shape (2, SIGMOID_BINS)
        Sigmoid outputs by label and bin, from 0 to 1.
    extremes : list of two ndarray
        By label, the EXTREMES raw outputs at either end.
    """

    samples: int = 0
    ones: int = 0
    correct: int = 0
    soft: int = 0
    sideless: int = 0
    left_out: int = 0
    low: float = np.inf
    high: float = -np.inf
    wrong: float = 0.0
    loss: float = 0.0
    beyond: dict[Group, NDArray[np.int64]] = field(default_factory=dict)
    flat_loss: dict[Group, NDArray[np.float64]] = field(default_factory=dict)
    bin_width: float = 0.0
    histogram: NDArray[np.int64] = field(
        default_factory=lambda: np.zeros((2, 2 * HALF_BINS), np.int64)
    )
    sigmoid_histogram: NDArray[np.int64] = field(
        default_factory=lambda: np.zeros((2, SIGMOID_BINS), np.int64)
    )
    extremes: list[Array] = field(default_factory=lambda: [np.empty(0), np.empty(0)])

    def add(self, other: Tally) -> None:
        """Add another tally with the same thresholds to this one."""
        for name in ("samples", "ones", "correct", "soft", "sideless", "left_out", "loss"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.low, self.high = min(self.low, other.low), max(self.high, other.high)
        self.wrong = max(self.wrong, other.wrong)
        _add_all(self.beyond, other.beyond)
        _add_all(self.flat_loss, other.flat_loss)
        width = max(self.bin_width, other.bin_width)
        self.histogram = _coarser(self.histogram, self.bin_width, width) + _coarser(
            other.histogram, other.bin_width, width
        )
        self.bin_width = width
        self.sigmoid_histogram = self.sigmoid_histogram + other.sigmoid_histogram
        self.extremes = [
            _ends(np.sort(np.concatenate(pair)))
            for pair in zip(self.extremes, other.extremes, strict=True)
        ]


def _add_all(mine: dict[Group, Array], theirs: dict[Group, Array]) -> None:
    for key, values in theirs.items():
        mine[key] = mine[key] + values if key in mine else values


def _ends(ordered: Array) -> Array:
    """Return the first and the last of sorted values."""
    if len(ordered) <= 2 * EXTREMES:
        return ordered
    return np.concatenate([ordered[:EXTREMES], ordered[-EXTREMES:]])


def _coarser(histogram: Array, width: float, wanted: float) -> Array:
    """Return a histogram with wider bins; `wanted` is a power of two times `width`."""
    if width == 0:
        return histogram
    while width < wanted:
        pairs = histogram.reshape(2, -1, 2).sum(axis=2)
        histogram = np.pad(pairs, ((0, 0), (HALF_BINS // 2, HALF_BINS // 2)))
        width *= 2
    return histogram


def _up(values: NDArray[np.floating], dtype: np.dtype[Any]) -> Array:
    """Return the least numbers of `dtype` that are not below `values`."""
    with np.errstate(over="ignore"):  # no raw output lies beyond the largest number
        rounded = values.astype(dtype)
    return np.where(rounded < values, np.nextafter(rounded, dtype.type(np.inf)), rounded)


def _sums(values: Array, counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return, for each count, the sum of that many of the first values."""
    cuts = np.unique(np.append(counts, 0))
    parts = [values[a:b].sum(dtype=np.float64) for a, b in itertools.pairwise(cuts)]
    return np.cumsum([0.0, *parts])[np.searchsorted(cuts, counts)]


class BadValue(Exception):
    """The index of a chunk's first value that has no loss."""


def bad(x: Array, y: Array) -> NDArray[np.bool_]:
    """Return where a value has no loss: nan, inf, beyond float32, or not a label.

    Examples
    --------
    >>> bad(np.array([1.0, np.nan, 2.0]), np.array([1, 0, 7])).tolist()
    [False, True, True]
    """
    return ~(np.abs(x) <= LARGEST) | ~((y >= 0) & (y <= 1))


def _losses(part: Array, wrong: slice) -> Array:
    """Return the true losses of one label's raw outputs; `wrong` is their wrong side."""
    # in place: these temporaries are as large as the chunk
    loss = np.abs(part)
    np.negative(loss, out=loss)
    np.exp(loss, out=loss)
    np.log1p(loss, out=loss)
    loss[wrong] += np.abs(part[wrong])
    return loss


def _count_soft(tally: Tally, x: Array, y: NDArray[np.float64]) -> None:
    """Count labels between 0 and 1, and add the difference to the nearer label's loss."""
    tally.ones = int(np.count_nonzero(y > 0.5))
    tally.soft = int(np.count_nonzero((y > 0) & (y < 1)))
    tally.sideless = int(np.count_nonzero(y == 0.5))
    tally.loss += float((x * (np.where(y > 0.5, 1.0, 0.0) - y)).sum())
    middle = x[y == 0.5]
    loss = np.maximum(middle, 0) + np.log1p(np.exp(-np.abs(middle)))
    tally.loss += float(loss.sum(dtype=np.float64))


def _count_label(tally: Tally, label: int, part: Array, edges: Edges) -> None:
    """Add the sorted raw outputs of one label to a tally's losses and thresholds."""
    dtype = part.dtype
    # a Python number here would make a float64 copy of the whole
    n, middle = len(part), int(np.searchsorted(part, dtype.type(0), "right"))
    tally.correct += n - middle if label == 1 else middle
    wrong = slice(0, middle) if label == 1 else slice(middle, n)
    loss = _losses(part, wrong)
    tally.loss += float(loss.sum(dtype=np.float64))
    if wrong.stop > wrong.start:
        tally.wrong = max(tally.wrong, abs(float(part[0 if label == 1 else -1])))
    for side in ("correct", "wrong"):
        at = _up(edges.at[label, side], dtype)
        if (label == 1) == (side == "correct"):
            # 0 counts for the negative side
            at = np.maximum(at, np.nextafter(dtype.type(0), dtype.type(1)))
            beyond = n - np.searchsorted(part, at, "left")
            inward = loss[::-1]
        else:
            beyond = np.searchsorted(part, -at, "right")
            inward = loss
        tally.beyond[label, side] = beyond
        tally.flat_loss[label, side] = _sums(inward, beyond[edges.flat[label, side]])


def count(x: NDArray[np.floating], y: Array, edges: Edges) -> Tally:
    """Count the raw outputs of one label.

    Parameters
    ----------
    x : ndarray of float32 or float64, shape (n,), n > 0
        Raw outputs.
    y : ndarray, shape (n,)
        Labels in [0, 1].
    edges : Edges

    Returns
    -------
    Tally

    Raises
    ------
    BadValue
        With the index of the first value that is nan or inf, or not a label.

    Examples
    --------
    >>> at, flat = np.array([10.0, 20.0]), np.array([1])
    >>> edges = Edges(dict.fromkeys(GROUPS, at), dict.fromkeys(GROUPS, flat))
    >>> tally = count(np.float32([-30.0, 15.0, 1.0]), np.array([1, 1, 0]), edges)
    >>> tally.beyond[1, "wrong"].tolist(), tally.beyond[1, "correct"].tolist()
    ([1, 1], [1, 0])
    >>> tally.flat_loss[1, "wrong"].tolist()
    [30.0]
    """
    low, high = float(x.min()), float(x.max())
    ones = y == 1
    n_ones = int(np.count_nonzero(ones))
    hard = n_ones + np.count_nonzero(y == 0) == len(y)
    # nan fails every comparison
    if not (hard and low >= -LARGEST and high <= LARGEST):
        wrong = bad(x, y)
        if wrong.any():
            raise BadValue(int(np.argmax(wrong)))
    tally = Tally(samples=len(x), ones=n_ones, low=low, high=high)
    zeros = ~ones
    if not hard:
        y = y.astype(np.float64)
        ones, zeros = y > 0.5, y < 0.5
        _count_soft(tally, x, y)
    largest = max(-low, high, float(np.finfo(np.float32).tiny))
    # the largest value lies below the last edge
    tally.bin_width = math.ldexp(1 / HALF_BINS, math.frexp(largest)[1])
    bins = _up(np.arange(-HALF_BINS, HALF_BINS) * tally.bin_width, x.dtype)
    below = np.arange(1, SIGMOID_BINS)
    sigmoid_bins = _up(np.log(below / below[::-1]), x.dtype)
    for label, where in ((0, zeros), (1, ones)):
        part = x[np.flatnonzero(where)]
        part.sort()
        _count_label(tally, label, part, edges)
        starts = np.append(np.searchsorted(part, bins, "left"), len(part))
        tally.histogram[label] = np.diff(starts)
        starts = np.concatenate([[0], np.searchsorted(part, sigmoid_bins, "left"), [len(part)]])
        tally.sigmoid_histogram[label] = np.diff(starts)
        tally.extremes[label] = _ends(part).copy()
    return tally
