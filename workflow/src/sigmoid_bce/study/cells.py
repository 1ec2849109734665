"""A cell: one training, and the path that is its identity."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

from sigmoid_bce.study.config import Grid

PATTERN = "dataset~{dataset}/model~{model}/loss~{loss}/batch_size~{batch_size}/seed~{seed}"
STAGES = ("early", "full")


@dataclass(frozen=True, order=True)
class Cell:
    """One training.

    Examples
    --------
    >>> str(Cell("elpv", "convnet", "logits", 20, 0))
    'dataset~elpv/model~convnet/loss~logits/batch_size~20/seed~0'
    """

    dataset: str
    model: str
    loss: str
    batch_size: int
    seed: int

    def __str__(self) -> str:
        return PATTERN.format(**vars(self))

    @classmethod
    def parse(cls, text: str) -> Cell:
        """Return the cell that a path names.

        Parameters
        ----------
        text : str
            A path with all five parts of `PATTERN`; folders around them are ignored.

        Raises
        ------
        ValueError
            If a part is missing.

        Examples
        --------
        >>> Cell.parse("dataset~elpv/model~convnet/loss~logits/batch_size~20/seed~0").seed
        0
        """
        parts = dict(part.split("~", 1) for part in text.split("/") if "~" in part)
        if set(parts) != set(cls.__dataclass_fields__):
            raise ValueError(f"{text!r} is not the path of a cell: expected {PATTERN}")
        return cls(
            parts["dataset"],
            parts["model"],
            parts["loss"],
            int(parts["batch_size"]),
            int(parts["seed"]),
        )


def cells(grid: Grid | None) -> list[Cell]:
    """Return every cell of a grid, in the grid's order; none without a grid.

    Examples
    --------
    >>> len(cells(Grid(dataset=["a"], model=["b", "c"], batch_size=[4, 20], seed=[0, 1])))
    8
    """
    if grid is None:
        return []
    return [Cell(*values) for values in itertools.product(*(values for _, values in grid))]
