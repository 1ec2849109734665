"""The article's two models of one input and one weight, evaluated sample by sample in Keras."""

from __future__ import annotations

import os

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sigmoid_bce.numerics import formulas, reference
from sigmoid_bce.numerics.frameworks.history import keras_2_2

HISTORIC, TODAY, PREDICTED = "Keras of 2018", "Keras today, evaluate", "Keras today, from predict"
RAW, EXTENDED, EXACT = "TensorFlow, raw output", "plain formula, long double", "exact"
CURVES = (HISTORIC, TODAY, PREDICTED, RAW, EXTENDED, EXACT)


def raw_outputs() -> NDArray[np.float32]:
    """Return where the curves are taken: coarse over all, dense where the article enlarges.

    Examples
    --------
    >>> raw_outputs()[[0, -1]].tolist()
    [-60.0, 60.0]
    """
    dense = np.arange(14, 18, 1 / 64)
    return np.unique(np.concatenate([np.arange(-60, 60.1, 1 / 4), dense, -dense])).astype("float32")


def extended(x: NDArray[np.float32], y: float) -> NDArray[np.longdouble]:
    """Return the plain formula in long double (x86's 80 bits, not IEEE's 128).

    Parameters
    ----------
    x : ndarray of float32, shape (n,)
    y : {0.0, 1.0}

    Returns
    -------
    ndarray of longdouble, shape (n,)
        -log p or -log(1 - p), with p = 1 / (1 + exp(-x)); inf where that is 0.

    Examples
    --------
    >>> float(extended(np.float32([44.5]), 1.0)[0])
    -0.0
    """
    p = 1 / (1 + np.exp(-x.astype(np.longdouble)))
    with np.errstate(divide="ignore"):
        return -np.log(p if y == 1 else 1 - p)


def curves() -> pd.DataFrame:
    """Return the loss of one sample by each way to compute it, for both labels.

    Returns
    -------
    DataFrame
        curve (one of `CURVES`), y, x, loss (float64). Model A is Dense(1, sigmoid) with Keras's own
        loss, model B is Dense(1) with a loss that hands the raw output to TensorFlow's operation;
        kernel 1, bias 0; each sample is a batch.
    """
    os.environ["KERAS_BACKEND"] = "tensorflow"
    import keras
    import tensorflow as tf

    def model(activation, loss):
        dense = keras.layers.Dense(1, activation=activation)
        network = keras.Sequential([keras.Input((1,)), dense])
        dense.set_weights([np.ones((1, 1), np.float32), np.zeros(1, np.float32)])
        network.compile(loss=loss)
        return network

    def from_logits(y, x):
        return tf.nn.sigmoid_cross_entropy_with_logits(labels=y, logits=x)

    own = keras.losses.BinaryCrossentropy()
    a, b = model("sigmoid", own), model(None, from_logits)

    def by_sample(network, x, y):
        label = np.float32([[y]])
        return [float(network.test_on_batch(np.float32([[v]]), label)) for v in x]

    def predicted(x, y):
        label = np.float32([[y]])
        return [float(own(label, a.predict_on_batch(np.float32([[v]])))) for v in x]

    x, tables = raw_outputs(), []
    for y in (1.0, 0.0):
        labels = np.full_like(x, y)
        losses = {
            HISTORIC: keras_2_2(x, labels)[0],
            TODAY: by_sample(a, x, y),
            PREDICTED: predicted(x, y),
            RAW: by_sample(b, x, y),
            EXTENDED: extended(x, y),
            EXACT: reference.loss(x, labels, "float64"),
        }
        tables += [
            pd.DataFrame({"curve": curve, "y": y, "x": x, "loss": np.asarray(loss, np.float64)})
            for curve, loss in losses.items()
        ]
        print(f"label {y:g}: {len(x)} samples, {len(losses)} curves", flush=True)
    return pd.concat(tables, ignore_index=True)


def round_trip(x: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return sigmoid(x) and logit(sigmoid(x)) by the plain formulas in float32.

    Parameters
    ----------
    x : ndarray of float32, shape (n,)

    Returns
    -------
    p, logit : ndarray of float32, shape (n,)
        1 / (1 + exp(-x)); log(p / (1 - p)), inf where p is 1.

    Examples
    --------
    >>> round_trip(np.float32([17.0]))[1]
    array([inf], dtype=float32)
    """
    p = 1 / (1 + np.exp(-x))
    with np.errstate(divide="ignore"):
        return p, np.log(p / (1 - p))


def limits() -> dict[str, float]:
    """Return the article's numbers about the round trip in float32, measured at every float.

    Returns
    -------
    dict
        off: the least x at which logit(sigmoid(x)) is off by more than 1 %; one: the least x at
        which sigmoid(x) is 1; one_rounded: the same for a sigmoid rounded once; largest: the
        largest finite logit; log_eps: -log of float32's machine epsilon, the article's estimate of
        the limit; clip: the logit at which Keras clips.
    """
    # every float32 from 8 to 32
    x = np.arange(np.float32(8).view(np.int32), np.float32(32).view(np.int32), dtype=np.int32)
    x = x.view(np.float32)
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
