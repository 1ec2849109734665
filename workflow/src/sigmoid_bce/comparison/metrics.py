"""The stage metrics: one number for each split of a cell at each stage.

A new metric is an entry in `METRICS`. It becomes a column of tables/cells.csv.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
from numpy.typing import NDArray


def relative_error(
    computed: NDArray[np.floating], exact: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the relative error of losses.

    Parameters
    ----------
    computed : ndarray of float32 or float64, shape (n,)
    exact : ndarray of float64, shape (n,)

    Returns
    -------
    ndarray of float64, shape (n,)
        0 where both are equal; inf where only the exact loss is 0, or nearly.

    Examples
    --------
    >>> relative_error(np.array([0.5, 0.0, 1e-7]), np.array([0.4, 0.0, 0.0])).round(2).tolist()
    [0.25, 0.0, inf]
    """
    error = np.abs(computed.astype(np.float64) - exact)
    out = np.where(error > 0, np.inf, 0.0)
    # an exact loss may be close to the smallest number
    with np.errstate(over="ignore"):
        return np.divide(error, exact, out=out, where=exact > 0)


class Samples:
    """The samples of one split, as arrays of shape (n,).

    Parameters
    ----------
    table : DataFrame
        Rows that `sigmoid_bce.comparison.compare.samples` returned.

    Attributes
    ----------
    raw_output : ndarray of float32 or float64
    label : ndarray
    correct : ndarray of bool
        Whether the raw output agrees with the label.
    clipped, dead : ndarray of bool
    exact : ndarray of float64
        The correctly rounded loss.

    Examples
    --------
    >>> table = pd.DataFrame({"raw_output": [3.0, -1.0], "label": 1, "clipped": False})
    >>> Samples(table.assign(dead=False, bce_exact=[0.05, 1.3])).correct.tolist()
    [True, False]
    """

    def __init__(self, table: pd.DataFrame):
        self._table = table
        self.raw_output: NDArray[np.floating] = table["raw_output"].to_numpy()
        self.label: NDArray[np.number] = table["label"].to_numpy()
        self.correct: NDArray[np.bool_] = (self.raw_output > 0) == (self.label == 1)
        self.clipped: NDArray[np.bool_] = table["clipped"].to_numpy()
        self.dead: NDArray[np.bool_] = table["dead"].to_numpy()
        self.exact: NDArray[np.float64] = table["bce_exact"].to_numpy(np.float64)

    def error(self, loss: str) -> NDArray[np.float64]:
        """Return the absolute error of a loss, "bce_raw" or "bce_sigmoid", for each sample."""
        computed: NDArray[np.float64] = self._table[loss].to_numpy(np.float64)
        return np.abs(computed - self.exact)

    def relative_error(self, loss: str) -> NDArray[np.float64]:
        """Return the relative error of a loss for each sample."""
        return relative_error(self._table[loss].to_numpy(), self.exact)


METRICS: dict[str, Callable[[Samples], np.floating]] = {
    "accuracy": lambda s: s.correct.mean(),
    "raw_output_min": lambda s: s.raw_output.min(),
    "raw_output_max": lambda s: s.raw_output.max(),
    "clipped_correct_share": lambda s: (s.clipped & s.correct).mean(),
    "clipped_wrong_share": lambda s: (s.clipped & ~s.correct).mean(),
    "dead_correct_share": lambda s: (s.dead & s.correct).mean(),
    "dead_wrong_share": lambda s: (s.dead & ~s.correct).mean(),
    "bce_raw_error_max": lambda s: s.error("bce_raw").max(),
    "bce_raw_error_mean": lambda s: s.error("bce_raw").mean(),
    "bce_raw_relative_error_max": lambda s: s.relative_error("bce_raw").max(),
    "bce_sigmoid_error_max": lambda s: s.error("bce_sigmoid").max(),
    "bce_sigmoid_error_mean": lambda s: s.error("bce_sigmoid").mean(),
    "bce_sigmoid_relative_error_max": lambda s: s.relative_error("bce_sigmoid").max(),
}
"""The metrics by their column in tables/cells.csv."""


def measure(table: pd.DataFrame) -> dict[str, np.floating]:
    """Return every stage metric of some samples.

    Parameters
    ----------
    table : DataFrame
        Rows that `sigmoid_bce.comparison.compare.samples` returned.

    Returns
    -------
    dict
        A number for each metric, in the order of `METRICS`.

    Examples
    --------
    >>> from sigmoid_bce.comparison.compare import samples
    >>> raw = pd.DataFrame({"sample_id": [0, 1], "label": [1, 0], "raw_output": [3.0, 20.0]})
    >>> found = measure(samples(raw))
    >>> float(found["accuracy"]), float(found["clipped_wrong_share"])
    (0.5, 0.5)
    """
    samples = Samples(table)
    return {name: metric(samples) for name, metric in METRICS.items()}
