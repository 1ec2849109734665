"""Decoded images, resized to the input size of a network."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image


def resize(images: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """Return images at another size. A smaller image averages the pixels of the larger one.

    Parameters
    ----------
    images : ndarray of uint8, shape (n, height, width, channels)
    size : int
        New height and width, in pixels.

    Returns
    -------
    ndarray of uint8, shape (n, size, size, channels)

    Examples
    --------
    >>> resize(np.zeros((2, 8, 8, 1), np.uint8), 4).shape
    (2, 4, 4, 1)
    """
    if images.shape[1:3] == (size, size):
        return np.array(images)
    out = np.empty((len(images), size, size, images.shape[3]), np.uint8)
    for i, image in enumerate(images):
        picture = Image.fromarray(image.squeeze(-1) if image.shape[-1] == 1 else image)
        picture = picture.resize((size, size), Image.Resampling.BILINEAR)
        out[i] = np.asarray(picture).reshape(out.shape[1:])
    return out
