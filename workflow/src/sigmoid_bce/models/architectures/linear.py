"""One dense unit: logistic regression."""

from __future__ import annotations

import keras

from sigmoid_bce.models.heads import plain
from sigmoid_bce.study.models import Linear


def network(model: Linear, shape: tuple[int, ...]) -> keras.Model:
    """Return the untrained network.

    Parameters
    ----------
    model : Linear
    shape : tuple of int
        (size, size, channels), or (n,) of features.

    Examples
    --------
    >>> section = Linear(architecture="linear", learning_rate=0.1, max_epochs=10)
    >>> network(section, (30,)).count_params()
    31
    """
    return plain(model, shape)
