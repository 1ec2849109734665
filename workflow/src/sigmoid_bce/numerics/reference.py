"""Loss and gradient of binary cross-entropy, correctly rounded: the truth in every comparison.

Values are computed in long double, with a bound on their error. Where the bound leaves the rounding
in doubt, mpmath decides at 200 bits or more.

The bound is in units of long double's last place (u). x and y are exact in long double, and each
arithmetic operation errs by at most u / 2. The C library's expl and log1pl are assumed to err by
at most 2 u and 4 u; tests hold them to half of that.

- t = exp(-|x|) errs by 2 u, and log1p(t) by 2 u + 4 u, since its condition number is below 1. The
  product |x| (1 - y) or |x| y, and its sum with log1p(t), whose terms have one sign, add at most u.
  The loss therefore errs by 7 u.
- t / (1 + t) and 1 / (1 + t) err by at most 2 u + 3 u / 2, their products with y and 1 - y by u
  more, and the difference of the products by u / 2 of their sum. The gradient therefore errs by
  5 u of that sum.

`WIDE_ERROR` is 8 u, which is 2**-60 with x86's 64 bits.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import ml_dtypes
import mpmath
import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from sigmoid_bce.numerics.arrays import Array, LongdoubleArray, Mask

Quantity = Literal["loss", "gradient"]
Dtype = np.dtype[Any]

WIDE = np.longdouble
WIDE_ERROR = 2.0 ** -(np.finfo(WIDE).nmant + 1 - 4)
# relative and absolute margin. Conversions to the half formats pass through float32 and its
# subnormals, where a rounding errs by more
ERROR = {
    "float16": (2.0**-20, 0.0),
    "bfloat16": (2.0**-20, 2.0**-148),
    "float32": (WIDE_ERROR, 0.0),
    "float64": (WIDE_ERROR, 0.0),
}
FAR = 30000
"""exp(-FAR) is below 2**-43000; a long double times a label is a multiple of 2**-16600 there."""


def loss(x: ArrayLike, y: ArrayLike, dtype: DTypeLike) -> Array:
    """Return binary cross-entropy of raw outputs, correctly rounded to `dtype`.

    Parameters
    ----------
    x : array_like of float, any shape
        Raw outputs; rounded to `dtype` first.
    y : array_like, shape of `x`
        Labels in [0, 1], of floats, integers or booleans; rounded to `dtype` first.
    dtype : dtype or str
        float16, bfloat16, float32, float64 or longdouble.

    Returns
    -------
    ndarray of `dtype`, shape of `x`
        max(x, 0) - x y + log(1 + exp(-|x|)).

    Raises
    ------
    TypeError
        If `x` does not hold floats, `y` does not hold numbers, or `dtype` is none of the five.
    ValueError
        For nan, inf, labels outside [0, 1], an empty array, or shapes that differ.

    Examples
    --------
    >>> loss([-20.0, 20.0], [1.0, 1.0], "float32")
    array([2.0000000e+01, 2.0611537e-09], dtype=float32)
    """
    return _rounded(*_checked(x, y, dtype), "loss")


def gradient(x: ArrayLike, y: ArrayLike, dtype: DTypeLike) -> Array:
    """Return the derivative of `loss` with respect to `x`, correctly rounded to `dtype`.

    Parameters
    ----------
    x : array_like of float, any shape
        Raw outputs; rounded to `dtype` first.
    y : array_like, shape of `x`
        Labels in [0, 1], of floats, integers or booleans; rounded to `dtype` first.
    dtype : dtype or str
        float16, bfloat16, float32, float64 or longdouble.

    Returns
    -------
    ndarray of `dtype`, shape of `x`
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


