"""Keras's stochastic gradient descent, without momentum."""

from __future__ import annotations

import keras


def optimizer(learning_rate: float) -> keras.optimizers.Optimizer:
    """Return the optimiser."""
    return keras.optimizers.SGD(learning_rate)
