"""Whether the runs in MLflow are what the files of a study describe. Nothing is changed."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Container, Iterator, Sequence
from contextlib import closing
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple, get_args

from sigmoid_bce.jobs.credentials import masked
from sigmoid_bce.jobs.csv_tables import read_csv
from sigmoid_bce.jobs.digests import UNREADABLE, Difference
from sigmoid_bce.jobs.files import read_json, reading
from sigmoid_bce.jobs.logs import why
from sigmoid_bce.study.cells import Cell
from sigmoid_bce.study.learning import LearningCell
from sigmoid_bce.tracking import of_study, page, runs, store
from sigmoid_bce.tracking.address import sqlite_file, uri
from sigmoid_bce.tracking.agreement import of_artifacts, of_data, of_model, values
from sigmoid_bce.tracking.anybody import PLACE
from sigmoid_bce.tracking.cell_files import PATCHES
from sigmoid_bce.tracking.described import METRICS_OF_TABLES, OF_TABLES, Described, described
from sigmoid_bce.tracking.experiment import Experiment, at_home
from sigmoid_bce.tracking.held import files_of, points_of, root_of
from sigmoid_bce.tracking.logged_digests import changed_since, in_order
from sigmoid_bce.tracking.notes import MARK, NOTE
from sigmoid_bce.tracking.own import Keys
from sigmoid_bce.tracking.reconcile import cells_with_attempts, learning_cells
from sigmoid_bce.tracking.runs import KEY_TAG
from sigmoid_bce.tracking.sync import tags_of

# isort: split
from mlflow import MlflowClient
from mlflow.entities import Run

OF_AN_END = ("reason", "ended_by")
"""Tags that a finished run has not."""


class Compared(NamedTuple):
    """The runs of a study, compared with its files."""

    runs: int
    equal: int  # runs that agree with the files
    differences: list[str]
    notes: list[str]  # what is no difference


def compared(results: Path) -> Compared:
    """Compare the runs of a study with its files.

    Parameters
    ----------
    results : Path
        The study's folder.

    Returns
    -------
    Compared
        The numbers of runs, and a line for each difference: the run, what it holds, and what the
        files say. Digests come first: they explain what was made from the files.

    Raises
    ------
    store.TrackingError
        In one line, if the tracking server or database cannot be used.
    """
    if (file := sqlite_file(uri())) and not file.exists():
        return Compared(0, 0, [], [])
    try:
        return _compared(store.existing(), results)
    except store.FAILURES as error:
        raise store.explained(error, "Nothing was changed") from error


def _compared(client: MlflowClient, results: Path) -> Compared:
    found = client.get_experiment_by_name(results.name)
    if found is None or found.lifecycle_stage == "deleted":
        return Compared(0, 0, [*_lost(found, results)], [])
    with closing(Experiment(client, found.experiment_id)) as experiment:
        return _compared_with(experiment, found, results)


def _compared_with(experiment: Experiment, found: Any, results: Path) -> Compared:
    """Compare the runs of an experiment, which MLflow holds as `found`, with the files."""
    experiment.load_runs()
    experiment.load_models()
    at_home(experiment, found)
    read = described(experiment, results)
    study, told = _study_run(experiment, results)
    read.unread |= {("study", results.name)} if told else set()
    # in the order in which they were logged: a run names those logged before it
    wanted = [*read.groups, *read.attempts, *read.finished.values(), *read.tried, *read.paired]
    wanted += study
    comparison = Comparison(experiment, wanted, read.partly)
    found_of = {id(run): [*comparison.of(run)] for run in wanted}
    for cell, run in read.finished.items():
        found_of[id(run)] += comparison.of_id(run, cell.record.get("mlflow_run_id"))
    # in the data's way
    shown = [*read.attempts, *read.finished.values(), *read.tried, *read.paired]
    shown += [*read.groups, *study]
    digests = comparison.of_digests(results)
    lines = [*in_order(chain.from_iterable(digests.values())), *read.errors, *told]
    lines += [*(line for run in shown for line in found_of[id(run)])]
    lines += [*(line for run in study for line in comparison.of_page(run))]
    lines += [*_further(experiment, read)]
    equal = [run for run in wanted if not found_of[id(run)] + digests[id(run)]]
    return Compared(len(wanted), len(equal), lines, [*read.notes, *comparison.notes])


def _lost(found: Any, results: Path) -> Iterator[str]:
    """Yield that the experiment of a study that was logged is gone."""
    name, place = results.name, masked(uri())
    if found is not None:
        yield (
            f"experiment {name} of {place} is deleted: mlflow experiments restore "
            f"--experiment-id {found.experiment_id}"
        )
    elif (results / "tracking" / "cells.csv").exists():
        yield (
            f"experiment {name}: {place} has none, although the study was logged: "
            "it was renamed, or that is not where its runs are"
        )


def _study_run(experiment: Experiment, results: Path) -> tuple[list[runs.Run], list[str]]:
    """Return the study's own run, if it was logged, and what cannot be read."""
    held = next(iter(experiment.runs[KEY_TAG["study"], results.name]), None)
    table = results / "tracking" / "cells.csv"
    if held is None and not (results / "tracking" / "runs.csv").exists():
        return [], []
    try:
        found = (cells_with_attempts(results), (f"learning/{c}" for c in learning_cells(results)))
        with reading(table):
            names = [*(read_csv(table)["cell"] if table.exists() else map(str, chain(*found)))]
            cells = [Cell.parse(name) for name in names if "~" in name]
            pairs = [name.partition("/")[2] for name in names if "~" not in name]
            learning = [LearningCell.parse(name) for name in pairs]
        paths = [results / name for name in _artifacts_of(experiment, held)]
        there = [path for path in paths if path.exists()]
        run = of_study.run_of(results.name, results, cells, learning, there)
        return ([run] if run.content else []), []  # reads every artifact
    except (*UNREADABLE, store.UserError) as error:
        return [], [f"study {results.name}: {why(error)}"]


