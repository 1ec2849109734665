"""Bring MLflow to what the files of a study say. Done twice, it changes nothing."""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.request import url2pathname

import pandas as pd

from sigmoid_bce.jobs import locks
from sigmoid_bce.jobs.files import sha256, write_json
from sigmoid_bce.jobs.logs import UserError
from sigmoid_bce.study.cells import Cell
from sigmoid_bce.tracking import runs as desired
from sigmoid_bce.tracking import store, views
from sigmoid_bce.tracking.address import uri
from sigmoid_bce.tracking.reconcile import close_if_dead, close_replaced

# isort: split
from mlflow import MlflowClient
from mlflow.entities import (
    Dataset,
    DatasetInput,
    InputTag,
    LoggedModelOutput,
    LoggedModelStatus,
    Metric,
    Param,
    Run,
    RunTag,
)
from mlflow.models import Model

BATCH = 800  # metrics a call: with params and tags at most 1,000
CONTEXT = {"train": "training"}
MODEL_METRICS = "full/"  # the prefix of the metrics that a model has, beside its run
REQUIREMENTS = ("tensorflow", "keras", "numpy")


@dataclass
class Mirror:
    """An experiment, and what it holds at present."""

    client: MlflowClient
    experiment: str
    runs: dict[tuple[str, str], list[Run]] = field(default_factory=lambda: defaultdict(list))
    models: dict[str, list[Any]] = field(default_factory=lambda: defaultdict(list))
    changed: int = 0

    def load(self, only: str = "") -> None:
        """Read all active runs and models of the experiment; or some runs, by MLflow's filter."""
        search = self.client.search_runs
        for page in pages(lambda t: search([self.experiment], only, page_token=t)):
            for run in page:
                for tag in set(desired.KEY_TAG.values()) & set(run.data.tags):
                    self.runs[tag, run.data.tags[tag]].append(run)
        if only:
            return
        search = self.client.search_logged_models
        for page in pages(lambda t: search([self.experiment], page_token=t)):
            for model in page:
                self.models[model.source_run_id].append(model)

    def delete(self, run: Run) -> None:
        """Delete a run and its models; MLflow keeps them until its garbage collection."""
        for model in self.models.pop(run.info.run_id, ()):
            self.client.delete_logged_model(model.model_id)
        self.client.delete_run(run.info.run_id)
        self.changed += 1


def pages(search: Callable) -> Any:
    """Yield every page of a search."""
    token = None
    while True:
        page = search(token)
        yield page
        token = page.token
        if not token:
            return


def experiment_id(client: MlflowClient, study: str) -> str:
    """Return a study's experiment; a missing one is made, a deleted one restored."""
    found = client.get_experiment_by_name(study)
    if found is None:
        # without a server the artifacts are files, at a place that depends on no working directory
        server = uri().startswith("http")
        place = None if server else Path("mlartifacts", study).resolve().as_uri()
        try:
            return client.create_experiment(study, artifact_location=place)
        except Exception:  # another process was quicker
            found = client.get_experiment_by_name(study)
            if found is None:
                raise
    if found.lifecycle_stage == "deleted":
        client.restore_experiment(found.experiment_id)
    return found.experiment_id


def _points(client: MlflowClient, run: Run, wanted: desired.Run) -> set[tuple] | None:
    """Return every point of a run; None if one is there twice."""
    series = Counter(point.key for point in wanted.points)
    found = set()
    for last in run.to_proto().data.metrics:
        point = desired.Point(last.key, last.step, last.value, last.timestamp)
        if series[last.key] == 1 and point in wanted.points:
            found.add(point)  # a single value, as it should be: no question is needed
            continue
        points = [
            desired.Point(m.key, m.step, m.value, m.timestamp)
            for m in client.get_metric_history(run.info.run_id, last.key)
        ]
        if len({point.step for point in points}) < len(points):
            return None
        found.update(points)
    return found


