"""What is trained: networks of one output unit without activation, the raw output."""

from __future__ import annotations

import keras
from keras import layers

from sigmoid_bce.config import Convnet, Custom, Model
from sigmoid_bce.models import custom


def _convnet(model: Convnet) -> list[keras.Layer]:
    """Return the article's pairs of convolution and pooling, for uint8 images.

    ReLU comes after the pooling: the same values and gradients as before it, for a quarter of the
    work.
    """
    triples = ((layers.Conv2D(n, 3), layers.MaxPooling2D(), layers.ReLU()) for n in model.filters)
    return [layers.Rescaling(1 / 255), *(layer for triple in triples for layer in triple)]


# what stands before the dropout and the two dense layers; features of backbones need nothing
BODIES = {"convnet": _convnet}


def build(model: Model, shape: tuple[int, ...]) -> keras.Model:
    """Return an untrained network.

    Parameters
    ----------
    model : Model
        Its entry in the configuration.
    shape : tuple of int
        Shape of one input: (size, size, channels) of an image, or (n,) of features.

    Returns
    -------
    keras.Model
        From inputs (n, *shape) to raw outputs (n, 1), float32 whatever Keras's dtype policy.

    Raises
    ------
    ValueError
        If a user's function does not return a network of one raw output.
    """
    if isinstance(model, Custom):
        return custom.build(model, shape)
    return keras.Sequential(
        [
            keras.Input(shape, dtype="uint8" if len(shape) == 3 else "float32"),
            *BODIES.get(model.architecture, lambda model: [])(model),
            layers.Flatten(),
            layers.Dropout(model.dropout),
            layers.Dense(model.dense, activation="relu"),
            layers.Dense(1, dtype="float32", name="raw_output"),
        ],
        name=model.architecture,
    )
