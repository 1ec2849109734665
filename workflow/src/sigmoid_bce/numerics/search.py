"""Where an implementation goes wrong: the raw output, to the last bit, by label and side."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from sigmoid_bce.numerics.catalogue import DTYPES, LENGTH, Implementation
from sigmoid_bce.numerics.sweep import OFF_SHARE, Measured, magnitudes, measure

SIDES = ("correct", "wrong")
COLUMNS = (
    "loss_off",
    "loss_over",
    "loss_under",
    "loss_flat",
    "loss_flat_value",
    "gradient_off",
    "gradient_zero",
    "first_nan",
    "first_inf",
)
# how far before the first bad point of the sweep a closer look starts: errors of a staircase
# come and go between its points
BACK = 1.0
LOOK, MOST_LOOKS = 16 * LENGTH, 64
"""How many points such a look has, and how many looks there are at every float before it."""


def _nan(found: Measured, kind) -> NDArray[np.bool_]:
    arrays = [a for a in found.value.values() if a is not None]
    return np.any([kind(a) for a in arrays], axis=0)


def sign(y: float, side: str) -> int:
    """Return the sign of raw outputs on the side that agrees with a label, or on the other.

    Examples
    --------
    >>> sign(1.0, "correct"), sign(0.0, "correct")
    (1, -1)
    """
    agrees = 1 if y > 0.5 else -1
    return agrees if side == "correct" else -agrees


class Search:
    """The thresholds of one implementation, precision, label and side.

    Parameters
    ----------
    implementation : Implementation
    dtype : str
        Precision of the raw output.
    y : float
        The label, not 0.5.
    side : {"correct", "wrong"}
        Whether raw outputs agree with the label.
    """

    def __init__(self, implementation: Implementation, dtype: str, y: float, side: str):
        self.implementation, self.dtype, self.y = implementation, DTYPES[dtype], y
        self.sign = sign(y, side)
        self.grid = magnitudes(dtype, coarse=implementation.per_sample and dtype != "float32")
        # as many points as a call takes anyway, but few where each is a call, or mpmath's
        slow = implementation.per_sample or dtype == "longdouble"
        self.sections = 16 if slow else LENGTH
        self.back = 0.0 if slow else BACK
        self.on_grid = self._at(self.grid)

    def _at(self, magnitude: NDArray) -> Measured:
        return measure(self.implementation, self.sign * magnitude, self.y)

    def _between(self, low: float, high: float, count: int) -> NDArray:
        """Return up to `count` floats from `low` to `high`, both included, increasing."""
        values = np.linspace(np.longdouble(low), np.longdouble(high), count).astype(self.dtype)
        return values[np.append(True, values[1:] > values[:-1])]

    def _before(self, high: float) -> NDArray:
        """Return the `LOOK` floats before `high`, or as many as there are from 0 on."""
        whole = np.dtype(f"i{self.dtype.itemsize}")
        end = int(np.asarray(high, self.dtype).view(whole))
        return np.arange(max(end - LOOK, 0), end, dtype=whole).view(self.dtype)

    def first(self, bad: Callable[[Measured], NDArray[np.bool_]]) -> float:
        """Return the smallest |x| found at which something is so; nan if nowhere.

        Parameters
        ----------
        bad : callable
            From measurements to a mask, (n,).
        """
        hits = np.flatnonzero(bad(self.on_grid))
        if not hits.size:
            return np.nan
        if hits[0] == 0:
            return float(self.grid[0])
        low, high = self.grid[hits[0] - 1], self.grid[hits[0]]
        if self.back:
            near = self._between(max(high - self.back, 0), high, LOOK)
            i = int(np.argmax(bad(self._at(near))))
            low, high = near[max(i - 1, 0)], near[i]
        high = self._narrow(low, high, lambda points: int(np.argmax(bad(self._at(points)))))
        # then every float before it, until a whole look finds none that is bad
        for _ in range(MOST_LOOKS if self.back else 0):
            if high == 0:
                break
            near = self._before(high)
            hits = bad(self._at(near))
            if not hits.any():
                break
            high = float(near[np.argmax(hits)])
        return high

    def from_then_on(self, same: Callable[[Measured], NDArray[np.bool_]]) -> float:
        """Return the smallest |x| beyond which something is so up to the end; nan if it is not.

        Parameters
        ----------
        same : callable
            From measurements to a mask, (n,).
        """
        misses = np.flatnonzero(~same(self.on_grid))
        if misses.size and misses[-1] == len(self.grid) - 1:
            return np.nan
        if not misses.size:
            return float(self.grid[0])
        low, high = self.grid[misses[-1]], self.grid[misses[-1] + 1]

        def last_miss(points):
            missed = np.flatnonzero(~same(self._at(points)))
            # the bracket's upper end is a hit
            return int(missed[-1]) + 1

        return self._narrow(low, high, last_miss)

    def _narrow(self, low: float, high: float, choose: Callable[[NDArray], int]) -> float:
        """Cut a bracket into sections until its ends are neighbours; return its upper end."""
        while True:
            points = self._between(low, high, self.sections)
            if len(points) <= 2:
                return float(high)
            i = choose(points)
            low, high = points[i - 1], points[i]

    def _moves(self, quantity: str, threshold: float) -> bool:
        """Return whether the exact value still changes by 1 % beyond a threshold."""
        ends = self._at(np.array([threshold, self.grid[-1]], self.dtype)).exact[quantity]
        return bool(abs(ends[0] - ends[1]) > OFF_SHARE * max(ends))

    def run(self) -> dict[str, float]:
        """Return the thresholds.

        Returns
        -------
        dict of str to float
            |x| by the names in `COLUMNS`, nan where there is none: loss_off and gradient_off, the
            first at which they are more than 1 % (and more than 4 units in the last place) from
            the truth; loss_over and loss_under, the first at which the loss is so much above or
            below it; loss_flat, from which on the loss is one value, loss_flat_value, though the
            true loss still moves by 1 %; gradient_zero, from which on the gradient is exactly 0
            though the true one, rounded to the dtype under test, is not; first_nan and first_inf,
            of either.
        """
        out = dict.fromkeys(COLUMNS, np.nan)
        out["loss_off"] = self.first(lambda found: found.off["loss"])
        if np.isfinite(out["loss_off"]):
            out["loss_over"] = self.first(lambda found: found.over)
            out["loss_under"] = self.first(lambda found: found.under)
        last = self.on_grid.value["loss"][-1]
        if np.isfinite(last):
            flat = self.from_then_on(lambda found: found.value["loss"] == last)
            if np.isfinite(flat) and self._moves("loss", flat):
                out["loss_flat"], out["loss_flat_value"] = flat, float(last)
        if self.on_grid.value["gradient"] is not None:
            out["gradient_off"] = self.first(lambda found: found.off["gradient"])
            zero = self.from_then_on(lambda found: found.value["gradient"] == 0)
            if np.isfinite(zero):
                truth = self._at(np.array([zero], self.dtype)).exact["gradient"]
                out["gradient_zero"] = zero if truth[0] != 0 else np.nan
        out["first_nan"] = self.first(lambda found: _nan(found, np.isnan))
        out["first_inf"] = self.first(lambda found: _nan(found, np.isinf))
        return out

    def around(self, thresholds: dict[str, float], count: int = 8) -> NDArray:
        """Return the raw outputs next to each threshold, on both sides of it.

        Parameters
        ----------
        thresholds : dict of str to float
            What `run` returned.
        count : int
            Neighbours on each side.

        Returns
        -------
        ndarray, shape (n,), of the dtype under test
            Increasing, within the sweep's range.
        """
        end = self.grid[-1]
        places = [v for k, v in thresholds.items() if k != "loss_flat_value" and 0 < v < end]
        points = set()
        for place in places:
            for towards in (0, np.inf):
                value = self.dtype.type(place)
                for _ in range(count + 1):
                    points.add(value)
                    value = np.nextafter(value, self.dtype.type(towards))
        return np.sort(self.sign * np.array(sorted(points), self.dtype))
