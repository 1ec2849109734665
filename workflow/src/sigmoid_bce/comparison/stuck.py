"""Stuck runs: how many there are beside the reference's."""

from __future__ import annotations

import numpy as np
import pandas as pd
from statsmodels.stats.proportion import proportion_confint

from sigmoid_bce.comparison.paired import LEVEL, Bools, mcnemar_p


def counts(stuck: Bools, reference: Bools, failed: Bools) -> dict[str, float]:
    """Return how many runs are stuck, and how many of the reference with the same seeds.

    Parameters
    ----------
    stuck, reference : ndarray of bool, shape (n,)
        Whether either run of each pair is stuck.
    failed : ndarray of bool, shape (n,)
        Which runs of the arm have failed.

    Returns
    -------
    dict
        n, stuck, share, low and high (Clopper and Pearson's exact 95 % interval), failed,
        stuck_reference, only_arm, only_reference, mcnemar_p. Share and interval are nan if n is 0.

    Examples
    --------
    >>> found = counts(np.ones(6, bool), np.zeros(6, bool), np.zeros(6, bool))
    >>> found["share"], round(found["low"], 3), found["mcnemar_p"]
    (1.0, 0.541, 0.03125)
    """
    n, number = len(stuck), int(stuck.sum())
    low, high = proportion_confint(number, n, LEVEL, "beta") if n else (np.nan, np.nan)
    return {
        "n": n,
        "stuck": number,
        "share": number / n if n else np.nan,
        "low": float(low),
        "high": float(high),
        "failed": int(failed.sum()),
        "stuck_reference": int(reference.sum()),
        "only_arm": int((stuck & ~reference).sum()),
        "only_reference": int((reference & ~stuck).sum()),
        "mcnemar_p": mcnemar_p(stuck, reference),
    }


SHOWN = ("loss", "exact_loss", "accuracy", "val_accuracy", "val_auc")
"""The columns of a run's last epoch by which one would, or would not, notice that it is stuck."""


def shown(stuck: pd.DataFrame) -> dict[str, float]:
    """Return what stuck runs look like at their end: the mean of each of `SHOWN`.

    Parameters
    ----------
    stuck : DataFrame
        A row a stuck run, of its last epoch.

    Returns
    -------
    dict
        By the column's name after "stuck_"; nan if no run is stuck.

    Examples
    --------
    >>> run = {"loss": 0.16, "exact_loss": 0.5, "accuracy": 0.99, "val_accuracy": 0.9}
    >>> shown(pd.DataFrame([{**run, "val_auc": 0.4}]))["stuck_loss"]
    0.16
    """
    return {f"stuck_{name}": float(stuck[name].mean()) for name in SHOWN}
