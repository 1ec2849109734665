"""Objectives: the losses that are measured, each with its formula in long double and in mpmath.

x is the raw output, y the label, p = sigmoid(x), z = (2 y - 1) x. Binary cross-entropy takes labels
in [0, 1], the others take 0 and 1.

A formula in long double errs by at most `sigmoid_bce.numerics.reference.WIDE_ERROR` times the scale
that it returns. In units of long double's last place (u), x and y are exact, and each arithmetic
operation errs by at most u / 2. The C library's expl and log1pl are assumed to err by at most 2 u
and 4 u; tests hold them to half of that. `WIDE_ERROR` is 8 u.

- Binary cross-entropy: t = exp(-|x|) errs by 2 u, and log1p(t) by 2 u + 4 u, since its condition
  number is below 1. The product |x| (1 - y) or |x| y, and its sum with log1p(t), whose terms have
  one sign, add at most u. The loss therefore errs by 7 u.
- Its gradient: t / (1 + t) and 1 / (1 + t) err by at most 2 u + 3 u / 2, their products with y and
  1 - y by u more, and the difference of the products by u / 2 of their sum. The gradient therefore
  errs by 5 u of that sum.
- Weighted and SigLIP: the same terms, times 4 or 1. Smoothed: the labels 1/16 and 15/16 are exact.
- Focal: 1 - p errs by 7 u / 2, softplus(-z) by 13 u / 2, and the loss by 15 u. In the gradient
  2 p softplus(-z) + 1 - p errs by 11 u, and all of it by 20 u.
- Softmax over k values: (k - 1) exp(-|x|) errs by 5 u / 2, its log1p by 13 u / 2, and the loss by
  8 u; the gradient by 5 u.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import mpmath
import numpy as np

from sigmoid_bce.numerics.arrays import LongdoubleArray
from sigmoid_bce.numerics.names import TITLES

FAR = 30000
"""exp(-FAR) is below 2**-43000; a long double times a label is a multiple of 2**-16600 there."""
WEIGHT = 4
"""What a sample of label 1 counts in the weighted loss: pos_weight."""
SMOOTHING = 1 / 8
"""The share of a label that label smoothing spreads over both classes."""
FOCUS, BALANCE = 2, 1 / 4
"""The focal loss's gamma, and its alpha: the weight of label 1; label 0 has 1 - alpha."""

Wide = tuple[LongdoubleArray, LongdoubleArray]
"""Values and the scales of their errors."""


class Formula(NamedTuple):
    """How the loss or the gradient of an objective is computed, from x and y."""

    wide: Callable[[LongdoubleArray, LongdoubleArray], Wide]
    exact: Callable[[mpmath.mpf, mpmath.mpf], mpmath.mpf]


class Objective(NamedTuple):
    """A loss that is measured."""

    title: str
    says: str
    """Its formula."""
    loss: Formula
    gradient: Formula
    rate: float = 1.0
    """Loss or gradient of a right prediction fall as exp(-rate |x|); 0 if they do not fall."""
    least: float = 1.0
    """The factor before that power, the least over both labels."""
    terms: float = 0.0
    """The size of two terms of the gradient that cancel at some raw output; 0 if none do."""


# exact, since a tiny tail beside a large term still decides a tie
_sum = partial(mpmath.fadd, exact=True)
_difference = partial(mpmath.fsub, exact=True)
_product = partial(mpmath.fmul, exact=True)


def _tail(x: mpmath.mpf) -> mpmath.mpf:
    """Return exp(-|x|). Beyond `FAR` it only breaks ties, and any tiny number does that."""
    return mpmath.exp(-min(abs(x), FAR))


def _wide_loss(x: LongdoubleArray, y: LongdoubleArray) -> Wide:
    tail = np.log1p(np.exp(-np.abs(x)))
    # no term is negative, so nothing cancels
    value = np.where(x > 0, x * (1 - y), -x * y) + tail
    return value, value


def _exact_loss(x: mpmath.mpf, y: mpmath.mpf) -> mpmath.mpf:
    return _sum(_product(abs(x), _difference(1, y) if x > 0 else y), mpmath.log1p(_tail(x)))


def _wide_sigmoid(x: LongdoubleArray) -> tuple[LongdoubleArray, LongdoubleArray]:
    """Return p and 1 - p."""
    tail = np.exp(-np.abs(x))
    small, large = tail / (1 + tail), 1 / (1 + tail)
    return np.where(x > 0, large, small), np.where(x > 0, small, large)


def _exact_sigmoid(x: mpmath.mpf) -> tuple[mpmath.mpf, mpmath.mpf]:
    tail = _tail(x)
    small = tail / (1 + tail)
    large = _difference(1, small)
    return (large, small) if x > 0 else (small, large)


def _wide_gradient(x: LongdoubleArray, y: LongdoubleArray) -> Wide:
    p, q = _wide_sigmoid(x)
    up, down = (1 - y) * p, y * q
    return up - down, up + down


def _exact_gradient(x: mpmath.mpf, y: mpmath.mpf) -> mpmath.mpf:
    p, q = _exact_sigmoid(x)
    return _difference(_product(_difference(1, y), p), _product(y, q))


_LOSS, _GRADIENT = Formula(_wide_loss, _exact_loss), Formula(_wide_gradient, _exact_gradient)


def _weighted(formula: Formula) -> Formula:
    """Return a formula in which samples of label 1 count `WEIGHT` times."""

    def wide(x: LongdoubleArray, y: LongdoubleArray) -> Wide:
        value, scale = formula.wide(x, y)
        weight = np.where(y > 0, np.longdouble(WEIGHT), 1)
        return value * weight, scale * weight

    return Formula(wide, lambda x, y: _product(formula.exact(x, y), WEIGHT if y else 1))


