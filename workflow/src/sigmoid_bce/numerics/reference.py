"""Loss and gradient of binary cross-entropy, correctly rounded: what everything is compared with.

Values are computed in the widest hardware format with a bound on their error. Where that bound
leaves the rounding in doubt, mpmath decides at 200 bits or more.

The bound, in units of the wide format's last place (u): x and y are exact in it, and an operation
of arithmetic errs by at most u / 2. Of the C library's expl and log1pl no more is assumed than
that they err by at most 2 u and 4 u; tests hold them to half of that. With t = exp(-|x|), t errs by
2 u, and log1p(t) by 2 u + 4 u, its condition number being below 1. The product |x| (1 - y) or |x| y
and its sum with log1p(t), terms of one sign, add at most u: the loss errs by 7 u. t / (1 + t) and
1 / (1 + t) err by at most 2 u + 3 u / 2, their products with y and 1 - y by u more, and
the difference of these by u / 2 of their sum: the gradient errs by 5 u of that sum.
`WIDE_ERROR` is 8 u, with x86's 64 bits 2**-60.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import ml_dtypes
import mpmath
import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

WIDE = np.longdouble
WIDE_ERROR = 2.0 ** -(np.finfo(WIDE).nmant + 1 - 4)
# relative and absolute margin; conversions to the half formats pass through float32 and its
# subnormals, so theirs is wider than a rounding there
ERROR = {
    "float16": (2.0**-20, 0.0),
    "bfloat16": (2.0**-20, 2.0**-148),
    "float32": (WIDE_ERROR, 0.0),
    "float64": (WIDE_ERROR, 0.0),
}
FAR = 30000
"""exp(-FAR) is below 2**-43000; a long double times a label is a multiple of 2**-16600 there."""


def _checked(x: ArrayLike, y: ArrayLike, dtype: DTypeLike) -> tuple[NDArray, NDArray, np.dtype]:
    """Return both arrays in `dtype`, or say what is wrong with them."""
    dtype = np.dtype(ml_dtypes.bfloat16 if dtype == "bfloat16" else dtype)
    if dtype != WIDE and dtype.name not in ERROR:
        raise TypeError(f"dtype: expected one of {', '.join(ERROR)}, longdouble; found {dtype}")
    arrays = []
    for name, values in (("x", x), ("y", y)):
        values = np.asarray(values)
        if values.dtype.kind != "f" and values.dtype != ml_dtypes.bfloat16:
            raise TypeError(f"{name}: expected floating-point values, found {values.dtype}")
        with np.errstate(over="ignore"):
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


def _rounded(x, y, dtype, quantity) -> NDArray:
    """Return the wide value rounded, or the exact value rounded where that is in doubt."""
    out, doubtful = _once_rounded(x, y, dtype, quantity)
    return _decide(out, doubtful, x, y, dtype, quantity)


def _once_rounded(x, y, dtype, quantity) -> tuple[NDArray, NDArray[np.bool_]]:
    """Return the wide value rounded, and where another rounding is within its error."""
    if dtype == WIDE:
        return np.empty(x.shape, dtype), np.ones(x.shape, bool)
    with np.errstate(under="ignore"):
        value, scale = QUANTITIES[quantity].wide(x.astype(WIDE), y.astype(WIDE))
        relative, absolute = ERROR[dtype.name]
        margin = scale * WIDE(relative) + WIDE(absolute)
        doubtful = (value - margin).astype(dtype) != (value + margin).astype(dtype)
        return np.asarray(value.astype(dtype)), doubtful


def _decide(out, where, x, y, dtype, quantity) -> NDArray:
    """Return `out` with mpmath's values, rounded to `dtype`, at some of its places."""
    for index in map(tuple, np.argwhere(where)):
        a, b = _mpf(x[index]), _mpf(y[index])
        # near 0 both halves of a gradient cancel but for x itself
        with mpmath.workprec(200 + 2 * max(0, -mpmath.frexp(a)[1])):
            out[index] = _round(QUANTITIES[quantity].exact(a, b), dtype)
    return out


def _mpf(value: np.floating) -> mpmath.mpf:
    """Return a float exactly: long double as two doubles and an exponent."""
    value, exponent = np.frexp(WIDE(value))
    high = float(value)
    # exact: else the sum is rounded to the precision in force, which is double's
    exact = mpmath.fadd(high, float(value - WIDE(high)), exact=True)
    return mpmath.ldexp(exact, int(exponent))


