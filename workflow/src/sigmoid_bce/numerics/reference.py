"""Loss and gradient of every objective, correctly rounded: the truth in every comparison.

Values are computed in long double, with a bound on their error that
`sigmoid_bce.numerics.objectives` derives. Where the bound leaves the rounding in doubt, mpmath
decides at 200 bits or more.
"""

from __future__ import annotations

from typing import Any, Literal

import ml_dtypes
import mpmath
import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from sigmoid_bce.numerics.arrays import Array, LongdoubleArray, Mask
from sigmoid_bce.numerics.names import BCE
from sigmoid_bce.numerics.objectives import OBJECTIVES, Formula

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


def loss(x: ArrayLike, y: ArrayLike, dtype: DTypeLike, objective: str = BCE) -> Array:
    """Return the loss of raw outputs, correctly rounded to `dtype`.

    Parameters
    ----------
    x : array_like of float, any shape
        Raw outputs; rounded to `dtype` first.
    y : array_like, shape of `x`
        Labels in [0, 1], of floats, integers or booleans; rounded to `dtype` first. Objectives
        other than binary cross-entropy take 0 and 1.
    dtype : dtype or str
        float16, bfloat16, float32, float64 or longdouble.
    objective : str
        One of `sigmoid_bce.numerics.objectives.OBJECTIVES`.

    Returns
    -------
    ndarray of `dtype`, shape of `x`
        max(x, 0) - x y + log(1 + exp(-|x|)) for binary cross-entropy.

    Raises
    ------
    TypeError
        If `x` does not hold floats, `y` does not hold numbers, or `dtype` is none of the five.
    ValueError
        For nan, inf, labels outside [0, 1], or between 0 and 1 where the objective takes none, an
        empty array, shapes that differ, or an unknown objective.

    Examples
    --------
    >>> loss([-20.0, 20.0], [1.0, 1.0], "float32")
    array([2.0000000e+01, 2.0611537e-09], dtype=float32)
    """
    checked = _checked(x, y, dtype, objective)
    return _rounded(*checked, OBJECTIVES[objective].loss)


def gradient(x: ArrayLike, y: ArrayLike, dtype: DTypeLike, objective: str = BCE) -> Array:
    """Return the derivative of `loss` with respect to `x`, correctly rounded to `dtype`.

    Parameters
    ----------
    x : array_like of float, any shape
        Raw outputs; rounded to `dtype` first.
    y : array_like, shape of `x`
        Labels in [0, 1], of floats, integers or booleans; rounded to `dtype` first. Objectives
        other than binary cross-entropy take 0 and 1.
    dtype : dtype or str
        float16, bfloat16, float32, float64 or longdouble.
    objective : str
        One of `sigmoid_bce.numerics.objectives.OBJECTIVES`.

    Returns
    -------
    ndarray of `dtype`, shape of `x`
        (1 - y) sigmoid(x) - y sigmoid(-x) for binary cross-entropy, which is sigmoid(x) - y
        without its cancellation.

    Raises
    ------
    TypeError, ValueError
        As `loss`.

    Examples
    --------
    >>> gradient([-20.0, 20.0], [1.0, 1.0], "float32")
    array([-1.0000000e+00, -2.0611537e-09], dtype=float32)
    """
    checked = _checked(x, y, dtype, objective)
    return _rounded(*checked, OBJECTIVES[objective].gradient)


