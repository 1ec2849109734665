"""An even random sample of rows, whatever their number and the chunks they come in."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

VALUES = 1 << 16
"""Values kept for figures and batches, at most about; but never fewer than `FEWEST` rows."""
FEWEST = 4
PIXELS = 1 << 19
"""Pixels kept of a row, at most about."""


class Sample:
    """A sample that keeps one row of every 2**level rows in sequence.

    Which one is kept depends only on the place of the rows. When the sample grows too large, the
    level rises and one of two neighbouring rows goes.

    Parameters
    ----------
    size : int
        Values to keep, at most about.

    Examples
    --------
    >>> sample = Sample(size=8)
    >>> sample.take(0, np.zeros((100, 1, 1)), np.ones((100, 1, 1)))
    >>> len(sample.arrays()[0])
    6
    """

    def __init__(self, size: int = VALUES):
        self.size, self.level = size, 0
        self.parts: list[tuple[NDArray[Any], NDArray[Any], NDArray[Any]]] = []
        self.kept = 0

    def _chosen(self, block: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the row that is kept of each block of 2**level rows."""
        for level in range(self.level, 0, -1):
            # a hash of the block's number chooses its first or its second half
            mixed = (block.astype(np.uint64) * np.uint64(2) + np.uint64(level)) * np.uint64(
                0x9E3779B97F4A7C15
            )
            mixed ^= mixed >> np.uint64(29)
            block = 2 * block + ((mixed * np.uint64(0xBF58476D1CE4E5B9)) >> np.uint64(63)).astype(
                np.int64
            )
        return block

    def take(self, start: int, x: NDArray[Any], y: NDArray[Any]) -> None:
        """Keep some rows of a chunk (rows, pixels, labels) that begins at row `start`."""
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

    def arrays(self) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return raw outputs and labels of the rows that were kept, (rows, pixels, labels)."""
        _, x, y = map(np.concatenate, zip(*self.parts, strict=True))
        return x, y