def _artifacts_of(experiment: Experiment, held: Run | None) -> list[str]:
    """Return the names of the files that are artifacts of a study's run, patches excluded."""
    root = root_of(held.info.artifact_uri) if held else None
    if held is None or (root is None and experiment.local):
        return []
    client, run_id = experiment.client, held.info.run_id
    try:
        with tempfile.TemporaryDirectory() as folder:
            file = root / of_study.FILES if root else None
            names = read_json(file or client.download_artifacts(run_id, of_study.FILES, folder))
            names = names["artifacts"]
    except Exception:  # of each kind of store; that it is missing is told of the run
        names = files_of(client, held, {"", "tables", "figures", "numerics"}).keys()
    return [name for name in names if not name.startswith(f"{PATCHES}/") and name != of_study.FILES]


class Comparison:
    """A study's runs as MLflow holds them, to be compared with what the files say.

    Parameters
    ----------
    experiment : Experiment
        With all its runs and models.
    wanted : sequence of runs.Run
        All runs that the files describe.
    partly : container of int
        The `id` of those of which the files say only a part.

    Attributes
    ----------
    notes : list of str
        What is somebody's own in a run, and no difference.
    """

    def __init__(self, experiment: Experiment, wanted: Sequence[runs.Run], partly: Container[int]):
        self.experiment, self.partly, self.keys = experiment, partly, Keys(wanted)
        self.wanted = {id(run): run for run in wanted}
        self.found = {key: self._find(run) for key, run in self.wanted.items()}
        self.parents: dict[str, str] = {}
        self.notes: list[str] = []

    def _find(self, wanted: runs.Run) -> Run | None:
        """Return a run, which is taken out of those that were loaded."""
        loaded = self.experiment.runs[KEY_TAG[wanted.kind], wanted.key]
        same = [run for run in loaded if run.data.tags.get("process", "") == wanted.process]
        if not same:
            return None
        loaded.remove(same[0])
        return same[0]

    def of(self, wanted: runs.Run) -> Iterator[str]:
        """Yield the differences of a run."""
        name = f"{wanted.kind} {wanted.name}".replace("study study ", "study ")
        held = self.found[id(wanted)]
        if held is None:
            yield f"{name}: MLflow has no run of it"
            return
        if wanted.kind == "group":
            self.parents[wanted.key] = held.info.run_id
        self.experiment.ids[wanted.process] = held.info.run_id
        own: list[str] = []
        for what in self._parts(held, wanted, own):
            yield f"{name}, run {held.info.run_id}: {what}"
        if own:
            self.notes.append(f"{name}, run {held.info.run_id}: somebody's own {', '.join(own)}")

    def of_digests(self, results: Path) -> dict[int, list[Difference]]:
        """Return the files whose digest in a run is not that in the logs any more, by the run."""
        client = self.experiment.client
        return {
            key: [*changed_since(client, held, self.wanted[key], results)] if held else []
            for key, held in self.found.items()
        }

    def of_id(self, wanted: runs.Run, noted: str | None) -> Iterator[str]:
        """Yield that run.json names another run."""
        held = self.found[id(wanted)]
        if held and noted != held.info.run_id:
            yield f"cell {wanted.name}, run {held.info.run_id}: run.json names {noted or 'none'}"

    def _parts(self, held: Run, wanted: runs.Run, own: list[str]) -> Iterator[str]:
        """Yield what of a run is not what the files say; note what is somebody's own."""
        partly = id(wanted) in self.partly
        yield from values("", *_of_info(held, wanted, partly))
        yield from values("param ", self.keys.ours("param", held.data.params, own), wanted.params)
        tags = tags_of(self.experiment, wanted, self.parents)
        left = _left_out(wanted) if partly else set()
        tags = {name: text for name, text in tags.items() if name not in left}
        note, shown = tags.pop(NOTE, ""), held.data.tags.get(NOTE, "")
        # further tags are anybody's
        names = {*tags, *OF_AN_END} if wanted.kind != "study" else tags
        there = {name: held.data.tags[name] for name in names if name in held.data.tags}
        yield from values("tag ", there, tags)
        if note and not shown:
            yield "its description is missing"
        elif note and MARK not in shown:
            own.append("description")
        elif note and shown != note:
            yield "its description is not what the files say"
        yield from self._of_points(held, wanted, partly, own)
        yield from of_data(held, wanted)
        yield from of_model(self.experiment, held, wanted, partly)
        yield from self._of_artifacts(held, wanted, own)

    def _of_points(
        self, held: Run, wanted: runs.Run, partly: bool, own: list[str]
    ) -> Iterator[str]:
        there = points_of(self.experiment.client, self.experiment.database, held, wanted)
        metrics = {key: v for key, v in held.data.metrics.items() if not key.startswith(PLACE)}
        metrics = self.keys.ours("metric", metrics, own)
        expected = Counter(wanted.points)
        if partly:
            metrics = {key: v for key, v in metrics.items() if not _of_tables(wanted, key)}
            expected = Counter(p for p in wanted.points if not _of_tables(wanted, p.key))
        found = Counter(point for point in there if point.key in metrics)
        if names := {point.key for point in (found - expected) + (expected - found)}:
            yield f"metric {', '.join(sorted(names))}: its points are not those of the files"
            return
        last = {p.key: p.value for p in sorted(expected, key=lambda p: (p.step, p.time))}
        yield from values("metric ", metrics, last)

    def _of_artifacts(self, held: Run, wanted: runs.Run, own: list[str]) -> Iterator[str]:
        folders = {name.rpartition("/")[0] for name in wanted.files}
        root = root_of(held.info.artifact_uri)
        if root is None and self.experiment.local:
            yield f"its artifacts are said to be in {held.info.artifact_uri}"
            return
        there = files_of(self.experiment.client, held, folders)
        there = self.keys.ours("artifact", there, own)
        yield from of_artifacts(root, there, held, wanted)

    def of_page(self, wanted: runs.Run) -> Iterator[str]:
        """Yield what of the experiment's page is not what was logged with the study's run."""
        if held := self.found[id(wanted)]:
            whole = self.experiment.client.get_experiment(self.experiment.id)
            if page.PAGE not in held.data.tags:
                yield f"study {wanted.key}, run {held.info.run_id}: tag {page.PAGE} is missing"
            for name in page.changed(held.data.tags.get(page.PAGE, ""), whole.tags):
                yield f"experiment {whole.name}: its tag {name} is not what was logged"


