"""Figure 4 of the article: a network after a few epochs."""

from __future__ import annotations

from matplotlib.figure import Figure

from sigmoid_bce.figures import stage
from sigmoid_bce.figures.inputs import CellTables

TITLE = "Figure 4: early stage"
STAGE = "early"


def draw(tables: CellTables) -> Figure:
    """Draw raw outputs, sigmoid outputs and losses of the training images."""
    return stage.draw(tables.training(STAGE), tables.classes, tables.heading(STAGE))


def values(tables: CellTables) -> dict[str, int | float]:
    """Return the numbers that the caption quotes."""
    return stage.values(tables.training(STAGE))
