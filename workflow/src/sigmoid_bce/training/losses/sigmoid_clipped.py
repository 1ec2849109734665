"""Binary cross-entropy from the clipped sigmoid output."""

from __future__ import annotations

from keras import ops

from sigmoid_bce.numerics.formulas import EPSILON

USED = "the article's Keras, and Keras 3 wherever the raw output cannot be recovered"
PLATEAU = (15.942385, 16.118095)


def loss(y, x):
    """Return the loss of each sample, (n, 1) to (n, 1).

    The formula is written out because Keras's own function recovers the raw output and does not
    clip: see `sigmoid_keras`.
    """
    return of_probability(y, ops.sigmoid(x))


def of_probability(y, p):
    """Return the loss of each sample from its sigmoid output, (n, 1) to (n, 1)."""
    p = ops.clip(p, EPSILON, 1 - EPSILON)
    return -(y * ops.log(p) + (1 - y) * ops.log(1 - p))  # sigmoid-bce: ignore
