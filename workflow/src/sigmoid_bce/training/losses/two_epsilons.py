"""Binary cross-entropy from the clipped sigmoid output, with epsilon in its logarithms too."""

from __future__ import annotations

from keras import ops

from sigmoid_bce.numerics.formulas import EPSILON

USED = "tf.keras in TensorFlow 1.14 to 2.15, where the raw output cannot be recovered"
PLATEAU = (15.333239, 15.424949)


def loss(y, x):
    """Return the loss of each sample, (n, 1) to (n, 1).

    The formula of ``binary_crossentropy``, tensorflow/python/keras/backend.py, 2.1.
    """
    p = ops.clip(ops.sigmoid(x), EPSILON, 1 - EPSILON)
    return -(y * ops.log(p + EPSILON) + (1 - y) * ops.log(1 - p + EPSILON))  # sigmoid-bce: ignore
