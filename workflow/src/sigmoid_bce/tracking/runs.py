"""What MLflow should say of a study, read from its files alone."""

from __future__ import annotations

import hashlib
import json
import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

from sigmoid_bce.jobs.attempts import read_attempts, read_history, times
from sigmoid_bce.jobs.files import Damaged, sha256
from sigmoid_bce.study.cells import Cell

# of each stage: what MLflow calls it, the split and the columns (added up) of tables/cells.csv
STAGE_METRICS = {
    "early/val_accuracy": ("validation", ["accuracy"]),
    "early/clipped_share": ("train", ["clipped_correct_share", "clipped_wrong_share"]),
    "full/val_accuracy": ("validation", ["accuracy"]),
    "full/clipped_share": ("train", ["clipped_correct_share", "clipped_wrong_share"]),
    "full/dead_share": ("train", ["dead_correct_share", "dead_wrong_share"]),
    "full/bce_sigmoid_error_max": ("train", ["bce_sigmoid_error_max"]),
}
PRIMARY_METRIC = "full/clipped_share"
GROUP_METRICS = ("full/val_accuracy", "full/clipped_share", "full/bce_sigmoid_error_max")
CONFIDENCE = 0.95
GROUP_KEYS = ("dataset", "model", "loss", "batch_size")
KEY_TAG = {"cell": "cell", "attempt": "cell", "group": "group", "study": "study"}
SOURCE = {
    "mlflow.user": "snakemake",
    "mlflow.source.name": "workflow/Snakefile",
    "mlflow.source.type": "PROJECT",
}
SHORT = 16  # digits of a digest that tell contents apart; the files have all of them


class Point(NamedTuple):
    """One value of a metric."""

    key: str
    step: int
    value: float
    time: int


class Data(NamedTuple):
    """One split of a data set."""

    name: str
    digest: str
    split: str
    source: str
    profile: str


@dataclass(frozen=True)
class Run:
    """One run as it should be."""

    key: str  # with `kind` and `process`, what finds it
    name: str
    kind: str  # cell, attempt, group or study
    status: str
    start: int
    end: int
    process: str = ""
    parent: str | None = None  # the key of another
    params: dict[str, str] = field(default_factory=dict)
    points: tuple[Point, ...] = ()
    tags: dict[str, str] = field(default_factory=dict)
    data: tuple[Data, ...] = ()
    artifacts: tuple[tuple[str, Path], ...] = ()  # folder, file
    texts: tuple[tuple[str, str], ...] = ()  # file name, content
    weights: Path | None = None
    settings: dict[str, Any] = field(default_factory=dict)  # the model's

    @property
    def own_tags(self) -> dict[str, str]:
        """All tags but the parent's, which has another id in every database."""
        tags = {
            KEY_TAG[self.kind]: self.key,
            "kind": self.kind,
            "content": self.content,
            **SOURCE,
            **self.tags,
        }
        return tags | ({"process": self.process} if self.process else {})

    @property
    def content(self) -> str:
        """A digest of the artifacts."""
        digest = hashlib.sha256()
        for folder, file in self.artifacts:
            digest.update(f"{folder}/{file.name} {sha256(file)}\n".encode())
        for name, text in self.texts:
            digest.update(f"{name} {text}\n".encode())
        if self.weights:
            digest.update(sha256(self.weights).encode())
        return digest.hexdigest()[:SHORT]


def process(record: dict[str, Any]) -> str:
    """Return what tells one attempt's process from every other.

    Examples
    --------
    >>> process({"host": "node1", "pid": 17, "started": 1000})
    'node1:17:1000'
    """
    return f"{record['host']}:{record['pid']}:{record['started']}"


def split_by_value(points: Iterable[Point]) -> tuple[list[Point], Counter]:
    """Return the points with a finite value, and how many are nan and inf."""
    counts, finite = Counter(nan=0, inf=0), []
    for point in points:
        if math.isfinite(point.value):
            finite.append(point)
        else:
            counts["nan" if math.isnan(point.value) else "inf"] += 1
    return finite, counts


def history_points(history: pd.DataFrame, record: dict[str, Any]) -> list[Point]:
    """Return every value of an attempt's history, at its epoch and at the time when that ended."""
    if history.empty:
        return []
    seconds = history["seconds"].tolist()
    # as many as there are: a history may be cut off
    resumed = min(record.get("resumed_from", 0), len(seconds))
    ends = times(record["started"], seconds, resumed)
    return [
        Point(name, int(epoch), float(value), end)
        for name in history.columns.drop("epoch")
        for epoch, value, end in zip(history["epoch"], history[name], ends, strict=True)
    ]


