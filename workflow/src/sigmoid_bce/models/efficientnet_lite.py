"""EfficientNet-Lite: EfficientNet without squeeze-and-excitation, with ReLU6 for swish.

Tan and Le, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks", 2019,
table 1, for the stages; the Lite variants leave stem and head unscaled.
"""

from __future__ import annotations

import math

import keras
import numpy as np
from keras import layers

VARIANTS = {0: (1.0, 1.0, 224), 1: (1.0, 1.1, 240), 2: (1.1, 1.2, 260)}
"""Width, depth and input size by variant."""

STAGES = [  # blocks, kernel, stride, expansion, filters
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
]
EPSILON = 1e-3


def input_size(variant: int) -> int:
    """Return the height and width, in pixels, that `variant` was trained at.

    Examples
    --------
    >>> input_size(0)
    224
    """
    return VARIANTS[variant][2]


def _filters(n: int, width: float) -> int:
    """Return `n` scaled by `width`, to the nearest multiple of 8 that loses at most a tenth."""
    if width == 1:
        return n
    scaled = max(8, int(n * width + 4) // 8 * 8)
    return scaled + 8 if scaled < 0.9 * n * width else scaled


def _convolution(x, name, *, kernel, stride=1, filters=None, activation=True):
    """Convolve (depthwise if `filters` is None), with BatchNorm folded into weight and bias."""
    options = {"strides": stride, "padding": "same", "use_bias": True, "name": name}
    layer = (
        layers.DepthwiseConv2D(kernel, **options)
        if filters is None
        else layers.Conv2D(filters, kernel, **options)
    )
    x = layer(x)
    return layers.ReLU(6.0, name=f"{name}.relu")(x) if activation else x


def build(variant: int = 0, *, classifier: bool = False, size: int | None = None) -> keras.Model:
    """Return an EfficientNet-Lite with random weights.

    Parameters
    ----------
    variant : {0, 1, 2}
    classifier : bool
        Whether to end in the 1,000 raw outputs of ImageNet's classes, or in the last convolution.
    size : int, optional
        Height and width of its input, in pixels; `input_size` of the variant if none is given.

    Returns
    -------
    keras.Model
        From RGB images (n, size, size, 3), uint8, to float32 (n, height, width, 1280), or
        (n, 1000).
    """
    width, depth, own_size = VARIANTS[variant]
    size = size or own_size
    inputs = keras.Input((size, size, 3), dtype="uint8")
    x = layers.Rescaling(1 / 128, offset=-127 / 128, dtype="float32")(inputs)
    x = _convolution(x, "_conv_stem-_bn0", kernel=3, stride=2, filters=32)
    block, filters_in = 0, 32
    for i, (blocks, kernel, stride, expansion, filters) in enumerate(STAGES):
        filters = _filters(filters, width)
        # the first and the last stage are not deepened in the Lite variants
        repeats = blocks if i in (0, len(STAGES) - 1) else math.ceil(depth * blocks)
        for repeat in range(repeats):
            name, shortcut = f"_blocks.{block}.", x
            if expansion != 1:
                x = _convolution(
                    x, f"{name}_expand_conv-{name}_bn0", kernel=1, filters=filters_in * expansion
                )
            x = _convolution(
                x,
                f"{name}_depthwise_conv-{name}_bn1",
                kernel=kernel,
                stride=stride if repeat == 0 else 1,
            )
            x = _convolution(
                x,
                f"{name}_project_conv-{name}_bn2",
                kernel=1,
                filters=filters,
                activation=False,
            )
            if repeat > 0:
                x = layers.Add(name=f"{name}add")([shortcut, x])
            block, filters_in = block + 1, filters
    x = _convolution(x, "_conv_head-_bn1", kernel=1, filters=1280)
    if classifier:
        x = layers.Dense(1000, name="_fc")(layers.GlobalAveragePooling2D()(x))
    model = keras.Model(inputs, x, name=f"efficientnet_lite{variant}")
    model.trainable = False
    return model


def _take(weights: dict[str, np.ndarray], name: str) -> np.ndarray:
    if name not in weights:
        raise ValueError(f"the weights have no {name}: are they of another variant?")
    return weights.pop(name)


def load(model: keras.Model, weights: dict[str, np.ndarray]) -> keras.Model:
    """Fill a model made by `build` with PyTorch's arrays.

    Parameters
    ----------
    model : keras.Model
    weights : dict of str to ndarray
        As `sigmoid_bce.models.torch_weights.read_state_dict` returns them.

    Returns
    -------
    keras.Model
        `model` itself.

    Raises
    ------
    ValueError
        If an array is missing, left over (the classifier's excepted), or of another shape.
    """
    left = {k: v for k, v in weights.items() if not k.endswith("num_batches_tracked")}
    for layer in model.layers:
        if not layer.weights:
            continue
        if layer.name == "_fc":
            arrays = [_take(left, "_fc.weight").T, _take(left, "_fc.bias")]
        else:
            convolution, norm = layer.name.split("-")
            kernel = _take(left, f"{convolution}.weight").transpose(2, 3, 1, 0)
            if isinstance(layer, layers.DepthwiseConv2D):
                kernel = kernel.swapaxes(2, 3)
            gamma, beta, mean, variance = (
                _take(left, f"{norm}.{part}").astype(np.float64)
                for part in ("weight", "bias", "running_mean", "running_var")
            )
            scale = gamma / np.sqrt(variance + EPSILON)
            axis = (1, 1, -1, 1) if isinstance(layer, layers.DepthwiseConv2D) else (1, 1, 1, -1)
            arrays = [kernel * scale.reshape(axis), beta - mean * scale]
        for variable, array in zip(layer.weights, arrays, strict=True):
            if tuple(variable.shape) != array.shape:
                raise ValueError(
                    f"{layer.name}: expected an array of shape {tuple(variable.shape)}, "
                    f"the weights have {array.shape}: are they of another variant?"
                )
        layer.set_weights([array.astype(np.float32) for array in arrays])
    unused = sorted(name for name in left if not name.startswith("_fc."))
    if unused:
        raise ValueError(f"the weights have arrays that this variant has no place for: {unused}")
    return model
