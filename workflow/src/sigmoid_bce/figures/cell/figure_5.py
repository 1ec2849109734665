"""Figure 5 of the article: a fully trained network."""

from __future__ import annotations

from matplotlib.figure import Figure

from sigmoid_bce.figures import stage
from sigmoid_bce.figures.inputs import CellTables

TITLE = "Figure 5: full stage"
STAGE = "full"


def draw(tables: CellTables) -> Figure:
    """Draw raw outputs, sigmoid outputs, losses and the wrong side, by split."""
    return stage.draw(tables.samples[STAGE], tables.classes, tables.heading(STAGE))


def values(tables: CellTables) -> dict[str, object]:
    """Return the numbers that the caption quotes."""
    return stage.values(tables.samples[STAGE])
