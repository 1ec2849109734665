"""Features of frozen backbones, computed once for each image."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sigmoid_bce.data.resize import resize
from sigmoid_bce.models import efficientnet_lite, torch_weights

CHUNK = 256


def extract(images: NDArray[np.uint8], weights: str | Path) -> NDArray[np.float32]:
    """Return EfficientNet-Lite0's pooled features.

    Parameters
    ----------
    images : ndarray of uint8, shape (n, height, width, 1 or 3)
        Grey images are shown to it as colour images without colour.
    weights : str or Path
        Its ImageNet weights, as `torch_weights.read_state_dict` reads them.

    Returns
    -------
    ndarray of float32, shape (n, 1280)

    Raises
    ------
    ValueError
        If the weights are damaged or of another network.
    """
    backbone = efficientnet_lite.load(
        efficientnet_lite.build(0), torch_weights.read_state_dict(weights)
    )
    size, out = efficientnet_lite.input_size(0), []
    for start in range(0, len(images), CHUNK):
        chunk = resize(images[start : start + CHUNK], size)
        chunk = np.broadcast_to(chunk, (*chunk.shape[:3], 3))
        out.append(backbone.predict(np.ascontiguousarray(chunk), batch_size=16, verbose=0))
        print(f"{min(start + CHUNK, len(images))} of {len(images)} images", flush=True)
    return np.concatenate(out)
