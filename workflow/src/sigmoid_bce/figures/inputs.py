"""The tables that a figure is drawn from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pandas as pd

from sigmoid_bce.figures import style
from sigmoid_bce.jobs.files import read_parquet
from sigmoid_bce.numerics.names import BCE
from sigmoid_bce.numerics.tables import read_thresholds


def class_names(names: Sequence[str]) -> list[str]:
    """Return names of both classes as figures show them; all the others of one are "not" it.

    Examples
    --------
    >>> class_names(["other", "rust"]), class_names(["cat", "dog"])
    (['not rust', 'rust'], ['cat', 'dog'])
    """
    if len(names) == 2 and "other" in names:
        zero, one = names
        names = [f"not {one}", one] if zero == "other" else [zero, f"not {zero}"]
    return [style.plain(name) for name in names]


@dataclass(frozen=True)
class CellTables:
    """The comparison of one trained network, by stage."""

    name: str  # the cell in words
    classes: Sequence[str]  # names of label 0 and label 1, as figures can show them
    samples: Mapping[str, pd.DataFrame]  # by stage, a row for each image, with its split
    batches: Mapping[str, pd.DataFrame]  # by stage, a row for each batch of training images
    batch_sizes: Sequence[int]
    figure_batch_size: int  # the batch size of figure 6

    def __post_init__(self) -> None:
        object.__setattr__(self, "classes", class_names(self.classes))

    def training(self, stage: str) -> pd.DataFrame:
        """Return the rows of the training images at one stage.

        Examples
        --------
        >>> rows = pd.DataFrame({"split": ["train", "validation"], "raw_output": [2.0, -3.0]})
        >>> tables = CellTables("a cell", ["cat", "dog"], {"full": rows}, {}, [4], 4)
        >>> tables.training("full")["raw_output"].tolist()
        [2.0]
        """
        samples = self.samples[stage]
        return samples[samples["split"] == "train"]

    def heading(self, stage: str) -> str:
        """Return the heading of a figure of one stage.

        Examples
        --------
        >>> CellTables("elpv, convnet, seed 0", [], {}, {}, [], 4).heading("full")
        'elpv, convnet, seed 0, full stage'
        """
        return f"{self.name}, {stage} stage"


@dataclass(frozen=True)
class LaboratoryTables:
    """The files that a laboratory figure names in READS, read when it asks, for one objective."""

    files: Mapping[str, str | Path]
    objective: str = BCE

    def sweep(self, columns: Sequence[str]) -> pd.DataFrame:
        """Return the float32 part of the sweep of all frameworks, for the objective.

        Parameters
        ----------
        columns : sequence of str
            Columns to read besides framework, implementation, mode, y and x.

        Returns
        -------
        DataFrame
        """
        names = ["framework", "implementation", "mode", "y", "x", *columns]
        chosen = [("dtype", "==", "float32"), ("objective", "==", self.objective)]
        return read_parquet(self.files["sweep"], columns=names, filters=chosen)

    @cached_property
    def thresholds(self) -> pd.DataFrame:
        """The thresholds of all frameworks, as `numerics.tables.read_thresholds` returns them."""
        return read_thresholds(self.files["thresholds"], self.objective)

    @cached_property
    def curves(self) -> pd.DataFrame:
        """The losses of one sample, as `numerics.article_models.curves` returns them."""
        return read_parquet(self.files["curves"])
