"""The losses a network is trained with, as functions of label and raw output."""

from __future__ import annotations

import keras
from keras import ops

from sigmoid_bce.numerics.formulas import EPSILON


def logits(y, x):
    """Return binary cross-entropy from the raw output, (n, 1) to (n, 1)."""
    return ops.binary_crossentropy(y, x, from_logits=True)


def sigmoid_clipped(y, x):
    """Return binary cross-entropy from the clipped sigmoid output, (n, 1) to (n, 1).

    Written out, since Keras would find its way back to the raw output (`sigmoid_keras`).
    """
    p = ops.clip(ops.sigmoid(x), EPSILON, 1 - EPSILON)
    return -(y * ops.log(p) + (1 - y) * ops.log(1 - p))


def sigmoid_keras(y, x):
    """Return what Keras makes of a Dense(1, "sigmoid") under its own loss, (n, 1) to (n, 1).

    With the TensorFlow backend it recovers the raw output: ``_get_logits``,
    keras/src/backend/tensorflow/nn.py, 3.15.
    """
    return ops.binary_crossentropy(y, keras.activations.sigmoid(x))


LOSSES = {f.__name__: f for f in (logits, sigmoid_clipped, sigmoid_keras)}
