"""Bring MLflow to the state that the files of a study describe. A second time changes nothing."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from sigmoid_bce.jobs.attempts import process
from sigmoid_bce.jobs.csv_tables import read_csv
from sigmoid_bce.jobs.digests import recorded
from sigmoid_bce.jobs.files import Damaged, read_json, reading, write_json
from sigmoid_bce.jobs.logs import UserError
from sigmoid_bce.study.cells import Cell
from sigmoid_bce.study.learning import LearningCell
from sigmoid_bce.tracking import of_study, runs, store, views
from sigmoid_bce.tracking.cell_files import CellFiles, Split
from sigmoid_bce.tracking.experiment import Experiment, opened
from sigmoid_bce.tracking.groups import group_runs
from sigmoid_bce.tracking.held import Held, content_of
from sigmoid_bce.tracking.learning import learning_attempts, learning_runs
from sigmoid_bce.tracking.lost_patches import restore
from sigmoid_bce.tracking.models import METRICS, model_of, sync_model
from sigmoid_bce.tracking.notes import MARK, NOTE
from sigmoid_bce.tracking.page import PAGE
from sigmoid_bce.tracking.reconcile import by_process, close_if_dead, close_replaced, note_ends
from sigmoid_bce.tracking.runs import KEY_TAG

# isort: split
from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, RunTag

BATCH = 800  # metrics a call: MLflow takes 1,000 values, params and tags included


def sync_run(experiment: Experiment, wanted: runs.Run, parents: Mapping[str, str]) -> str:
    """Bring one run to `wanted`, whatever there is of it; return its id.

    Parameters
    ----------
    experiment : Experiment
    wanted : runs.Run
        The run as the files describe it.
    parents : mapping
        The ids of the groups' runs, by key.
    """
    before = experiment.changed
    tags = tags_of(experiment, wanted, parents)
    held = _find(experiment, wanted) or _create(experiment, wanted, tags)
    model_id = sync_model(experiment, held.run, wanted)
    _sync_artifacts(experiment, held, wanted)
    _sync_values(experiment, held, wanted, tags, model_id)
    _sync_data(experiment, held, wanted)
    _sync_status(experiment, held, wanted)
    experiment.ids[wanted.process] = held.id
    if experiment.changed > before:
        print(f"{wanted.kind} {wanted.name}: run {held.id}, {wanted.status}", flush=True)
    return held.id


def tags_of(experiment: Experiment, wanted: runs.Run, parents: Mapping[str, str]) -> dict[str, str]:
    """Return all tags of a run, those included that name other runs of this database.

    Parameters
    ----------
    experiment : Experiment
    wanted : runs.Run
    parents : mapping
        As for `sync_run`.
    """
    tags = wanted.own_tags
    if wanted.parent and wanted.parent in parents:
        tags["mlflow.parentRunId"] = parents[wanted.parent]
    if wanted.previous and (earlier := experiment.ids.get(wanted.previous)):
        link = f"[The attempt before it](#/experiments/{experiment.id}/runs/{earlier})."
        tags["previous_run"] = earlier
        # a run of a learning cell is small
        tags |= {NOTE: f"{tags[NOTE]}\n\n{link}"} if NOTE in tags else {}
    return tags


def _find(experiment: Experiment, wanted: runs.Run) -> Held | None:
    """Return the run that can become `wanted`, and delete all others of its process.

    A run that holds more than the files describe (a doubled epoch, another value, a further file)
    cannot: MLflow's clients delete neither a metric nor an artifact.
    """
    found, loaded = None, experiment.runs[KEY_TAG[wanted.kind], wanted.key]
    for run in [r for r in loaded if r.data.tags.get("process", "") == wanted.process]:
        loaded.remove(run)
        there = None if found else content_of(experiment.client, experiment.database, run, wanted)
        if there is None:
            experiment.delete(run)
        found = found or there
    return found


def _create(experiment: Experiment, wanted: runs.Run, tags: Mapping[str, str]) -> Held:
    # the tag `content` is set after the artifacts: it says that they are complete
    tags = {key: value for key, value in tags.items() if key != "content"}
    run = experiment.client.create_run(experiment.id, wanted.start, tags, wanted.name)
    experiment.changed += 1
    return Held(run)


def _sync_values(
    experiment: Experiment,
    held: Held,
    wanted: runs.Run,
    tags: Mapping[str, str],
    model_id: str | None,
) -> None:
    """Log the metrics, params and tags that a run lacks; delete those of an end that was none."""
    client, there = experiment.client, held.run.data
    metrics = [
        Metric(p.key, p.value, p.time, p.step, **model_of(p, model_id, wanted))
        for p in wanted.points
        if p not in held.points or (model_id and p.key in METRICS)
    ]
    params = [Param(k, v) for k, v in wanted.params.items() if k not in there.params]
    new = [RunTag(k, v) for k, v in _with_note(tags, there.tags).items() if there.tags.get(k) != v]
    rest: list[tuple[list[Metric], list[Param], list[RunTag]]] = [
        (metrics[i : i + BATCH], [], []) for i in range(BATCH, len(metrics), BATCH)
    ]
    for part in ((metrics[:BATCH], params, new), *rest):
        if any(part):
            client.log_batch(held.id, *part)
            experiment.changed += 1
    for name in ("reason", "ended_by"):
        if name in there.tags and name not in tags:
            client.delete_tag(held.id, name)


def _with_note(tags: Mapping[str, str], there: Mapping[str, str]) -> dict[str, str]:
    """Return tags, with the description that a user wrote in place of ours."""
    theirs = there.get(NOTE) or MARK
    return {**tags} if MARK in theirs else {**tags, NOTE: theirs}


def _sync_data(experiment: Experiment, held: Held, wanted: runs.Run) -> None:
    """Log the data sets of a run, unless it has them."""
    inputs = held.run.inputs.dataset_inputs if held.run.inputs else ()
    if len(inputs) < len(wanted.data):
        experiment.client.log_inputs(held.id, [_dataset(split) for split in wanted.data])
        experiment.changed += 1


def _dataset(split: Split) -> DatasetInput:
    dataset = Dataset(split.dataset, split.digest, runs.LOCAL, split.source, profile=split.profile)
    return DatasetInput(dataset, [InputTag(*tag) for tag in runs.input_tags(split).items()])


def _sync_artifacts(experiment: Experiment, held: Held, wanted: runs.Run) -> None:
    """Log the files of a run, unless it has them with this content."""
    if not wanted.files:
        return
    # a run without texts has files that are named by their digest
    client, expected = experiment.client, wanted.own_tags.get("content")
    current = held.run.data.tags.get("content") == expected
    if not current or held.files != wanted.files:
        for folder, file in wanted.artifacts:
            client.log_artifact(held.id, str(file), folder or None)
        for name, text in wanted.texts:
            client.log_text(held.id, text, name)
        experiment.changed += 1


def _sync_status(experiment: Experiment, held: Held, wanted: runs.Run) -> None:
    """Set a run's name, status and end."""
    info = held.run.info
    if info.run_name != wanted.name:
        experiment.client.update_run(held.id, name=wanted.name)
    if (info.status, info.end_time) != (wanted.status, wanted.end):
        experiment.client.set_terminated(held.id, wanted.status, wanted.end)
        experiment.changed += 1


