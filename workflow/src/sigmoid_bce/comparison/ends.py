"""How the runs of a learning cell ended: what the judged epoch says, failed runs, stuck runs."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

ABOVE_MAJORITY = 0.02
"""A stuck run's accuracy is at most this much above the share of the commoner label."""
DEAD = 0.5
"""At least this share of a stuck run's misclassified samples has a gradient of exactly 0."""


def judged_epochs(cell: pd.DataFrame, epoch: str = "last") -> pd.DataFrame:
    """Return the row of the epoch of each run that is judged.

    Parameters
    ----------
    cell : DataFrame
        A row a seed and epoch.
    epoch : {"last", "best"}
        best: that with the lowest exact validation loss, or the last where all are failed.

    Returns
    -------
    DataFrame
        The other columns, with the seed as the index. failed: a raw output or the exact loss, of
        training or of validation, is nan or infinite.

    Examples
    --------
    >>> cell = pd.DataFrame({"seed": [1, 1], "epoch": [0, 9], "failed": False})
    >>> cell = cell.assign(exact_loss=[0.7, np.inf], val_exact_loss=0.7)
    >>> judged_epochs(cell)["failed"].tolist(), judged_epochs(cell, "best")["failed"].tolist()
    ([True], [False])
    """
    finite = np.isfinite(cell[["exact_loss", "val_exact_loss"]]).all(axis=1)
    cell = cell.assign(failed=cell["failed"].astype(bool) | ~finite)
    rows = cell.groupby("seed")["epoch"].idxmax()
    if epoch == "best":
        rows.update(cell[~cell["failed"]].groupby("seed")["val_exact_loss"].idxmin())
    return cell.loc[rows].set_index("seed")


def is_stuck(last: pd.DataFrame) -> NDArray[np.bool_]:
    """Return which runs are stuck.

    Parameters
    ----------
    last : DataFrame
        A row a run, of its judged epoch: failed; accuracy, majority and dead_misclassified, all on
        training samples.

    Returns
    -------
    ndarray of bool, shape (n,)
        A failed run is not stuck: it is counted as failed. Neither is a run that misclassifies
        nothing, whose dead_misclassified is nan.

    Examples
    --------
    >>> run = {"failed": False, "accuracy": 0.65, "majority": 0.63, "dead_misclassified": 0.9}
    >>> is_stuck(pd.DataFrame([run, {**run, "accuracy": 0.66}])).tolist()
    [True, False]
    """
    # 0.63 + 0.02 is a little less than 0.65
    near = last["accuracy"] <= last["majority"] + ABOVE_MAJORITY + 1e-9
    stuck = near & (last["dead_misclassified"] >= DEAD) & ~last["failed"].astype(bool)
    return np.asarray(stuck, bool)
