"""The run of a learning cell, as its files describe it: all seeds in one small run."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from sigmoid_bce.comparison.ends import is_stuck, judged_epochs
from sigmoid_bce.jobs.attempts import RECORD, end_tags, process, read_attempts
from sigmoid_bce.jobs.csv_tables import read_csv
from sigmoid_bce.jobs.files import Damaged, read_parquet, reading
from sigmoid_bce.jobs.lost import reading_attempt
from sigmoid_bce.jobs.records import PastAttempt
from sigmoid_bce.study.learning import LearningCell
from sigmoid_bce.tracking.cell_files import patch_of, read_manifest
from sigmoid_bce.tracking.notes import NOTE, note, plain
from sigmoid_bce.tracking.points import Point
from sigmoid_bce.tracking.runs import (
    ENDED,
    SHORT,
    USUAL,
    Run,
    machine_of,
    provenance,
    text_of_attempt,
)

MEANS = ("val_accuracy", "val_exact_loss", "loss")
"""Columns whose mean over the seeds is a metric. A metric takes half a kilobyte of the database."""
METRICS = (*MEANS, "stuck_share", "failed")
COLUMNS = ["seed", "epoch", "failed", "majority", "accuracy", "exact_loss", "dead_misclassified"]
SETTINGS = {"architecture": "", "optimizer": "", "learning_rate": "learning rate "}
"""Settings of a network that a run shows, and the words before each."""
SEEN = {"label_noise": "label noise ", "imbalance": "imbalance ", "scale": ""}
"""Settings of data that a run shows where they are not `USUAL`, and the words before each."""


@dataclass(frozen=True)
class LearningFiles:
    """The files of a learning cell.

    Parameters
    ----------
    results : Path
        The study's folder.
    cell : LearningCell
    """

    results: Path
    cell: LearningCell

    @property
    def epochs_file(self) -> Path:
        """The file with a row a seed and epoch."""
        return self.results / "learning" / f"{self.cell}.parquet"

    @property
    def record_file(self) -> Path:
        """The file of the trainings' record."""
        return self.results / "learning" / f"{self.cell}.json"

    @property
    def manifest_file(self) -> Path:
        """The manifest of the cell's data set."""
        return self.results / "data" / self.cell.dataset / "manifest.parquet"

    @property
    def finished(self) -> bool:
        """Whether the cell is trained."""
        return self.record_file.exists() and self.epochs_file.exists()

    @cached_property
    def record(self) -> Any:
        """The trainings' record."""
        with reading(self.record_file):
            record = json.loads(self.record_file.read_text())
            if not {"started", "seeds", "seconds_training", "seconds_description"} <= set(record):
                raise ValueError("it is not the record of trainings")
        return record

    @property
    def ended(self) -> int:
        """When the trainings ended, in milliseconds since 1970."""
        seconds = self.record["seconds_training"] + self.record["seconds_description"]
        return int(self.record["started"] + int(1000 * seconds))


def _cell(row: Mapping[Any, Any]) -> str:
    return str(LearningCell(*(row[name] for name in LearningCell.__dataclass_fields__)))


def tags_by_cell(stuck: pd.DataFrame, learning: pd.DataFrame) -> dict[str, dict[str, str]]:
    """Return the questions that each cell belongs to, and the verdicts on it, as tags.

    Parameters
    ----------
    stuck, learning : DataFrame
        tables/stuck.csv and tables/learning.csv; either may be empty.

    Examples
    --------
    >>> row = {"dataset": "cancer", "model": "linear", "loss": "naive", "batch_size": 32}
    >>> stuck = pd.DataFrame([{"part": "exploratory", "question": "ordinary", **row}])
    >>> found = stuck.assign(primary=True, metric="auc", verdict="open", n=38, seeds=40)
    >>> tags_by_cell(stuck, found)["cancer/linear/naive/32"]["verdict"]
    'exploratory.ordinary: auc open (n = 38 of 40)'
    """
    found: dict[str, dict[str, dict[str, None]]] = {}
    for row in stuck.to_dict("records"):
        tags = found.setdefault(_cell(row), {"questions": {}, "verdict": {}})
        tags["questions"][f"{row['part']}.{row['question']}"] = None
    for row in learning.to_dict("records"):
        if row["primary"] and (tags := found.get(_cell(row), {})):
            said = f"{row['metric']} {row['verdict']} (n = {row['n']} of {row['seeds']})"
            tags["verdict"][f"{row['part']}.{row['question']}: {said}"] = None
    between = {"questions": " ", "verdict": "; "}
    return {
        cell: {name: between[name].join(texts) for name, texts in tags.items() if texts}
        for cell, tags in found.items()
    }


