"""Binary cross-entropy from the raw output; far on the correct side its gradient is set to 0."""

from __future__ import annotations

from sigmoid_bce.training.losses import _zeroed

USED = "a mechanism: nothing of a clip but its zero gradient, where x and y agree"


def loss(y, x):
    """Return the loss of each sample, (n, 1) to (n, 1)."""
    return _zeroed.loss(y, x, "correct")