def _of_info(
    held: Run, wanted: runs.Run, partly: bool
) -> tuple[dict[str, object], dict[str, object]]:
    """Return name, status and dates of a run, and what the files say of them."""
    info = {"name": held.info.run_name, "status": held.info.status}
    # the dates of files are those of their copies; a group's are those of its members
    dated = not partly if wanted.kind == "group" else wanted.kind != "study"
    if dated or wanted.tags.keys() & {"versions"}:
        info |= {"start": held.info.start_time, "end": held.info.end_time}
    return info, {name: getattr(wanted, name) for name in info}


def _left_out(wanted: runs.Run) -> set[str]:
    """Return the tags of a run that tables or a grid decide."""
    return {"mlflow.parentRunId"} if wanted.kind == "attempt" else OF_TABLES


def _of_tables(wanted: runs.Run, key: str) -> bool:
    """Return whether a metric of a run is made from a table."""
    return wanted.kind == "group" or (wanted.kind == "cell" and key in METRICS_OF_TABLES)


def _further(experiment: Experiment, read: Described) -> Iterator[str]:
    """Yield the runs that no file describes; an attempt that was replaced says so itself.

    Those of processes that still run are left out, and those whose files cannot be read.
    """
    for kind in sorted({*get_args(runs.Kind)} - {"attempt", "learning attempt"}):
        left = [
            (key, run)
            for (tag, key), loaded in experiment.runs.items()
            for run in loaded
            if (tag, run.data.tags.get("kind")) == (KEY_TAG[kind], kind)
            and run.data.tags.get("process") not in read.running
            and (kind, key) not in read.unread
        ]
        for key, run in left:
            yield f"{kind} {key}: run {run.info.run_id} is described by no file"