def _tail(x: mpmath.mpf) -> mpmath.mpf:
    """Return exp(-|x|); beyond `FAR` it only breaks ties, for which any tiny number will do."""
    return mpmath.exp(-min(abs(x), FAR))


def _wide_loss(x, y):
    tail = np.log1p(np.exp(-np.abs(x)))
    # no term is negative, so nothing cancels
    value = np.where(x > 0, x * (1 - y), -x * y) + tail
    return value, value


def _exact_loss(x, y):
    tail = mpmath.log1p(_tail(x))
    weight = mpmath.fsub(1, y, exact=True) if x > 0 else y
    # exact: beside a large term, a tiny tail still decides a tie
    return mpmath.fadd(mpmath.fmul(abs(x), weight, exact=True), tail, exact=True)


def _wide_gradient(x, y):
    tail = np.exp(-np.abs(x))
    small, large = tail / (1 + tail), 1 / (1 + tail)
    up, down = (1 - y) * np.where(x > 0, large, small), y * np.where(x > 0, small, large)
    return up - down, up + down


def _exact_gradient(x, y):
    tail = _tail(x)
    small = tail / (1 + tail)
    large = mpmath.fsub(1, small, exact=True)
    p, q = (large, small) if x > 0 else (small, large)
    up = mpmath.fmul(mpmath.fsub(1, y, exact=True), p, exact=True)
    return mpmath.fsub(up, mpmath.fmul(y, q, exact=True), exact=True)


class _Quantity(NamedTuple):
    """A quantity's value with the scale of its error, and its exact value."""

    wide: Callable
    exact: Callable


QUANTITIES = {
    "loss": _Quantity(_wide_loss, _exact_loss),
    "gradient": _Quantity(_wide_gradient, _exact_gradient),
}


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
    return _rounded(*_checked(x, y, dtype), "loss")


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
    return _rounded(*_checked(x, y, dtype), "gradient")


def unrounded(
    x: ArrayLike, y: ArrayLike, dtype: DTypeLike, quantity: str
) -> NDArray[np.longdouble]:
    """Return a quantity before its rounding to `dtype`, to measure errors against.

    Parameters
    ----------
    x, y : array_like of float, same shape
        Raw outputs; labels in [0, 1]. Rounded to `dtype` first.
    dtype : dtype or str
        float16, bfloat16, float32, float64 or longdouble.
    quantity : {"loss", "gradient"}

    Returns
    -------
    ndarray of longdouble, shape of `x`
        Within 8 units of long double's last place (of the sum of both terms, for a gradient whose
        terms cancel by less than three bits; beyond that it is correctly rounded), and correctly
        rounded where `dtype` is longdouble itself.

    Raises
    ------
    TypeError, ValueError
        As `loss`.

    Examples
    --------
    >>> float(unrounded([0.0], [1.0], "float64", "gradient")[0])
    -0.5
    """
    x, y, dtype = _checked(x, y, dtype)
    if dtype == WIDE:
        return _rounded(x, y, dtype, quantity)
    with np.errstate(under="ignore"):
        value, scale = QUANTITIES[quantity].wide(x.astype(WIDE), y.astype(WIDE))
    return _decide(np.asarray(value), np.abs(value) < scale / 8, x, y, np.dtype(WIDE), quantity)


def fallback_share(x: ArrayLike, y: ArrayLike, dtype: DTypeLike, quantity: str) -> float:
    """Return for which share of points mpmath decides the rounding.

    Parameters
    ----------
    x, y : array_like of float, same shape
        Raw outputs; labels in [0, 1].
    dtype : dtype or str
        float16, bfloat16, float32, float64 or longdouble.
    quantity : {"loss", "gradient"}

    Returns
    -------
    float
        Between 0 and 1; 1 for longdouble, which has no wider format.

    Raises
    ------
    TypeError, ValueError
        As `loss`.

    Examples
    --------
    >>> fallback_share([0.5, 1.5], [1.0, 1.0], "float32", "loss")
    0.0
    """
    return float(_once_rounded(*_checked(x, y, dtype), quantity)[1].mean())
