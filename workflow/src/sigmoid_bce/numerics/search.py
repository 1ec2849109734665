"""The search for the raw outputs at which something begins, to the last bit."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from sigmoid_bce.numerics.arrays import Array, Mask
from sigmoid_bce.numerics.catalogue import DTYPES, LENGTH, Implementation
from sigmoid_bce.numerics.reference import Quantity
from sigmoid_bce.numerics.sweep import OFF_SHARE, Measured, increasing, magnitudes, measure

SIDES = ("correct", "wrong")
"""Whether the sign of a raw output agrees with its label."""
WIDTHS = (1.0, 1 / 16, 1 / 1024)
"""How far around a bad point is looked at: a staircase has an error that comes and goes."""
FAR, SCAN = 40.0, 16 * LENGTH
"""How far is looked in any case, and at how many points."""
AROUND = LENGTH
"""Points in a look around a bad point, at each width."""
BEFORE = 5 * LENGTH
"""Floats in a look before the first bad one."""
MOST_LOOKS = 64
"""The most looks before the first bad float."""
DEAR = 2048
"""The most points of a look, where each takes a call or a value of mpmath."""
SMOOTH = 256
"""Points of such a look among which a value that changes everywhere hides nothing."""
JUMP = 1.25
"""The factor by which a loss jumps from one float to the next."""

Bad = Callable[[Measured], Mask]
"""From measurements to a mask, both of shape (n,)."""


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


def _least(bad: Bad, found: Measured) -> float:
    """Return the smallest |x| of measurements that is bad; infinity if there is none."""
    hits = np.flatnonzero(bad(found))
    return float(np.abs(found.x[hits[0]])) if hits.size else np.inf


class Search:
    """The search in one implementation, for one precision, label and side.

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
    seen : Measured
        The measurements at all points looked at in any case: in half precision at every float of
        the sweep's range.
    """

    def __init__(self, implementation: Implementation, dtype: str, y: float, side: str):
        self.implementation, self.dtype, self.y, self.side = implementation, DTYPES[dtype], y, side
        self.sign = sign(y, side)
        self.grid = magnitudes(
            dtype, implementation.slow or (implementation.per_sample and dtype != "float32")
        )
        # LENGTH points cost one call, unless each point takes a call or a value of mpmath
        self.dear = implementation.per_sample or dtype == "longdouble"
        self.every = self.dtype.itemsize == 2 and not self.dear
        self.on_grid = self._at(self.grid)
        self.has_gradient = "gradient" in self.on_grid.value
        self.seen = self.on_grid if self.dear else self.on_grid.merged(self._at(self._scan()))
        self._around: dict[tuple[float, float], Measured] = {}
        self._before: dict[float, Measured] = {}

    def _at(self, magnitude: Array) -> Measured:
        return measure(self.implementation, self.sign * magnitude, self.y)

    def at(self, magnitude: float) -> Measured:
        """Return the measurements at one |x|."""
        return self._at(np.array([magnitude], self.dtype))

    def _floats(self, low: float, high: float, most: int = SCAN) -> Array:
        """Return the floats from `low` to `high`, evenly thinned out to `most`."""
        whole = np.dtype(f"i{self.dtype.itemsize}")
        start, end = np.array([low, high], self.dtype).view(whole).astype(np.int64)
        count = min(int(end - start) + 1, most)
        return np.linspace(start, end, count, dtype=np.int64).astype(whole).view(self.dtype)

    def _floats_before(self, high: float) -> Array:
        """Return the `BEFORE` floats before `high`, or all floats from 0 if there are fewer."""
        if self.dtype == np.longdouble:  # its 80 bits are not a whole number of NumPy's
            step = np.spacing(np.nextafter(self.dtype.type(high), self.dtype.type(0)))
            points = self.dtype.type(high) - step * np.arange(BEFORE, 0, -1)
            return increasing(np.maximum(points, 0))
        whole = np.dtype(f"i{self.dtype.itemsize}")
        end = int(np.asarray(high, self.dtype).view(whole))
        return np.arange(max(end - BEFORE, 0), end, dtype=whole).view(self.dtype)

    def _scan(self) -> Array:
        """Return the |x| that are looked at in any case."""
        end = float(self.grid[-1])
        if self.every:
            return self._floats(0, end, 1 << 16)
        return self._between(0, FAR, SCAN)

    def _between(self, low: float, high: float, count: int) -> Array:
        """Return up to `count` floats from `low` to `high`, both included, increasing."""
        values = np.linspace(np.longdouble(low), np.longdouble(high), count)
        return increasing(values.astype(self.dtype))

    def _measured(self, points: Array) -> Measured:
        """Return measurements at points; if they are dear, at those among which values change.

        Between two points of the same value the loss is flat, and its error is greatest at an end.
        Where values change everywhere, `SMOOTH` points are enough.
        """
        if not self.dear or len(points) <= 2:
            return self._at(points)
        # the last floats one by one: there, an error that grows smoothly crosses the limit
        index = np.unique(np.append(0, np.arange(max(len(points) - 64, 0), len(points))))
        found = self._at(points[index])
        while len(index) < DEAR:
            changes = found.changes()
            gaps = np.flatnonzero((np.diff(index) > 1) & changes)
            if not gaps.size or (len(index) > SMOOTH and changes.mean() > 0.9):
                break
            middle = (index[gaps] + index[gaps + 1]) // 2
            found = found.merged(self._at(points[middle]))
            index = np.union1d(index, middle)
        return found

    def _looks(self, place: float) -> Iterator[Measured]:
        """Look around a bad |x|, from the widest look on, then at the floats before it.

        Yields each new look, so that none need follow one with an earlier bad point.
        """
        for width in WIDTHS:
            cell = width, np.floor(place / width * 64)  # one look serves its neighbourhood
            if cell not in self._around:
                ends = max(place - width, 0), min(place + width, float(self.grid[-1]))
                self._around[cell] = self._measured(self._between(*ends, AROUND))
                yield self._around[cell]
        if place not in self._before:
            self._before[place] = self._measured(self._floats_before(place))
            yield self._before[place]

    def _all(self) -> list[Measured]:
        return [self.seen, *self._around.values(), *self._before.values()]

    def _least(self, bad: Bad) -> tuple[float, float]:
        """Return the smallest |x| known to be bad, and the greatest known |x| before it."""
        place, before = min(_least(bad, found) for found in self._all()), 0.0
        for found in self._all():
            x = np.abs(found.x).astype(np.longdouble)
            i = int(np.searchsorted(x, place))
            before = max(before, float(x[i - 1])) if i else before
        return place, before

    def first(self, bad: Bad) -> float:
        """Return the smallest |x| at which measurements are bad; nan if there is none.

        Everything measured so far is searched; then the surroundings of the first bad point, and
        the floats before it, until a whole look has no bad one. An island of bad points that lies
        between two points of all looks can be missed.

        Parameters
        ----------
        bad : callable
            From measurements to a mask, both of shape (n,).
        """
        for _ in range(MOST_LOOKS):
            place, before = self._least(bad)
            if np.isinf(place):
                return np.nan
            if self.every or place == 0:
                return place
            place = self._narrow(before, place, lambda p: int(np.argmax(bad(self._at(p)))))
            if not any(_least(bad, found) < place for found in self._looks(place)):
                return place
        return place

    def from_then_on(self, same: Bad) -> float:
        """Return the smallest |x| from which something holds up to the end; nan if there is none.

        Parameters
        ----------
        same : callable
            From measurements to a mask, both of shape (n,).
        """
        magnitude, known = np.abs(self.seen.x), same(self.seen)
        misses = np.flatnonzero(~known)
        if misses.size and misses[-1] == len(known) - 1:
            return np.nan
        if not misses.size:
            return float(magnitude[0])
        low, high = magnitude[misses[-1]], magnitude[misses[-1] + 1]

        def after_the_last_miss(points: Array) -> int:
            missed = np.flatnonzero(~same(self._at(points)))
            # the upper end of the bracket is no miss
            return int(missed[-1]) + 1

        return self._narrow(low, high, after_the_last_miss)

    def _narrow(self, low: float, high: float, choose: Callable[[Array], int]) -> float:
        """Cut a bracket into sections until its ends are neighbours; return its upper end."""
        while True:
            points = self._between(low, high, 16 if self.dear else LENGTH)
            if len(points) <= 2:
                return float(high)
            i = choose(points)
            low, high = points[i - 1], points[i]

    def moves(self, quantity: Quantity, threshold: float) -> bool:
        """Return whether the exact value still changes by 1 % beyond a threshold."""
        ends = self._at(np.array([threshold, self.grid[-1]], self.dtype)).exact(quantity)
        return bool(abs(ends[0] - ends[1]) > OFF_SHARE * max(ends))

    def share(self, bad: Bad, low: float, high: float) -> float:
        """Return the share of bad floats from `low` up to `high`, or up to the last known bad one.

        Parameters
        ----------
        bad : callable
            From measurements to a mask, both of shape (n,).
        low, high : float
            |x|; nan for an unknown end, which is then the last bad point, included.

        Returns
        -------
        float
            Of all floats, or of `SCAN` even ones; nan if there is no float between.
        """
        if np.isnan(high):
            last = max(float(np.abs(f.x[bad(f)]).max(initial=low)) for f in self._all())
            high = float(np.nextafter(self.dtype.type(last), self.dtype.type(np.inf)))
        if self.dtype == np.longdouble:
            points = self._between(low, high, DEAR)
        else:
            points = self._floats(low, high, DEAR if self.dear else SCAN)
        points = points[points < high]
        if low == high or not len(points):
            return np.nan
        return float(bad(self._at(points)).mean())

    def worst(self) -> tuple[float, float]:
        """Return the |x| at which the loss is wrong by the largest factor, and that factor.

        The factor is the loss divided by the true loss, between 0 and infinity.
        """
        place, ratio = np.nan, 1.0
        for found in self._all():
            off, ratios = found.off("loss"), found.ratio()
            with np.errstate(divide="ignore"):
                size = np.where(off & ~np.isnan(ratios), np.abs(np.log(ratios)), 0)
                if size.max() > np.abs(np.log(ratio)):
                    i = int(np.argmax(size))
                    place, ratio = float(np.abs(found.x[i])), float(ratios[i])
        return place, ratio if np.isfinite(place) else np.nan

    def jump(self) -> tuple[float, float]:
        """Return the first |x| whose loss has jumped from that of the float before, and the loss.

        Not a number if the loss does not jump by the factor `JUMP`.
        """

        def jumps(found: Measured) -> Array:
            with np.errstate(all="ignore"):
                ratio = found.ratio()
                change = np.abs(np.log(ratio[1:] / ratio[:-1]))
            return np.append(0, np.nan_to_num(change, nan=0.0, posinf=np.inf))

        hits = np.flatnonzero(jumps(self.seen) > np.log(JUMP))
        if not hits.size:
            return np.nan, np.nan
        low, high = np.abs(self.seen.x[hits[0] - 1]), np.abs(self.seen.x[hits[0]])
        place = self._narrow(low, high, lambda p: max(1, int(np.argmax(jumps(self._at(p))))))
        before = np.nextafter(self.dtype.type(place), self.dtype.type(0))
        pair = self._at(np.array([before, place], self.dtype))
        if jumps(pair)[1] <= np.log(JUMP):  # steep, but no jump
            return np.nan, np.nan
        return place, float(pair.value["loss"][1])
