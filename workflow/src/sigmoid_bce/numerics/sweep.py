"""Measure implementations over a sweep of raw outputs: loss, gradient and their errors."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import ml_dtypes
import numpy as np
import pandas as pd

from sigmoid_bce.numerics import reference
from sigmoid_bce.numerics.arrays import Array, Float64Array, LongdoubleArray, Mask
from sigmoid_bce.numerics.catalogue import DTYPES, Implementation
from sigmoid_bce.numerics.names import BCE
from sigmoid_bce.numerics.objectives import OBJECTIVES
from sigmoid_bce.numerics.reference import Quantity

QUANTITIES: tuple[Quantity, ...] = ("loss", "gradient")
SPECIAL = (-np.inf, np.inf, np.nan)
"""The raw outputs that are not finite numbers."""
RANGES = {
    "float16": [(120, 1 / 64)],
    "bfloat16": [(120, 1 / 64)],
    "float32": [(120, 1 / 64)],
    "float64": [(120, 1 / 64), (760, 1 / 4)],
    # few, since mpmath computes each of its exact values
    "longdouble": [(60, 1 / 16), (120, 1), (11500, 64)],
}
"""The |x| of a sweep, as (end, step) from 0 outward; loss and gradient underflow before the end."""
BESIDE_ZERO = 2.0 ** np.array([-120, -60, *range(-24, -6)])
"""The |x| beside 0, where max(x, 0) and |x| have a kink."""
OFF_SHARE, OFF_ULPS = 0.01, 4
"""A value is off if its error is more than this share of the truth and more than so many ulps. Good
implementations stay within 4 ulps, which exceed 1 % in bfloat16 and among subnormals only."""
COARSE, SLOW = 1 / 8, 1 / 16
"""The least step for an implementation that computes one sample at a time; and for a slow one in
float32, in which most people train."""


def magnitudes(dtype: str, coarse: bool = False) -> Array:
    """Return the |x| of a sweep.

    Parameters
    ----------
    dtype : str
        Precision of the raw output.
    coarse : bool
        Whether steps are at least `COARSE`, in float32 `SLOW`.

    Returns
    -------
    ndarray of `dtype`, shape (n,)
        Increasing from 0.

    Examples
    --------
    >>> magnitudes("float32")[[0, 20, 21, -1]].tolist()
    [0.0, 0.0078125, 0.015625, 120.0]
    """
    parts, start = [BESIDE_ZERO], 0.0
    least = (SLOW if dtype == "float32" else COARSE) if coarse else 0.0
    for end, step in RANGES[dtype]:
        parts.append(np.arange(start, end, max(step, least)))
        start = end
    return increasing(np.sort(np.append(np.concatenate(parts), start)).astype(DTYPES[dtype]))


def increasing(values: Array) -> Array:
    """Return an array that never decreases without its repetitions.

    Examples
    --------
    >>> increasing(np.float32([1, 1, 2])).tolist()
    [1.0, 2.0]
    """
    kept: Array = values[np.append(True, values[1:] > values[:-1])]
    return kept


def spacing(value: Array, dtype: np.dtype[Any]) -> Array:
    """Return one ulp, the unit in the last place of `dtype`, at each value.

    Parameters
    ----------
    value : ndarray of float64 or longdouble, any shape
        The values.
    dtype : dtype
        One of the five precisions.

    Returns
    -------
    ndarray, shape and dtype of `value`
        The distance between neighbours in the binade of the value. Below the normal range, the
        distance between subnormals.

    Examples
    --------
    >>> spacing(np.array([1.0]), np.dtype("float32")) == np.finfo("float32").eps
    array([ True])
    """
    info = ml_dtypes.finfo(dtype)
    exponent = np.frexp(np.abs(value))[1] - 1
    exponent = np.where(value == 0, int(info.minexp), np.maximum(exponent, int(info.minexp)))
    unit: Array = np.ldexp(np.ones_like(value), exponent - info.nmant)
    return unit


@dataclass(frozen=True)
class Measured:
    """Losses and gradients that an implementation returned for one label, beside the truth.

    Parameters
    ----------
    x : ndarray, shape (n,)
        Raw outputs in the dtype under test.
    y : float
        The label.
    value : dict of ndarray by {"loss", "gradient"}
        The values that the implementation returned, (n,) in float64 or longdouble. There is no
        entry for a gradient that the implementation does not have.
    objective : str
        The loss that the truth is of, from `sigmoid_bce.numerics.objectives.OBJECTIVES`.
    """

    x: Array
    y: float
    value: dict[Quantity, Array]
    objective: str = BCE

    def truth(self, quantity: Quantity) -> LongdoubleArray:
        """Return the exact values before they are rounded, longdouble of shape (n,)."""
        return _truth(self.x.tobytes(), self.x.dtype, self.y, quantity, self.objective)

    def exact(self, quantity: Quantity) -> Array:
        """Return the correctly rounded values, float64 or longdouble of shape (n,)."""
        return _exact(self.x.tobytes(), self.x.dtype, self.y, quantity, self.objective)

    def ulp(self, quantity: Quantity) -> Float64Array:
        """Return the distances to the truth in ulps of the dtype under test, shape (n,)."""
        truth = self.truth(quantity)
        with np.errstate(invalid="ignore", over="ignore"):
            error = np.abs(self.value[quantity] - truth)
            ulp: Float64Array = (error / spacing(truth, self.x.dtype)).astype(np.float64)
        return ulp

    def off(self, quantity: Quantity) -> Mask:
        """Return where the error exceeds 1 % and 4 ulps, or the value is nan, shape (n,)."""
        truth = self.truth(quantity)
        with np.errstate(invalid="ignore", over="ignore"):
            right: Mask = np.abs(self.value[quantity] - truth) <= self._allowed(truth, quantity)
        return ~right

    def alive(self) -> Mask:
        """Return where the true gradient, rounded to the dtype, is not 0; shape (n,).

        Where terms of the gradient cancel, it also exceeds what rounding them leaves.
        """
        smallest = np.longdouble(ml_dtypes.finfo(self.x.dtype).smallest_subnormal)
        truth = self.truth("gradient")
        # half of the smallest number is rounded to 0
        alive: Mask = np.abs(truth) > smallest / 2
        if OBJECTIVES[self.objective].terms:
            alive &= np.abs(truth) > self._allowed(truth, "gradient")
        return alive

    def dead(self) -> Mask:
        """Return where the gradient is 0 and the true one, rounded, is not; shape (n,)."""
        dead: Mask = (self.value["gradient"] == 0) & self.alive()
        return dead

    def subnormal(self) -> Mask:
        """Return where the true loss is below the normal numbers of the dtype, shape (n,)."""
        normal = np.longdouble(ml_dtypes.finfo(self.x.dtype).smallest_normal)
        subnormal: Mask = self.truth("loss") < normal
        return subnormal

    def ratio(self) -> Float64Array:
        """Return the loss divided by the true loss, shape (n,); nan where both are 0."""
        with np.errstate(all="ignore"):
            ratio: Float64Array = (self.value["loss"] / self.truth("loss")).astype(np.float64)
        return ratio

    def changes(self) -> Mask:
        """Return where a value differs from that of the next point, shape (n - 1,)."""
        values = list(self.value.values())
        same = [(v[1:] == v[:-1]) | (np.isnan(v[1:]) & np.isnan(v[:-1])) for v in values]
        changes: Mask = ~np.all(same, axis=0)
        return changes

    def merged(self, other: Measured) -> Measured:
        """Return both measurements, by increasing |x| and without repetitions.

        Examples
        --------
        >>> half = Implementation("half", lambda x, y: (np.full_like(x, 0.5), None))
        >>> a, b = (measure(half, np.float32(x), 1.0) for x in ([0, -2], [-1, -2]))
        >>> a.merged(b).x.tolist()
        [0.0, -1.0, -2.0]
        """
        x = np.concatenate([self.x, other.x])
        order = np.argsort(np.abs(x), kind="stable")
        kept = order[np.append(True, np.diff(np.abs(x[order])) > 0)]
        value = {q: np.concatenate([v, other.value[q]])[kept] for q, v in self.value.items()}
        return Measured(x[kept], self.y, value, self.objective)

    def over(self) -> Mask:
        """Return where the loss is too large by more than 1 % and 4 ulps, shape (n,)."""
        truth = self.truth("loss")
        over: Mask = self.value["loss"] > truth + self._allowed(truth, "loss")
        return over

    def under(self) -> Mask:
        """Return where the loss is too small by more than 1 % and 4 ulps, shape (n,)."""
        truth = self.truth("loss")
        under: Mask = self.value["loss"] < truth - self._allowed(truth, "loss")
        return under

    def _allowed(self, truth: LongdoubleArray, quantity: Quantity) -> LongdoubleArray:
        """Return the errors that count as rounding, in ulps of the terms where they cancel."""
        terms = OBJECTIVES[self.objective].terms if quantity == "gradient" else 0.0
        unit: LongdoubleArray = spacing(np.maximum(np.abs(truth), terms), self.x.dtype)
        return np.maximum(np.abs(truth) * OFF_SHARE, unit * OFF_ULPS)


def measure(implementation: Implementation, x: Array, y: float) -> Measured:
    """Call an implementation at finite raw outputs of one label.

    Parameters
    ----------
    implementation : Implementation
        The implementation to measure.
    x : ndarray, shape (n,)
        Raw outputs in the dtype under test.
    y : float
        The label.

    Returns
    -------
    Measured

    Examples
    --------
    >>> half = Implementation("half", lambda x, y: (np.full_like(x, 0.5), None))
    >>> measure(half, np.float32([0, 0.4328, 20]), 1.0).off("loss").tolist()
    [True, False, True]
    """
    loss, gradient = implementation(x, y)
    value: dict[Quantity, Array] = {"loss": loss}
    if gradient is not None:
        value["gradient"] = gradient
    return Measured(x, y, value, implementation.objective)


# implementations are measured at the same points, so exact values are kept


@lru_cache(maxsize=64)
def _truth(
    content: bytes, dtype: np.dtype[Any], y: float, quantity: Quantity, objective: str
) -> LongdoubleArray:
    x = np.frombuffer(content, dtype)
    return reference.unrounded(x, np.full(x.shape, y, dtype), _name(dtype), quantity, objective)


@lru_cache(maxsize=64)
def _exact(
    content: bytes, dtype: np.dtype[Any], y: float, quantity: Quantity, objective: str
) -> Array:
    x = np.frombuffer(content, dtype)
    labels = np.full(x.shape, y, dtype)
    rounded: Array = getattr(reference, quantity)(x, labels, _name(dtype), objective)
    return rounded.astype(np.longdouble if dtype == np.longdouble else np.float64)


def _name(dtype: np.dtype[Any]) -> str:
    return next(name for name, known in DTYPES.items() if known == dtype)


def table(found: Measured) -> pd.DataFrame:
    """Return measurements as rows of a sweep.

    Parameters
    ----------
    found : Measured
        Measurements at n raw outputs.

    Returns
    -------
    DataFrame
        n rows of x, loss, gradient, loss_exact, gradient_exact, loss_ulp, gradient_ulp in float64;
        nan for a gradient that the implementation does not have.

    Examples
    --------
    >>> half = Implementation("half", lambda x, y: (np.full_like(x, 0.5), None))
    >>> table(measure(half, np.float32([0]), 1.0))[["x", "loss", "loss_exact", "gradient"]]
         x  loss  loss_exact  gradient
    0  0.0   0.5    0.693147       NaN
    """
    none = np.full(len(found.x), np.nan)
    columns: dict[str, Array] = {"x": found.x}
    columns |= {q: found.value.get(q, none) for q in QUANTITIES}
    columns |= {f"{q}_exact": found.exact(q) for q in QUANTITIES}
    columns |= {f"{q}_ulp": found.ulp(q) if q in found.value else none for q in QUANTITIES}
    return pd.DataFrame({name: np.asarray(a, np.float64) for name, a in columns.items()})


def special_values(implementation: Implementation, dtype: str, y: float) -> pd.DataFrame:
    """Return the loss and gradient of raw outputs that are not finite numbers.

    Parameters
    ----------
    implementation : Implementation
        The implementation to measure.
    dtype : str
        Precision of the raw output.
    y : float
        The label.

    Returns
    -------
    DataFrame
        A row for each of `SPECIAL`: x, loss, gradient (nan if the implementation has none), and
        raises: the error in one line, if there was one.

    Examples
    --------
    >>> one = Implementation("one", lambda x, y: (1 / (x + 1), None))
    >>> special_values(one, "float32", 1.0)[["x", "loss"]]
         x  loss
    0 -inf  -0.0
    1  inf   0.0
    2  NaN   NaN
    """
    rows = []
    for x in SPECIAL:
        row = {"x": x, "loss": np.nan, "gradient": np.nan, "raises": ""}
        try:
            loss, gradient = implementation(np.array([x]).astype(DTYPES[dtype]), y)
            row["loss"] = float(loss[0])
            row["gradient"] = np.nan if gradient is None else float(gradient[0])
        except Exception as error:  # an error is a result too
            row["raises"] = f"{type(error).__name__}: {error}".splitlines()[0]
        rows.append(row)
    return pd.DataFrame(rows)
