"""The runs of a study as its files describe them. Nothing here asks MLflow."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Any, Literal, cast

import pandas as pd

from sigmoid_bce.jobs import machine
from sigmoid_bce.jobs.attempts import EPOCHS, end_tags, process, read_history
from sigmoid_bce.jobs.attempts import RECORD as ATTEMPT
from sigmoid_bce.jobs.files import Damaged, reading, sha256
from sigmoid_bce.jobs.lost import reading_attempt
from sigmoid_bce.jobs.records import AttemptRecord, PastAttempt, RunRecord, Status
from sigmoid_bce.study.cells import Cell, named_in
from sigmoid_bce.tracking.cell_files import CellFiles, Split, patch_of
from sigmoid_bce.tracking.notes import NOTE, note, plain
from sigmoid_bce.tracking.points import (
    STAGE_METRICS,
    Point,
    counted,
    history_points,
    stage_points,
    told_by,
)

PRIMARY_METRIC = "full/clipped_share"
Kind = Literal["cell", "attempt", "group", "learning", "learning attempt", "study"]
KEY_TAG = {"attempt": "cell", "learning attempt": "learning"} | {
    kind: kind for kind in ("cell", "group", "learning", "study")
}
SOURCE = {
    "mlflow.user": "snakemake",
    "mlflow.source.name": "workflow/Snakefile",
    "mlflow.source.type": "PROJECT",
}
Rows = dict[str, list[dict[str, Any]]]
"""The rows of tables/cells.csv by the path of their cell."""
ENDED = ("FAILED", "KILLED")
"""Statuses of attempts that have a run of their own."""
SHORT = 16  # digits of a SHA-256 that tags show; the files have all of them

OF_CELL = re.compile(r"(?:train|raw_outputs|compare|figures)/((?:[^/~]+~[^/]+/)+).+")
LATER = ("logs/", "benchmarks/", "tracking/", "verdict/")
"""Where files are that are made after the runs were logged, or of them."""

LOCAL = "local"
"""The kind of source that data sets have in MLflow."""
CONTEXT = {"train": "training"}

IN_RUN = "In the tab Artifacts: `figures`, `raw_outputs`, every epoch (`history.parquet`)."

USUAL = {
    "label_noise": 0.0,
    "imbalance": None,
    "scale": "raw",
    "weight_decay": 0.0,
    "initial_scale": 1.0,
    "initial_bias": "zero",
}
"""Settings that are no params of a run where they have these values."""


@dataclass(frozen=True)
class Network:
    """A trained network: its weights, its settings, and the releases that it needs."""

    weights: Path
    settings: dict[str, Any]
    versions: dict[str, str | None]

    @cached_property
    def content(self) -> str:
        """A digest of the weights."""
        with reading(self.weights):
            return sha256(self.weights)


@dataclass(frozen=True)
class Run:
    """One run as MLflow should show it."""

    key: str  # a run is found by this, its kind and its process
    name: str
    kind: Kind
    status: Status
    start: int
    end: int
    process: str = ""
    parent: str | None = None  # the parent's key
    previous: str = ""  # the process of the attempt before it
    params: dict[str, str] = field(default_factory=dict)
    points: tuple[Point, ...] = ()
    tags: dict[str, str] = field(default_factory=dict)
    data: tuple[Split, ...] = ()
    artifacts: tuple[tuple[str, Path], ...] = ()  # folder, file
    texts: tuple[tuple[str, str], ...] = ()  # file name, content
    network: Network | None = None

    @property
    def own_tags(self) -> dict[str, str]:
        """All tags but the parent's id, which every database assigns anew."""
        tags = {KEY_TAG[self.kind]: self.key, "kind": self.kind}
        # a run of a learning cell is small, and has at most a patch, whose name is its digest
        if self.kind != "learning":
            tags |= {"content": self.content, **SOURCE}
        return tags | self.tags | ({"process": self.process} if self.process else {})

    @property
    def files(self) -> dict[str, int]:
        """The size of every artifact by its name."""
        files = {
            f"{folder}/{file.name}".lstrip("/"): file.stat().st_size
            for folder, file in self.artifacts
        }
        return files | {name: len(text.encode()) for name, text in self.texts}

    @cached_property
    def content(self) -> str:
        """A digest of all artifacts."""
        digest = hashlib.sha256()
        for folder, file in self.artifacts:
            with reading(file):
                digest.update(f"{folder}/{file.name} {sha256(file)}\n".encode())
        for name, text in self.texts:
            digest.update(f"{name} {text}\n".encode())
        if self.network:
            digest.update(self.network.content.encode())
        return digest.hexdigest()[:SHORT]