def _note_run_id(files: CellFiles, wanted: runs.Run, run_id: str) -> None:
    """Write the id of a run to run.json. The file's date stays, so that nothing reruns."""
    file = files.record_file
    if files.record.get("mlflow_run_id") == run_id:
        return
    record, date = read_json(file), file.stat()
    if process(record) == wanted.process:  # else the cell was trained again meanwhile
        write_json({**record, "mlflow_run_id": run_id}, file)
        os.utime(file, ns=(date.st_atime_ns, date.st_mtime_ns))


class CellRuns(NamedTuple):
    """The runs of cells, as their files describe them."""

    finished: dict[CellFiles, runs.Run]
    attempts: list[runs.Run]  # failed and interrupted ones
    errors: dict[str, str]  # of finished cells with damaged files, by cell
    lost: list[str]  # errors of attempts with damaged files


def rows_of(results: Path) -> runs.Rows:
    """Return the rows of a study's tables/cells.csv by cell; none without that table.

    Raises
    ------
    Damaged
        If it cannot be read.
    """
    file = results / "tables" / "cells.csv"
    if not file.exists():
        return {}
    with reading(file):
        return runs.rows_by_cell(read_csv(file))


def cell_runs(results: Path, files: Iterable[CellFiles], rows: runs.Rows) -> CellRuns:
    """Return the runs of finished cells and of lost attempts, and errors of damaged files.

    Parameters
    ----------
    results : Path
        The study's folder.
    files : iterable of CellFiles
    rows : mapping
        As `rows_of` returns them.
    """
    digests = runs.digests_by_cell(recorded(results).digests)
    found = CellRuns({}, [], {}, [])
    for cell in files:
        name, run = str(cell.cell), None
        try:
            run = runs.cell_run(cell, rows.get(name, ()), digests.get(name, {}))
            if run and run.content:  # reads every artifact
                found.finished[cell] = run
        except Damaged as error:
            found.errors[name] = str(error)
        except FileNotFoundError as error:
            found.errors[name] = f"{error.filename} is missing: run snakemake again"
        if name not in found.errors:
            found.attempts.extend(runs.attempt_runs(cell, run, found.lost))
    return found


