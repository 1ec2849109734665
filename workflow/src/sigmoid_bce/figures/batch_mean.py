"""Figure 6, and other batch sizes: what a mean over the batch leaves of the difference."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from sigmoid_bce.figures import style
from sigmoid_bce.figures.scatter import loss_scatter


def draw(batches: pd.DataFrame, sizes: Sequence[int], title: str) -> Figure:
    """Draw the scatter of mean losses, a panel for each batch size.

    Parameters
    ----------
    batches : DataFrame
        A comparison by batch: columns batch_size, bce_raw, bce_sigmoid.
    sizes : sequence of int
    title : str

    Returns
    -------
    Figure
    """
    style.use()
    figure, axes = style.row(len(sizes), 4.4 * len(sizes), 4.2, title, sharex=True, sharey=True)
    for axis, size in zip(axes, sizes, strict=True):
        loss_scatter(axis, batches[batches["batch_size"] == size], None)
        axis.set_title(f"batches of {size}")
    low = max(batches.loc[batches["batch_size"].isin(sizes), "bce_raw"].min() / 3, 1e-40)
    axes[0].set_xlim(left=min(low, 1e-8))
    sns.despine(figure)
    return figure


def values(batches: pd.DataFrame, size: int) -> dict[str, object]:
    """Return what a caption says of the batches of one size.

    Parameters
    ----------
    batches : DataFrame
        Columns batch_size, clipped, bce_sigmoid, bce_exact.
    size : int

    Returns
    -------
    dict
        Counts of batches (all, with a clipped sample); the largest absolute, the largest and the
        median relative error of the mean loss, the relative ones in percent.
    """
    part = batches[batches["batch_size"] == size]
    exact = part["bce_exact"].to_numpy()
    error = np.abs(part["bce_sigmoid"].to_numpy(np.float64) - exact)
    relative = np.divide(error, exact, out=np.zeros_like(error), where=exact > 0)
    return {
        "batch_size": size,
        "batches": len(part),
        "with_clipped": int((part["clipped"] > 0).sum()),
        "error_max": float(error.max()),
        "relative_percent_max": float(100 * relative.max()),
        "relative_percent_median": float(100 * np.median(relative)),
    }