def digests_by_cell(digests: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """Return the digests of files by the path of their cell; those of no cell have the key "".

    Parameters
    ----------
    digests : mapping
        The digest of each file, by its name below the study's folder.

    Examples
    --------
    >>> files = ("train/dataset~d/seed~0/run.json", "tables/cells.csv")
    >>> found = digests_by_cell(dict.fromkeys(files, "..."))
    >>> found["dataset~d/seed~0"], found[""]
    ({'train/dataset~d/seed~0/run.json': '...'}, {'tables/cells.csv': '...'})
    """
    found: dict[str, dict[str, str]] = {"": {}}
    for name, digest in sorted(digests.items()):
        if not name.startswith(LATER):
            cell = match[1].rstrip("/") if (match := OF_CELL.fullmatch(name)) else ""
            found.setdefault(cell, {})[name] = digest
    return found


def text_of(name: str, content: Mapping[str, Any]) -> tuple[str, str]:
    """Return an artifact of a run that is made from records."""
    return name, json.dumps(content, indent=2) + "\n"


def text_of_attempt(record: PastAttempt) -> tuple[str, str]:
    """Return the record of an attempt, as an artifact of its run."""
    return text_of(ATTEMPT, {key: value for key, value in record.items() if key != "folder"})


def rows_by_cell(table: pd.DataFrame) -> Rows:
    """Return the rows of tables/cells.csv by the path of their cell."""
    numbers = ["epochs", *chain(*(columns for _, columns in STAGE_METRICS.values()))]
    table = table.astype(dict.fromkeys(numbers, float)).astype({"epochs": int})
    found: Rows = {}
    for cell, row in zip(named_in(table), table.to_dict("records"), strict=True):
        found.setdefault(str(cell), []).append(cast(dict[str, Any], row))
    return found


def input_tags(split: Split) -> dict[str, str]:
    """Return the tags with which a run names a part of a data set."""
    return {"mlflow.data.context": CONTEXT.get(split.name, split.name)}


def group_key(cell: Cell) -> str:
    """Return the key of the run above all seeds of a cell.

    Examples
    --------
    >>> group_key(Cell("elpv", "convnet", "logits", 20, 0))
    'dataset~elpv/model~convnet/loss~logits/batch_size~20'
    """
    return str(cell).rsplit("/", 1)[0]


def provenance(record: AttemptRecord) -> dict[str, str]:
    """Return where and by what code an attempt was made, as tags."""
    found = {
        "attempt": record.get("attempt"),
        "mlflow.source.git.commit": record["git_commit"] or "unknown",
        "git_dirty": "unknown" if record["git_dirty"] is None else record["git_dirty"],
        "lock_sha256": (record["lock_sha256"] or "unknown")[:SHORT],
        "slurm_job_id": record["slurm_job_id"],
        "rule": "train",
        "versions": " ".join(f"{k}={v}" for k, v in record["versions"].items()),
    }
    return {name: str(value) for name, value in found.items() if value is not None}


def cell_params(cell: Cell) -> dict[str, str]:
    """Return the fields of a cell that its path names, as MLflow's params.

    Examples
    --------
    >>> cell_params(Cell("elpv", "convnet", "logits", 20, 0))["batch_size"]
    '20'
    """
    return dict(part.split("~", 1) for part in str(cell).split("/"))


def group_name(cell: Cell) -> str:
    """Return what the names of the runs of all seeds of a cell begin with.

    Examples
    --------
    >>> group_name(Cell("elpv", "convnet", "logits", 20, 0, precision="mixed_bfloat16"))
    'convnet logits batch 20 mixed_bfloat16'
    """
    return f"{cell.model} {cell.loss} batch {cell.batch_size} {cell.named_precision}".rstrip()


def run_name(cell: Cell) -> str:
    """Return the name of a cell's run.

    Examples
    --------
    >>> run_name(Cell("elpv", "convnet", "logits", 20, 0))
    'convnet logits batch 20 seed 0'
    """
    return f"{group_name(cell)} seed {cell.seed}"


def live_tags(record: AttemptRecord) -> dict[str, str]:
    """Return the tags of the run of a training that is running."""
    return {
        "cell": record["cell"],
        "kind": "cell",
        "process": process(record),
        **SOURCE,
        **provenance(record),
    }


def cell_run(
    files: CellFiles,
    rows: Iterable[Mapping[str, Any]] = (),
    digests: Mapping[str, str] | None = None,
) -> Run | None:
    """Return the run of a finished cell; None if the cell is not finished.

    Parameters
    ----------
    files : CellFiles
    rows : iterable of mapping
        The cell's rows of tables/cells.csv, if that file exists.
    digests : mapping, optional
        The digest of each file of the cell, as its job recorded it.

    Raises
    ------
    Damaged
        If a file cannot be read.
    FileNotFoundError
        If the manifest is missing.
    """
    if not files.finished:
        return None
    cell, record, manifest = files.cell, files.record, files.manifest
    with reading(files.history_file):
        points = history_points(files.history, record)
    end = points[-1].time
    with reading(files.record_file):
        params, tags, made_by = _settings(record), provenance(record), process(record)
        tags["machine"] = machine_of(record)
        ended = f"It stopped by {record['stopped_by']} after {record['epochs']} epochs."
    own = [f"{{train,raw_outputs,compare,figures}}/{cell}/"]
    equal = f"Equal images in the data set: {manifest.copies}."
    stages = stage_points(rows, end)
    told, shown = told_by(stages)
    tags |= shown | {NOTE: note(told, files.results, own, IN_RUN, f"{ended} {equal}")}
    weights = files.weights
    # an id says nothing of the training, and would be another one in another database
    text = {key: value for key, value in record.items() if key != "mlflow_run_id"}
    return Run(
        key=str(cell),
        name=run_name(cell),
        kind="cell",
        status="FINISHED",
        start=record["started"],
        end=end,
        process=made_by,
        parent=group_key(cell),
        previous=record.get("previous", ""),
        params=cell_params(cell) | params,
        points=counted(points + stages, record["epochs"], end),
        tags=tags | {"data_sha256": manifest.sha256[:SHORT]},
        data=manifest.splits,
        artifacts=tuple(files.artifacts),
        # whoever changes a file and its digest in a log has to change the run, too
        texts=(text_of("run.json", {**text, "files": digests or {}}),),
        network=Network(weights, record["model"], record["versions"]) if weights else None,
    )


def _settings(record: RunRecord) -> dict[str, str]:
    """Return the settings of network, training and data as MLflow's params, without `USUAL`."""
    settings = {key: value for key, value in record["model"].items() if key != "weights"}
    settings |= record["training"] | record["data"] | {"parameters": record["parameters"]}
    return {key: str(value) for key, value in settings.items() if (key, value) not in USUAL.items()}


def machine_of(record: Mapping[str, Any]) -> str:
    """Return where a cell was trained; records of earlier releases have the device alone."""
    return machine.line(record) if record.get("machine") else str(record["device"])


def attempt_runs(
    files: CellFiles, current: Run | None, damaged: list[str] | None = None
) -> list[Run]:
    """Return the runs of a cell's failed and interrupted attempts.

    Parameters
    ----------
    files : CellFiles
    current : Run or None
        The run of the attempt that finished the cell. It is not among them.
    damaged : list of str, optional
        Gets a line for each attempt whose files cannot be read. It is not among them, either.

    Raises
    ------
    Damaged
        If a file cannot be read, and there is no list for it.
    """
    found = []
    for record in files.attempts:
        if record["status"] not in ENDED or (current and current.process == process(record)):
            continue
        try:
            with reading_attempt(record["folder"] / ATTEMPT):
                run = _attempt_run(files, record)
                found += [run] if run.content else []  # reads its patch
        except Damaged as error:
            if damaged is None:
                raise
            damaged.append(str(error))
    return found


def _attempt_run(files: CellFiles, record: PastAttempt) -> Run:
    cell, history = files.cell, read_history(record["folder"] / EPOCHS)
    with reading_attempt(record["folder"] / EPOCHS):
        points = history_points(history, record)
    end = points[-1].time if points else record["started"]
    folder = f"train/{files.cell}/attempts/{record['attempt']}/"
    described = note(plain(record["reason"] or ""), files.results, [folder])
    return Run(
        key=str(cell),
        name=f"{run_name(cell)}, attempt {record['attempt']}",
        kind="attempt",
        status=record["status"],
        start=record["started"],
        end=record.get("ended", end),
        process=process(record),
        parent=group_key(cell),
        previous=record.get("previous", ""),
        params=cell_params(cell),
        points=counted(points, len(history), end),
        tags={**provenance(record), **end_tags(record), NOTE: described},
        artifacts=tuple(patch_of(record, files.results)),
        texts=(text_of_attempt(record),),
    )
