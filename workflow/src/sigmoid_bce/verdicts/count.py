"""Counts over any number of raw outputs, in one pass and constant memory, on two cores."""

from __future__ import annotations

import itertools
import os
import sys
import time
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from sigmoid_bce.verdicts.advice import Seen
from sigmoid_bce.verdicts.errors import LABEL, RAW_OUTPUT, Array, BadOutputs
from sigmoid_bce.verdicts.outputs import CHUNK, Outputs
from sigmoid_bce.verdicts.sample import Sample
from sigmoid_bce.verdicts.tally import LARGEST, BadValue, Edges, Tally, bad, count

AHEAD = 64  # chunks after a bad label that are looked at for advice, at most
PENDING = 3  # chunks that wait to be counted, at most
PAUSE = 5.0  # seconds between messages about progress


class Piece(NamedTuple):
    """Consecutive rows: the first row's number, raw outputs and labels (rows, pixels, labels).

    Labels are a masked array if some samples are left out.
    """

    row: int
    x: Array
    y: Array


@dataclass
class Counted:
    """The counts of all raw outputs, and a sample of them.

    Attributes
    ----------
    rows : int
        Rows, without those that are left out.
    tallies : list of Tally
        One a label.
    sample : tuple of two ndarray, shape (rows, pixels, labels)
        Raw outputs and labels of some rows. The label of a sample that is left out is nan.
    first : tuple of two ndarray, shape (pixels, labels)
        Raw outputs and labels of the first row.
    shape : tuple of int
        Height and width, if each row is a map; else empty.
    """

    rows: int
    tallies: list[Tally]
    sample: tuple[Array, Array]
    first: tuple[Array, Array]
    shape: tuple[int, ...] = ()

    def total(self) -> Tally:
        """Return the tally of all labels together."""
        total = Tally()
        for tally in self.tallies:
            total.add(tally)
        return total


def _refusal(
    outputs: Outputs, piece: Piece, counted: Iterable[Tally], others: Iterable[Piece]
) -> BadOutputs:
    """Return the error for the first bad value of a piece.

    What was counted before, and other pieces, tell which labels there are.
    """
    labels, out = np.ma.getdata(piece.y), np.ma.getmaskarray(piece.y)
    wrong = bad(piece.x, labels) & ~out
    at = tuple(int(i) for i in np.unravel_index(np.argmax(wrong), wrong.shape))
    row, pixel, label = piece.row + at[0], *at[1:]
    value = piece.x[at]
    if not abs(value) <= LARGEST:
        limit = f" within float32's {LARGEST:.2g}" if np.isfinite(value) else ""
        place = outputs.place(RAW_OUTPUT, row, pixel, label)
        return BadOutputs(f"{place}: expected a finite number{limit}, found {value}")
    seen = Seen()
    for tally in counted:
        seen.count(tally)
    seen.add(piece.x, piece.y)
    # what cannot be read any more gives no advice
    with suppress(BadOutputs):
        for other in itertools.islice(others, AHEAD):
            seen.add(other.x, other.y)
    return BadOutputs(
        f"{outputs.place(LABEL, row, pixel, label)}: expected a label of 0 or 1, or between, "
        f"found {_exact(float(labels[at]))}{seen.advice()}"
    )


def _exact(value: float) -> str:
    """Return a number in few digits, but not as another number.

    Examples
    --------
    >>> _exact(255.0), _exact(1.0000001)
    ('255', '1.0000001')
    """
    short = f"{value:g}"
    return short if float(short) == value or value != value else repr(value)


def without(y: Array, ignore: Iterable[float]) -> Array:
    """Return labels with those masked that are to be left out."""
    out = np.ma.getmaskarray(y)
    labels = np.ma.getdata(y)
    for value in ignore:
        out = out | (np.isnan(labels) if np.isnan(value) else labels == value)
    return np.ma.array(labels, mask=out) if out.any() else labels


