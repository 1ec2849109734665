"""What to write instead of labels that are not between 0 and 1, from all values that they have."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from sigmoid_bce.verdicts.errors import Array
from sigmoid_bce.verdicts.tally import Tally

MOST = 20
"""More distinct values than this are no classes."""
SHOWN = 6
ROUNDING = 1e-3
"""Labels that are so near to 0 or 1 are meant to be within [0, 1]."""
OUT = (-1.0, -100.0, 255.0)
"""Labels that often mark a sample to be left out."""
RESCALED = {(-1.0, 1.0): "(label + 1) / 2", (0.0, 255.0): "label / 255", (1.0, 2.0): "label - 1"}
"""Two labels, and what makes them 0 and 1."""
SWAPPED = (
    "the raw outputs are all between 0 and 1, and the labels are not: are the two swapped? Raw "
    "outputs come first, then labels (--raw-output and --label name them in a file)"
)


class Seen:
    """Labels, and whether the raw outputs beside them lie within [0, 1], or are 0 and 1.

    Examples
    --------
    >>> seen = Seen()
    >>> seen.add(np.array([3.0, -2.0]), np.array([1, -1]))
    >>> seen.advice()
    '; turn labels -1 and 1 into (label + 1) / 2, or leave -1 out by --ignore=-1 (make: IGNORE=-1)'
    """

    def __init__(self) -> None:
        self.labels: set[float] = set()
        self.nan = False
        self.within = self.whole = True

    def add(self, x: Array, y: Array) -> None:
        """Add raw outputs and their labels."""
        y = np.ma.compressed(y).astype(np.float64)
        self.nan = self.nan or bool(np.isnan(y).any())
        self.within = self.within and bool(((x >= 0) & (x <= 1)).all())
        self.whole = self.whole and bool(np.isin(x, (0, 1)).all())
        if len(self.labels) <= MOST:
            self.labels.update(np.unique(y[~np.isnan(y)])[: MOST + 1].tolist())

    def count(self, tally: Tally) -> None:
        """Add the labels that were counted, all within [0, 1]."""
        self.within = self.within and tally.low >= 0 and tally.high <= 1
        there = {1.0: tally.ones, 0.0: tally.samples - tally.ones, 0.5: tally.soft}
        self.labels.update(value for value, number in there.items() if number)

    @property
    def swapped(self) -> bool:
        """Whether the labels look like raw outputs, and the raw outputs like labels."""
        others = [value for value in self.labels if not 0 <= value <= 1]
        if any(value % 1 for value in others):
            return self.within
        return self.within and self.whole and any(value < 0 for value in others if value not in OUT)

    def advice(self) -> str:
        """Return what can be done about labels outside [0, 1]; "" if nothing is certain."""
        others = sorted(value for value in self.labels if not 0 <= value <= 1)
        if self.swapped:
            return f"; {SWAPPED}"
        if others and not self.nan and max(max(others) - 1, -min(others)) < ROUNDING:
            return "; labels that are outside by rounding alone can be clipped to [0, 1]"
        if len(self.labels) > MOST:
            return f"; the labels have more than {MOST} values"
        if self.nan or not others:
            others.append(math.nan)
        options = _listed(others, " --ignore=")
        leave = f"by --ignore={options} (make: IGNORE={_listed(others, ' ', quote=True)})"
        two = tuple(sorted(self.labels))
        if two in RESCALED and not self.nan:
            odd = f", or leave {others[0]:g} out {leave}" if two != (1.0, 2.0) else ""
            return f"; turn labels {two[0]:g} and {two[1]:g} into {RESCALED[two]}{odd}"
        if len(others) == 1:
            return f"; leave such samples out {leave}"
        return (
            f"; the labels are {_listed(sorted(self.labels))}{' and nan' if self.nan else ''}: "
            f"make 1 of one class and 0 of the others, or leave samples out {leave}"
        )


def _listed(values: Iterable[float], between: str = ", ", quote: bool = False) -> str:
    texts = [repr(value).removesuffix(".0") for value in values]
    text = between.join(texts[:SHOWN]) + (f"{between}..." if len(texts) > SHOWN else "")
    return f'"{text}"' if quote and len(texts) > 1 else text
