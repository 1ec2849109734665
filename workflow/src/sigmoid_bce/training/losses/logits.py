"""Binary cross-entropy from the raw output."""

from __future__ import annotations

from keras import ops

USED = "BinaryCrossentropy(from_logits=True), BCEWithLogitsLoss, sigmoid_cross_entropy_with_logits"


def loss(y, x):
    """Return the loss of each sample, (n, 1) to (n, 1)."""
    return ops.binary_crossentropy(y, x, from_logits=True)
