"""What networks of several seeds have learned, from their raw outputs: the columns of an epoch.

Arrays have one row a seed. Each function returns one number a seed.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit
from scipy.stats import rankdata

Array = NDArray[np.floating]
Labels = NDArray[np.integer]

QUANTILES = {"q05": 0.05, "q25": 0.25, "q50": 0.5, "q75": 0.75, "q95": 0.95}
"""The quantiles of the raw outputs of a class, by the end of their column's name."""
BINS = 15
"""Bins of equal width of the expected calibration error."""


def exact_loss(x: Array, y: Labels) -> NDArray[np.float64]:
    """Return the mean of the exact loss, computed in float64 from raw outputs.

    Parameters
    ----------
    x : ndarray of float, shape (seeds, n)
        Raw outputs.
    y : ndarray of int, shape (seeds, n)
        Labels, 0 or 1.

    Returns
    -------
    ndarray of float64, shape (seeds,)

    Examples
    --------
    >>> exact_loss(np.array([[-20.0, 0.0]]), np.array([[1, 0]])).round(4).tolist()
    [10.3466]
    """
    wrong = np.where(y == 1, -x.astype(np.float64), x)
    mean: NDArray[np.float64] = np.logaddexp(0, wrong).mean(axis=1)
    return mean


def accuracy(x: Array, y: Labels) -> NDArray[np.float64]:
    """Return the share of raw outputs whose sign agrees with the label; 0 counts as label 0.

    Parameters
    ----------
    x : ndarray of float, shape (seeds, n)
        Raw outputs.
    y : ndarray of int, shape (seeds, n)
        Labels, 0 or 1.

    Returns
    -------
    ndarray of float64, shape (seeds,)

    Examples
    --------
    >>> accuracy(np.array([[-20.0, 3.0]]), np.array([[1, 1]])).tolist()
    [0.5]
    """
    share: NDArray[np.float64] = ((x > 0) == (y == 1)).mean(axis=1)
    return share


def auc(x: Array, y: Labels) -> NDArray[np.float64]:
    """Return the area under the ROC curve: how often label 1 has the greater raw output.

    Equal raw outputs count half: the statistic of Mann and Whitney, divided by its maximum.

    Parameters
    ----------
    x : ndarray of float, shape (seeds, n)
        Raw outputs.
    y : ndarray of int, shape (seeds, n)
        Labels; each seed has both.

    Returns
    -------
    ndarray of float64, shape (seeds,)

    Examples
    --------
    >>> auc(np.array([[1.0, 2.0, 3.0, 3.0]]), np.array([[0, 0, 1, 0]])).round(3).tolist()
    [0.833]
    """
    positive = y == 1
    n = positive.sum(axis=1)
    ranks = np.where(positive, rankdata(x, axis=1), 0).sum(axis=1)
    area: NDArray[np.float64] = (ranks - n * (n + 1) / 2) / (n * (y.shape[1] - n))
    return area


def calibration_error(x: Array, y: Labels) -> NDArray[np.float64]:
    """Return the expected calibration error (ECE) of the probability of label 1.

    The mean of |share of label 1 - mean probability| over `BINS` bins of equal width, weighted by
    their numbers of samples (Naeini et al. 2015; the form of binary probabilities).

    Parameters
    ----------
    x : ndarray of float, shape (seeds, n)
        Raw outputs.
    y : ndarray of int, shape (seeds, n)
        Labels, 0 or 1.

    Returns
    -------
    ndarray of float64, shape (seeds,)

    Examples
    --------
    >>> calibration_error(np.array([[20.0, 20.0]]), np.array([[1, 0]])).round(3).tolist()
    [0.5]
    """
    p = expit(x.astype(np.float64))
    bins = np.minimum(np.nan_to_num(p * BINS), BINS - 1).astype(int)
    error = np.zeros(len(x))
    for i in range(BINS):
        error += np.abs(np.where(bins == i, (y == 1) - p, 0).sum(axis=1))
    mean: NDArray[np.float64] = error / x.shape[1]
    return mean


