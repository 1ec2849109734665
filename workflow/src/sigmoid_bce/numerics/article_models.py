"""The article's two models of one input and one weight, evaluated sample by sample in Keras."""

from __future__ import annotations

import os

import numpy as np
import pandas as pd

from sigmoid_bce.numerics import reference
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


def curves() -> pd.DataFrame:
    """Return the loss of one sample by each way to compute it, for both labels.

    Returns
    -------
    DataFrame
        curve (one of `sigmoid_bce.numerics.article.CURVES`), y, x, loss (float64). Model A is
        Dense(1, sigmoid) with Keras's own loss, model B is Dense(1) with a loss that hands the raw
        output to TensorFlow's operation; kernel 1, bias 0; each sample is a batch.
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
