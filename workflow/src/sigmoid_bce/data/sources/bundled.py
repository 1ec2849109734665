"""scikit-learn's handwritten digits."""

from __future__ import annotations

import io
from collections.abc import Iterator

import numpy as np

from sigmoid_bce.data.items import Item
from sigmoid_bce.data.listing import Entry
from sigmoid_bce.study.datasets import BundledDataset

NUMBERS = (178, 182, 177, 183, 181, 182, 181, 179, 174, 180)
"""How often each digit is there: known without scikit-learn, whose import takes seconds."""


def entries(dataset: BundledDataset) -> list[Entry]:
    """Return the digits of both groups, each with its label."""
    groups = enumerate((dataset.negative, dataset.positive))
    return [
        Entry("", label)
        for label, group in groups
        for digit in set(group)
        for _ in range(NUMBERS[digit])
    ]


def items(dataset: BundledDataset, file: None) -> Iterator[Item]:
    """Yield the digits of both groups, as PNG files."""
    from PIL import Image
    from sklearn.datasets import load_digits

    digits = load_digits()
    for i, (pixels, digit) in enumerate(zip(digits.images, digits.target, strict=True)):
        if digit in (*dataset.negative, *dataset.positive):
            png = io.BytesIO()
            Image.fromarray(np.uint8(pixels * 15)).save(png, "png")
            yield Item(f"digit-{i:04}.png", int(digit in dataset.positive), png.getvalue)
