"""A hidden dense layer, then one unit."""

from __future__ import annotations

import keras
from keras import layers

from sigmoid_bce.models.heads import plain
from sigmoid_bce.study.models import Dense


def network(model: Dense, shape: tuple[int, ...]) -> keras.Model:
    """Return the untrained network.

    Parameters
    ----------
    model : Dense
    shape : tuple of int
        (size, size, channels), or (n,) of features.

    Examples
    --------
    >>> section = Dense(architecture="dense", units=2, learning_rate=0.1, max_epochs=10)
    >>> network(section, (30,)).count_params()
    65
    """
    return plain(model, shape, [layers.Dense(model.units, activation="relu")])
