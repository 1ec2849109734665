"""The article's numbers: from raw output to sigmoid and back, and figure 3's curves."""

from __future__ import annotations

import numpy as np

from sigmoid_bce.numerics import formulas
from sigmoid_bce.numerics.arrays import Float32Array, LongdoubleArray

HISTORIC, TODAY, PREDICTED = "Keras of 2018", "Keras today, evaluate", "Keras today, from predict"
RAW, EXTENDED, EXACT = "TensorFlow, raw output", "plain formula, long double", "exact"
CURVES = (HISTORIC, TODAY, PREDICTED, RAW, EXTENDED, EXACT)
"""The names of figure 3's curves."""


def raw_outputs() -> Float32Array:
    """Return the raw outputs of the curves: in steps of 1/4, and of 1/64 where |x| is 14 to 18.

    Returns
    -------
    ndarray of float32, shape (n,)
        Increasing.

    Examples
    --------
    >>> raw_outputs()[[0, -1]].tolist()
    [-60.0, 60.0]
    """
    dense = np.arange(14, 18, 1 / 64)
    return np.unique(np.concatenate([np.arange(-60, 60.1, 1 / 4), dense, -dense])).astype("float32")


def extended(x: Float32Array, y: float) -> LongdoubleArray:
    """Return the plain formula in long double (x86's 80 bits, not IEEE's 128).

    Parameters
    ----------
    x : ndarray of float32, shape (n,)
        Raw outputs.
    y : {0.0, 1.0}
        The label of all of them.

    Returns
    -------
    ndarray of longdouble, shape (n,)
        -log p or -log(1 - p), with p = 1 / (1 + exp(-x)); inf where its argument is 0.

    Examples
    --------
    >>> float(extended(np.float32([44.5]), 1.0)[0])
    -0.0
    """
    p = 1 / (1 + np.exp(-x.astype(np.longdouble)))
    with np.errstate(divide="ignore"):
        return -np.log(p if y == 1 else 1 - p)  # sigmoid-bce: ignore


def round_trip(x: Float32Array) -> tuple[Float32Array, Float32Array]:
    """Return sigmoid(x) and logit(sigmoid(x)) by the plain formulas in float32.

    Parameters
    ----------
    x : ndarray of float32, shape (n,)
        Raw outputs.

    Returns
    -------
    p, logit : ndarray of float32, shape (n,)
        1 / (1 + exp(-x)) and log(p / (1 - p)); the logit is inf where p is 1.

    Examples
    --------
    >>> round_trip(np.float32([17.0]))[1]
    array([inf], dtype=float32)
    """
    one = np.float32(1)
    p = one / (one + np.exp(-x))
    with np.errstate(divide="ignore"):
        return p, np.log(p / (one - p))


def limits() -> dict[str, float]:
    """Return the article's numbers about the round trip, measured at every float32 from 8 to 32.

    Returns
    -------
    dict of float by str
        - off: the least x at which logit(sigmoid(x)) is wrong by more than 1 %
        - one: the least x at which sigmoid(x) is 1
        - one_rounded: the same for the exact sigmoid, rounded once
        - largest: the largest finite logit
        - log_eps: -log of float32's machine epsilon, which is the article's estimate of the limit
        - clip: the logit at which Keras clips
    """
    bits = np.arange(np.float32(8).view(np.int32), np.float32(32).view(np.int32), dtype=np.int32)
    x = bits.view(np.float32)
    p, logit = round_trip(x)
    largest = logit[np.isfinite(logit)].max()
    epsilon = formulas.EPSILON
    return {
        "off": float(x[np.argmax(np.abs(logit - x) > 0.01 * x)]),
        "one": float(x[np.argmax(p == 1)]),
        "one_rounded": float(x[np.argmax(formulas.sigmoid(x) == 1)]),
        "largest": float(largest),
        "log_eps": float(-np.log(np.finfo(np.float32).eps)),
        "clip": float(np.log1p(-epsilon) - np.log(epsilon)),
    }
