"""Counts over any number of raw outputs, in one pass and constant memory.

Each chunk is split by label and sorted, so that a count beyond any threshold, and so every bin of
a histogram, is a binary search: exact, and independent of how many thresholds there are.
"""

from __future__ import annotations

import itertools
import math
import os
import sys
import time
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import logit

from sigmoid_bce.verdicts.read import CHUNK, LABEL, RAW_OUTPUT, BadOutputs, Outputs

HALF_BINS = 512
"""Bins of the histogram of raw outputs, on either side of 0."""
SIGMOID_BINS = 60
SAMPLE = 1 << 16
"""Values kept for figures and for batches, at most about; but no fewer than `FEWEST` rows."""
FEWEST = 4
PIXELS = 1 << 19
"""Pixels kept of a row, at most about."""
EXTREMES = 64
"""The most extreme raw outputs kept of either label, at either end."""
HINTS = {
    -1.0: "; turn labels -1 and 1 into (label + 1) / 2",
    255.0: "; turn labels 0 and 255 into label / 255",
}
"""What to do about labels that are often met."""
LARGEST = float(np.finfo(np.float32).max)
GROUPS = [(y, side) for y in (0, 1) for side in ("correct", "wrong")]
Group = tuple[int, str]


@dataclass(frozen=True)
class Edges:
    """Where to count: thresholds on the magnitude of raw outputs, by label and side.

    Attributes
    ----------
    at : dict of ndarray of float64
        Ascending thresholds.
    flat : dict of ndarray of int
        Indices of those beyond which losses are to be summed.
    """

    at: dict[Group, NDArray[np.float64]]
    flat: dict[Group, NDArray[np.int64]]


@dataclass
class Tally:
    """What is counted of the raw outputs of one label.

    Attributes
    ----------
    samples, ones, correct : int
        All; with a label above 0.5; on the correct side.
    soft, sideless : int
        With a label strictly between 0 and 1; with 0.5, which has no correct side.
    low, high, wrong : float
        The least and greatest raw output; the greatest magnitude on the wrong side.
    loss : float
        Sum of the true losses.
    beyond : dict
        By label and side, how many raw outputs reach each threshold in magnitude.
    flat_loss : dict
        By label and side, the true losses' sum of those that reach thresholds of `Edges.flat`.
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
    extremes: list[NDArray] = field(default_factory=lambda: [np.empty(0), np.empty(0)])

    def add(self, other: Tally) -> None:
        """Add another tally, of the same thresholds, to this one."""
        for name in ("samples", "ones", "correct", "soft", "sideless", "loss"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.low, self.high = min(self.low, other.low), max(self.high, other.high)
        self.wrong = max(self.wrong, other.wrong)
        for mine, theirs in ((self.beyond, other.beyond), (self.flat_loss, other.flat_loss)):
            for key, values in theirs.items():
                mine[key] = mine[key] + values if key in mine else values
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


def _ends(ordered: NDArray) -> NDArray:
    """Return the first and the last of sorted values."""
    if len(ordered) <= 2 * EXTREMES:
        return ordered
    return np.concatenate([ordered[:EXTREMES], ordered[-EXTREMES:]])


def _coarser(histogram: NDArray, width: float, wanted: float) -> NDArray:
    """Return a histogram in bins of another width, a power of two times as wide."""
    if width == 0:
        return histogram
    while width < wanted:
        pairs = histogram.reshape(2, -1, 2).sum(axis=2)
        histogram = np.pad(pairs, ((0, 0), (HALF_BINS // 2, HALF_BINS // 2)))
        width *= 2
    return histogram


def _up(values: NDArray[np.float64], dtype: np.dtype) -> NDArray:
    """Return the least numbers of `dtype` that are not below `values`."""
    rounded = values.astype(dtype)
    return np.where(rounded < values, np.nextafter(rounded, dtype.type(np.inf)), rounded)


def _sums(values: NDArray, counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return, for each count, the sum of as many of the first values."""
    cuts = np.unique(np.append(counts, 0))
    parts = [values[a:b].sum(dtype=np.float64) for a, b in itertools.pairwise(cuts)]
    return np.cumsum([0.0, *parts])[np.searchsorted(cuts, counts)]


class BadValue(Exception):
    """An index into a chunk's values, where something is wrong."""


def _bad(x: NDArray, y: NDArray) -> NDArray[np.bool_]:
    """Return where a value has no loss: nan, inf, beyond float32, or no label."""
    return ~(np.abs(x) <= LARGEST) | ~((y >= 0) & (y <= 1))


