"""The article's network: pairs of convolution and pooling, then the head."""

from __future__ import annotations

import keras
from keras import layers, ops

from sigmoid_bce.models.heads import headed
from sigmoid_bce.study.models import Convnet


class PooledConv2D(layers.Conv2D):
    """A convolution, then 2 x 2 max pooling, bias and ReLU.

    The function and the weights are those of Keras's Conv2D with ReLU and MaxPooling2D after it,
    but bias and ReLU have a quarter of the values to work on. If two values of a pool are so close
    that adding the bias makes them equal, the gradient still flows to the greater one.
    """

    def call(self, inputs):  # noqa: D102
        pooled = ops.max_pool(self.convolution_op(inputs, self.kernel), 2)
        return ops.relu(pooled + self.bias)

    def compute_output_shape(self, input_shape):  # noqa: D102
        n, height, width, filters = super().compute_output_shape(input_shape)
        return n, height // 2, width // 2, filters


def network(model: Convnet, shape: tuple[int, ...]) -> keras.Model:
    """Return the untrained network.

    Parameters
    ----------
    model : Convnet
    shape : tuple of int
        (size, size, channels).

    Examples
    --------
    >>> section = dict(architecture="convnet", image_size=48, dense=8, dropout=0.5)
    >>> model = Convnet(**section, learning_rate=0.001, max_epochs=10)
    >>> network(model, (48, 48, 1)).output_shape
    (None, 1)
    """
    convolutions = (PooledConv2D(n, 3) for n in model.filters)
    return headed(model, shape, [layers.Rescaling(1 / 255), *convolutions])