def _smoothed(formula: Formula) -> Formula:
    """Return a formula with the label y (1 - s) + s / 2, s = `SMOOTHING`."""
    keep, add = 1 - SMOOTHING, SMOOTHING / 2
    return Formula(
        lambda x, y: formula.wide(x, y * np.longdouble(keep) + np.longdouble(add)),
        lambda x, y: formula.exact(x, y * keep + add),
    )


def _wide_focal(x: LongdoubleArray, y: LongdoubleArray) -> Wide:
    p, q = _wide_sigmoid(x)
    weight, miss = np.where(y > 0, BALANCE, 1 - BALANCE), np.where(y > 0, q, p)
    value = weight * miss**FOCUS * _wide_loss(x, y)[0]
    return value, 2 * value


def _exact_focal(x: mpmath.mpf, y: mpmath.mpf) -> mpmath.mpf:
    p, q = _exact_sigmoid(x)
    weight, miss = (BALANCE, q) if y else (1 - BALANCE, p)
    return _product(_product(weight, _product(miss, miss)), _exact_loss(x, y))


def _wide_focal_gradient(x: LongdoubleArray, y: LongdoubleArray) -> Wide:
    p, q = _wide_sigmoid(x)
    weight, sign = np.where(y > 0, BALANCE, 1 - BALANCE), np.where(y > 0, -1, 1)
    hit, miss = np.where(y > 0, p, q), np.where(y > 0, q, p)
    value = weight * miss**FOCUS * (FOCUS * hit * _wide_loss(x, y)[0] + miss)
    return sign * value, 3 * value


def _exact_focal_gradient(x: mpmath.mpf, y: mpmath.mpf) -> mpmath.mpf:
    p, q = _exact_sigmoid(x)
    weight, hit, miss = (-BALANCE, p, q) if y else (1 - BALANCE, q, p)
    inner = _sum(_product(_product(FOCUS, hit), _exact_loss(x, y)), miss)
    return _product(_product(weight, _product(miss, miss)), inner)


def _softmax(others: int) -> tuple[Formula, Formula]:
    """Return loss and gradient of softmax cross-entropy of the raw outputs (x, 0, ..., 0).

    The first class is right for label 1, one of the `others` for label 0.
    """

    def wide(x: LongdoubleArray, y: LongdoubleArray) -> Wide:
        tail, log = np.exp(-np.abs(x)), np.log(np.longdouble(others))
        # log(others + exp(x)), without its larger term
        rest = np.where(x > 0, np.log1p(others * tail), log + np.log1p(tail / others))
        value = np.where(x > 0, x * (1 - y), -x * y) + rest
        return value, 2 * value

    def exact(x: mpmath.mpf, y: mpmath.mpf) -> mpmath.mpf:
        if x > 0:
            rest = mpmath.log1p(others * _tail(x))
        else:
            rest = _sum(mpmath.log(others), mpmath.log1p(_tail(x) / others))
        return _sum(_product(abs(x), _difference(1, y) if x > 0 else y), rest)

    def wide_gradient(x: LongdoubleArray, y: LongdoubleArray) -> Wide:
        tail = np.exp(-np.abs(x))
        ratio = np.where(x > 0, others * tail, tail / others)
        small, large = ratio / (1 + ratio), 1 / (1 + ratio)
        p, q = np.where(x > 0, large, small), np.where(x > 0, small, large)
        value = np.where(y > 0, -q, p)
        return value, np.abs(value)

    def exact_gradient(x: mpmath.mpf, y: mpmath.mpf) -> mpmath.mpf:
        ratio = others * _tail(x) if x > 0 else _tail(x) / others
        small = ratio / (1 + ratio)
        first = (x > 0) != bool(y)  # p > 1 / 2 for label 0, or 1 - p > 1 / 2 for label 1
        value = _difference(1, small) if first else small
        return -value if y else value

    return Formula(wide, exact), Formula(wide_gradient, exact_gradient)


OBJECTIVES: dict[str, Objective] = {
    "bce": Objective(
        TITLES["bce"], "-(y log p + (1 - y) log(1 - p))", _LOSS, _GRADIENT
    ),  # sigmoid-bce: ignore
    "weighted": Objective(
        TITLES["weighted"],
        f"-({WEIGHT} y log p + (1 - y) log(1 - p))",
        _weighted(_LOSS),
        _weighted(_GRADIENT),
    ),
    "smoothing": Objective(
        TITLES["smoothing"],
        f"binary cross-entropy of the labels {SMOOTHING / 2:g} and {1 - SMOOTHING / 2:g}",
        _smoothed(_LOSS),
        _smoothed(_GRADIENT),
        rate=0.0,
        terms=1.0,
    ),
    "focal": Objective(
        TITLES["focal"],
        f"-a (1 - sigmoid(z))^{FOCUS} log sigmoid(z), a = {BALANCE:g} for label 1, "
        f"{1 - BALANCE:g} for label 0",
        Formula(_wide_focal, _exact_focal),
        Formula(_wide_focal_gradient, _exact_focal_gradient),
        rate=1.0 + FOCUS,
        least=BALANCE,
    ),
    "softmax-2": Objective(
        TITLES["softmax-2"],
        "log(1 + exp(x)) - x y, of the raw outputs (x, 0)",
        *_softmax(1),
    ),
    "softmax-10": Objective(
        TITLES["softmax-10"],
        "log(9 + exp(x)) - x y, of the raw outputs (x, 0, ..., 0)",
        *_softmax(9),
        least=1 / 9,
    ),
    "siglip": Objective(TITLES["siglip"], "-log sigmoid(z)", _LOSS, _GRADIENT),
}
"""By their names, in the order of `names.TITLES`."""
