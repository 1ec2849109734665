"""A cell: one training, and the path that is its identity."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, get_args

from sigmoid_bce.study.config import FLOAT32, Grid, Precision

if TYPE_CHECKING:
    import pandas as pd

PATTERN = (
    "dataset~{dataset}/model~{model}/loss~{loss}/batch_size~{batch_size}{precision}/seed~{seed}"
)
"""The path of a cell. Its part `precision` is empty, or `PRECISION`."""
PRECISION = "/precision~{}"
"""The part that names a precision other than float32.

It comes before the seed: the folder above all seeds holds one precision, and no cell lies in the
folder of another.
"""
NAMED = "|".join(name for name in get_args(Precision) if name != FLOAT32)
PARTS = f"({PRECISION.format(f'({NAMED})')})?"
"""A regular expression of what stands for the precision in paths."""
FOLDERS = [
    PATTERN.format(dataset="*", model="*", loss="*", batch_size="*", precision=part, seed="*")
    for part in ("", PRECISION.format("*"))
]
"""Patterns that match the paths of all cells, and no other path."""
STAGES = ("early", "full")


@dataclass(frozen=True, order=True)
class Cell:
    """One training.

    Examples
    --------
    >>> str(Cell("elpv", "convnet", "logits", 20, 0))
    'dataset~elpv/model~convnet/loss~logits/batch_size~20/seed~0'
    >>> str(Cell("elpv", "convnet", "logits", 20, 0, precision="mixed_bfloat16"))
    'dataset~elpv/model~convnet/loss~logits/batch_size~20/precision~mixed_bfloat16/seed~0'
    """

    dataset: str
    model: str
    loss: str
    batch_size: int
    precision: str = field(default=FLOAT32, kw_only=True)
    """The precision that the grid gives; float32 in a study that sets `training.precision`."""
    seed: int

    def __str__(self) -> str:
        part = PRECISION.format(self.named_precision) if self.named_precision else ""
        return PATTERN.format(**vars(self) | {"precision": part})

    @property
    def named_precision(self) -> str:
        """The precision as paths and names show it: an empty string for float32."""
        return "" if self.precision == FLOAT32 else self.precision

    @classmethod
    def parse(cls, text: str) -> Cell:
        """Return the cell that a path names.

        Parameters
        ----------
        text : str
            A path with all parts of `PATTERN`, of which precision may be missing; folders around
            them are ignored.

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
        parts.setdefault("precision", FLOAT32)
        if set(parts) != set(cls.__dataclass_fields__):
            raise ValueError(f"{text!r} is not the path of a cell: expected {PATTERN}")
        return cls(
            parts["dataset"],
            parts["model"],
            parts["loss"],
            int(parts["batch_size"]),
            int(parts["seed"]),
            precision=parts["precision"],
        )

    @classmethod
    def of(cls, wildcards: Mapping[str, str]) -> Cell:
        """Return the cell of a job.

        Parameters
        ----------
        wildcards : mapping
            The texts in the job's paths; that of precision is empty, or `PRECISION`.

        Examples
        --------
        >>> one = {"dataset": "elpv", "model": "convnet", "loss": "logits", "batch_size": "20"}
        >>> Cell.of(one | {"precision": "/precision~mixed_bfloat16", "seed": "0"}).precision
        'mixed_bfloat16'
        """
        return cls.parse(PATTERN.format(**wildcards))


def cells(grid: Grid | None) -> list[Cell]:
    """Return every cell of a grid, in the grid's order; none without a grid.

    Examples
    --------
    >>> len(cells(Grid(dataset=["a"], model=["b", "c"], batch_size=[4, 20], seed=[0, 1])))
    8
    """
    if grid is None:
        return []
    axes = {key: values or [FLOAT32] for key, values in grid}
    return [
        Cell(**dict(zip(axes, values, strict=True))) for values in itertools.product(*axes.values())
    ]


def fields_in(columns: Collection[str]) -> list[str]:
    """Return the fields of cells among the columns of a table, in their order.

    Examples
    --------
    >>> fields_in(["dataset", "model", "loss", "batch_size", "seed", "stage", "accuracy"])
    ['dataset', 'model', 'loss', 'batch_size', 'seed']
    """
    return [name for name in Cell.__dataclass_fields__ if name in columns]


def named_in(table: pd.DataFrame) -> list[Cell]:
    """Return the cell of each row of a table.

    Examples
    --------
    >>> import pandas as pd
    >>> row = {"dataset": "a", "model": "b", "loss": "logits", "batch_size": 4, "seed": 0}
    >>> [str(cell) for cell in named_in(pd.DataFrame([row]))]
    ['dataset~a/model~b/loss~logits/batch_size~4/seed~0']
    """
    return [Cell(**row) for row in table[fields_in(table)].to_dict("records")]


def trained_with(cell: Cell, training: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings that a cell is trained with.

    Parameters
    ----------
    cell : Cell
    training : mapping
        Those of its study. A precision that the cell's path names takes the place of theirs.

    Examples
    --------
    >>> half = Cell("elpv", "convnet", "logits", 20, 0, precision="mixed_bfloat16")
    >>> trained_with(half, {"precision": "float32", "xla": False})
    {'precision': 'mixed_bfloat16', 'xla': False}
    """
    named = {"precision": cell.named_precision} if cell.named_precision else {}
    return {**training, **named}