def _counted(points: list[Point], step: int, end: int) -> tuple[Point, ...]:
    """Return the finite points, and how many others there were."""
    finite, counts = split_by_value(points)
    return (*finite, *(Point(f"{k}_count", step, float(n), end) for k, n in counts.items()))


def _stage_points(rows: pd.DataFrame | None, end: int) -> list[Point]:
    if rows is None:
        return []
    found = {(row["stage"], row["split"]): row for row in rows.to_dict("records")}
    points = []
    for key, (split, columns) in STAGE_METRICS.items():
        if row := found.get((key.split("/")[0], split)):
            value = float(sum(row[column] for column in columns))
            points.append(Point(key, int(row["epochs"]), value, end))
    return points


@cache
def _data(manifest: Path, dataset: str) -> tuple[Data, ...]:
    table = pd.read_parquet(manifest)
    found = []
    for split, part in table.groupby("split"):
        digest = hashlib.sha256("\n".join(part["sha256"].astype(str)).encode())
        digest.update(part["label"].to_numpy(np.int64).tobytes())
        found.append(
            Data(
                dataset,
                digest.hexdigest()[:32],
                str(split),
                json.dumps({"uri": f"data/{dataset}/manifest.parquet"}),
                json.dumps({"num_rows": len(part), "label_1": int(part["label"].sum())}),
            )
        )
    return tuple(found)