def _files(client: MlflowClient, run: Run, folders: set[str]) -> set[str]:
    """Return the names of a run's artifacts, in the root and in `folders`."""
    if run.info.artifact_uri.startswith("file:///"):
        root = Path(url2pathname(run.info.artifact_uri.removeprefix("file://")))
        return {str(file.relative_to(root)) for file in root.rglob("*") if file.is_file()}
    return {
        artifact.path
        for folder in {"", *folders}
        for artifact in client.list_artifacts(run.info.run_id, folder or None)
        if not artifact.is_dir
    }


def _names(run: desired.Run) -> set[str]:
    files = {f"{folder}/{file.name}".lstrip("/") for folder, file in run.artifacts}
    return files | {name for name, _ in run.texts}


def _kept_points(client: MlflowClient, run: Run, wanted: desired.Run) -> set[tuple] | None:
    """Return a run's points, or None if it holds what the files do not and cannot be taken out."""
    if run.info.start_time != wanted.start:
        return None
    if not run.data.params.items() <= wanted.params.items():
        return None
    points = _points(client, run, wanted)
    if points is None or not points <= set(wanted.points):
        return None
    if run.inputs and not {d.dataset.digest for d in run.inputs.dataset_inputs} <= {
        data.digest for data in wanted.data
    }:
        return None
    return points


def _log_model(mirror: Mirror, run_id: str, wanted: desired.Run, versions: str) -> str:
    """Show a network, by its weights and settings, in the tab of models; return its id."""
    model = mirror.client.create_logged_model(
        mirror.experiment,
        name=re.sub(r"\W", "_", wanted.settings["architecture"]),  # of module:function
        source_run_id=run_id,
        tags={"cell": wanted.key, "content": sha256(wanted.weights)[: desired.SHORT]},
        params={k: str(v) for k, v in wanted.settings.items() if k != "weights"},
        model_type="keras weights",
    )
    pins = dict(pair.split("=") for pair in versions.split())
    with tempfile.TemporaryDirectory() as folder:
        content = Model(model_id=model.model_id, run_id=run_id)
        content.add_flavor(
            "keras_weights", weights=wanted.weights.name, settings="settings.json", cell=wanted.key
        )
        content.save(Path(folder, "MLmodel"))
        Path(folder, "requirements.txt").write_text(
            "".join(f"{name}=={pins[name]}\n" for name in REQUIREMENTS if name in pins)
        )
        write_json(wanted.settings, Path(folder, "settings.json"))
        Path(folder, wanted.weights.name).symlink_to(wanted.weights.resolve())
        mirror.client.log_model_artifacts(model.model_id, folder)
    mirror.client.finalize_logged_model(model.model_id, LoggedModelStatus.READY)
    return model.model_id


def _model_of(models: Sequence[Any], wanted: desired.Run, outputs: set[str]) -> Any:
    """Return the model among a run's that has its weights, or None."""
    for model in models:
        ready = str(model.status) == str(LoggedModelStatus.READY)
        content = model.tags.get("content") == sha256(wanted.weights)[: desired.SHORT]
        if ready and content and model.model_id in outputs:
            return model
    return None


