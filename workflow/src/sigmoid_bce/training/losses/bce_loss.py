"""Binary cross-entropy from the sigmoid output, with logarithms of at least -100."""

from __future__ import annotations

import tensorflow as tf

USED = "PyTorch's BCELoss after a sigmoid"
PLATEAU = (100.0, 100.0)
LOWEST = -100.0
LEAST = 1e-12


@tf.custom_gradient
def _of_probability(y, p):
    """Return the loss of each sample, with PyTorch's own derivative with respect to `p`."""
    loss = (  # sigmoid-bce: ignore
        (y - 1) * tf.maximum(tf.math.log1p(-p), LOWEST) - y * tf.maximum(tf.math.log(p), LOWEST)
    )

    def gradient(upstream):
        return None, upstream * (p - y) / tf.maximum((1 - p) * p, LEAST)

    return loss, gradient


def loss(y, x):
    """Return the loss of each sample, (n, 1) to (n, 1).

    The formulas of ``binary_cross_entropy`` and its backward, aten/src/ATen/native/Loss.cpp, 2.13.
    """
    return _of_probability(y, tf.sigmoid(x))