def count(x: NDArray[np.floating], y: NDArray, edges: Edges) -> Tally:
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
        With the index of the first value that is nan or inf, or no label.

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
    low, high = x.min(), x.max()
    ones = y == 1
    n_ones = np.count_nonzero(ones)
    hard = n_ones + np.count_nonzero(y == 0) == len(y)
    # nan fails every comparison
    if not (hard and low >= -LARGEST and high <= LARGEST):
        bad = _bad(x, y)
        if bad.any():
            raise BadValue(int(np.argmax(bad)))
    tally = Tally(samples=len(x), ones=n_ones, low=float(low), high=float(high))
    zeros = ~ones
    if not hard:
        y = y.astype(np.float64)
        ones, zeros = y > 0.5, y < 0.5
        tally.ones = np.count_nonzero(ones)
        tally.soft = np.count_nonzero((y > 0) & (y < 1))
        tally.sideless = np.count_nonzero(y == 0.5)
        # beside the loss of the label that is nearest, added below
        tally.loss += float((x * (np.where(ones, 1.0, 0.0) - y)).sum())
        middle = x[y == 0.5]
        loss = np.maximum(middle, 0) + np.log1p(np.exp(-np.abs(middle)))
        tally.loss += float(loss.sum(dtype=np.float64))
    largest = max(-tally.low, tally.high, float(np.finfo(np.float32).tiny))
    # the largest value lies below the last edge
    tally.bin_width = math.ldexp(1 / HALF_BINS, math.frexp(largest)[1])
    bins = _up(np.arange(-HALF_BINS, HALF_BINS) * tally.bin_width, x.dtype)
    sigmoid_bins = _up(logit(np.arange(1, SIGMOID_BINS) / SIGMOID_BINS), x.dtype)
    for label, where in ((0, zeros), (1, ones)):
        part = x[np.flatnonzero(where)]
        part.sort()
        # a Python number here would make a float64 copy of the whole
        n, middle = len(part), int(np.searchsorted(part, x.dtype.type(0), "right"))
        tally.correct += n - middle if label == 1 else middle
        loss = np.abs(part)
        np.negative(loss, out=loss)
        np.exp(loss, out=loss)
        np.log1p(loss, out=loss)
        # on the wrong side the magnitude comes on top
        wrong = slice(0, middle) if label == 1 else slice(middle, n)
        loss[wrong] += np.abs(part[wrong])
        tally.loss += float(loss.sum(dtype=np.float64))
        if wrong.stop > wrong.start:
            tally.wrong = max(tally.wrong, abs(float(part[0 if label == 1 else -1])))
        for side in ("correct", "wrong"):
            at = _up(edges.at[label, side], x.dtype)
            if (label == 1) == (side == "correct"):
                # 0 is on the other side
                at = np.maximum(at, np.nextafter(x.dtype.type(0), x.dtype.type(1)))
                beyond = n - np.searchsorted(part, at, "left")
                inward = loss[::-1]
            else:
                beyond = np.searchsorted(part, -at, "right")
                inward = loss
            tally.beyond[label, side] = beyond
            tally.flat_loss[label, side] = _sums(inward, beyond[edges.flat[label, side]])
        starts = np.append(np.searchsorted(part, bins, "left"), n)
        tally.histogram[label] = np.diff(starts)
        starts = np.concatenate([[0], np.searchsorted(part, sigmoid_bins, "left"), [n]])
        tally.sigmoid_histogram[label] = np.diff(starts)
        tally.extremes[label] = _ends(part).copy()
    return tally