def unrounded(
    x: ArrayLike, y: ArrayLike, dtype: DTypeLike, quantity: Quantity, objective: str = BCE
) -> LongdoubleArray:
    """Return the loss or gradient before it is rounded to `dtype`, to measure errors against.

    Parameters
    ----------
    x : array_like of float, any shape
        Raw outputs; rounded to `dtype` first.
    y : array_like, shape of `x`
        Labels in [0, 1], of floats, integers or booleans; rounded to `dtype` first. Objectives
        other than binary cross-entropy take 0 and 1.
    dtype : dtype or str
        float16, bfloat16, float32, float64 or longdouble.
    quantity : {"loss", "gradient"}
    objective : str
        One of `sigmoid_bce.numerics.objectives.OBJECTIVES`.

    Returns
    -------
    ndarray of longdouble, shape of `x`
        A loss is within 8 units of long double's last place, a focal loss within 24. A gradient is
        within as many such units of the sum of its terms, or correctly rounded if they cancel by
        three bits or more. If `dtype` is longdouble, all values are correctly rounded.

    Raises
    ------
    TypeError, ValueError
        As `loss`.

    Examples
    --------
    >>> float(unrounded([0.0], [1.0], "float64", "gradient")[0])
    -0.5
    """
    xs, ys, to = _checked(x, y, dtype, objective)
    formula = getattr(OBJECTIVES[objective], quantity)
    if to == WIDE:
        return _rounded(xs, ys, to, formula)
    with np.errstate(under="ignore"):
        value, scale = formula.wide(xs.astype(WIDE), ys.astype(WIDE))
    return _decide(np.asarray(value), np.abs(value) < scale / 8, xs, ys, np.dtype(WIDE), formula)


def fallback_share(
    x: ArrayLike, y: ArrayLike, dtype: DTypeLike, quantity: Quantity, objective: str = BCE
) -> float:
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
    objective : str
        One of `sigmoid_bce.numerics.objectives.OBJECTIVES`.

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
    checked = _checked(x, y, dtype, objective)
    return float(_once_rounded(*checked, getattr(OBJECTIVES[objective], quantity))[1].mean())


def _checked(
    x: ArrayLike, y: ArrayLike, dtype: DTypeLike, objective: str
) -> tuple[Array, Array, Dtype]:
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
    if objective not in OBJECTIVES:
        names = ", ".join(OBJECTIVES)
        raise ValueError(f"objective: expected one of {names}; found {objective!r}")
    if objective != BCE and not ((ys == 0) | (ys == 1)).all():
        raise ValueError(f"y: expected labels 0 or 1 for {OBJECTIVES[objective].title}")
    return xs, ys, to


def _floats(name: str, values: ArrayLike, dtype: Dtype, kinds: str = "f") -> Array:
    """Return an argument as an array of `dtype`. It has to be of one of NumPy's `kinds`."""
    array = np.asarray(values)
    if array.dtype.kind not in kinds and array.dtype != ml_dtypes.bfloat16:
        what = "floating-point values" if kinds == "f" else "numbers"
        raise TypeError(f"{name}: expected {what}, found {array.dtype}")
    with np.errstate(over="ignore"):
        return array.astype(dtype)


def _rounded(x: Array, y: Array, dtype: Dtype, formula: Formula) -> Array:
    """Return the rounded long double, or mpmath's value where the rounding is in doubt."""
    out, doubtful = _once_rounded(x, y, dtype, formula)
    return _decide(out, doubtful, x, y, dtype, formula)


def _once_rounded(x: Array, y: Array, dtype: Dtype, formula: Formula) -> tuple[Array, Mask]:
    """Return the rounded long double, and where its error may have changed the rounding."""
    if dtype == WIDE:
        return np.empty(x.shape, dtype), np.ones(x.shape, bool)
    with np.errstate(under="ignore"):
        value, scale = formula.wide(x.astype(WIDE), y.astype(WIDE))
        relative, absolute = ERROR[dtype.name]
        margin = scale * WIDE(relative) + WIDE(absolute)
        doubtful = (value - margin).astype(dtype) != (value + margin).astype(dtype)
        return np.asarray(value.astype(dtype)), doubtful


def _decide(out: Array, where: Mask, x: Array, y: Array, dtype: Dtype, formula: Formula) -> Array:
    """Return `out` after replacing the marked values by mpmath's, rounded to `dtype`."""
    for index in map(tuple, np.argwhere(where)):
        a, b = _mpf(x[index]), _mpf(y[index])
        # near x = 0 the two terms of a gradient cancel to the order of x
        with mpmath.workprec(200 + 2 * max(0, -mpmath.frexp(a)[1])):
            out[index] = _round(formula.exact(a, b), dtype)
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