def shares(hit: NDArray[np.bool_], x: Array, y: Labels) -> dict[str, NDArray[np.float64]]:
    """Return the share of each class that is hit, on the correct and on the wrong side.

    Parameters
    ----------
    hit : ndarray of bool, shape (seeds, n)
    x, y : ndarray, shape (seeds, n)
        Raw outputs and labels.

    Returns
    -------
    dict of ndarray of float64, shape (seeds,)
        By the end of the column's name: "0_correct", "0_wrong", "1_correct", "1_wrong". Samples of
        the class, on both sides, are the denominator.

    Examples
    --------
    >>> found = shares(np.array([[True, True]]), np.array([[30.0, -1.0]]), np.array([[0, 0]]))
    >>> found["0_wrong"].tolist(), found["0_correct"].tolist()
    ([0.5], [0.5])
    """
    agrees = (x > 0) == (y == 1)
    return {
        f"{label}_{side}": (hit & (y == label) & (agrees == (side == "correct"))).sum(axis=1)
        / np.maximum((y == label).sum(axis=1), 1)
        for label in (0, 1)
        for side in ("correct", "wrong")
    }


def quantiles(x: Array, y: Labels) -> dict[str, NDArray[np.float64]]:
    """Return the quantiles of the raw outputs of each class, by their column's name.

    Parameters
    ----------
    x : ndarray of float, shape (seeds, n)
        Raw outputs.
    y : ndarray of int, shape (seeds, n)
        Labels; each seed has both.

    Returns
    -------
    dict of ndarray of float64, shape (seeds,)
        raw_0_q05 to raw_1_q95: see `QUANTILES`.

    Examples
    --------
    >>> found = quantiles(np.array([[1.0, 2.0, 3.0]]), np.array([[0, 0, 1]]))
    >>> found["raw_0_q50"].tolist(), found["raw_1_q05"].tolist()
    ([1.5], [3.0])
    """
    found: dict[str, NDArray[np.float64]] = {}
    levels = list(QUANTILES.values())
    for label in (0, 1):
        rows = [np.quantile(row[of == label], levels) for row, of in zip(x, y, strict=True)]
        columns = np.transpose(rows)
        found |= {f"raw_{label}_{n}": v for n, v in zip(QUANTILES, columns, strict=True)}
    return found


def of_training(
    x: Array, y: Labels, loss: Array, gradient: Array, flat: NDArray[np.bool_]
) -> dict[str, NDArray[Any]]:
    """Return the columns that describe the training part.

    Parameters
    ----------
    x, y : ndarray, shape (seeds, n)
        Raw outputs and training labels.
    loss, gradient : ndarray of float32, shape (seeds, n)
        The loss of each sample and its derivative with respect to the raw output, as the training
        computes them.
    flat : ndarray of bool, shape (seeds, n)
        Where the loss is clipped.

    Returns
    -------
    dict of ndarray, shape (seeds,)
    """
    dead, wrong = gradient == 0, (x > 0) != (y == 1)
    with np.errstate(invalid="ignore"):
        misclassified = (dead & wrong).sum(axis=1) / wrong.sum(axis=1)
    ones = (y == 1).mean(axis=1)
    return {
        "failed": ~np.isfinite(x).all(axis=1),
        "majority": np.maximum(ones, 1 - ones),
        "loss": loss.mean(axis=1, dtype=np.float64),
        "exact_loss": exact_loss(x, y),
        "accuracy": accuracy(x, y),
        **{f"dead_{end}": share for end, share in shares(dead, x, y).items()},
        **{f"clipped_{end}": share for end, share in shares(flat, x, y).items()},
        "dead_misclassified": misclassified,
        **quantiles(x, y),
    }


def of_validation(x: Array, y: Labels) -> dict[str, NDArray[np.float64]]:
    """Return the columns that describe the validation part; nan where raw outputs are not finite.

    Parameters
    ----------
    x, y : ndarray, shape (seeds, n)
        Raw outputs and labels.

    Returns
    -------
    dict of ndarray of float64, shape (seeds,)
    """
    finite = np.isfinite(x).all(axis=1)
    metrics = {"accuracy": accuracy, "auc": auc, "exact_loss": exact_loss, "ece": calibration_error}
    return {f"val_{name}": np.where(finite, f(x, y), np.nan) for name, f in metrics.items()}
