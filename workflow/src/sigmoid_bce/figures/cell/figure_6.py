"""Figure 6 of the article: mean losses of small batches."""

from __future__ import annotations

from matplotlib.figure import Figure

from sigmoid_bce.figures import batch_mean
from sigmoid_bce.figures.inputs import CellTables

TITLE = "Figure 6: batches"
STAGE = "full"


def draw(tables: CellTables) -> Figure:
    """Draw the mean losses of batches of one size, and the relative errors of all sizes."""
    size = tables.figure_batch_size
    return batch_mean.draw(tables.batches[STAGE], [size], tables.heading(STAGE), tables.batch_sizes)


def values(tables: CellTables) -> dict[str, object]:
    """Return the numbers that the caption quotes."""
    return batch_mean.values(tables.batches[STAGE], tables.figure_batch_size)