def unrounded(x: ArrayLike, y: ArrayLike, dtype: DTypeLike, quantity: Quantity) -> LongdoubleArray:
    """Return the loss or gradient before it is rounded to `dtype`, to measure errors against.

    Parameters
    ----------
    x : array_like of float, any shape
        Raw outputs; rounded to `dtype` first.
    y : array_like, shape of `x`
        Labels in [0, 1], of floats, integers or booleans; rounded to `dtype` first.
    dtype : dtype or str
        float16, bfloat16, float32, float64 or longdouble.
    quantity : {"loss", "gradient"}

    Returns
    -------
    ndarray of longdouble, shape of `x`
        A loss is within 8 units of long double's last place. A gradient is within 8 such units of
        the sum of its two terms, or correctly rounded if they cancel by three bits or more. If
        `dtype` is longdouble, all values are correctly rounded.

    Raises
    ------
    TypeError, ValueError
        As `loss`.

    Examples
    --------
    >>> float(unrounded([0.0], [1.0], "float64", "gradient")[0])
    -0.5
    """
    xs, ys, to = _checked(x, y, dtype)
    if to == WIDE:
        return _rounded(xs, ys, to, quantity)
    with np.errstate(under="ignore"):
        value, scale = QUANTITIES[quantity].wide(xs.astype(WIDE), ys.astype(WIDE))
    return _decide(np.asarray(value), np.abs(value) < scale / 8, xs, ys, np.dtype(WIDE), quantity)


def fallback_share(x: ArrayLike, y: ArrayLike, dtype: DTypeLike, quantity: Quantity) -> float:
    """Return the share of points at which mpmath decides the rounding.

    Parameters
    ----------
    x : array_like of float, any shape
        Raw outputs.
    y : array_like of float, shape of `x`
        Labels in [0, 1].
    dtype : dtype or str
        float16, bfloat16, float32, float64 or longdouble.
    quantity : {"loss", "gradient"}

    Returns
    -------
    float
        Between 0 and 1; 1 for longdouble, since there is no wider format.

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


def _checked(x: ArrayLike, y: ArrayLike, dtype: DTypeLike) -> tuple[Array, Array, Dtype]:
    """Return both arrays in `dtype`, after checking them."""
    to = np.dtype(ml_dtypes.bfloat16 if dtype == "bfloat16" else dtype)
    if to != WIDE and to.name not in ERROR:
        raise TypeError(f"dtype: expected one of {', '.join(ERROR)}, longdouble; found {to}")
    xs, ys = _floats("x", x, to), _floats("y", y, to, kinds="fiub")
    if xs.shape != ys.shape:
        raise ValueError(f"x and y: expected the same shape, found {xs.shape} and {ys.shape}")
    if xs.size == 0:
        raise ValueError("x: expected at least one value, found an empty array")
    if not np.isfinite(xs.astype(np.float64 if to != WIDE else WIDE)).all():
        raise ValueError("x: expected finite values, found nan or inf")
    if not ((ys >= 0) & (ys <= 1)).all():
        raise ValueError("y: expected labels in [0, 1]")
    return xs, ys, to


def _floats(name: str, values: ArrayLike, dtype: Dtype, kinds: str = "f") -> Array:
    """Return an argument as an array of `dtype`. It has to be of one of NumPy's `kinds`."""
    array = np.asarray(values)
    if array.dtype.kind not in kinds and array.dtype != ml_dtypes.bfloat16:
        what = "floating-point values" if kinds == "f" else "numbers"
        raise TypeError(f"{name}: expected {what}, found {array.dtype}")
    with np.errstate(over="ignore"):
        return array.astype(dtype)


def _rounded(x: Array, y: Array, dtype: Dtype, quantity: Quantity) -> Array:
    """Return the rounded long double, or mpmath's value where the rounding is in doubt."""
    out, doubtful = _once_rounded(x, y, dtype, quantity)
    return _decide(out, doubtful, x, y, dtype, quantity)


def _once_rounded(x: Array, y: Array, dtype: Dtype, quantity: Quantity) -> tuple[Array, Mask]:
    """Return the rounded long double, and where its error may have changed the rounding."""
    if dtype == WIDE:
        return np.empty(x.shape, dtype), np.ones(x.shape, bool)
    with np.errstate(under="ignore"):
        value, scale = QUANTITIES[quantity].wide(x.astype(WIDE), y.astype(WIDE))
        relative, absolute = ERROR[dtype.name]
        margin = scale * WIDE(relative) + WIDE(absolute)
        doubtful = (value - margin).astype(dtype) != (value + margin).astype(dtype)
        return np.asarray(value.astype(dtype)), doubtful


