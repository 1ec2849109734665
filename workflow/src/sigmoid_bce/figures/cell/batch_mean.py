"""Mean losses of batches of several sizes."""

from __future__ import annotations

from matplotlib.figure import Figure

from sigmoid_bce.figures import batch_mean
from sigmoid_bce.figures.inputs import CellTables

TITLE = "Batches of other sizes"
STAGE = "full"


def draw(tables: CellTables) -> Figure:
    """Draw the mean losses of batches, a panel for each size."""
    return batch_mean.draw(tables.batches[STAGE], tables.batch_sizes, tables.heading(STAGE))


def values(tables: CellTables) -> dict[str, object]:
    """Return the numbers that the caption quotes, for the smallest and for the largest batches."""
    batches, sizes = tables.batches[STAGE], tables.batch_sizes
    largest = batch_mean.values(batches, max(sizes))
    return {
        **batch_mean.values(batches, min(sizes)),
        **{f"largest_{name}": value for name, value in largest.items()},
    }