def bring(mirror: Mirror, wanted: desired.Run, parents: dict[str, str]) -> str:
    """Leave one run as `wanted`, whatever there is of it; return its id.

    Parameters
    ----------
    mirror : Mirror
    wanted : desired.Run
    parents : dict
        Run ids of the groups, by key.
    """
    client, before = mirror.client, mirror.changed
    run, points = None, set()
    found = mirror.runs[desired.KEY_TAG[wanted.kind], wanted.key]
    for candidate in [r for r in found if r.data.tags.get("process", "") == wanted.process]:
        found.remove(candidate)
        if run is None and (held := _kept_points(client, candidate, wanted)) is not None:
            run, points = candidate, held
        else:
            mirror.delete(candidate)
    tags = wanted.own_tags
    if wanted.parent in parents:
        tags["mlflow.parentRunId"] = parents[wanted.parent]
    if run is not None:
        stale = run.data.tags.get("content") != tags["content"]
        files = _files(client, run, {folder for folder, _ in wanted.artifacts})
        if files - _names(wanted):  # MLflow's clients cannot delete an artifact
            mirror.delete(run)
            run, points = None, set()
    if run is None:
        run = client.create_run(mirror.experiment, wanted.start, tags, wanted.name)
        files, stale, points = set(), True, set()
        mirror.changed += 1
    run_id = run.info.run_id

    outputs = {m.model_id for m in (run.outputs.model_outputs if run.outputs else ())}
    model_id = None
    if wanted.weights:
        model = _model_of(mirror.models[run_id], wanted, outputs)
        keys = {p.key for p in wanted.points if p.key.startswith(MODEL_METRICS)}
        if model is None:
            for model in mirror.models[run_id]:
                client.delete_logged_model(model.model_id)
            model_id = _log_model(mirror, run_id, wanted, wanted.tags["versions"])
            client.log_outputs(run_id, [LoggedModelOutput(model_id, wanted.points[-1].step)])
            mirror.changed += 1
        elif not keys <= {metric.key for metric in model.metrics or ()}:
            model_id = model.model_id  # it was logged before there were tables

    metrics = [
        Metric(p.key, p.value, p.time, p.step, **_of_model(model_id, wanted, p))
        for p in wanted.points
        if p not in points or (model_id and p.key.startswith(MODEL_METRICS))
    ]
    params = [Param(k, v) for k, v in wanted.params.items() if k not in run.data.params]
    new_tags = [RunTag(k, v) for k, v in tags.items() if run.data.tags.get(k) != v]
    # what was logged is whole when this tag says so
    content = [tag for tag in new_tags if tag.key == "content"]
    first = [tag for tag in new_tags if tag.key != "content"]
    for i in range(0, max(len(metrics), 1), BATCH):
        some = metrics[i : i + BATCH], params if i == 0 else (), first if i == 0 else ()
        if any(some):
            client.log_batch(run_id, *some)
            mirror.changed += 1
    for key in set(run.data.tags) & {"reason"} - set(tags):
        client.delete_tag(run_id, key)
    if wanted.data and len(run.inputs.dataset_inputs if run.inputs else ()) < len(wanted.data):
        client.log_inputs(run_id, [_dataset(data) for data in wanted.data])
        mirror.changed += 1
    if stale or files != _names(wanted):
        for folder, file in wanted.artifacts:
            client.log_artifact(run_id, str(file), folder or None)
        for name, text in wanted.texts:
            client.log_text(run_id, text, name)
        mirror.changed += 1
    if content:
        client.log_batch(run_id, tags=content)
    if run.info.run_name != wanted.name:
        client.update_run(run_id, name=wanted.name)
    if (run.info.status, run.info.end_time) != (wanted.status, wanted.end):
        client.set_terminated(run_id, wanted.status, wanted.end)
        mirror.changed += 1
    if mirror.changed > before:
        print(f"{wanted.kind} {wanted.name}: run {run_id}, {wanted.status}", flush=True)
    return run_id


def _of_model(model_id: str | None, wanted: desired.Run, point: desired.Point) -> dict[str, str]:
    """Return what ties a metric to a model and its data."""
    if not model_id or not point.key.startswith(MODEL_METRICS):
        return {}
    split = desired.STAGE_METRICS[point.key][0]
    data = next(d for d in wanted.data if d.split == split)
    return {"model_id": model_id, "dataset_name": data.name, "dataset_digest": data.digest}


def _dataset(data: desired.Data) -> DatasetInput:
    dataset = Dataset(data.name, data.digest, "local", data.source, profile=data.profile)
    context = CONTEXT.get(data.split, data.split)
    return DatasetInput(dataset, [InputTag("mlflow.data.context", context)])


def _note_run_id(file: Path, run_id: str) -> None:
    """Write a run's id to the cell's run.json, whose date stays: nothing reruns for it."""
    record, date = json.loads(file.read_text()), file.stat()
    if record.get("mlflow_run_id") != run_id:
        write_json({**record, "mlflow_run_id": run_id}, file)
        os.utime(file, ns=(date.st_atime_ns, date.st_mtime_ns))


