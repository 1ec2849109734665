"""Networks of dense layers, and the end of the others: dropout and two dense layers."""

from __future__ import annotations

from collections.abc import Iterable

import keras
from keras import layers

from sigmoid_bce.study.models import Headed, Trained


def headed(model: Headed, shape: tuple[int, ...], body: Iterable[keras.Layer] = ()) -> keras.Model:
    """Return an untrained network that ends in one raw output.

    Parameters
    ----------
    model : Headed
        Its section of the configuration.
    shape : tuple of int
        The shape of one input: (size, size, channels) of an image, or (n,) of features.
    body : iterable of Layer
        The layers before the head; none for features.

    Returns
    -------
    keras.Model
        From inputs (n, *shape), uint8 images or float32 features, to raw outputs (n, 1), float32
        whatever Keras's dtype policy.
    """
    return keras.Sequential(
        [
            keras.Input(shape, dtype="uint8" if len(shape) == 3 else "float32"),
            *body,
            layers.Flatten(),
            layers.Dropout(model.dropout),
            layers.Dense(model.dense, activation="relu"),
            layers.Dense(1, dtype="float32", name="raw_output"),
        ],
        name=model.architecture,
    )


def plain(
    model: Trained, shape: tuple[int, ...], hidden: Iterable[keras.Layer] = ()
) -> keras.Model:
    """Return an untrained network of dense layers.

    Parameters
    ----------
    model : Trained
        Its section of the configuration.
    shape : tuple of int
        The shape of one input: (size, size, channels) of an image, or (n,) of features.
    hidden : iterable of Layer
        The layers before the last one.

    Returns
    -------
    keras.Model
        From float32 inputs (n, *shape), of which pixels are 0 to 255, to raw outputs (n, 1),
        float32 whatever Keras's dtype policy.
    """
    return keras.Sequential(
        [
            keras.Input(shape, dtype="float32"),
            layers.Flatten(),
            *hidden,
            layers.Dense(1, dtype="float32", name="raw_output"),
        ],
        name=model.architecture,
    )