def _kept_rows(piece: Piece) -> tuple[Array, Array]:
    """Return the rows that are not left out as a whole; in others, nan takes a label's place."""
    if not isinstance(piece.y, np.ma.MaskedArray):
        return piece.x, piece.y
    y = np.where(np.ma.getmaskarray(piece.y), np.nan, piece.y.data.astype(np.float64))
    kept = ~np.isnan(y).all(axis=(1, 2))
    return piece.x[kept], y[kept]


def _tally(x: Array, y: Array, edges: Edges) -> Tally:
    """Count the raw outputs of one label, without those that are left out."""
    x, y = x.reshape(-1), y.reshape(-1)
    if not isinstance(y, np.ma.MaskedArray):
        return count(x, y, edges)
    kept = ~np.ma.getmaskarray(y)
    x, labels = x[kept], y.data[kept]
    tally = count(x, labels, edges) if len(x) else Tally()
    tally.left_out = len(y) - len(x)
    return tally


def _pieces(outputs: Outputs, progress: bool) -> Iterator[Piece]:
    """Yield all rows in pieces of about `CHUNK` values a label."""
    row, shown = 0, time.monotonic()
    for x, y in outputs.chunks:
        if outputs.ignore or isinstance(y, np.ma.MaskedArray):
            y = without(y, outputs.ignore)
        size = max(1, CHUNK // max(1, x.shape[1]))
        for begin in range(0, len(x) if x.size else 0, size):
            yield Piece(row + begin, x[begin : begin + size], y[begin : begin + size])
        row += len(x)
        if progress and time.monotonic() - shown > PAUSE:
            shown = time.monotonic()
            print(f"{outputs.name}: {row:,} rows", file=sys.stderr, flush=True)


def run(outputs: Outputs, edges: Edges, progress: bool = False) -> Counted:
    """Count all raw outputs.

    Parameters
    ----------
    outputs : Outputs
    edges : Edges
    progress : bool
        Print the number of rows to standard error every few seconds.

    Returns
    -------
    Counted

    Raises
    ------
    BadOutputs
        With the place of the first value that is missing, nan, inf, or not a label; or if there
        is no value at all.

    Examples
    --------
    >>> from sigmoid_bce.verdicts import shares
    >>> from sigmoid_bce.verdicts.outputs import from_arrays
    >>> edges = shares.edges(shares.read())
    >>> run(from_arrays([3.0, -2.0], [1, 1]), edges).total().correct
    1
    """
    tallies = [Tally() for _ in outputs.labels]
    sample, first, rows = Sample(), None, 0
    pieces = _pieces(outputs, progress)
    pending: deque[tuple[Future[list[Tally]], Piece]] = deque()

    def work(piece: Piece) -> list[Tally]:
        return [_tally(piece.x[:, :, j], piece.y[:, :, j], edges) for j in range(piece.x.shape[2])]

    def collect(most: int) -> None:
        """Add up finished pieces until at most some are pending."""
        while len(pending) > most:
            future, piece = pending.popleft()
            try:
                for tally, part in zip(tallies, future.result(), strict=True):
                    tally.add(part)
            except BadValue:
                others = [other for _, other in pending]
                pending.clear()  # errors of later pieces do not count
                raise _refusal(outputs, piece, tallies, itertools.chain(others, pieces)) from None

    with ThreadPoolExecutor(min(2, os.cpu_count() or 1)) as pool:
        try:
            for piece in pieces:
                pending.append((pool.submit(work, piece), piece))
                x, y = _kept_rows(piece)
                if len(x):
                    if first is None:
                        first = (x[0].copy(), y[0].copy())
                    sample.take(rows, x, y)
                    rows += len(x)
                collect(PENDING)
        except BadOutputs:
            collect(0)  # an earlier value may be bad as well, and is then reported first
            raise
        else:
            collect(0)
        finally:
            pool.shutdown(cancel_futures=True)
    for name, tally in zip(outputs.labels, tallies, strict=True):
        if not tally.samples:
            of = f" of label {name}" if name else ""
            left = f": {tally.left_out:,} are left out" if tally.left_out else ""
            raise BadOutputs(
                f"{outputs.name}: expected at least one raw output{of}, found none{left}"
            )
    assert first is not None  # a label has a sample, so a row has one
    return Counted(rows, tallies, sample.arrays(), first, outputs.shape)