def _tags(results: Path) -> dict[str, dict[str, str]]:
    """Return the questions and verdicts that a study's tables have, as tags by cell."""
    files = [results / "tables" / name for name in ("stuck.csv", "learning.csv")]
    stuck, learning = (read_csv(file) if file.exists() else pd.DataFrame() for file in files)
    with reading(files[0]):
        tags_by_cell(stuck, pd.DataFrame())  # so that the table which lacks a column is named
    with reading(files[1]):
        return tags_by_cell(stuck, learning)


def verdicts(learning: pd.DataFrame) -> pd.DataFrame:
    """Return the verdict on each loss, with the number of pairs: a row for each regime.

    Parameters
    ----------
    learning : DataFrame
        tables/learning.csv. Of it, the primary metric of each question is taken.

    Examples
    --------
    >>> row = {"part": "exploratory", "question": "ordinary", "dataset": "cancer", "batch_size": 32}
    >>> row |= {"model": "linear", "metric": "auc", "primary": True, "verdict": "open", "n": 38}
    >>> verdicts(pd.DataFrame([{**row, "loss": "naive"}]))["naive"].tolist()
    ['open, 38']
    """
    rows = learning[learning["primary"]]
    rows = rows.assign(said=rows["verdict"] + ", " + rows["n"].astype(str))
    names = rows["dataset"] + " " + rows["model"] + " " + rows["batch_size"].astype(str)
    rows = rows.assign(question=rows["part"] + "." + rows["question"], regime=names)
    keys = ["question", "regime", "metric"]
    table = rows.pivot_table("said", keys, "loss", aggfunc="first", sort=False, fill_value="")
    return table.reset_index().rename_axis(columns=None)


def ranges(seeds: Sequence[int]) -> str:
    """Return ascending numbers in short.

    Examples
    --------
    >>> ranges([0, 1, 2, 7, 9, 10])
    '0-2 7 9-10'
    """
    numbers = np.asarray(seeds)
    parts = np.split(numbers, np.flatnonzero(np.diff(numbers) != 1) + 1)
    return " ".join(f"{p[0]}-{p[-1]}" if len(p) > 1 else str(p[0]) for p in parts)


def _settings(record: Mapping[str, Any]) -> str:
    """Return the settings of network and data in a line."""
    model, data = record["model"], record["data"]
    parts = [f"{words}{model[key]}" for key, words in SETTINGS.items()]
    parts += [f"{words}{data[key]}" for key, words in SEEN.items() if data[key] != USUAL[key]]
    return ", ".join(parts)


def _code(record: Mapping[str, Any]) -> dict[str, str]:
    """Return by what code and on which machine a cell was trained, as few and short tags."""
    dirty = record.get("git_dirty")
    tags = {
        "mlflow.source.git.commit": record["git_commit"] or "unknown",
        "git_dirty": "unknown" if dirty is None else str(dirty),
    }
    return tags | ({"machine": machine_of(record)} if "device" in record else {})


def _points(last: pd.DataFrame, end: int) -> Iterator[Point]:
    """Yield means over the seeds that did not fail, the share of stuck and the number of failed."""
    values = {name: last.loc[~last["failed"], name].to_numpy(np.float64) for name in MEANS}
    finite = {name: value[np.isfinite(value)] for name, value in values.items()}
    metrics = {name: value.mean() for name, value in finite.items() if value.size}
    metrics |= {"stuck_share": is_stuck(last).mean(), "failed": last["failed"].sum()}
    step = int(last["epoch"].max())
    yield from (Point(name, step, float(value), end) for name, value in metrics.items())


