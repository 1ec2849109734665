"""Measure implementations: loss and gradient over a sweep of raw outputs, and their errors."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import ml_dtypes
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sigmoid_bce.numerics import reference
from sigmoid_bce.numerics.catalogue import DTYPES, Implementation

QUANTITIES = ("loss", "gradient")
SPECIAL = (-np.inf, np.inf, np.nan)
# from 0 outward, up to where the exact loss and gradient underflow: (end, step) by dtype
RANGES = {
    "float16": [(120, 1 / 64)],
    "bfloat16": [(120, 1 / 64)],
    "float32": [(120, 1 / 64)],
    "float64": [(120, 1 / 64), (760, 1 / 4)],
    # mpmath computes all of its exact values
    "longdouble": [(60, 1 / 16), (120, 1), (11500, 64)],
}
OFF_SHARE, OFF_ULPS = 0.01, 4
"""A value is off if it is farther from the truth than both; good implementations keep within 4 ulp,
which is more than 1 % in bfloat16 and among subnormals alone."""
COARSE = 1 / 8
"""The least step where each sample is a call of its own, but in float32."""


def magnitudes(dtype: str, coarse: bool = False) -> NDArray[np.floating]:
    """Return the |x| of a sweep, from 0 on.

    Parameters
    ----------
    dtype : str
        Precision of the raw output.
    coarse : bool
        Whether steps are at least `COARSE`.

    Returns
    -------
    ndarray of `dtype`, shape (n,), increasing

    Examples
    --------
    >>> magnitudes("float32")[[0, 1, -1]].tolist()
    [0.0, 0.015625, 120.0]
    """
    parts, start = [], 0.0
    for end, step in RANGES[dtype]:
        parts.append(np.arange(start, end, max(step, COARSE if coarse else 0)))
        start = end
    values = np.append(np.concatenate(parts), start).astype(DTYPES[dtype])
    return values[np.append(True, values[1:] > values[:-1])]


def spacing(value: NDArray, dtype: np.dtype) -> NDArray:
    """Return one unit in the last place of `dtype` at each value.

    Parameters
    ----------
    value : ndarray of float64 or longdouble, any shape
    dtype : dtype
        One of the five.

    Returns
    -------
    ndarray, shape and dtype of `value`
        The distance between neighbours in the binade of the value; of subnormals below the normal
        range.

    Examples
    --------
    >>> spacing(np.array([1.0]), np.dtype("float32")) == np.finfo("float32").eps
    array([ True])
    """
    info = ml_dtypes.finfo(dtype)
    exponent = np.frexp(np.abs(value))[1] - 1
    exponent = np.where(value == 0, int(info.minexp), np.maximum(exponent, int(info.minexp)))
    return np.ldexp(np.ones_like(value), exponent - info.nmant)


@dataclass(frozen=True)
class Measured:
    """What an implementation returned at some raw outputs, beside the truth.

    Parameters
    ----------
    value : dict of str to ndarray or None
        By quantity, loss or gradient: what it returned, (n,) in float64 or long double.
    exact : dict of str to ndarray
        The correctly rounded values, (n,).
    ulp : dict of str to ndarray or None
        The distance of `value` to the truth before its rounding, in units in the last place of the
        dtype under test, (n,).
    off : dict of str to ndarray or None
        Where the value is more than 1 % from the truth, and by more than four such units.
    over, under : ndarray
        Where the loss is that much above the truth, and below it, (n,).
    """

    value: dict
    exact: dict
    ulp: dict
    off: dict
    over: NDArray[np.bool_]
    under: NDArray[np.bool_]


def measure(implementation: Implementation, x: NDArray, y: float) -> Measured:
    """Call an implementation at finite raw outputs of one label, and compare it with the truth.

    Parameters
    ----------
    implementation : Implementation
    x : ndarray, shape (n,), of the dtype under test
    y : float
        The label.

    Returns
    -------
    Measured
    """
    value = dict(zip(QUANTITIES, implementation(x, y), strict=True))
    exact, ulp, off = {}, {}, {}
    for quantity in QUANTITIES:
        truth, exact[quantity] = _truth(x.tobytes(), x.dtype, y, quantity)
        if value[quantity] is None:
            ulp[quantity] = off[quantity] = None
            continue
        with np.errstate(invalid="ignore", over="ignore"):
            error = np.abs(value[quantity] - truth)
            unit = spacing(truth, x.dtype)
            ulp[quantity] = (error / unit).astype(np.float64)
            allowed = np.maximum(np.abs(truth) * OFF_SHARE, unit * OFF_ULPS)
            off[quantity] = ~(error <= allowed)
            if quantity == "loss":
                over = value[quantity] > truth + allowed
                under = value[quantity] < truth - allowed
    return Measured(value, exact, ulp, off, over, under)


@lru_cache(maxsize=64)
def _truth(
    content: bytes, dtype: np.dtype, y: float, quantity: str
) -> tuple[NDArray[np.longdouble], NDArray]:
    """Return a quantity before and after its rounding; implementations share their points."""
    x = np.frombuffer(content, dtype)
    name = next(name for name, known in DTYPES.items() if known == dtype)
    labels = np.full(x.shape, y, dtype)
    truth = reference.unrounded(x, labels, name, quantity)
    rounded = getattr(reference, quantity)(x, labels, name)
    return truth, rounded.astype(np.longdouble if name == "longdouble" else np.float64)


def table(found: Measured, x: NDArray) -> pd.DataFrame:
    """Return measurements as rows of a sweep.

    Parameters
    ----------
    found : Measured
    x : ndarray, shape (n,)
        Where it was measured.

    Returns
    -------
    DataFrame
        x, loss, gradient, loss_exact, gradient_exact, loss_ulp, gradient_ulp in float64; nan for a
        gradient that there is not.
    """
    none = np.full(len(x), np.nan)
    columns = {"x": x}
    for name, arrays in (("{}", found.value), ("{}_exact", found.exact), ("{}_ulp", found.ulp)):
        for quantity in QUANTITIES:
            array = arrays[quantity]
            columns[name.format(quantity)] = none if array is None else array
    return pd.DataFrame({name: np.asarray(a, np.float64) for name, a in columns.items()})


def special_values(implementation: Implementation, dtype: str, y: float) -> pd.DataFrame:
    """Return what an implementation makes of raw outputs that are no finite numbers.

    Parameters
    ----------
    implementation : Implementation
    dtype : str
    y : float

    Returns
    -------
    DataFrame
        x (-inf, inf, nan), loss, gradient (nan if it has none), raises: the error, if it is one.
    """
    rows = []
    for x in SPECIAL:
        row = {"x": x, "loss": np.nan, "gradient": np.nan, "raises": ""}
        try:
            loss, gradient = implementation(np.array([x]).astype(DTYPES[dtype]), y)
            row["loss"] = float(loss[0])
            row["gradient"] = np.nan if gradient is None else float(gradient[0])
        except Exception as error:  # whatever the framework makes of it is the result
            row["raises"] = f"{type(error).__name__}: {error}".splitlines()[0]
        rows.append(row)
    return pd.DataFrame(rows)
