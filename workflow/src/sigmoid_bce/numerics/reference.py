"""Loss and gradient of binary cross-entropy, correctly rounded: what everything is compared with.

Values are computed in the widest hardware format with a bound on their error. Where that bound
leaves the rounding in doubt, mpmath decides at 200 bits or more.
"""

from __future__ import annotations

import ml_dtypes
import mpmath
import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

WIDE = np.longdouble
# exp, log1p and the few operations after them err by less than 8 units in the last place
WIDE_ERROR = 2.0 ** -(np.finfo(WIDE).nmant + 1 - 4)
# relative and absolute margin; conversions to the half formats pass through float32 and its
# subnormals, so theirs is wider than a rounding there
ERROR = {
    "float16": (2.0**-20, 0.0),
    "bfloat16": (2.0**-20, 2.0**-148),
    "float32": (2.0**-48, 0.0),
    "float64": (WIDE_ERROR, 0.0),
}


def _checked(x: ArrayLike, y: ArrayLike, dtype: DTypeLike) -> tuple[NDArray, NDArray, np.dtype]:
    """Return both arrays in `dtype`, or say what is wrong with them."""
    dtype = np.dtype(ml_dtypes.bfloat16 if dtype == "bfloat16" else dtype)
    if dtype != WIDE and dtype.name not in ERROR:
        raise TypeError(f"dtype: expected one of {', '.join(ERROR)}, longdouble; found {dtype}")
    arrays = []
    for name, values in (("x", x), ("y", y)):
        values = np.asarray(values)
        if values.dtype.kind in "iub":
            raise TypeError(f"{name}: expected floating-point values, found {values.dtype}")
        arrays.append(values.astype(dtype))
    x, y = arrays
    if x.shape != y.shape:
        raise ValueError(f"x and y: expected the same shape, found {x.shape} and {y.shape}")
    if x.size == 0:
        raise ValueError("x: expected at least one value, found an empty array")
    if not np.isfinite(x.astype(np.float64 if dtype != WIDE else WIDE)).all():
        raise ValueError("x: expected finite values, found nan or inf")
    if not ((y >= 0) & (y <= 1)).all():
        raise ValueError("y: expected labels in [0, 1]")
    return x, y, dtype


def _round(value: mpmath.mpf, dtype: np.dtype) -> np.floating:
    """Return `value` rounded once, half to even, to `dtype`, subnormals included."""
    if value == 0:
        return dtype.type(0)
    info = ml_dtypes.finfo(dtype)
    exponent = mpmath.frexp(value)[1] - (info.nmant + 1)
    exponent = max(exponent, int(info.minexp) - info.nmant)
    digits = int(mpmath.nint(mpmath.ldexp(value, -exponent)))
    return np.ldexp(WIDE(digits), exponent).astype(np.float64 if dtype != WIDE else WIDE)


def _rounded(x, y, dtype, wide, exact) -> NDArray:
    """Return `wide` rounded, or `exact` rounded where that is in doubt."""
    if dtype == WIDE:
        out, doubtful = np.empty(x.shape, dtype), np.ones(x.shape, bool)
    else:
        with np.errstate(under="ignore"):
            value, scale = wide(x.astype(WIDE), y.astype(WIDE))
            relative, absolute = ERROR[dtype.name]
            margin = scale * WIDE(relative) + WIDE(absolute)
            out = value.astype(dtype)
            doubtful = (value - margin).astype(dtype) != (value + margin).astype(dtype)
    for index in zip(*np.nonzero(doubtful), strict=True):
        a, b = _mpf(x[index]), _mpf(y[index])
        # the tail exp(-|x|) must survive beside 1
        with mpmath.workprec(200 + 2 * int(abs(a))):
            out[index] = _round(exact(a, b), dtype)
    return out


def _mpf(value: np.floating) -> mpmath.mpf:
    """Return a float exactly: long double as two doubles."""
    high = float(value)
    return mpmath.mpf(high) + mpmath.mpf(float(WIDE(value) - WIDE(high)))


def _wide_loss(x, y):
    tail = np.log1p(np.exp(-np.abs(x)))
    # no term is negative, so nothing cancels
    value = np.where(x > 0, x * (1 - y), -x * y) + tail
    return value, value


def _exact_loss(x, y):
    return (x * (1 - y) if x > 0 else -x * y) + mpmath.log1p(mpmath.exp(-abs(x)))


def _wide_gradient(x, y):
    tail = np.exp(-np.abs(x))
    small, large = tail / (1 + tail), 1 / (1 + tail)
    up, down = (1 - y) * np.where(x > 0, large, small), y * np.where(x > 0, small, large)
    return up - down, up + down


def _exact_gradient(x, y):
    tail = mpmath.exp(-abs(x))
    small, large = tail / (1 + tail), 1 / (1 + tail)
    p, q = (large, small) if x > 0 else (small, large)
    return (1 - y) * p - y * q


def loss(x: ArrayLike, y: ArrayLike, dtype: DTypeLike) -> NDArray[np.floating]:
    """Return binary cross-entropy of raw outputs, correctly rounded to `dtype`.

    Parameters
    ----------
    x : array_like of float, shape (...)
        Raw outputs; rounded to `dtype` first.
    y : array_like of float, shape of `x`
        Labels in [0, 1]; rounded to `dtype` first.
    dtype : dtype or str
        float16, bfloat16, float32, float64 or longdouble.

    Returns
    -------
    ndarray, shape of `x`, of `dtype`
        max(x, 0) - x y + log(1 + exp(-|x|)).

    Raises
    ------
    TypeError
        If an array holds integers, or `dtype` is none of the five.
    ValueError
        For nan, inf, labels outside [0, 1], an empty array, or shapes that differ.

    Examples
    --------
    >>> loss([-20.0, 20.0], [1.0, 1.0], "float32")
    array([2.0000000e+01, 2.0611537e-09], dtype=float32)
    """
    return _rounded(*_checked(x, y, dtype), _wide_loss, _exact_loss)


def gradient(x: ArrayLike, y: ArrayLike, dtype: DTypeLike) -> NDArray[np.floating]:
    """Return the derivative of `loss` with respect to `x`, correctly rounded to `dtype`.

    Parameters
    ----------
    x : array_like of float, shape (...)
        Raw outputs; rounded to `dtype` first.
    y : array_like of float, shape of `x`
        Labels in [0, 1]; rounded to `dtype` first.
    dtype : dtype or str
        float16, bfloat16, float32, float64 or longdouble.

    Returns
    -------
    ndarray, shape of `x`, of `dtype`
        (1 - y) sigmoid(x) - y sigmoid(-x), which is sigmoid(x) - y without its cancellation.

    Raises
    ------
    TypeError, ValueError
        As `loss`.

    Examples
    --------
    >>> gradient([-20.0, 20.0], [1.0, 1.0], "float32")
    array([-1.0000000e+00, -2.0611537e-09], dtype=float32)
    """
    return _rounded(*_checked(x, y, dtype), _wide_gradient, _exact_gradient)
