"""The recipes of half precision: the last layer's raw output, or its sigmoid too, is rounded."""

from __future__ import annotations

from keras import ops

from sigmoid_bce.training.losses import sigmoid_clipped


def sigmoid_in(dtype: str, y, x):
    """Return the clipped loss, in float32, of a sigmoid in half precision: (n, 1) to (n, 1).

    As in Keras under a mixed policy: the last layer computes in half precision, and the loss casts
    its output to float32.
    """
    p = ops.cast(ops.sigmoid(ops.cast(x, dtype)), "float32")
    return sigmoid_clipped.of_probability(y, p)


def raw_output_in(dtype: str, y, x):
    """Return the clipped loss of a raw output in half precision, all else in float32."""
    return sigmoid_clipped.loss(y, ops.cast(ops.cast(x, dtype), "float32"))
