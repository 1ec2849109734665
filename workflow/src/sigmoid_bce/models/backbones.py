"""Frozen networks that end in features."""

from __future__ import annotations

from pathlib import Path

import keras
from keras import layers

from sigmoid_bce.jobs import plugins
from sigmoid_bce.models.networks import ARCHITECTURES


def build(
    architecture: str,
    weights: str | Path,
    *,
    size: int | None = None,
    features: str = "pooled",
    channels: int = 3,
) -> keras.Model:
    """Return a frozen network that ends in features.

    Parameters
    ----------
    architecture : str
        A file in `sigmoid_bce.models.architectures` that defines `backbone`.
    weights : str or Path
        As for `backbone` in that file.
    size : int, optional
        Height and width of its input, in pixels; the architecture's own if none is given.
    features : {"pooled", "flattened"}
        The last convolution's means over the image, or all its values.
    channels : {1, 3}
        Channels of the images. Grey images are shown to the network as grey RGB images.

    Returns
    -------
    keras.Model
        From uint8 images (n, size, size, channels) to float32 features: (n, c) if they are pooled,
        (n, h * w * c) if they are flattened; c, h and w are those of the last convolution.

    Raises
    ------
    ValueError
        If the weights are damaged or belong to another network.
    ConnectionError
        If Keras cannot download them.
    PluginError
        If the architecture's file lacks a part.
    """
    plugin = plugins.load(ARCHITECTURES, architecture, "SIZE", "backbone")
    size = size or plugin.SIZE
    if weights == "none":
        print(f"{architecture}: RANDOM weights, because of weights: none", flush=True)
    images = keras.Input((size, size, channels), dtype="uint8")
    x = images if channels == 3 else layers.Concatenate()([images] * 3)
    x = plugin.backbone(weights, size)(x)
    x = (layers.GlobalAveragePooling2D if features == "pooled" else layers.Flatten)()(x)
    whole = keras.Model(images, x, name=architecture)
    whole.trainable = False
    return whole
