"""The files of one cell, each read once."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from sigmoid_bce.data import copies
from sigmoid_bce.jobs import patches
from sigmoid_bce.jobs.attempts import read_attempts, times
from sigmoid_bce.jobs.files import read_parquet, reading, sha256
from sigmoid_bce.jobs.records import Circumstances, PastAttempt, RunRecord
from sigmoid_bce.study.cells import Cell

PATCHES = "code"
"""The folder of a run's artifacts that has the patch of its code."""
LARGEST = 5_000_000
"""Bytes of an artifact: larger files are not copied to MLflow for each cell."""


class Split(NamedTuple):
    """One part of a data set, as MLflow describes data."""

    dataset: str
    digest: str
    name: str  # train or validation
    source: str
    profile: str


class Manifest(NamedTuple):
    """The manifest of a data set."""

    sha256: str
    splits: tuple[Split, ...]
    copies: copies.Copies


@cache
def read_manifest(file: Path, dataset: str) -> Manifest:
    """Return the digest and the splits of a data set's manifest, and the numbers of equal images.

    Raises
    ------
    Damaged
        If the file cannot be read.
    """
    table = read_parquet(file)
    splits = []
    with reading(file):
        for name, part in table.groupby("split"):
            digest = hashlib.sha256("\n".join(part["sha256"].astype(str)).encode())
            digest.update(part["label"].to_numpy(np.int64).tobytes())
            source = {"uri": f"data/{dataset}/manifest.parquet"}
            profile = {"num_rows": len(part), "label_1": int(part["label"].sum())}
            splits.append(
                Split(
                    dataset,
                    digest.hexdigest()[:32],
                    str(name),
                    json.dumps(source),
                    json.dumps(profile),
                )
            )
        return Manifest(sha256(file), tuple(splits), copies.count(table))


@dataclass(frozen=True)
class CellFiles:
    """The files of a cell; each is read when it is first asked for, and kept.

    Parameters
    ----------
    results : Path
        The study's folder.
    cell : Cell

    Raises
    ------
    Damaged
        By `record`, `history` and `manifest`, if a file cannot be read.
    FileNotFoundError
        If it is missing.
    """

    results: Path
    cell: Cell

    @property
    def folder(self) -> Path:
        """The cell's folder, train/<cell>."""
        return self.results / "train" / str(self.cell)

    @property
    def record_file(self) -> Path:
        """The file run.json."""
        return self.folder / "run.json"

    @property
    def history_file(self) -> Path:
        """The file history.parquet."""
        return self.folder / "history.parquet"

    @property
    def finished(self) -> bool:
        """Whether the cell is trained."""
        return self.record_file.exists() and self.history_file.exists()

    @cached_property
    def record(self) -> RunRecord:
        """The content of run.json."""
        with reading(self.record_file):
            record: RunRecord = json.loads(self.record_file.read_text())
            if not {"started", "epochs", "seconds"} <= set(record):
                raise ValueError("it is not the record of a training")
        return record

    @cached_property
    def history(self) -> pd.DataFrame:
        """The content of history.parquet: a row an epoch."""
        history, epochs = read_parquet(self.history_file), self.record["epochs"]
        with reading(self.history_file):
            if not epochs or len(history) != epochs:
                raise ValueError(f"it has {len(history)} epochs, run.json says {epochs}")
        return history

    @cached_property
    def ended(self) -> int:
        """When the training ended, in milliseconds since 1970."""
        started, resumed = self.record["started"], self.record.get("resumed_from", 0)
        if not resumed:  # the total is enough: no history has to be read
            return times(started, [self.record["seconds"]])[-1]
        return times(started, self.history["seconds"].tolist(), resumed)[-1]

    @cached_property
    def attempts(self) -> list[PastAttempt]:
        """The records of all attempts, oldest first."""
        return read_attempts(self.folder)

    @cached_property
    def manifest(self) -> Manifest:
        """The manifest of the cell's data set."""
        file = self.results / "data" / self.cell.dataset / "manifest.parquet"
        return read_manifest(file, self.cell.dataset)

    @property
    def weights(self) -> Path | None:
        """The file of the weights at the end of the training, if it exists."""
        file = self.folder / "full.weights.h5"
        return file if file.exists() else None

    @property
    def artifacts(self) -> list[tuple[str, Path]]:
        """History, raw outputs and figures, each with the folder in which its run keeps it."""
        kinds = {"raw_outputs": "*.parquet", "figures": "*.png"}
        found = (
            (kind, file)
            for kind, pattern in kinds.items()
            for file in sorted((self.results / kind / str(self.cell)).glob(pattern))
        )
        small = (one for one in found if one[1].stat().st_size < LARGEST)
        return [("", self.history_file), *patch_of(self.record, self.results), *small]


def patch_of(record: Circumstances, results: Path) -> list[tuple[str, Path]]:
    """Return the patch of the code that made something, with its folder in a run; it may be none.

    Parameters
    ----------
    record : mapping
        The record of an attempt.
    results : Path
        The study's folder.
    """
    name = record.get("git_patch")
    file = patches.place(results, name) if name else None
    return [(PATCHES, file)] if file and file.exists() else []
