"""The division of samples into training and validation samples."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from sigmoid_bce.data.listing import DataError
from sigmoid_bce.data.numbers import check_numbers
from sigmoid_bce.study.datasets import Split


def _natural(file: str) -> list[int | str]:
    """Return a sort key by which cat.2.jpg comes before cat.10.jpg."""
    return [int(part) if part.isdecimal() else part for part in re.split(r"(\d+)", file)]


def _first(
    labels: NDArray[np.integer], files: Sequence[str], train: int, validation: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the first files of each class by number. Each part takes half of them from a class."""
    parts: dict[str, list[int]] = {"train": [], "validation": []}
    for y in (0, 1):
        rows = sorted(np.flatnonzero(labels == y).tolist(), key=lambda row: _natural(files[row]))
        # the odd image of an odd number goes to label 1
        first, second = ((number + y) // 2 for number in (train, validation))
        if first + second > len(rows):
            raise DataError(
                f"split.by: order takes {first} training and {second} validation samples of label "
                f"{y}; there are {len(rows)} usable ones"
            )
        parts["train"] += rows[:first]
        parts["validation"] += rows[first : first + second]
    train_rows, validation_rows = (np.array(sorted(rows), np.int64) for rows in parts.values())
    return train_rows, validation_rows


def choose(
    labels: NDArray[np.integer], split: Split, files: Sequence[str] = ()
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the training samples and the validation samples.

    Parameters
    ----------
    labels : ndarray of int, shape (n,)
    split : Split
    files : sequence of str, length n
        Their names, needed for a split by order.

    Returns
    -------
    train, validation : ndarray of int64
        Sorted, disjoint positions in `labels`. They depend on the arguments alone.

    Raises
    ------
    DataError
        If a class has fewer than two samples, or there are fewer samples than the split needs.

    Examples
    --------
    >>> choose(np.array([0, 1] * 4), Split(train=4, validation=2))[1].size
    2
    """
    # here, since it takes a second to import, and a job that reads a manifest needs no split
    from sklearn.model_selection import train_test_split

    check_numbers(labels.tolist(), [""] * len(labels))
    validate = split.validation
    if isinstance(validate, float):
        validate = max(2, round(validate * len(labels)))
    take = split.train or max(2, len(labels) - validate)
    wanted = take + validate
    if wanted > len(labels):
        raise DataError(
            f"the split asks for {take} training and {validate} validation samples, "
            f"{wanted} in all; there are {len(labels)} usable ones"
        )
    if split.by == "order":
        return _first(labels, files, take, validate)
    rows = np.arange(len(labels))
    if wanted < len(rows):
        rows, _ = train_test_split(
            rows, train_size=wanted, stratify=labels, random_state=split.seed
        )
    train, validation = train_test_split(
        rows,
        train_size=take,
        test_size=validate,
        stratify=labels[rows],
        random_state=split.seed,
    )
    return np.sort(train), np.sort(validation)