def _decide(out: Array, where: Mask, x: Array, y: Array, dtype: Dtype, quantity: Quantity) -> Array:
    """Return `out` after replacing the marked values by mpmath's, rounded to `dtype`."""
    for index in map(tuple, np.argwhere(where)):
        a, b = _mpf(x[index]), _mpf(y[index])
        # near x = 0 the two terms of a gradient cancel to the order of x
        with mpmath.workprec(200 + 2 * max(0, -mpmath.frexp(a)[1])):
            out[index] = _round(QUANTITIES[quantity].exact(a, b), dtype)
    return out


def _round(value: mpmath.mpf, dtype: Dtype) -> Any:
    """Return `value` rounded once to `dtype`, half to even, subnormals included."""
    if value == 0:
        return dtype.type(0)
    info = ml_dtypes.finfo(dtype)
    exponent = mpmath.frexp(value)[1] - (info.nmant + 1)
    exponent = max(exponent, int(info.minexp) - info.nmant)
    digits = int(mpmath.nint(mpmath.ldexp(value, -exponent)))
    return np.ldexp(WIDE(digits), exponent).astype(np.float64 if dtype != WIDE else WIDE)


def _mpf(value: Any) -> mpmath.mpf:
    """Return a float exactly: as the sum of two doubles, times a power of two."""
    fraction, exponent = np.frexp(WIDE(value))
    high = float(fraction)
    # without exact=True the sum is rounded to the precision in force, which is double's
    exact = mpmath.fadd(high, float(fraction - WIDE(high)), exact=True)
    return mpmath.ldexp(exact, int(exponent))


def _tail(x: mpmath.mpf) -> mpmath.mpf:
    """Return exp(-|x|). Beyond `FAR` it only breaks ties, and any tiny number does that."""
    return mpmath.exp(-min(abs(x), FAR))


def _wide_loss(x: LongdoubleArray, y: LongdoubleArray) -> tuple[LongdoubleArray, LongdoubleArray]:
    tail = np.log1p(np.exp(-np.abs(x)))
    # no term is negative, so nothing cancels
    value = np.where(x > 0, x * (1 - y), -x * y) + tail
    return value, value


def _exact_loss(x: mpmath.mpf, y: mpmath.mpf) -> mpmath.mpf:
    tail = mpmath.log1p(_tail(x))
    weight = mpmath.fsub(1, y, exact=True) if x > 0 else y
    # exact, since a tiny tail beside a large term still decides a tie
    return mpmath.fadd(mpmath.fmul(abs(x), weight, exact=True), tail, exact=True)


def _wide_gradient(
    x: LongdoubleArray, y: LongdoubleArray
) -> tuple[LongdoubleArray, LongdoubleArray]:
    tail = np.exp(-np.abs(x))
    small, large = tail / (1 + tail), 1 / (1 + tail)
    up, down = (1 - y) * np.where(x > 0, large, small), y * np.where(x > 0, small, large)
    return up - down, up + down


def _exact_gradient(x: mpmath.mpf, y: mpmath.mpf) -> mpmath.mpf:
    tail = _tail(x)
    small = tail / (1 + tail)
    large = mpmath.fsub(1, small, exact=True)
    p, q = (large, small) if x > 0 else (small, large)
    up = mpmath.fmul(mpmath.fsub(1, y, exact=True), p, exact=True)
    return mpmath.fsub(up, mpmath.fmul(y, q, exact=True), exact=True)


class _Formula(NamedTuple):
    """How a quantity is computed."""

    wide: Callable[[LongdoubleArray, LongdoubleArray], tuple[LongdoubleArray, LongdoubleArray]]
    """From x and y to the value and the scale of its error."""
    exact: Callable[[mpmath.mpf, mpmath.mpf], mpmath.mpf]


QUANTITIES: dict[Quantity, _Formula] = {
    "loss": _Formula(_wide_loss, _exact_loss),
    "gradient": _Formula(_wide_gradient, _exact_gradient),
}
