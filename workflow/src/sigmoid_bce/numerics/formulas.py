"""The two ways to compute binary cross-entropy, in NumPy and in the precision of their input.

x is the raw output (logit), y the label, p = sigmoid(x). Each loss has its gradient with respect to
x, in the form that automatic differentiation derives.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sigmoid_bce.numerics.arrays import Float, Mask

EPSILON = 1e-7
"""Keras clips probabilities to [EPSILON, 1 - EPSILON]: ``keras.config.epsilon()``, Keras 3.15."""

CLIP = 16.118
"""From this |x| on, the sample of label 1 that is wrong has no gradient: log(1e7 - 1), rounded."""


def sigmoid(x: NDArray[Float]) -> NDArray[Float]:
    """Return 1 / (1 + exp(-x)), computed in float64 and rounded once to the dtype of `x`.

    Parameters
    ----------
    x : ndarray of float, any shape
        Raw outputs.

    Returns
    -------
    ndarray, shape and dtype of `x`
        Probabilities in [0, 1].

    Notes
    -----
    ``scipy.special.expit`` in float32 steps from 1 - 2**-23 straight to 1, at x = 16.63. Exact
    rounding and ``tf.sigmoid`` (2.21) leave 1 - 2**-23 at 16.23, and so reach Keras's clip there.

    Examples
    --------
    >>> sigmoid(np.float32([0.0, 18.0]))
    array([0.5, 1. ], dtype=float32)
    """
    with np.errstate(over="ignore"):
        p: NDArray[Float] = (1 / (1 + np.exp(-x.astype(np.float64)))).astype(x.dtype)
    return p


def loss_from_logits(x: NDArray[Float], y: NDArray[Float]) -> NDArray[Float]:
    """Return binary cross-entropy computed from raw outputs.

    Parameters
    ----------
    x : ndarray of float, any shape
        Raw outputs.
    y : ndarray, shape and dtype of `x`
        Labels in [0, 1].

    Returns
    -------
    ndarray, shape and dtype of `x`
        The loss of each sample.

    References
    ----------
    ``tf.nn.sigmoid_cross_entropy_with_logits``, tensorflow/python/ops/nn_impl.py, 2.21.

    Examples
    --------
    >>> loss_from_logits(np.float32([-20.0]), np.float32([1.0]))
    array([20.], dtype=float32)
    """
    loss: NDArray[Float] = np.maximum(x, 0) - x * y + np.log1p(np.exp(-np.abs(x)))
    return loss


def gradient_from_logits(x: NDArray[Float], y: NDArray[Float]) -> NDArray[Float]:
    """Return the derivative of `loss_from_logits` with respect to `x`.

    Parameters
    ----------
    x : ndarray of float, any shape
        Raw outputs.
    y : ndarray, shape and dtype of `x`
        Labels in [0, 1].

    Returns
    -------
    ndarray, shape and dtype of `x`
        The gradient of each sample's loss, term by term as TensorFlow computes it eagerly.

    Examples
    --------
    >>> gradient_from_logits(np.float32([-20.0, 20.0]), np.float32([1.0, 1.0]))
    array([-1.0000000e+00, -2.0611537e-09], dtype=float32)
    """
    step = (x >= 0).astype(x.dtype)
    tail = np.exp(-np.abs(x))
    sign = np.where(x >= 0, 1, -1).astype(x.dtype)
    gradient: NDArray[Float] = (step - y) - sign * (tail / (1 + tail))
    return gradient


def _bounds(dtype: np.dtype[Float]) -> tuple[Any, Any]:
    """Return the lower and upper end of Keras's clip, rounded to `dtype`."""
    return dtype.type(EPSILON), dtype.type(1 - EPSILON)


def is_clipped(p: NDArray[Float]) -> Mask:
    """Return where Keras's clip changes a probability, which makes the loss flat.

    Parameters
    ----------
    p : ndarray of float, any shape
        Probabilities.

    Returns
    -------
    ndarray of bool, shape of `p`

    Examples
    --------
    >>> is_clipped(np.float32([1e-8, 0.5, 1.0]))
    array([ True, False,  True])
    """
    low, high = _bounds(p.dtype)
    clipped: Mask = (p < low) | (p > high)
    return clipped


def loss_from_probabilities(p: NDArray[Float], y: NDArray[Float]) -> NDArray[Float]:
    """Return binary cross-entropy as Keras 3 computes it from probabilities.

    Parameters
    ----------
    p : ndarray of float, any shape
        Probabilities.
    y : ndarray, shape and dtype of `p`
        Labels in [0, 1].

    Returns
    -------
    ndarray, shape and dtype of `p`
        The loss of each sample; in float32 between about 1e-7 and 16.1.

    References
    ----------
    ``binary_crossentropy``, keras/src/backend/tensorflow/nn.py, 3.15, for an output whose logits
    Keras cannot recover.

    Examples
    --------
    >>> loss_from_probabilities(sigmoid(np.float32([-20.0])), np.float32([1.0]))
    array([16.118095], dtype=float32)
    """
    q = np.clip(p, *_bounds(p.dtype))
    loss: NDArray[Float] = -(y * np.log(q) + (1 - y) * np.log(1 - q))  # sigmoid-bce: ignore
    return loss


def gradient_through_sigmoid(p: NDArray[Float], y: NDArray[Float]) -> NDArray[Float]:
    """Return the derivative of ``loss_from_probabilities(sigmoid(x), y)`` with respect to x.

    Parameters
    ----------
    p : ndarray of float, any shape
        Sigmoid outputs.
    y : ndarray, shape and dtype of `p`
        Labels in [0, 1].

    Returns
    -------
    ndarray, shape and dtype of `p`
        The gradient by the chain rule through logarithm, clip and sigmoid; 0 where the clip acts.

    Examples
    --------
    >>> gradient_through_sigmoid(sigmoid(np.float32([-20.0])), np.float32([1.0]))
    array([0.], dtype=float32)
    """
    q = np.clip(p, *_bounds(p.dtype))
    by_probability = (1 - y) / (1 - q) - y / q
    slope = np.where(is_clipped(p), 0, by_probability).astype(p.dtype)
    gradient: NDArray[Float] = slope * p * (1 - p)
    return gradient
