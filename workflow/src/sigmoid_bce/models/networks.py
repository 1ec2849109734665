"""What is trained: networks of one output unit without activation, the raw output."""

from __future__ import annotations

import keras
from keras import layers, ops

from sigmoid_bce.models import custom
from sigmoid_bce.study.models import Convnet, Custom, Model


class Conv2D(layers.Conv2D):
    """A convolution, 2 x 2 max pooling, then bias and ReLU, in this order.

    The same function as Keras's Conv2D with ReLU before MaxPooling2D, whose weights fit, for a
    quarter of the work after the convolution. Where two values of a pool differ by less than
    adding the bias keeps, the gradient knows the greater one.
    """

    def call(self, inputs):  # noqa: D102
        pooled = ops.max_pool(self.convolution_op(inputs, self.kernel), 2)
        return ops.relu(pooled + self.bias)

    def compute_output_shape(self, input_shape):  # noqa: D102
        n, height, width, filters = super().compute_output_shape(input_shape)
        return n, height // 2, width // 2, filters


def _convnet(model: Convnet) -> list[keras.Layer]:
    """Return the article's pairs of convolution and pooling, for uint8 images."""
    return [layers.Rescaling(1 / 255), *(Conv2D(n, 3) for n in model.filters)]


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
