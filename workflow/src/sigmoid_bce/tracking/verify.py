"""Whether the runs in MLflow are what the files of a study describe. Nothing is changed."""

from __future__ import annotations

import json
import tempfile
from collections import Counter, defaultdict
from collections.abc import Container, Iterable, Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple, get_args

from sigmoid_bce.jobs.attempts import process
from sigmoid_bce.jobs.credentials import masked
from sigmoid_bce.jobs.csv_tables import read_csv
from sigmoid_bce.jobs.digests import Difference, regular
from sigmoid_bce.jobs.files import sha256
from sigmoid_bce.study.cells import Cell
from sigmoid_bce.study.learning import LearningCell
from sigmoid_bce.tracking import of_study, page, runs, store
from sigmoid_bce.tracking.address import sqlite_file, uri
from sigmoid_bce.tracking.cell_files import PATCHES, CellFiles
from sigmoid_bce.tracking.experiment import Experiment
from sigmoid_bce.tracking.groups import group_runs
from sigmoid_bce.tracking.held import files_of, points_of, root_of
from sigmoid_bce.tracking.learning import learning_attempts, learning_runs
from sigmoid_bce.tracking.logged_digests import changed_since, has_changed, in_order
from sigmoid_bce.tracking.models import FILES, logged, params_of
from sigmoid_bce.tracking.notes import MARK, NOTE
from sigmoid_bce.tracking.points import Point
from sigmoid_bce.tracking.reconcile import cells_with_attempts, learning_cells
from sigmoid_bce.tracking.runs import KEY_TAG
from sigmoid_bce.tracking.sync import cell_runs, tags_of

# isort: split
import sqlalchemy
from mlflow import MlflowClient
from mlflow.entities import Run
from mlflow.store.tracking.dbmodels.models import SqlMetric, SqlRun

OF_AN_END = ("reason", "ended_by")
"""Tags that a finished run has not."""


class Compared(NamedTuple):
    """The runs of a study, compared with its files."""

    runs: int
    equal: int  # runs that agree with the files
    differences: list[str]


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
        return Compared(0, 0, [])
    try:
        return _compared(store.existing(), results)
    except store.FAILURES as error:
        raise store.explained(error, "Nothing was changed") from error


def _compared(client: MlflowClient, results: Path) -> Compared:
    found = client.get_experiment_by_name(results.name)
    files = [CellFiles(results, cell) for cell in cells_with_attempts(results)]
    if found is None or found.lifecycle_stage == "deleted":
        return Compared(0, 0, [*_lost(found, results)])
    experiment = Experiment(client, found.experiment_id)
    experiment.load_runs()
    experiment.load_models()
    finished, attempts, errors = cell_runs(results, files)
    learning = [*learning_cells(results)]
    paired, damaged = learning_runs(results, learning)
    tried = learning_attempts(results, learning, paired)
    groups = group_runs(list(finished.values()), results)
    study, told = _study_run(experiment, results)
    # in the order in which they were logged: a run names those logged before it
    wanted = [*groups, *attempts, *finished.values(), *tried, *paired, *study]
    comparison = Comparison(experiment, wanted)
    found_of = {id(run): [*comparison.of(run)] for run in wanted}
    for cell, run in finished.items():
        found_of[id(run)] += comparison.of_id(run, cell.record.get("mlflow_run_id"))
    running = {process(r) for one in files for r in one.attempts if r["status"] == "RUNNING"}
    # in the data's way
    shown = [*attempts, *finished.values(), *tried, *paired, *groups, *study]
    digests = comparison.of_digests(results)
    lines = [*in_order(chain.from_iterable(digests.values())), *errors, *damaged, *told]
    lines += [*(line for run in shown for line in found_of[id(run)])]
    lines += [*(line for run in study for line in comparison.of_page(run))]
    lines += [*_further(experiment, running)]
    equal = [run for run in wanted if not found_of[id(run)] + digests[id(run)]]
    return Compared(len(wanted), len(equal), lines)


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
        names = [*(read_csv(table)["cell"] if table.exists() else map(str, chain(*found)))]
        cells = [Cell.parse(name) for name in names if "~" in name]
        pairs = [name.partition("/")[2] for name in names if "~" not in name]
        learning = [LearningCell.parse(name) for name in pairs]
        paths = [results / name for name in _artifacts_of(experiment.client, held)]
        there = [path for path in paths if path.exists()]
        return [of_study.run_of(results.name, results, cells, learning, there)], []
    except (OSError, ValueError, KeyError, store.UserError) as error:
        return [], [f"study {results.name}: {error}"]


