"""Figure 4 of the article: a network after a few epochs."""

from __future__ import annotations

from matplotlib.figure import Figure

from sigmoid_bce.figures import stage
from sigmoid_bce.figures.inputs import CellTables

TITLE = "Figure 4: early stage"
STAGE = "early"


def draw(tables: CellTables) -> Figure:
    """Draw raw outputs, sigmoid outputs, losses and the wrong side, by split."""
    return stage.draw(tables.samples[STAGE], tables.classes, tables.heading(STAGE))


def values(tables: CellTables) -> dict[str, object]:
    """Return the numbers that the caption quotes."""
    return stage.values(tables.samples[STAGE])