def _close_others(experiment: Experiment, files: CellFiles, finished: bool) -> None:
    """Close the runs of a cell that its files do not describe; delete those that were replaced."""
    attempts = by_process(files.attempts)
    for run in experiment.runs["cell", str(files.cell)]:
        if finished and run.info.status == "FINISHED":
            experiment.changed += close_replaced(experiment.client, run)
            experiment.delete(run)
        else:
            experiment.changed += close_if_dead(experiment.client, run, attempts)


def _log_learning(
    experiment: Experiment, attempts: Iterable[runs.Run], finished: Iterable[runs.Run]
) -> list[tuple[str, str]]:
    """Bring the runs of learning cells to what the files describe; delete those replaced."""
    logged = []
    for run in attempts:
        sync_run(experiment, run, {})
    for run in finished:
        logged.append((f"learning/{run.key}", sync_run(experiment, run, {})))
        for other in experiment.runs["learning", run.key]:
            if other.data.tags.get("kind") != "learning":
                continue
            experiment.changed += close_replaced(experiment.client, other)
            experiment.delete(other)
    return logged


def log_cells(
    study: str,
    results: str | Path,
    cells: Sequence[Cell],
    learning: Sequence[LearningCell] = (),
) -> list[tuple[str, str]]:
    """Bring MLflow to the state that the files describe, for each cell and each group.

    Parameters
    ----------
    study : str
        The experiment's name.
    results : str or Path
        The study's folder, with train/<cell>/ and, if they exist, figures/<cell>/ and
        tables/cells.csv.
    cells : sequence of Cell
        Of unfinished cells, only failed and interrupted attempts are logged.
    learning : sequence of LearningCell
        Each has one run for all of its seeds, once it is trained.

    Returns
    -------
    list of (str, str)
        Cell and run id. The name of a learning cell begins with learning/.

    Raises
    ------
    store.TrackingError
        In one line, if the tracking server or database cannot be used.
    UserError
        If a cell's file is damaged, after all other cells have been logged.

    Notes
    -----
    A run is found by its cell and its process. A run that lacks something is completed. A run that
    holds something else than the files (a doubled epoch, another value) is deleted and made again.
    Further runs of a cell are closed: see `reconcile`.
    """
    results, logged = Path(results), []
    note_ends(results)
    with opened(study, results) as experiment:
        experiment.load_runs()
        experiment.load_models()
        # read after the runs were loaded: the files know every attempt that has a run
        files = [CellFiles(results, cell) for cell in cells]
        restore(experiment, results, files, learning)
        finished, attempts, errors, lost = cell_runs(results, files, rows_of(results))
        for line in (*errors.values(), *lost):
            print(line, flush=True)
        groups = group_runs(list(finished.values()), results)
        parents = {group.key: sync_run(experiment, group, {}) for group in groups}
        for run in attempts:  # first: a run has the id of the attempt before it
            sync_run(experiment, run, parents)
        for cell, run in finished.items():
            run_id = sync_run(experiment, run, parents)
            _note_run_id(cell, run, run_id)
            logged.append((run.key, run_id))
        for cell in files:
            _close_others(experiment, cell, cell in finished)
        paired, damaged = learning_runs(results, learning)
        tried, _ = learning_attempts(results, learning, paired)
        logged += _log_learning(experiment, tried, paired)
        if experiment.changed:
            store.analyse()
        print(f"{len(logged)} cells logged, {experiment.changed} changes", flush=True)
    if told := [*errors.values(), *damaged]:
        raise UserError("; ".join(told))
    return logged


def log_study(
    study: str,
    results: str | Path,
    cells: Sequence[Cell],
    learning: Sequence[LearningCell] = (),
    *,
    files: Sequence[str | Path],
    question: str,
    settings: dict[str, Any],
) -> str:
    """Bring the study's own run, and the experiment's note and views, to what the files describe.

    Parameters
    ----------
    study : str
        The experiment's name.
    results : str or Path
        The study's folder.
    cells : sequence of Cell
    learning : sequence of LearningCell
        All cells of the study, of both kinds. The run's times and versions are those of the
        finished ones.
    files : sequence of str or Path
        Figures, tables and report: the run's artifacts.
    question : str
    settings : dict
        The sections of the configuration, for the note.

    Returns
    -------
    str
        The run's id.

    Raises
    ------
    store.TrackingError
        In one line, if the tracking server or database cannot be used.
    files.Damaged
        If the record of a cell cannot be read.
    """
    results, paths = Path(results), [Path(file) for file in files]
    with opened(study, results) as experiment:
        made = [CellFiles(results, cell) for cell in cells]
        restore(experiment, results, made, learning, attempts=False)
        wanted = of_study.run_of(study, results, cells, learning, paths)
        experiment.load_runs(f"tags.{KEY_TAG['study']} = '{study}'")
        run_id = sync_run(experiment, wanted, {})
        told = views.describe(experiment.client, experiment.id, question, settings, paths)
        experiment.client.set_tag(run_id, PAGE, told)
        print(f"the study's run logged, {experiment.changed} changes", flush=True)
    return run_id