def _artifacts_of(client: MlflowClient, held: Run | None) -> list[str]:
    """Return the names of the files that are artifacts of a study's run, patches excluded."""
    if held is None:
        return []
    try:
        with tempfile.TemporaryDirectory() as folder:
            text = client.download_artifacts(held.info.run_id, of_study.FILES, folder)
            names = json.loads(Path(text).read_text())["artifacts"]
    except Exception:  # of each kind of store; that it is missing is told of the run
        names = files_of(client, held, {"", "tables", "figures", "numerics"}).keys()
    return [name for name in names if not name.startswith("code/") and name != of_study.FILES]


class Comparison:
    """A study's runs as MLflow holds them, to be compared with what the files say.

    Parameters
    ----------
    experiment : Experiment
        With all its runs and models.
    wanted : iterable of runs.Run
        All runs that the files describe.
    """

    def __init__(self, experiment: Experiment, wanted: Iterable[runs.Run]):
        self.experiment = experiment
        self.points = _points(experiment)
        self.wanted = {id(run): run for run in wanted}
        self.found = {key: self._find(run) for key, run in self.wanted.items()}
        self.parents: dict[str, str] = {}

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
        for what in self._parts(held, wanted):
            yield f"{name}, run {held.info.run_id}: {what}"

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

    def _parts(self, held: Run, wanted: runs.Run) -> Iterator[str]:
        """Yield what of a run is not what the files say."""
        info = {"name": held.info.run_name, "status": held.info.status}
        # the dates of files are those of their copies
        if wanted.kind != "study" or wanted.tags.keys() & {"versions"}:
            info |= {"start": held.info.start_time, "end": held.info.end_time}
        expected = {name: getattr(wanted, name) for name in info}
        yield from _values("", info, expected)
        yield from _values("param ", held.data.params, wanted.params)
        tags = tags_of(self.experiment, wanted, self.parents)
        note, shown = tags.pop(NOTE, ""), held.data.tags.get(NOTE, "")
        # further tags are anybody's
        names = {*tags, *OF_AN_END} if wanted.kind != "study" else tags
        there = {name: held.data.tags[name] for name in names if name in held.data.tags}
        yield from _values("tag ", there, tags)
        if note and shown != note:
            theirs = "" if MARK in shown else "somebody's own and "
            yield f"its description is {theirs}not what the files say"
        yield from self._of_points(held, wanted)
        yield from self._of_data(held, wanted)
        yield from _artifacts(self.experiment.client, held, wanted)

    def _of_points(self, held: Run, wanted: runs.Run) -> Iterator[str]:
        if self.points is None:
            there = points_of(self.experiment.client, held, wanted)
        else:
            there = self.points[held.info.run_id]
        found, expected = Counter(there), Counter(wanted.points)
        if names := {point.key for point in (found - expected) + (expected - found)}:
            yield f"metric {', '.join(sorted(names))}: its points are not those of the files"
            return
        last = {p.key: p.value for p in sorted(wanted.points, key=lambda p: (p.step, p.time))}
        yield from _values("metric ", held.data.metrics, last)

    def _of_data(self, held: Run, wanted: runs.Run) -> Iterator[str]:
        """Yield whether the data sets and the network of a run are others."""
        inputs = held.inputs.dataset_inputs if held.inputs else ()
        sets = (one.dataset for one in inputs)
        there = sorted((one.name, one.digest, one.source, one.profile) for one in sets)
        if there != sorted((s.dataset, s.digest, s.source, s.profile) for s in wanted.data):
            yield "its data sets are not those of the files"
        if wanted.network is None:
            return
        model = logged(self.experiment, held, wanted.network)
        if model is None:
            yield "its model is missing, or is not the network of the files"
            return
        yield from _values("its model's param ", model.params, params_of(wanted.network))
        root, file = root_of(model.artifact_location), wanted.network.weights
        if root and _digest(root / file.name) != sha256(file):
            yield f"its model's {file.name} is not the file {file}"
        if root and (missing := [n for n in sorted(FILES) if not (root / n).is_file()]):
            yield f"its model's {', '.join(missing)} is missing"

    def of_page(self, wanted: runs.Run) -> Iterator[str]:
        """Yield what of the experiment's page is not what was logged with the study's run."""
        if held := self.found[id(wanted)]:
            whole = self.experiment.client.get_experiment(self.experiment.id)
            if page.PAGE not in held.data.tags:
                yield f"study {wanted.key}, run {held.info.run_id}: tag {page.PAGE} is missing"
            for name in page.changed(held.data.tags.get(page.PAGE, ""), whole.tags):
                yield f"experiment {whole.name}: its tag {name} is not what was logged"


