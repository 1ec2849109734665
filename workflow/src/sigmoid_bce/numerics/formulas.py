"""The two ways to compute binary cross-entropy, in NumPy and in the precision of their input.

x is the raw output (logit), y the label, p = sigmoid(x). Each loss comes with the gradient with
respect to x that automatic differentiation makes of it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

EPSILON = 1e-7
"""Where Keras clips probabilities: ``keras.config.epsilon()``, Keras 3.15."""


def sigmoid(x: NDArray[np.floating]) -> NDArray[np.floating]:
    """Return 1 / (1 + exp(-x)) in the dtype of `x`, rounded once from float64.

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
    ``scipy.special.expit`` in float32 steps from 1 - 2**-23 straight to 1, at x = 16.63, where
    exact rounding and ``tf.sigmoid`` (2.21) leave 1 - 2**-23, and so reach Keras's clip, at 16.23.

    Examples
    --------
    >>> sigmoid(np.float32([0.0, 18.0]))
    array([0.5, 1. ], dtype=float32)
    """
    return expit(x.astype(np.float64)).astype(x.dtype)


def loss_from_logits(x: NDArray[np.floating], y: NDArray[np.floating]) -> NDArray[np.floating]:
    """Return binary cross-entropy computed from raw outputs.

    Parameters
    ----------
    x, y : ndarray of float, same shape and dtype
        Raw outputs; labels in [0, 1].

    Returns
    -------
    ndarray, shape and dtype of `x`
        Loss of each sample.

    References
    ----------
    ``tf.nn.sigmoid_cross_entropy_with_logits``, tensorflow/python/ops/nn_impl.py, 2.21.

    Examples
    --------
    >>> loss_from_logits(np.float32([-20.0]), np.float32([1.0]))
    array([20.], dtype=float32)
    """
    return np.maximum(x, 0) - x * y + np.log1p(np.exp(-np.abs(x)))


def gradient_from_logits(x: NDArray[np.floating], y: NDArray[np.floating]) -> NDArray[np.floating]:
    """Return the derivative of `loss_from_logits` with respect to `x`.

    Parameters
    ----------
    x, y : ndarray of float, same shape and dtype
        Raw outputs; labels in [0, 1].

    Returns
    -------
    ndarray, shape and dtype of `x`
        Gradient of each sample's loss, term by term as TensorFlow differentiates it eagerly.

    Examples
    --------
    >>> gradient_from_logits(np.float32([-20.0, 20.0]), np.float32([1.0, 1.0]))
    array([-1.0000000e+00, -2.0611537e-09], dtype=float32)
    """
    step = (x >= 0).astype(x.dtype)
    tail = np.exp(-np.abs(x))
    return (step - y) - np.where(x >= 0, 1, -1).astype(x.dtype) * (tail / (1 + tail))


def _bounds(dtype: np.dtype) -> tuple[np.floating, np.floating]:
    """Return the two ends of Keras's clip, rounded to `dtype`."""
    epsilon = dtype.type(EPSILON)
    return epsilon, dtype.type(1 - EPSILON)


def is_clipped(p: NDArray[np.floating]) -> NDArray[np.bool_]:
    """Return where Keras's clip changes a probability, so that the loss is flat.

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
    return (p < low) | (p > high)


def loss_from_probabilities(
    p: NDArray[np.floating], y: NDArray[np.floating]
) -> NDArray[np.floating]:
    """Return binary cross-entropy as Keras 3 computes it from probabilities.

    Parameters
    ----------
    p, y : ndarray of float, same shape and dtype
        Probabilities; labels in [0, 1].

    Returns
    -------
    ndarray, shape and dtype of `p`
        Loss of each sample, never below about 1e-7 nor above about 16.1 in float32.

    References
    ----------
    ``binary_crossentropy``, keras/src/backend/tensorflow/nn.py, 3.15, for an output whose logits
    Keras cannot recover.

    Examples
    --------
    >>> loss_from_probabilities(sigmoid(np.float32([-20.0])), np.float32([1.0]))
    array([16.118095], dtype=float32)
    """
    p = np.clip(p, *_bounds(p.dtype))
    return -(y * np.log(p) + (1 - y) * np.log(1 - p))


def gradient_through_sigmoid(
    p: NDArray[np.floating], y: NDArray[np.floating]
) -> NDArray[np.floating]:
    """Return the derivative of ``loss_from_probabilities(sigmoid(x), y)`` with respect to x.

    Parameters
    ----------
    p, y : ndarray of float, same shape and dtype
        Sigmoid outputs; labels in [0, 1].

    Returns
    -------
    ndarray, shape and dtype of `p`
        Gradient by the chain rule through logarithm, clip and sigmoid; 0 where the clip acts.

    Examples
    --------
    >>> gradient_through_sigmoid(sigmoid(np.float32([-20.0])), np.float32([1.0]))
    array([0.], dtype=float32)
    """
    q = np.clip(p, *_bounds(p.dtype))
    by_probability = (1 - y) / (1 - q) - y / q
    return np.where(is_clipped(p), 0, by_probability).astype(p.dtype) * p * (1 - p)
