"""Thresholds: the raw outputs at which an implementation goes wrong, to the last bit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields

import numpy as np

from sigmoid_bce.numerics.arrays import Array, Mask
from sigmoid_bce.numerics.catalogue import DTYPES, LENGTH, Implementation
from sigmoid_bce.numerics.reference import Quantity
from sigmoid_bce.numerics.sweep import OFF_SHARE, Measured, increasing, magnitudes, measure

SIDES = ("correct", "wrong")
"""Whether the sign of a raw output agrees with its label."""
BACK = 1.0
"""How far before the first bad point of the sweep the dense look starts, since the error of a
staircase comes and goes between the points of the sweep."""
LOOK = 16 * LENGTH
"""Points in a dense look."""
MOST_LOOKS = 64
"""The most looks of `LOOK` floats each, at every float before the first bad one."""


@dataclass
class Thresholds:
    """Where one implementation goes wrong, for one precision, label and side.

    Each is |x|, or nan if the implementation does not go wrong in this way. An error counts if it
    exceeds 1 % and 4 ulps.

    Parameters
    ----------
    loss_off : float
        The first |x| at which the loss is wrong.
    loss_over, loss_under : float
        The first |x| at which the loss is too large, and too small.
    loss_flat : float
        From this |x| on the loss is one value, though the true loss still moves by 1 %.
    loss_flat_value : float
        That value, which is a loss and not an |x|.
    gradient_off : float
        The first |x| at which the gradient is wrong.
    gradient_zero : float
        From this |x| on the gradient is exactly 0, though the true gradient, rounded to the dtype
        under test, is not.
    first_nan, first_inf : float
        The first |x| at which loss or gradient are nan, and infinite.
    """

    loss_off: float = np.nan
    loss_over: float = np.nan
    loss_under: float = np.nan
    loss_flat: float = np.nan
    loss_flat_value: float = np.nan
    gradient_off: float = np.nan
    gradient_zero: float = np.nan
    first_nan: float = np.nan
    first_inf: float = np.nan


COLUMNS = tuple(field.name for field in fields(Thresholds))
"""The columns of a table of thresholds."""


def sign(y: float, side: str) -> int:
    """Return the sign of the raw outputs on one side of a label.

    Parameters
    ----------
    y : float
        The label, not 0.5.
    side : {"correct", "wrong"}
        Whether the raw outputs agree with the label.

    Examples
    --------
    >>> sign(1.0, "correct"), sign(0.0, "correct")
    (1, -1)
    """
    agrees = 1 if y > 0.5 else -1
    return agrees if side == "correct" else -agrees


class Search:
    """The search for the thresholds of one implementation, for one precision, label and side.

    Parameters
    ----------
    implementation : Implementation
        The implementation to measure.
    dtype : str
        Precision of the raw output.
    y : float
        The label, not 0.5.
    side : {"correct", "wrong"}
        Whether the raw outputs agree with the label.

    Attributes
    ----------
    grid : ndarray of `dtype`, shape (n,)
        The |x| of the sweep.
    on_grid : Measured
        The measurements there.
    """

    def __init__(self, implementation: Implementation, dtype: str, y: float, side: str):
        self.implementation, self.dtype, self.y = implementation, DTYPES[dtype], y
        self.sign = sign(y, side)
        self.grid = magnitudes(dtype, coarse=implementation.per_sample and dtype != "float32")
        # LENGTH points cost one call, unless each point takes a call or a value of mpmath
        slow = implementation.per_sample or dtype == "longdouble"
        self.sections = 16 if slow else LENGTH
        self.back = 0.0 if slow else BACK
        self.on_grid = self._at(self.grid)

    def _at(self, magnitude: Array) -> Measured:
        return measure(self.implementation, self.sign * magnitude, self.y)

    def _between(self, low: float, high: float, count: int) -> Array:
        """Return up to `count` floats from `low` to `high`, both included, increasing."""
        values = np.linspace(np.longdouble(low), np.longdouble(high), count)
        return increasing(values.astype(self.dtype))

    def _before(self, high: float) -> Array:
        """Return the `LOOK` floats before `high`, or all floats from 0 if there are fewer."""
        whole = np.dtype(f"i{self.dtype.itemsize}")
        end = int(np.asarray(high, self.dtype).view(whole))
        return np.arange(max(end - LOOK, 0), end, dtype=whole).view(self.dtype)

    def first(self, bad: Callable[[Measured], Mask]) -> float:
        """Return the smallest |x| at which measurements are bad; nan if there is none.

        The sweep is searched first, then a dense look before its first bad point, then every float
        before the first bad one, until a whole look has no bad one. An island of bad points that
        lies between two points of the sweep can be missed.

        Parameters
        ----------
        bad : callable
            From measurements to a mask, both of shape (n,).
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
        first = self._narrow(low, high, lambda points: int(np.argmax(bad(self._at(points)))))
        for _ in range(MOST_LOOKS if self.back else 0):
            if first == 0:
                break
            near = self._before(first)
            earlier = bad(self._at(near))
            if not earlier.any():
                break
            first = float(near[np.argmax(earlier)])
        return first

    def from_then_on(self, same: Callable[[Measured], Mask]) -> float:
        """Return the smallest |x| from which something holds up to the end; nan if there is none.

        Parameters
        ----------
        same : callable
            From measurements to a mask, both of shape (n,).
        """
        misses = np.flatnonzero(~same(self.on_grid))
        if misses.size and misses[-1] == len(self.grid) - 1:
            return np.nan
        if not misses.size:
            return float(self.grid[0])
        low, high = self.grid[misses[-1]], self.grid[misses[-1] + 1]

        def after_the_last_miss(points: Array) -> int:
            missed = np.flatnonzero(~same(self._at(points)))
            # the upper end of the bracket is no miss
            return int(missed[-1]) + 1

        return self._narrow(low, high, after_the_last_miss)

    def _narrow(self, low: float, high: float, choose: Callable[[Array], int]) -> float:
        """Cut a bracket into sections until its ends are neighbours; return its upper end."""
        while True:
            points = self._between(low, high, self.sections)
            if len(points) <= 2:
                return float(high)
            i = choose(points)
            low, high = points[i - 1], points[i]

    def _moves(self, quantity: Quantity, threshold: float) -> bool:
        """Return whether the exact value still changes by 1 % beyond a threshold."""
        ends = self._at(np.array([threshold, self.grid[-1]], self.dtype)).exact(quantity)
        return bool(abs(ends[0] - ends[1]) > OFF_SHARE * max(ends))

    def run(self) -> Thresholds:
        """Return the thresholds.

        Examples
        --------
        >>> flat = Implementation("flat at 8", lambda x, y: (np.clip(-x, 0, 8), None))
        >>> Search(flat, "float32", 1.0, "wrong").run().loss_flat
        8.0
        """
        out, last = Thresholds(), self.on_grid.value["loss"][-1]
        out.loss_off = self.first(lambda found: found.off("loss"))
        if np.isfinite(out.loss_off):
            out.loss_over = self.first(lambda found: found.over())
            out.loss_under = self.first(lambda found: found.under())
        if np.isfinite(last):
            flat = self.from_then_on(lambda found: found.value["loss"] == last)
            if np.isfinite(flat) and self._moves("loss", flat):
                out.loss_flat, out.loss_flat_value = flat, float(last)
        if "gradient" in self.on_grid.value:
            out.gradient_off = self.first(lambda found: found.off("gradient"))
            zero = self.from_then_on(lambda found: found.value["gradient"] == 0)
            if np.isfinite(zero):
                truth = self._at(np.array([zero], self.dtype)).exact("gradient")
                out.gradient_zero = zero if truth[0] != 0 else np.nan
        out.first_nan = self.first(lambda found: _any(found, np.isnan))
        out.first_inf = self.first(lambda found: _any(found, np.isinf))
        return out

    def around(self, thresholds: Thresholds, count: int = 8) -> Array:
        """Return the raw outputs next to each threshold, on both sides of it.

        Parameters
        ----------
        thresholds : Thresholds
            The result of `run`.
        count : int
            The number of neighbours on each side.

        Returns
        -------
        ndarray of the dtype under test, shape (n,)
            Increasing, within the range of the sweep.
        """
        end = self.grid[-1]
        places = [v for k, v in vars(thresholds).items() if k != "loss_flat_value" and 0 < v < end]
        points = set()
        for place in places:
            for towards in (0, np.inf):
                value = self.dtype.type(place)
                for _ in range(count + 1):
                    points.add(value)
                    value = np.nextafter(value, self.dtype.type(towards))
        return np.sort(self.sign * np.array(sorted(points), self.dtype))


def _any(found: Measured, kind: Callable[[Array], Mask]) -> Mask:
    """Return where loss or gradient are of a kind, shape (n,)."""
    masks: Mask = np.any([kind(value) for value in found.value.values()], axis=0)
    return masks
