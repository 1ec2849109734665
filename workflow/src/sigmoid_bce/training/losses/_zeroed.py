"""The loss from the raw output with a gradient that is 0 on one side of a clip."""

from __future__ import annotations

import tensorflow as tf

from sigmoid_bce.numerics.formulas import CLIP
from sigmoid_bce.training.losses import logits


def loss(y, x, side: str):
    """Return the loss of each sample, (n, 1) to (n, 1).

    Parameters
    ----------
    y, x : tensor of float32, shape (n, 1)
        Labels and raw outputs.
    side : {"correct", "wrong"}
        Where the gradient is 0 beyond |x| = `CLIP`: raw outputs of the label's sign are correct.
    """
    wrong = tf.not_equal(x > 0, y > 0.5)
    gone = (tf.abs(x) > CLIP) & (wrong if side == "wrong" else ~wrong)
    kept = tf.stop_gradient(x)
    return logits.loss(y, tf.where(gone, kept, x))
