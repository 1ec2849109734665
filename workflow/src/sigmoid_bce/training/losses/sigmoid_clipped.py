"""Binary cross-entropy from the clipped sigmoid output."""

from __future__ import annotations

from keras import ops

from sigmoid_bce.numerics.formulas import EPSILON


def loss(y, x):
    """Return the loss of each sample, (n, 1) to (n, 1).

    The formula is written out because Keras's own function recovers the raw output and does not
    clip: see `sigmoid_keras`.
    """
    p = ops.clip(ops.sigmoid(x), EPSILON, 1 - EPSILON)
    return -(y * ops.log(p) + (1 - y) * ops.log(1 - p))
