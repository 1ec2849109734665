"""scikit-learn's handwritten digits."""

from __future__ import annotations

import io
from collections.abc import Iterator

import numpy as np
from PIL import Image

from sigmoid_bce.data.items import Item
from sigmoid_bce.study.datasets import BundledDataset


def items(dataset: BundledDataset, file: None) -> Iterator[Item]:
    """Yield the digits of both groups, as PNG files."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    for i, (pixels, digit) in enumerate(zip(digits.images, digits.target, strict=True)):
        if digit in (*dataset.negative, *dataset.positive):
            png = io.BytesIO()
            Image.fromarray(np.uint8(pixels * 15)).save(png, "png")
            yield Item(f"digit-{i:04}.png", int(digit in dataset.positive), png.getvalue)