def learning_run(files: LearningFiles, more: Mapping[str, str]) -> Run | None:
    """Return the run of a learning cell; None if the cell is not trained.

    Parameters
    ----------
    files : LearningFiles
    more : mapping
        Its questions and verdicts as tags, once there are tables.

    Raises
    ------
    Damaged
        If a file cannot be read, or the two do not belong together.
    """
    if not files.finished:
        return None
    cell, record = files.cell, files.record
    with reading(files.record_file):
        start, seeds, end = record["started"], record["seeds"], files.ended
        made_by, settings, code = process(record), _settings(record), _code(record)
        rate = str(record["model"]["learning_rate"])
    file = files.manifest_file
    data = read_manifest(file, cell.dataset).sha256 if file.exists() else ""
    epochs = read_parquet(files.epochs_file, columns=[*COLUMNS, *MEANS])
    with reading(files.epochs_file):
        last = judged_epochs(epochs)
        if last.index.tolist() != sorted(seeds):
            raise ValueError(f"its seeds are not those of {files.record_file.name}")
        points = tuple(_points(last, end))
    return Run(
        key=str(cell),
        name=f"{_name(cell)}, {len(seeds)} seeds",
        kind="learning",
        status="FINISHED",
        start=start,
        end=end,
        process=made_by,
        previous=record.get("previous", ""),
        params={name: str(value) for name, value in asdict(cell).items()}
        | {"seeds": ranges(seeds), "learning_rate": rate, "settings": settings},
        points=points,
        tags={**code, **more, **({"data_sha256": data[:SHORT]} if data else {})},
        artifacts=tuple(patch_of(record, files.results)),
    )


def learning_attempts(
    results: Path, cells: Iterable[LearningCell], finished: Iterable[Run]
) -> tuple[list[Run], list[str]]:
    """Return the runs of failed and interrupted attempts at learning cells, and errors of files.

    Parameters
    ----------
    results : Path
        The study's folder.
    cells : iterable of LearningCell
    finished : iterable of Run
        The runs of trained cells. Their attempts are not among them.
    """
    done, found, errors = {run.process for run in finished}, [], []
    for cell in cells:
        for record in read_attempts(results / "learning" / str(cell)):
            if record["status"] not in ENDED or process(record) in done:
                continue
            try:
                with reading_attempt(record["folder"] / RECORD):
                    run = _attempt_run(results, cell, record)
                    found += [run] if run.content else []  # reads its patch
            except Damaged as error:
                errors.append(str(error))
    return found, errors


def _attempt_run(results: Path, cell: LearningCell, record: PastAttempt) -> Run:
    folder = f"learning/{cell}/attempts/{record['attempt']}/"
    described = note(plain(record["reason"] or ""), results, [folder])
    return Run(
        key=str(cell),
        name=f"{_name(cell)}, attempt {record['attempt']}",
        kind="learning attempt",
        status=record["status"],
        start=record["started"],
        end=record.get("ended", record["started"]),
        process=process(record),
        previous=record.get("previous", ""),
        params={name: str(value) for name, value in asdict(cell).items()},
        tags={**provenance(record), "rule": "learn", **end_tags(record), NOTE: described},
        artifacts=tuple(patch_of(record, results)),
        texts=(text_of_attempt(record),),
    )


def _name(cell: LearningCell) -> str:
    return f"{cell.dataset} {cell.model} {cell.loss} batch {cell.batch_size}"


def learning_runs(results: Path, cells: Iterable[LearningCell]) -> tuple[list[Run], list[str]]:
    """Return the runs of trained learning cells, and errors of damaged files.

    Parameters
    ----------
    results : Path
        The study's folder; tables/stuck.csv and learning.csv, if they exist, have the questions
        and the verdicts.
    cells : iterable of LearningCell
    """
    finished, errors = [], []
    try:
        tags = _tags(results)
    except Damaged as error:
        tags = {}
        errors.append(str(error))
    for cell in cells:
        try:
            run = learning_run(LearningFiles(results, cell), tags.get(str(cell), {}))
            finished += [run] if run and run.content else []  # reads its patch
        except Damaged as error:
            errors.append(str(error))
    return finished, errors
