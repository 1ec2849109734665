"""Whether the runs in MLflow are what the files of a study describe. Nothing is changed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterable, Iterator, Mapping
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

from sigmoid_bce.jobs.attempts import process
from sigmoid_bce.jobs.files import sha256
from sigmoid_bce.tracking import runs, store
from sigmoid_bce.tracking.address import sqlite_file, uri
from sigmoid_bce.tracking.cell_files import CellFiles
from sigmoid_bce.tracking.experiment import Experiment
from sigmoid_bce.tracking.groups import group_runs
from sigmoid_bce.tracking.held import files_of, points_of
from sigmoid_bce.tracking.learning import learning_runs
from sigmoid_bce.tracking.notes import MARK, NOTE
from sigmoid_bce.tracking.reconcile import cells_with_attempts, learning_cells
from sigmoid_bce.tracking.runs import KEY_TAG
from sigmoid_bce.tracking.sync import cell_runs

# isort: split
from mlflow import MlflowClient
from mlflow.entities import Run


def differences(results: Path) -> tuple[int, list[str]]:
    """Compare the runs of a study with its files.

    Parameters
    ----------
    results : Path
        The study's folder.

    Returns
    -------
    int
        The number of runs that were compared.
    list of str
        A line for each difference: the run, what it holds, and what the files say.

    Raises
    ------
    store.TrackingError
        In one line, if the tracking server or database cannot be used.
    """
    if (file := sqlite_file(uri())) and not file.exists():
        return 0, []
    try:
        return _compared(store.client(), results)
    except store.FAILURES as error:
        raise store.explained(error) from error


def _compared(client: MlflowClient, results: Path) -> tuple[int, list[str]]:
    found = client.get_experiment_by_name(results.name)
    if found is None or found.lifecycle_stage == "deleted":
        return 0, []
    experiment = Experiment(client, found.experiment_id)
    experiment.load_runs()
    files = [CellFiles(results, cell) for cell in cells_with_attempts(results)]
    finished, attempts, errors = cell_runs(results, files)
    paired, damaged = learning_runs(results, learning_cells(results))
    groups = group_runs(list(finished.values()), results)
    wanted = [*groups, *attempts, *finished.values(), *paired]
    lines = [*errors, *damaged]
    for run in wanted:
        lines += _of_run(experiment, run)
    study = experiment.runs[KEY_TAG["study"], results.name]
    for held in study:
        lines += _of_study(client, held, results)
    running = {process(r) for one in files for r in one.attempts if r["status"] == "RUNNING"}
    lines += _further(experiment, {run.kind for run in wanted}, running)
    return len(wanted) + len(study), lines


def _of_run(experiment: Experiment, wanted: runs.Run) -> Iterator[str]:
    """Yield the differences of a run, which is taken out of those that were loaded."""
    loaded = experiment.runs[KEY_TAG[wanted.kind], wanted.key]
    same = [run for run in loaded if run.data.tags.get("process", "") == wanted.process]
    if not same:
        yield f"{wanted.kind} {wanted.name}: MLflow has no run of it"
        return
    loaded.remove(same[0])
    for what in _parts(experiment.client, same[0], wanted):
        yield f"{wanted.kind} {wanted.name}, run {same[0].info.run_id}: {what}"


def _parts(client: MlflowClient, held: Run, wanted: runs.Run) -> Iterator[str]:
    """Yield what of a run is not what the files say."""
    info = {"name": held.info.run_name, "status": held.info.status, "start": held.info.start_time}
    info |= {"end": held.info.end_time}
    expected = {name: getattr(wanted, name) for name in info}
    yield from _values("", info, expected)
    yield from _values("param ", held.data.params, wanted.params)
    tags = wanted.own_tags
    note = tags.pop(NOTE, "")
    # further tags are anybody's
    yield from _values("tag ", {name: held.data.tags.get(name) for name in tags}, tags)
    shown = held.data.tags.get(NOTE, "")
    if note and not shown.startswith(note):
        theirs = "" if MARK in shown else "somebody's own and "
        yield f"its description is {theirs}not what the files say"
    points, expected_points = Counter(points_of(client, held, wanted)), Counter(wanted.points)
    if names := {p.key for p in (points - expected_points) + (expected_points - points)}:
        yield f"metric {', '.join(sorted(names))}: its points are not those of the files"
    sources = {f"{folder}/{file.name}".lstrip("/"): file for folder, file in wanted.artifacts}
    yield from _artifacts(client, held, wanted.files, sources)


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


def _artifacts(
    client: MlflowClient, held: Run, sizes: Mapping[str, int], sources: Mapping[str, Path]
) -> Iterator[str]:
    """Yield the artifacts that differ from their files: in content, on a server in size."""
    there = files_of(client, held, {name.rpartition("/")[0] for name in sizes})
    address = urlsplit(held.info.artifact_uri)
    root = Path(url2pathname(address.path)) if address.scheme == "file" else None
    for name in sorted({*there, *sizes}):
        if name not in there:
            yield f"artifact {name} is missing"
        elif name not in sizes:
            yield f"artifact {name} is none of the files"
        elif there[name] != sizes[name] or (
            root and name in sources and sha256(root / name) != sha256(sources[name])
        ):
            yield f"artifact {name} is not the file {sources.get(name, name)}"


def _of_study(client: MlflowClient, held: Run, results: Path) -> Iterator[str]:
    """Yield the artifacts of a study's own run that differ from their files."""
    names = files_of(client, held, {"", "tables", "figures", "numerics", "code"})
    sources = {name: _source(results, name) for name in names}
    sizes = {name: file.stat().st_size for name, file in sources.items() if file.exists()}
    for what in _artifacts(client, held, sizes, sources):
        yield f"study {results.name}, run {held.info.run_id}: {what}"


def _source(results: Path, name: str) -> Path:
    return results / name.replace("code/", "patches/", 1)


def _further(
    experiment: Experiment, kinds: Iterable[runs.Kind], running: Container[str]
) -> Iterator[str]:
    """Yield the runs that no file describes; an attempt that was replaced says so itself.

    Those of processes that still run are left out.
    """
    for kind in {*kinds} - {"attempt"}:
        left = [
            (key, run)
            for (tag, key), loaded in experiment.runs.items()
            for run in loaded
            if (tag, run.data.tags.get("kind")) == (KEY_TAG[kind], kind)
            and run.data.tags.get("process") not in running
        ]
        for key, run in left:
            yield f"{kind} {key}: run {run.info.run_id} is described by no file"