def log_cells(study: str, results: str | Path, cells: Sequence[Cell]) -> list[tuple[str, str]]:
    """Bring MLflow to what the files of a study say of each cell and each group.

    Parameters
    ----------
    study : str
        The experiment's name.
    results : str or Path
        The study's folder, with train/<cell>/ and, as far as they are made, figures/<cell>/ and
        tables/cells.csv.
    cells : sequence of Cell
        Those that are not finished are left out; their failed and interrupted attempts are not.

    Returns
    -------
    list of (str, str)
        Cell and run id.

    Raises
    ------
    store.TrackingError
        In one line, if the tracking server or database cannot be used; or, after everything else
        has been logged, if a cell's file is damaged.

    Notes
    -----
    A run is found by its cell and its process. One that lacks something is completed; one that
    holds what the files do not (a doubled epoch, another value) is deleted and made again. Other
    runs of a cell are closed: see `reconcile`.
    """
    results = Path(results)
    table = results / "tables" / "cells.csv"
    rows = desired.rows_by_cell(pd.read_csv(table)) if table.exists() else {}
    current, attempts, damaged = {}, [], []
    for cell in cells:
        try:
            run = desired.cell_run(results, cell, rows.get(str(cell)))
        except desired.Damaged as error:
            damaged.append(str(error))
            print(error, flush=True)
            continue
        attempts += desired.attempt_runs(results, cell, run)
        if run:
            current[cell] = run
    logged = []
    with _mirror(study, results) as mirror:
        mirror.load()
        groups = desired.group_runs(list(current.values()))
        parents = {run.key: bring(mirror, run, {}) for run in groups}
        for cell, run in current.items():
            run_id = bring(mirror, run, parents)
            _note_run_id(results / "train" / str(cell) / "run.json", run_id)
            logged.append((str(cell), run_id))
        for run in attempts:
            bring(mirror, run, parents)
        for cell in cells:
            records = desired.records(results, cell)
            for run in mirror.runs["cell", str(cell)]:
                if cell in current and run.info.status == "FINISHED":
                    mirror.changed += close_replaced(mirror.client, run)
                    mirror.delete(run)
                else:
                    mirror.changed += close_if_dead(mirror.client, run, records)
        print(f"{len(logged)} cells as the files say, {mirror.changed} changes", flush=True)
    if damaged:
        raise UserError("; ".join(damaged))
    return logged


def log_study(
    study: str,
    results: str | Path,
    cells: Sequence[Cell],
    *,
    files: Sequence[str | Path],
    question: str,
    settings: dict[str, Any],
) -> str:
    """Bring the study's own run, and the experiment's note and views, to what the files say.

    Parameters
    ----------
    study : str
        The experiment's name.
    results : str or Path
        The study's folder.
    cells : sequence of Cell
        All that the study has. Of those that are finished, one at least, it says when and by what.
    files : sequence of str or Path
        Figures, tables and report: the run's artifacts.
    question : str
    settings : dict
        What the note says of how the study was made.

    Returns
    -------
    str
        The run's id.

    Raises
    ------
    store.TrackingError
        In one line, if the tracking server or database cannot be used.
    files.Damaged
        If a cell's file cannot be read.
    ValueError
        If no cell is finished.
    """
    results, paths = Path(results), [Path(file) for file in files]
    finished = [run for cell in cells if (run := desired.cell_run(results, cell, None))]
    wanted = desired.study_run(study, results, finished, paths, len(cells))
    with _mirror(study, results) as mirror:
        mirror.load(f"tags.{desired.KEY_TAG['study']} = '{study}'")
        run_id = bring(mirror, wanted, {})
        views.describe(mirror.client, mirror.experiment, question, settings, paths)
        print(f"the study's own run as the files say, {mirror.changed} changes", flush=True)
    return run_id


@contextmanager
def _mirror(study: str, results: Path) -> Iterator[Mirror]:
    """Give a study's experiment to one process at a time; what goes wrong is one line."""
    (results / "tracking").mkdir(parents=True, exist_ok=True)
    try:
        with locks.exclusive(results / "tracking" / ".lock"):
            client = store.client()
            yield Mirror(client, experiment_id(client, study))
    except store.FAILURES as error:
        raise store.explained(error) from error