def rows_by_cell(table: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Return the rows of tables/cells.csv by their cell's path."""
    names = table[list(Cell.__dataclass_fields__)].itertuples(index=False)
    return dict(list(table.groupby([str(Cell(*values)) for values in names])))


def group_key(cell: Cell) -> str:
    """Return the key of the run that a cell's seeds share.

    Examples
    --------
    >>> group_key(Cell("elpv", "convnet", "logits", 20, 0))
    'dataset~elpv/model~convnet/loss~logits/batch_size~20'
    """
    return str(cell).rsplit("/", 1)[0]


def _provenance(record: dict[str, Any]) -> dict[str, str]:
    found = {
        "attempt": record["attempt"],
        "mlflow.source.git.commit": record["git_commit"] or "unknown",
        "git_dirty": record["git_dirty"],
        "lock_sha256": (record["lock_sha256"] or "unknown")[:SHORT],
        "slurm_job_id": record["slurm_job_id"],
        "rule": "train",
        "versions": " ".join(f"{k}={v}" for k, v in record["versions"].items()),
    }
    return {name: str(value) for name, value in found.items() if value is not None}


def cell_params(cell: Cell) -> dict[str, str]:
    """Return a cell's fields as MLflow has them."""
    return {name: str(value) for name, value in asdict(cell).items()}


def run_name(cell: Cell) -> str:
    """Return what a cell's run is called.

    Examples
    --------
    >>> run_name(Cell("elpv", "convnet", "logits", 20, 0))
    'convnet logits batch 20 seed 0'
    """
    return f"{cell.model} {cell.loss} batch {cell.batch_size} seed {cell.seed}"


def live_tags(record: dict[str, Any]) -> dict[str, str]:
    """Return the tags of a run whose training goes on."""
    return {
        "cell": record["cell"],
        "kind": "cell",
        "process": process(record),
        **SOURCE,
        **_provenance(record),
    }


def cell_run(results: Path, cell: Cell, rows: pd.DataFrame | None) -> Run | None:
    """Return the run of a finished cell.

    Parameters
    ----------
    results : Path
        The study's folder.
    cell : Cell
    rows : DataFrame or None
        Its rows of tables/cells.csv, if that is made.

    Returns
    -------
    Run or None
        None if the cell is not finished.

    Raises
    ------
    Damaged
        If one of its files cannot be read.
    """
    folder = results / "train" / str(cell)
    files = {name: folder / name for name in ("history.parquet", "run.json")}
    if not all(file.exists() for file in files.values()):
        return None
    weights = folder / "full.weights.h5"
    try:
        file = files["run.json"]
        record = json.loads(file.read_text())
        record.pop("mlflow_run_id", None)
        file = files["history.parquet"]
        history = pd.read_parquet(file)
        points = history_points(history, record)
        end = points[-1].time
        if len(history) != record["epochs"]:
            raise ValueError(f"it has {len(history)} epochs, run.json says {record['epochs']}")
        file = results / "data" / cell.dataset / "manifest.parquet"
        data = _data(file, cell.dataset)
    except Exception as error:
        raise Damaged(file, error) from None
    points += _stage_points(rows, end)
    settings = {k: v for k, v in record["model"].items() if k != "weights"}
    figures = sorted((results / "figures" / str(cell)).glob("*.png"))
    return Run(
        key=str(cell),
        name=run_name(cell),
        kind="cell",
        status="FINISHED",
        start=record["started"],
        end=end,
        process=process(record),
        parent=group_key(cell),
        params={
            **cell_params(cell),
            **{k: str(v) for k, v in (settings | record["training"]).items()},
            "parameters": str(record["parameters"]),
        },
        points=_counted(points, record["epochs"], end),
        tags={
            **_provenance(record),
            "data_sha256": sha256(results / "data" / cell.dataset / "manifest.parquet")[:SHORT],
            "stopped_by": record["stopped_by"],
            **{k: str(record[k]) for k in ("device", "threads", "deterministic")},
        },
        data=data,
        artifacts=(("", files["history.parquet"]), *(("figures", file) for file in figures)),
        texts=(("run.json", json.dumps(record, indent=2) + "\n"),),
        weights=weights if weights.exists() else None,
        settings=record["model"],
    )


def attempt_runs(results: Path, cell: Cell, current: Run | None) -> list[Run]:
    """Return the runs of a cell's attempts that failed or were interrupted."""
    runs = []
    for record in read_attempts(results / "train" / str(cell)):
        if record["status"] not in ("FAILED", "KILLED"):
            continue
        if current and current.process == process(record):
            continue
        history = read_history(record["folder"] / "history.csv")
        points = history_points(history, record)
        end = points[-1].time if points else record["started"]
        runs.append(
            Run(
                key=str(cell),
                name=f"{run_name(cell)}, attempt {record['attempt']}",
                kind="attempt",
                status=record["status"],
                start=record["started"],
                end=record.get("ended", end),
                process=process(record),
                parent=group_key(cell),
                params=cell_params(cell),
                points=_counted(points, len(history), end),
                tags={**_provenance(record), "reason": record["reason"] or ""},
            )
        )
    return runs


def records(results: Path, cell: Cell) -> dict[str, dict[str, Any]]:
    """Return the records of all attempts at a cell, by process."""
    return {process(r): r for r in read_attempts(results / "train" / str(cell))}


def group_runs(runs: Sequence[Run]) -> list[Run]:
    """Return a run for each group of cells that differ in their seed only.

    Its metrics are n and, over the seeds, mean, standard deviation and the ends of the 95 %
    interval of the mean (Student's t).
    """
    groups: dict[str, list[Run]] = {}
    for run in runs:
        groups.setdefault(run.parent, []).append(run)
    found = []
    for key, members in groups.items():
        end = max(run.end for run in members)
        points = [Point("n", 0, float(len(members)), end)]
        for name in GROUP_METRICS:
            values = [p.value for run in members for p in run.points if p.key == name]
            points += [Point(f"{name}_{what}", 0, v, end) for what, v in interval(values).items()]
        first = members[0]
        found.append(
            Run(
                key=key,
                name=" ".join(first.params[k] for k in GROUP_KEYS[1:3])
                + f" batch {first.params['batch_size']}, all seeds",
                kind="group",
                status="FINISHED",
                start=min(run.start for run in members),
                end=end,
                params={k: first.params[k] for k in GROUP_KEYS},
                points=tuple(points),
            )
        )
    return found


def interval(values: Sequence[float]) -> dict[str, float]:
    """Return mean, standard deviation and the 95 % interval of the mean, as far as they exist.

    Examples
    --------
    >>> {name: round(value, 3) for name, value in interval([1.0, 2.0, 3.0]).items()}
    {'mean': 2.0, 'sd': 1.0, 'low': -0.484, 'high': 4.484}
    >>> interval([1.0])
    {'mean': 1.0}
    """
    if not values:
        return {}
    mean = float(np.mean(values))
    if len(values) < 2:
        return {"mean": mean}
    sd = float(np.std(values, ddof=1))
    half = float(stats.t.ppf((1 + CONFIDENCE) / 2, len(values) - 1)) * sd / math.sqrt(len(values))
    return {"mean": mean, "sd": sd, "low": mean - half, "high": mean + half}


def study_run(
    study: str, results: Path, cells: Sequence[Run], files: Sequence[Path], planned: int
) -> Run:
    """Return the study's own run: figures, tables and report.

    Parameters
    ----------
    study : str
    results : Path
        The study's folder.
    cells : sequence of Run
        Of the finished cells.
    files : sequence of Path
    planned : int
        Number of cells that the study has.
    """
    start, end = min(run.start for run in cells), max(run.end for run in cells)
    newest = max(cells, key=lambda run: run.start)
    keep = ("mlflow.source.git.commit", "git_dirty", "lock_sha256", "versions")
    return Run(
        key=study,
        name=f"study {study}",
        kind="study",
        status="FINISHED",
        start=start,
        end=end,
        params={"cells": str(planned)},
        tags={k: newest.tags[k] for k in keep} | {"rule": "track_study"},
        artifacts=tuple(
            (str(file.parent.relative_to(results)).removeprefix("."), file) for file in files
        ),
    )
