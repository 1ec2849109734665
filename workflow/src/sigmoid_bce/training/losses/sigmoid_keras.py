"""Keras's binary cross-entropy after its sigmoid activation."""

from __future__ import annotations

import keras

USED = 'Dense(1, "sigmoid") and BinaryCrossentropy under fit, Keras 3 on TensorFlow'


def loss(y, x):
    """Return the loss that Keras computes after Dense(1, "sigmoid"), (n, 1) to (n, 1).

    With the TensorFlow backend, Keras recovers the raw output and computes the loss from it:
    ``_get_logits``, keras/src/backend/tensorflow/nn.py, 3.15.
    """
    return keras.ops.binary_crossentropy(y, keras.activations.sigmoid(x))
