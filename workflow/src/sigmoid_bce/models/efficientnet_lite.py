"""EfficientNet-Lite: EfficientNet without squeeze-and-excitation, with ReLU6 instead of swish.

The stages are those of Tan and Le, "EfficientNet: Rethinking Model Scaling for Convolutional Neural
Networks", 2019, table 1. The Lite variants do not scale stem and head.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np
from keras import layers

from sigmoid_bce.models import torch_weights


class Variant(NamedTuple):
    """How a variant differs from EfficientNet-Lite0."""

    width: float
    depth: float
    size: int  # height and width of the images that it was trained with


VARIANTS = {0: Variant(1.0, 1.0, 224), 1: Variant(1.0, 1.1, 240), 2: Variant(1.1, 1.2, 260)}

STAGES = [  # blocks, kernel, stride, expansion, filters
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
]
EPSILON = 1e-3  # of the batch normalisations


def _filters(n: int, width: float) -> int:
    """Return `n` times `width`, as a multiple of 8 that is at most a tenth smaller."""
    if width == 1:
        return n
    scaled = max(8, int(n * width + 4) // 8 * 8)
    return scaled + 8 if scaled < 0.9 * n * width else scaled


def _convolution(x, name, *, kernel, stride=1, filters=None, activation=True):
    """Convolve, depthwise if `filters` is None. BatchNorm is part of weight and bias."""
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
        Whether it ends in the raw outputs of ImageNet's 1,000 classes or in the last convolution.
    size : int, optional
        Height and width of its input, in pixels; the variant's own if none is given.

    Returns
    -------
    keras.Model
        From uint8 RGB images (n, size, size, 3) to float32 (n, height, width, 1280), or to
        (n, 1000) with the classifier.
    """
    width, depth, own_size = VARIANTS[variant]
    size = size or own_size
    inputs = keras.Input((size, size, 3), dtype="uint8")
    x = layers.Rescaling(1 / 128, offset=-127 / 128, dtype="float32")(inputs)
    x = _convolution(x, "_conv_stem-_bn0", kernel=3, stride=2, filters=32)
    block, filters_in = 0, 32
    for i, (blocks, kernel, stride, expansion, filters) in enumerate(STAGES):
        filters = _filters(filters, width)
        # the Lite variants do not deepen the first and the last stage
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
        raise ValueError(f"the weights have no {name}: do they belong to another variant?")
    return weights.pop(name)


def load(model: keras.Model, weights: dict[str, np.ndarray]) -> keras.Model:
    """Fill a model of `build` with PyTorch's arrays.

    Parameters
    ----------
    model : keras.Model
    weights : dict of str to ndarray
        As `sigmoid_bce.models.torch_weights.read_state_dict` returns them.

    Returns
    -------
    keras.Model
        `model`.

    Raises
    ------
    ValueError
        If an array is missing or has another shape, or if an array besides the classifier's is left
        over.
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
                    f"the weights have {array.shape}: do they belong to another variant?"
                )
        layer.set_weights([array.astype(np.float32) for array in arrays])
    unused = sorted(name for name in left if not name.startswith("_fc."))
    if unused:
        raise ValueError(
            f"the weights have arrays {unused} without a layer here: do they belong to another "
            "variant?"
        )
    return model


def backbone(variant: int, weights: str | Path, size: int) -> keras.Model:
    """Return an EfficientNet-Lite without classifier.

    Parameters
    ----------
    variant : {0, 1, 2}
    weights : str or Path
        A file for `sigmoid_bce.models.torch_weights.read_state_dict`, or "none", random weights.
    size : int
        Height and width of its input, in pixels.
    """
    network = build(variant, size=size)
    if weights != "none":
        load(network, torch_weights.read_state_dict(weights))
    return network
