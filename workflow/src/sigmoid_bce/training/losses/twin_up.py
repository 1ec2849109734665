"""Binary cross-entropy from the raw output; the initial weights are moved up by one ulp."""

from __future__ import annotations

from sigmoid_bce.training.losses.logits import loss as loss

USED = "a measure of chaos: what differs between twins and logits is no effect of the loss"
NUDGE = 1
