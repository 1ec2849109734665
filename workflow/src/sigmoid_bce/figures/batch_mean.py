"""Mean losses of batches: the difference between the losses that remains in a mean."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from sigmoid_bce.figures import style
from sigmoid_bce.figures.scatter import loss_limits, loss_scatter


def draw(batches: pd.DataFrame, sizes: Sequence[int], title: str) -> Figure:
    """Draw the scatter of mean losses, a panel for each batch size.

    Parameters
    ----------
    batches : DataFrame
        A row for each batch: columns batch_size, bce_raw, bce_sigmoid.
    sizes : sequence of int
        Batch sizes to draw.
    title : str

    Returns
    -------
    Figure
    """
    style.use()
    figure, axes = style.row(len(sizes), 4.4 * len(sizes), 4.2, title, sharex=True, sharey=True)
    (low, high), y = loss_limits(batches[batches["batch_size"].isin(sizes)])
    for axis, size in zip(axes, sizes, strict=True):
        part = batches[batches["batch_size"] == size]
        loss_scatter(axis, part, limits=((min(low, 1e-8), high), y))
        axis.set_title(f"batches of {size}")
    sns.despine(figure)
    return figure


def values(batches: pd.DataFrame, size: int) -> dict[str, int | float]:
    """Return the numbers that a caption quotes for batches of one size.

    Parameters
    ----------
    batches : DataFrame
        Columns batch_size, clipped, bce_sigmoid, bce_exact.
    size : int

    Returns
    -------
    dict
        The number of batches, and of those that hold a clipped sample; the largest absolute error
        of the mean loss; its largest and its median relative error, in percent.
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
