"""scikit-learn's table of breast tumours: 30 features, measured in images of their cells."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from sigmoid_bce.data.items import Item
from sigmoid_bce.data.listing import Entry
from sigmoid_bce.study.datasets import BreastCancerDataset

NUMBERS = (357, 212)
"""How many tumours each label has: known without scikit-learn, whose import takes seconds."""


def entries(dataset: BreastCancerDataset) -> list[Entry]:
    """Return the tumours, each with its label."""
    return [Entry("", label) for label, number in enumerate(NUMBERS) for _ in range(number)]


def items(dataset: BreastCancerDataset, file: None) -> Iterator[Item]:
    """Yield the tumours in the order of the table. Label 1 is malignant, which is 0 there."""
    from sklearn.datasets import load_breast_cancer

    table = load_breast_cancer()
    malignant = table.target == list(table.target_names).index("malignant")
    rows = table.data.astype(np.float32)
    for number, (row, label) in enumerate(zip(rows, malignant, strict=True), 1):
        yield Item(str(number), int(label), row.tobytes)
