"""Frozen, pretrained networks: their layers, weights, input size and preprocessing."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import h5py
import keras
from keras import layers

from sigmoid_bce.config import Backbone
from sigmoid_bce.models import efficientnet_lite, torch_weights


class _Application(NamedTuple):
    """A network of keras.applications."""

    make: Callable[..., keras.Model]
    preprocess: Callable
    size: int


APPLICATIONS = {
    "vgg16": _Application(keras.applications.VGG16, keras.applications.vgg16.preprocess_input, 224),
    "inception_v3": _Application(
        keras.applications.InceptionV3, keras.applications.inception_v3.preprocess_input, 299
    ),
}


def input_size(model: Backbone) -> int:
    """Return the height and width, in pixels, at which a backbone sees images."""
    if model.image_size:
        return model.image_size
    if model.architecture in APPLICATIONS:
        return APPLICATIONS[model.architecture].size
    return efficientnet_lite.input_size(int(model.architecture[-1]))


def _arrays(file: h5py.File) -> int:
    """Return how many arrays of layers a Keras weights file has."""
    count = 0

    def visit(name, node):
        nonlocal count
        count += isinstance(node, h5py.Dataset) and not name.startswith(("optimizer", "top_level"))

    file.visititems(visit)
    return count


def _load(network: keras.Model, path: Path, architecture: str) -> None:
    """Fill a network of keras.applications from a file of Keras 3, or of before."""
    try:
        with h5py.File(path) as file:
            found, old = _arrays(file), "layer_names" in file.attrs or "model_weights" in file
    except OSError as error:
        raise ValueError(f"{path}: not a whole Keras weights file, .h5: {error}") from None
    other = f"{path}: weights of another architecture than {architecture} without its top"
    if found != len(network.weights):
        raise ValueError(f"{other}: {found} arrays, expected {len(network.weights)}")
    # Keras goes by the file's name
    with tempfile.TemporaryDirectory() as folder:
        link = Path(folder) / ("all.h5" if old else "all.weights.h5")
        link.symlink_to(path.resolve())
        try:
            network.load_weights(link)
        except Exception as error:  # of many kinds
            reason = " ".join(str(error).split())
            raise ValueError(f"{other}: {reason[:300]}") from None


def _application(model: Backbone, weights: Path | None) -> keras.Model:
    entry, size = APPLICATIONS[model.architecture], input_size(model)
    arguments = {"include_top": False, "input_shape": (size, size, 3)}
    if model.weights != "imagenet":
        network = entry.make(weights=None, **arguments)
        if weights:
            _load(network, weights, model.architecture)
        return network
    try:
        return entry.make(weights="imagenet", **arguments)
    except Exception as error:
        # Keras raises a plain Exception for what it cannot download
        raise ConnectionError(
            f"weights: imagenet: Keras could not download the weights of {model.architecture}: "
            f"{error}. Without network, give weights: {{file: ...}}, or {{url: ..., sha256: ...}}"
        ) from None


def _lite(model: Backbone, weights: Path | None) -> keras.Model:
    network = efficientnet_lite.build(int(model.architecture[-1]), size=input_size(model))
    if weights:
        efficientnet_lite.load(network, torch_weights.read_state_dict(weights))
    return network


def build(model: Backbone, weights: str | Path | None, channels: int = 3) -> keras.Model:
    """Return a frozen network that ends in features.

    Parameters
    ----------
    model : Backbone
        Its entry in the configuration.
    weights : str, Path or None
        The file of its weights, where the entry names one.
    channels : {1, 3}
        Those of the images; grey ones are shown to it as colour images without colour.

    Returns
    -------
    keras.Model
        From uint8 images (n, size, size, channels) to float32 features: (n, c) if they are pooled,
        (n, h * w * c) if they are flattened, c, h and w those of the last convolution.

    Raises
    ------
    ValueError
        If the weights are damaged or of another network.
    ConnectionError
        If Keras cannot download them.
    """
    size, weights = input_size(model), Path(weights) if weights else None
    if model.weights == "none":
        print(f"{model.architecture}: RANDOM weights, as weights: none says", flush=True)
    images = keras.Input((size, size, channels), dtype="uint8")
    x = images if channels == 3 else layers.Concatenate()([images] * 3)
    if model.architecture in APPLICATIONS:
        x = APPLICATIONS[model.architecture].preprocess(keras.ops.cast(x, "float32"))
        x = _application(model, weights)(x)
    else:
        x = _lite(model, weights)(x)
    x = (layers.GlobalAveragePooling2D if model.features == "pooled" else layers.Flatten)()(x)
    whole = keras.Model(images, x, name=model.architecture)
    whole.trainable = False
    return whole
