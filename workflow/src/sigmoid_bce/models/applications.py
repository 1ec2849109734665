"""Networks of keras.applications: their weights from a download or a file, checked."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable
from pathlib import Path

import h5py
import keras


def _sizes(file: h5py.File) -> list[int]:
    """Return the number of values of each array of layers in a Keras weights file."""
    sizes = []

    def visit(name, node):
        if isinstance(node, h5py.Dataset) and not name.startswith(("optimizer", "top_level")):
            sizes.append(node.size or 0)

    file.visititems(visit)
    return sorted(sizes)


def _load(network: keras.Model, path: Path) -> None:
    """Fill a network from a weights file of Keras 3 or of Keras 2."""
    try:
        with h5py.File(path) as file:
            found, old = _sizes(file), "layer_names" in file.attrs or "model_weights" in file
    except (OSError, RuntimeError) as error:
        raise ValueError(f"{path}: not a complete Keras weights file, .h5: {error}") from None
    other = f"{path}: weights of another architecture than {network.name} without its top"
    if len(found) != len(network.weights):
        raise ValueError(f"{other}: {len(found)} arrays, expected {len(network.weights)}")
    # a file of a few bytes may claim arrays of any size, which Keras would allocate
    if found != sorted(math.prod(weight.shape) for weight in network.weights):
        raise ValueError(f"{other}: its arrays have other sizes")
    # Keras tells the format by the file's name
    with tempfile.TemporaryDirectory() as folder:
        link = Path(folder) / ("all.h5" if old else "all.weights.h5")
        link.symlink_to(path.resolve())
        try:
            network.load_weights(link)
        except Exception as error:  # Keras raises many kinds
            reason = " ".join(str(error).split())
            raise ValueError(f"{other}: {reason[:300]}") from None


def backbone(
    make: Callable[..., keras.Model], preprocess: Callable, weights: str | Path, size: int
) -> keras.Model:
    """Return a network of keras.applications without its top, after its own preprocessing.

    Parameters
    ----------
    make, preprocess : callable
        For instance `keras.applications.VGG16` and `keras.applications.vgg16.preprocess_input`.
    weights : str or Path
        A file; or "imagenet", which Keras downloads; or "none", random weights.
    size : int
        Height and width of its input, in pixels.

    Returns
    -------
    keras.Model
        From uint8 RGB images (n, size, size, 3) to float32 (n, height, width, channels).

    Raises
    ------
    ValueError
        If the file is damaged or holds weights of another network.
    ConnectionError
        If Keras cannot download the weights.
    """
    try:
        network = make(
            weights="imagenet" if weights == "imagenet" else None,
            include_top=False,
            input_shape=(size, size, 3),
        )
    except Exception as error:  # Keras raises a plain Exception
        if weights != "imagenet":
            raise
        raise ConnectionError(
            f"weights: imagenet: Keras could not download the weights of {make.__name__}: {error}. "
            "Without network, write weights: {file: ...}, or {url: ..., sha256: ...}"
        ) from None
    if weights not in ("imagenet", "none"):
        _load(network, Path(weights))
    images = keras.Input((size, size, 3), dtype="uint8")
    return keras.Model(images, network(preprocess(keras.ops.cast(images, "float32"))))
