"""Frozen, pretrained networks: their layers, weights, input size and preprocessing."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import h5py
import keras
from keras import layers

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


def input_size(architecture: str) -> int:
    """Return the height and width, in pixels, that an architecture was trained at.

    Examples
    --------
    >>> input_size("vgg16"), input_size("efficientnet_lite2")
    (224, 260)
    """
    if architecture in APPLICATIONS:
        return APPLICATIONS[architecture].size
    return efficientnet_lite.input_size(int(architecture[-1]))


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


def _application(architecture: str, weights: str | Path, size: int) -> keras.Model:
    make = APPLICATIONS[architecture].make
    arguments = {"include_top": False, "input_shape": (size, size, 3)}
    if weights != "imagenet":
        network = make(weights=None, **arguments)
        if weights != "none":
            _load(network, Path(weights), architecture)
        return network
    try:
        return make(weights="imagenet", **arguments)
    except Exception as error:
        # Keras raises a plain Exception for what it cannot download
        raise ConnectionError(
            f"weights: imagenet: Keras could not download the weights of {architecture}: "
            f"{error}. Without network, give weights: {{file: ...}}, or {{url: ..., sha256: ...}}"
        ) from None


def _lite(architecture: str, weights: str | Path, size: int) -> keras.Model:
    network = efficientnet_lite.build(int(architecture[-1]), size=size)
    if weights != "none":
        efficientnet_lite.load(network, torch_weights.read_state_dict(weights))
    return network


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
        A name that `sigmoid_bce.study.models.Backbone` allows.
    weights : str or Path
        A file; or ``imagenet``, which Keras downloads; or ``none``, random weights.
    size : int, optional
        Height and width of its input, in pixels; `input_size` if none is given.
    features : {"pooled", "flattened"}
        Means of the last convolution over the image, or all of it.
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
    size = size or input_size(architecture)
    if weights == "none":
        print(f"{architecture}: RANDOM weights, as weights: none says", flush=True)
    images = keras.Input((size, size, channels), dtype="uint8")
    x = images if channels == 3 else layers.Concatenate()([images] * 3)
    if architecture in APPLICATIONS:
        x = APPLICATIONS[architecture].preprocess(keras.ops.cast(x, "float32"))
        x = _application(architecture, weights, size)(x)
    else:
        x = _lite(architecture, weights, size)(x)
    x = (layers.GlobalAveragePooling2D if features == "pooled" else layers.Flatten)()(x)
    whole = keras.Model(images, x, name=architecture)
    whole.trainable = False
    return whole