def _points(experiment: Experiment) -> defaultdict[str, list[Point]] | None:
    """Return every point of every run of an experiment; None if a server has them.

    A server answers for one metric of one run at a time.
    """
    address = uri()
    if address.startswith("http"):
        return None
    columns = (SqlMetric.run_uuid, SqlMetric.key, SqlMetric.step, SqlMetric.value)
    query = (
        sqlalchemy.select(*columns, SqlMetric.timestamp, SqlMetric.is_nan)
        .join(SqlRun, SqlRun.run_uuid == SqlMetric.run_uuid)
        .where(SqlRun.experiment_id == int(experiment.id))
    )
    found: defaultdict[str, list[Point]] = defaultdict(list)
    engine = sqlalchemy.create_engine(address)
    with engine.connect() as connection:
        for run_id, key, step, value, time, is_nan in connection.execute(query):
            found[run_id].append(Point(key, step, float("nan") if is_nan else value, time))
    engine.dispose()
    return found


def _values(
    what: str, there: Mapping[str, object], expected: Mapping[str, object]
) -> Iterator[str]:
    for name in sorted({*there, *expected}):
        one, other = there.get(name), expected.get(name)
        if one != other:
            yield f"{what}{name} is {_shown(one)}, the files say {_shown(other)}"


def _shown(value: object) -> str:
    text = "missing" if value is None else repr(value)
    return text if len(text) < 80 else f"{text[:77]}..."


def _digest(file: Path) -> str | None:
    try:
        regular(file)
        return sha256(file)
    except OSError:
        return None


def _artifacts(client: MlflowClient, held: Run, wanted: runs.Run) -> Iterator[str]:
    """Yield the artifacts that differ from their files: in content, on a server in size."""
    sizes = wanted.files
    there = files_of(client, held, {name.rpartition("/")[0] for name in sizes})
    sources = {f"{folder}/{file.name}".lstrip("/"): file for folder, file in wanted.artifacts}
    texts, root = dict(wanted.texts), root_of(held.info.artifact_uri)
    for name in sorted({*there, *sizes}):
        if name not in there:
            yield f"artifact {name} is missing"
        elif name not in sizes:
            copy = ": keep it, if the patch is missing" if name.startswith(f"{PATCHES}/") else ""
            yield f"artifact {name} is none of the files{copy}"
        elif root and name in texts:
            yield from _of_text(root, name, texts[name], has_changed(held, wanted))
        elif there[name] != sizes[name] or (
            root and name in sources and _digest(root / name) != sha256(sources[name])
        ):
            yield f"artifact {name} is not the file {sources.get(name, name)}"


def _of_text(root: Path, name: str, expected: str, told: bool) -> Iterator[str]:
    """Yield what differs in an artifact that was made from records and logs.

    Its digests are left out if they were `told` of before, each with its file.
    """
    try:
        text = (root / name).read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        yield f"artifact {name} cannot be read: {error.strerror}"
        return
    if text == expected:
        return
    try:
        held, wanted = json.loads(text), json.loads(expected)
        files = [one.pop("files", {}) for one in (held, wanted)]
        lines = [*_values(f"artifact {name}: ", held, wanted)]
        if told and files[0] != files[1]:
            yield from lines
            return
        lines += _values(f"artifact {name}: the digest of ", *files)
    except (ValueError, AttributeError, TypeError):
        lines = []
    yield from lines or [f"artifact {name} is not what the files say"]


def _further(experiment: Experiment, running: Container[str]) -> Iterator[str]:
    """Yield the runs that no file describes; an attempt that was replaced says so itself.

    Those of processes that still run are left out.
    """
    for kind in sorted({*get_args(runs.Kind)} - {"attempt", "learning attempt"}):
        left = [
            (key, run)
            for (tag, key), loaded in experiment.runs.items()
            for run in loaded
            if (tag, run.data.tags.get("kind")) == (KEY_TAG[kind], kind)
            and run.data.tags.get("process") not in running
        ]
        for key, run in left:
            yield f"{kind} {key}: run {run.info.run_id} is described by no file"
