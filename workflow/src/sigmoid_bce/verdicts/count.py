"""Counts over any number of raw outputs, in one pass and constant memory, on two cores."""

from __future__ import annotations

import os
import sys
import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from sigmoid_bce.verdicts.outputs import CHUNK, LABEL, RAW_OUTPUT, Array, BadOutputs, Outputs
from sigmoid_bce.verdicts.sample import Sample
from sigmoid_bce.verdicts.tally import LARGEST, BadValue, Edges, Tally, bad, count

HINTS = {
    -1.0: "; turn labels -1 and 1 into (label + 1) / 2",
    255.0: "; turn labels 0 and 255 into label / 255",
}
"""Advice for labels that occur often."""
PENDING = 3  # chunks that wait to be counted, at most
PAUSE = 5.0  # seconds between messages about progress


class Piece(NamedTuple):
    """Consecutive rows: the first row's number, raw outputs and labels (rows, pixels, labels)."""

    row: int
    x: Array
    y: Array


@dataclass
class Counted:
    """The counts of all raw outputs, and a sample of them.

    Attributes
    ----------
    rows : int
    tallies : list of Tally
        One a label.
    sample : tuple of two ndarray, shape (rows, pixels, labels)
        Raw outputs and labels of some rows.
    first : tuple of two ndarray, shape (pixels, labels)
        Raw outputs and labels of the first row.
    """

    rows: int
    tallies: list[Tally]
    sample: tuple[Array, Array]
    first: tuple[Array, Array]

    def total(self) -> Tally:
        """Return the tally of all labels together."""
        total = Tally()
        for tally in self.tallies:
            total.add(tally)
        return total


def _refusal(outputs: Outputs, piece: Piece) -> BadOutputs:
    """Return the error for the first bad value of a piece."""
    wrong = bad(piece.x, piece.y)
    at = tuple(int(i) for i in np.unravel_index(np.argmax(wrong), wrong.shape))
    row, pixel, label = piece.row + at[0], *at[1:]
    value = piece.x[at]
    if not abs(value) <= LARGEST:
        limit = f" within float32's {LARGEST:.2g}" if np.isfinite(value) else ""
        place = outputs.place(RAW_OUTPUT, row, pixel, label)
        return BadOutputs(f"{place}: expected a finite number{limit}, found {value}")
    found = float(piece.y[at])
    return BadOutputs(
        f"{outputs.place(LABEL, row, pixel, label)}: expected a label of 0 or 1, or between, "
        f"found {found:g}{HINTS.get(found, '')}"
    )


def _pieces(outputs: Outputs, progress: bool) -> Iterator[Piece]:
    """Yield all rows in pieces of about `CHUNK` values a label."""
    row, shown = 0, time.monotonic()
    for x, y in outputs.chunks:
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
    pending: deque[tuple[Future[list[Tally]], Piece]] = deque()

    def work(piece: Piece) -> list[Tally]:
        return [
            count(piece.x[:, :, j].reshape(-1), piece.y[:, :, j].reshape(-1), edges)
            for j in range(piece.x.shape[2])
        ]

    def collect(most: int) -> None:
        """Add up finished pieces until at most some are pending."""
        while len(pending) > most:
            future, piece = pending.popleft()
            try:
                for tally, part in zip(tallies, future.result(), strict=True):
                    tally.add(part)
            except BadValue:
                pending.clear()  # errors of later pieces do not count
                raise _refusal(outputs, piece) from None

    with ThreadPoolExecutor(min(2, os.cpu_count() or 1)) as pool:
        try:
            for piece in _pieces(outputs, progress):
                if first is None:
                    first = (piece.x[0].copy(), piece.y[0].copy())
                pending.append((pool.submit(work, piece), piece))
                sample.take(*piece)
                rows = piece.row + len(piece.x)
                collect(PENDING)
        except BadOutputs:
            collect(0)  # an earlier value may be bad as well, and is then reported first
            raise
        else:
            collect(0)
        finally:
            pool.shutdown(cancel_futures=True)
    if first is None:
        raise BadOutputs(f"{outputs.name}: expected at least one raw output, found none")
    return Counted(rows, tallies, sample.arrays(), first)
