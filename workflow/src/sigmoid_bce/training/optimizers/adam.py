"""Keras's Adam."""

from __future__ import annotations

import keras


def optimizer(learning_rate: float) -> keras.optimizers.Optimizer:
    """Return the optimiser."""
    return keras.optimizers.Adam(learning_rate)
