"""Loss and gradient of each sample, and the mean loss of batches, each computed three ways."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd

from sigmoid_bce.numerics import formulas, reference

LOSSES = ["bce_raw", "bce_sigmoid", "bce_exact"]


def samples(raw: pd.DataFrame) -> pd.DataFrame:
    """Compute the losses and gradients of every sample.

    Parameters
    ----------
    raw : DataFrame
        Columns sample_id, label (in [0, 1]) and raw_output (float32 or float64).

    Returns
    -------
    DataFrame
        sample_id, label, raw_output, sigmoid. bce_raw, bce_sigmoid, grad_raw and grad_sigmoid have
        the precision of raw_output, which is the one under test. bce_exact and grad_exact are
        float64, correctly rounded. clipped: the clip acts, so bce_sigmoid is flat there. dead:
        grad_sigmoid is exactly 0, and grad_exact is not.

    Raises
    ------
    ValueError
        If a raw output is nan or inf, or a label is outside [0, 1].

    Examples
    --------
    >>> raw = pd.DataFrame({"sample_id": [0], "label": [0], "raw_output": np.float32([20])})
    >>> row = samples(raw).iloc[0]
    >>> float(row["bce_raw"]), round(float(row["bce_sigmoid"]), 2), bool(row["clipped"])
    (20.0, 15.94, True)
    """
    x = raw["raw_output"].to_numpy()
    x = x if x.dtype == np.float64 else x.astype(np.float32)
    y = raw["label"].to_numpy(x.dtype)
    p = formulas.sigmoid(x)
    table = raw[["sample_id", "label", "raw_output"]].copy()
    table["sigmoid"] = p
    table["bce_raw"] = formulas.loss_from_logits(x, y)
    table["bce_sigmoid"] = formulas.loss_from_probabilities(p, y)
    exact = (x.astype(np.float64), y.astype(np.float64), np.float64)
    table["bce_exact"] = reference.loss(*exact)
    table["grad_raw"] = formulas.gradient_from_logits(x, y)
    table["grad_sigmoid"] = formulas.gradient_through_sigmoid(p, y)
    table["grad_exact"] = reference.gradient(*exact)
    table["clipped"] = formulas.is_clipped(p)
    table["dead"] = (table["grad_sigmoid"] == 0) & (table["grad_exact"] != 0)
    return table


def batches(table: pd.DataFrame, sizes: Iterable[int], seed: int) -> pd.DataFrame:
    """Compute the mean losses of batches.

    Parameters
    ----------
    table : DataFrame
        Rows that `samples` returned.
    sizes : iterable of int
        Batch sizes. Samples that do not fill a batch are left out.
    seed : int
        Seed of the permutation that assigns samples to batches.

    Returns
    -------
    DataFrame
        batch_size, batch; positives, the sum of the labels; clipped, the number of clipped
        samples; bce_raw and bce_sigmoid, means in the precision under test, as a framework computes
        them; bce_exact, the mean in float64.

    Examples
    --------
    >>> raw = pd.DataFrame({"sample_id": range(5), "label": 1, "raw_output": np.float32([2] * 5)})
    >>> batches(samples(raw), [2], seed=0)["positives"].tolist()
    [2, 2]
    """
    order = np.random.default_rng(seed).permutation(len(table))
    parts = []
    for size in sizes:
        count = len(order) // size
        chosen = order[: count * size]
        columns = {
            name: table[name].to_numpy()[chosen].reshape(count, size) for name in table.columns
        }
        parts.append(
            pd.DataFrame(
                {
                    "batch_size": size,
                    "batch": np.arange(count),
                    "positives": columns["label"].sum(axis=1),
                    "clipped": columns["clipped"].sum(axis=1),
                    **{name: columns[name].mean(axis=1) for name in LOSSES},
                }
            )
        )
    return pd.concat(parts, ignore_index=True)
