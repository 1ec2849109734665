"""What a training sees of a data set: its rows, its labels and the scale of its inputs."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sigmoid_bce.data.listing import DataError
from sigmoid_bce.data.numbers import positives_kept
from sigmoid_bce.data.split import choose
from sigmoid_bce.study.datasets import Seen, Split

if TYPE_CHECKING:  # planning has no need of it
    import pandas as pd

MINORITY, NOISE = 1, 2
"""The stream of each draw: with one for each, a change of one leaves the other."""

BLOCK = 2**22
"""Values whose mean and standard deviation are computed at once, for the sake of memory."""


class Draw(NamedTuple):
    """The samples of a training and their labels.

    Parameters
    ----------
    train, validation : ndarray of int64
        Sorted, disjoint row numbers.
    labels : ndarray of int64
        The labels of the training rows, in their order; some are flipped.
    """

    train: NDArray[np.int64]
    validation: NDArray[np.int64]
    labels: NDArray[np.int64]


def draw(
    labels: NDArray[np.integer],
    parts: NDArray,
    split: Split | None,
    *,
    label_noise: float = 0.0,
    imbalance: float | None = None,
    seed: int,
    redraw: bool,
) -> Draw:
    """Return the samples of a training: its split, its minority and its noise.

    Imbalance and noise change the training part alone, in this order. What is drawn with one seed
    is nested: the positives of a smaller `imbalance` are among those of a larger one, and the
    labels that a smaller `label_noise` flips are among those that a larger one flips.

    Parameters
    ----------
    labels : ndarray of int, shape (n,)
        The labels of a manifest's samples.
    parts : ndarray of str, shape (n,)
        Their parts, train or validation.
    split : Split or None
        The data set's section. None is the split of the data, if the manifest has another one than
        the split by seed that is made where the data have none.
    label_noise : float
        The share of training labels that are flipped, in [0, 0.5). The number is rounded.
    imbalance : float, optional
        Positives for each negative of the training part. All negatives are kept; the number of
        positives is rounded. Without it, all are kept.
    seed : int
    redraw : bool
        Whether the split is drawn again from `seed`, with the same sizes and with the classes'
        proportions in both parts. A split by order, or one of the data, is always kept.

    Returns
    -------
    Draw
        A function of the arguments alone.

    Raises
    ------
    DataError
        If there are too few positives, or a class has no training sample.

    Examples
    --------
    >>> parts = np.repeat(["train", "validation"], 10)
    >>> found = draw(np.arange(20) % 2, parts, Split(), imbalance=0.2, seed=0, redraw=False)
    >>> found.train.tolist(), found.labels.tolist()
    ([0, 1, 2, 4, 6, 8], [0, 1, 0, 0, 0, 0])
    """
    clean: NDArray[np.int64] = np.asarray(labels, np.int64)
    train, validation = (np.flatnonzero(parts == part) for part in ("train", "validation"))
    if redraw and _by_seed(clean, parts, split):
        again = Split(train=len(train), validation=len(validation), seed=seed)
        train, validation = choose(clean, again)
    if imbalance is not None:
        train = _minority(clean, train, imbalance, seed)
    _check_classes(clean[train], "the training part")
    seen = clean[train]
    flipped = _first(train, len(clean), round(label_noise * len(train)), seed, NOISE)
    seen[np.isin(train, flipped)] ^= 1
    _check_classes(seen, f"label_noise {label_noise:g} with seed {seed}")
    return Draw(train, validation, seen)


def of_cell(manifest: pd.DataFrame, seen: Seen) -> Draw:
    """Return the samples of a cell's training: the same for every cell of a data set.

    Parameters
    ----------
    manifest : DataFrame
        With columns label and split. Its split is kept.
    seen : Seen
        The data set's section, or a part of it. Its split's seed is that of noise and minority.

    Raises
    ------
    DataError
        As `draw`.
    """
    return draw(
        manifest["label"].to_numpy(),
        manifest["split"].to_numpy(),
        seen.split,
        label_noise=seen.label_noise,
        imbalance=seen.imbalance,
        seed=seen.split.seed if seen.split else 0,
        redraw=False,
    )


def _by_seed(labels: NDArray[np.int64], parts: NDArray, split: Split | None) -> bool:
    """Return whether a manifest's split is one by seed."""
    if split:
        return split.by == "seed"
    return np.array_equal(choose(labels, Split())[0], np.flatnonzero(parts == "train"))


def _first(
    rows: NDArray[np.int64], samples: int, number: int, seed: int, stream: int
) -> NDArray[np.int64]:
    """Return a number of rows: those that come first if all samples are shuffled."""
    place = np.random.default_rng([seed, stream]).permutation(samples)
    return rows[np.argsort(place[rows])[:number]]


def _minority(
    labels: NDArray[np.int64], train: NDArray[np.int64], imbalance: float, seed: int
) -> NDArray[np.int64]:
    """Return the training rows that are left: all negatives, and some of the positives."""
    negatives, positives = (train[labels[train] == label] for label in (0, 1))
    number = positives_kept(imbalance, len(negatives), len(positives))
    return np.sort([*negatives, *_first(positives, len(labels), number, seed, MINORITY)])


def _check_classes(labels: NDArray[np.int64], what: str) -> None:
    """Raise an error if a class has no training sample."""
    for label in (0, 1):
        if label not in labels:
            raise DataError(
                f"{what} leaves no training sample of label {label}, of {len(labels)} in all"
            )


def scaled(inputs: NDArray, rows: NDArray[np.integer], seen: Seen) -> NDArray:
    """Return inputs on the scale on which a training gets them.

    Parameters
    ----------
    inputs : ndarray, shape (n, ...)
    rows : ndarray of int
        The training rows.
    seen : Seen
        The data set's section, or a part of it.
    """
    return standardise(inputs, rows) if seen.scale == "standardised" else inputs


def standardise(inputs: NDArray, rows: NDArray[np.integer]) -> NDArray[np.float32]:
    """Return inputs minus the mean and divided by the standard deviation of some rows.

    Parameters
    ----------
    inputs : ndarray, shape (n, ...)
    rows : ndarray of int
        The training rows. Mean and standard deviation (of the population) are float64, one for
        each feature, or for each pixel and channel of images. Where these rows are all equal, every
        result is 0.

    Returns
    -------
    ndarray of float32, with the shape of `inputs`

    Examples
    --------
    >>> standardise(np.array([[0, 7], [2, 7], [5, 8]]), [0, 1]).tolist()
    [[-1.0, 0.0], [1.0, 0.0], [4.0, 0.0]]
    """
    flat = np.reshape(inputs, (len(inputs), -1))
    out = np.empty(flat.shape, np.float32)
    step = max(1, BLOCK // max(1, len(flat)))
    for start in range(0, flat.shape[1], step):
        block = flat[:, start : start + step].astype(np.float64)
        seen = block[rows]
        # the mean of equal values may differ from them in the last bit
        varies = seen.min(axis=0) < seen.max(axis=0)
        deviation = np.where(varies, seen.std(axis=0), 1.0)
        out[:, start : start + step] = np.where(varies, (block - seen.mean(axis=0)) / deviation, 0)
    return out.reshape(inputs.shape)
