"""The article's two networks of one input and one weight, evaluated sample by sample in Keras."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from sigmoid_bce.numerics import reference
from sigmoid_bce.numerics.arrays import Array, Float32Array
from sigmoid_bce.numerics.article import (
    EXACT,
    EXTENDED,
    HISTORIC,
    PREDICTED,
    RAW,
    TODAY,
    extended,
    raw_outputs,
)
from sigmoid_bce.numerics.frameworks.history import keras_2_2
from sigmoid_bce.numerics.surroundings import keras_on


def curves() -> pd.DataFrame:
    """Return the loss of one sample, computed in each way and for both labels.

    Model A is Dense(1, sigmoid) with Keras's own loss. Model B is Dense(1) with a loss that gives
    the raw output to TensorFlow's operation. The kernel is 1 and the bias 0, so that the raw output
    is the input. Each sample is a batch.

    Returns
    -------
    DataFrame
        curve (from `sigmoid_bce.numerics.article.CURVES`), y, x, loss (float64).
    """
    keras = keras_on("tensorflow")
    import tensorflow as tf

    def model(activation: str | None, loss: Any) -> Any:
        dense = keras.layers.Dense(1, activation=activation)
        network = keras.Sequential([keras.Input((1,)), dense])
        dense.set_weights([np.ones((1, 1), np.float32), np.zeros(1, np.float32)])
        network.compile(loss=loss)
        return network

    def from_logits(y: Any, x: Any) -> Any:
        return tf.nn.sigmoid_cross_entropy_with_logits(labels=y, logits=x)

    own = keras.losses.BinaryCrossentropy()
    a, b = model("sigmoid", own), model(None, from_logits)

    def by_sample(network: Any, x: Float32Array, y: float) -> list[float]:
        label = _batch(y)
        return [float(network.test_on_batch(_batch(v), label)) for v in x]

    def predicted(x: Float32Array, y: float) -> list[float]:
        label = _batch(y)
        return [float(own(label, a.predict_on_batch(_batch(v)))) for v in x]

    x, tables = raw_outputs(), []
    for y in (1.0, 0.0):
        labels = np.full_like(x, y)
        losses: dict[str, Array | list[float]] = {
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


def _batch(value: float) -> Float32Array:
    """Return a batch of one sample of one feature, of shape (1, 1)."""
    return np.array([[value]], np.float32)