class Sample:
    """Rows drawn evenly and at random, whatever the number of rows and the chunks they come in.

    Of every 2**level rows in sequence one is kept; which one, depends on nothing but its place.
    When too many are kept, the level rises, and of two neighbours one goes.
    """

    def __init__(self, size: int = SAMPLE):
        self.size, self.level = size, 0
        self.parts: list[tuple[NDArray, NDArray, NDArray]] = []
        self.kept = 0

    def _chosen(self, block: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the row that is kept of each block of 2**level rows."""
        for level in range(self.level, 0, -1):
            mixed = (block.astype(np.uint64) * np.uint64(2) + np.uint64(level)) * np.uint64(
                0x9E3779B97F4A7C15
            )
            mixed ^= mixed >> np.uint64(29)
            block = 2 * block + ((mixed * np.uint64(0xBF58476D1CE4E5B9)) >> np.uint64(63)).astype(
                np.int64
            )
        return block

    def take(self, start: int, x: NDArray, y: NDArray) -> None:
        """Keep some rows of a chunk that begins at row `start`, shape (rows, pixels, labels)."""
        blocks = np.arange(start >> self.level, ((start + len(x) - 1) >> self.level) + 1)
        rows = self._chosen(blocks)
        rows = rows[(rows >= start) & (rows < start + len(x))]
        step = -(-x.shape[1] // PIXELS)
        if len(rows) == 0:
            return
        self.parts.append((rows, x[rows - start, ::step].copy(), y[rows - start, ::step].copy()))
        self.kept += self.parts[-1][1].size
        while self.kept > self.size and sum(len(part[0]) for part in self.parts) >= 2 * FEWEST:
            self.level += 1
            rows, x, y = map(np.concatenate, zip(*self.parts, strict=True))
            stay = self._chosen(rows >> self.level) == rows
            self.parts = [(rows[stay], x[stay], y[stay])]
            self.kept = self.parts[0][1].size

    def arrays(self) -> tuple[NDArray, NDArray]:
        """Return raw outputs and labels of the rows that were kept, (rows, pixels, labels)."""
        _, x, y = map(np.concatenate, zip(*self.parts, strict=True))
        return x, y


@dataclass
class Counted:
    """Raw outputs that were gone through.

    Attributes
    ----------
    rows : int
    tallies : list of Tally
        One a label.
    sample : tuple of two ndarray, shape (rows, pixels, labels)
        Some rows' raw outputs and labels.
    first : tuple of two ndarray, shape (pixels, labels)
        The first row's.
    """

    rows: int
    tallies: list[Tally]
    sample: tuple[NDArray, NDArray]
    first: tuple[NDArray, NDArray]

    def total(self) -> Tally:
        """Return the tally of all labels together."""
        total = Tally()
        for tally in self.tallies:
            total.add(tally)
        return total


def _refusal(outputs: Outputs, row: int, x: NDArray, y: NDArray) -> BadOutputs:
    """Return what is wrong with the first bad value of a chunk that begins at `row`."""
    bad = _bad(x, y)
    at = tuple(int(i) for i in np.unravel_index(np.argmax(bad), bad.shape))
    inner = (row + at[0], *at[1:])
    if not abs(x[at]) <= LARGEST:
        return BadOutputs(
            f"{outputs.place(RAW_OUTPUT, *inner)}: expected a finite number"
            + (f" within float32's {LARGEST:.2g}" if np.isfinite(x[at]) else "")
            + f", found {x[at]}"
        )
    found = float(y[at])
    hint = HINTS.get(found, "")
    return BadOutputs(
        f"{outputs.place(LABEL, *inner)}: expected a label of 0 or 1, or between, "
        f"found {found:g}{hint}"
    )


def run(outputs: Outputs, edges: Edges, progress: bool = False) -> Counted:
    """Count all raw outputs, in constant memory, on two cores.

    Parameters
    ----------
    outputs : Outputs
    edges : Edges
    progress : bool
        Say now and then on standard error how far it is.

    Returns
    -------
    Counted

    Raises
    ------
    BadOutputs
        With the place of the first value that is missing, nan, inf, or no label; or if there
        is no value at all.
    """
    tallies = [Tally() for _ in outputs.labels]
    sample, first, rows = Sample(), None, 0
    pending: deque[tuple[Future, Any]] = deque()
    shown = time.monotonic()

    def work(x: NDArray, y: NDArray) -> list[Tally]:
        return [
            count(x[:, :, j].reshape(-1), y[:, :, j].reshape(-1), edges) for j in range(x.shape[2])
        ]

    def collect() -> None:
        future, at = pending.popleft()
        try:
            for tally, part in zip(tallies, future.result(), strict=True):
                tally.add(part)
        except BadValue:
            raise _refusal(outputs, *at) from None

    chunks = iter(outputs.chunks)
    with ThreadPoolExecutor(min(2, os.cpu_count() or 1)) as pool:
        try:
            while True:
                try:
                    whole = next(chunks, None)
                except BadOutputs:
                    # an earlier value may be what is wrong first
                    while pending:
                        collect()
                    raise
                if whole is None:
                    break
                size = max(1, CHUNK // max(1, whole[0].shape[1]))
                for begin in range(0, len(whole[0]), size):
                    x, y = (part[begin : begin + size] for part in whole)
                    if first is None and x.size:
                        first = (x[0].copy(), y[0].copy())
                    if x.size:
                        pending.append((pool.submit(work, x, y), (rows, x, y)))
                        sample.take(rows, x, y)
                    rows += len(x)
                    while len(pending) > 3:
                        collect()
                if progress and time.monotonic() - shown > 5:
                    shown = time.monotonic()
                    print(f"{outputs.name}: {rows:,} rows", file=sys.stderr, flush=True)
            while pending:
                collect()
        finally:
            pool.shutdown(cancel_futures=True)
    if first is None:
        raise BadOutputs(f"{outputs.name}: expected at least one raw output, found none")
    return Counted(rows, tallies, sample.arrays(), first)
