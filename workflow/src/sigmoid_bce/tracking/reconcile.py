"""Close the attempts and runs that a crash left open. Those that still run are left alone."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from socket import gethostname
from typing import TYPE_CHECKING

from sigmoid_bce.jobs import ends, locks, places
from sigmoid_bce.jobs.attempts import RECORD, end_tags, process, read_attempts
from sigmoid_bce.jobs.credentials import masked
from sigmoid_bce.jobs.files import write_json
from sigmoid_bce.jobs.records import PastAttempt, Status
from sigmoid_bce.study.cells import FOLDERS, Cell
from sigmoid_bce.study.learning import LearningCell
from sigmoid_bce.tracking.address import sqlite_file, uri

if TYPE_CHECKING:  # the start of a workflow does without MLflow if nothing is open
    from mlflow import MlflowClient
    from mlflow.entities import Run

OPEN = ("RUNNING", "SCHEDULED")
START_LIMIT = 60  # seconds that the start of a workflow waits at most


def cells_with_attempts(results: Path) -> Iterator[Cell]:
    """Yield every cell of a study's folder that was ever tried."""
    train = results / "train"
    found = (folder for cell in FOLDERS for folder in train.glob(f"{cell}/attempts"))
    for folder in sorted(found):
        yield Cell.parse(str(folder.parent.relative_to(train)))


def learning_cells(results: Path) -> Iterator[LearningCell]:
    """Yield every learning cell of a study's folder that was ever tried."""
    folder = results / "learning"
    trained = {file.with_suffix("") for file in folder.glob("*/*/*/*.json")}
    tried = {attempts.parent for attempts in folder.glob("*/*/*/*/attempts")}
    for cell in sorted(trained | tried):
        if cell.name.isdigit():  # not the part of a killed writer
            yield LearningCell.parse(str(cell.relative_to(folder)))


def _tried(results: Path) -> Iterator[Path]:
    """Yield the folder of every cell with attempts, of both kinds."""
    yield from (results / "train" / str(cell) for cell in cells_with_attempts(results))
    yield from (results / "learning" / str(cell) for cell in learning_cells(results))


def note_ends(results: Path) -> list[str]:
    """Write how attempts ended to their files, where they could not do it themselves.

    An attempt that ended without writing a status was KILLED. SLURM may tell later why it
    interrupted one.

    Parameters
    ----------
    results : Path
        The study's folder.

    Returns
    -------
    list of str
        A line for each attempt.
    """
    changes = []
    for folder in _tried(results):
        for record in read_attempts(folder):
            file = record["folder"] / RECORD
            cause = ends.told_later(record)
            if cause:
                why = str(record["reason"]).replace("interrupted", ends.WORDS[cause], 1)
                record |= {"ended_by": cause, "reason": why}
            silent = record["status"] == "KILLED" and "status" not in json.loads(file.read_text())
            if cause or silent:
                write_json({k: v for k, v in record.items() if k != "folder"}, file)
                changes.append(
                    f"{record['cell']}, attempt {record['attempt']}: KILLED, {record['reason']}"
                )
    return changes


def by_process(attempts: Iterable[PastAttempt]) -> dict[str, PastAttempt]:
    """Return attempts by their process."""
    return {process(record): record for record in attempts}


def _exists(process: str) -> bool | None:
    """Return whether a process exists; None if it belongs to another host."""
    host, pid, _ = process.rsplit(":", 2)
    return locks.exists(int(pid)) if host == gethostname() else None


def _key(run: Run) -> str:
    tags = run.data.tags
    return str(tags.get("cell") or tags["learning"])


def _close(
    client: MlflowClient, run: Run, status: Status, why: Mapping[str, str], end: int | None
) -> int:
    for name, value in {"kind": "attempt", **why}.items():
        client.set_tag(run.info.run_id, name, value)
    client.set_terminated(run.info.run_id, status, end)
    print(f"{_key(run)}: run {run.info.run_id}: {status}, {why['reason']}", flush=True)
    return 1


def close_replaced(client: MlflowClient, run: Run) -> int:
    """Close a run of a cell that was trained again; return 1."""
    why = {"reason": "replaced by a later training"}
    return _close(client, run, "KILLED", why, run.info.end_time)


def close_if_dead(client: MlflowClient, run: Run, attempts: Mapping[str, PastAttempt]) -> int:
    """Close an open run whose attempt has ended, with the attempt's status.

    Parameters
    ----------
    client : MlflowClient
    run : mlflow.entities.Run
        With the tag `cell`.
    attempts : mapping
        The records of the cell's attempts, by process.

    Returns
    -------
    int
        1 if it was closed, else 0.
    """
    if run.info.status not in OPEN:
        return 0
    name = run.data.tags.get("process", "")
    if record := attempts.get(name):
        return _close_ended(client, run, record)
    running = _exists(name) if name.count(":") > 1 else False
    if running is False:
        why = {"reason": "its process no longer exists", "ended_by": "killed"}
        return _close(client, run, "KILLED", why, None)
    where = "still runs" if running else f"was started on another host ({name}) and may still run"
    return _leave(run, where)


def _close_ended(client: MlflowClient, run: Run, record: PastAttempt) -> int:
    if record["status"] == "RUNNING":
        return _leave(run, "still runs")
    if record["status"] == "FINISHED":
        client.set_terminated(run.info.run_id, "FINISHED", record["ended"])
        return 1
    return _close(client, run, record["status"], end_tags(record), record.get("ended"))


def _leave(run: Run, why: str) -> int:
    print(f"{_key(run)}: run {run.info.run_id} {why}: left alone", flush=True)
    return 0


def reconcile(results: Path) -> list[str]:
    """Close the attempts and runs of a study that crashes left open.

    Parameters
    ----------
    results : Path
        The study's folder.

    Returns
    -------
    list of str
        A line for each attempt closed in the files; changes in MLflow are printed.

    Raises
    ------
    store.TrackingError
        If the tracking server or database cannot be used, after the files are in order.
    """
    changes = note_ends(results)
    if (file := sqlite_file(uri())) and not file.exists():
        return changes
    from sigmoid_bce.tracking import store

    try:
        _close_runs(store.client(), results)
    except store.FAILURES as error:
        raise store.explained(error) from None
    return changes


def _close_runs(client: MlflowClient, results: Path) -> None:
    from sigmoid_bce.tracking.experiment import everything

    experiment = client.get_experiment_by_name(results.name)
    if experiment is None:
        return
    search, study = client.search_runs, [experiment.experiment_id]
    found: Iterator[Run]
    found = everything(lambda t: search(study, "attributes.status = 'RUNNING'", page_token=t))
    # all pages first: closing a run moves the pages after it
    for run in list(found):
        if cell := run.data.tags.get("cell"):
            close_if_dead(client, run, _attempts(results, cell))


def _attempts(results: Path, cell: str) -> dict[str, PastAttempt]:
    try:
        return by_process(read_attempts(results / "train" / str(Cell.parse(cell))))
    except ValueError:  # a tag that somebody else set
        return {}


def _may_be_open(study: str) -> bool:
    """Return whether an SQLite database may have open runs of a study; MLflow is not imported."""
    file = sqlite_file(uri())
    if file is None or not file.exists():
        return False
    query = (
        "SELECT count(*) FROM runs JOIN experiments USING (experiment_id) WHERE "
        "runs.status = 'RUNNING' AND runs.lifecycle_stage = 'active' AND experiments.name = ?"
    )
    try:
        address = f"{file.absolute().as_uri()}?mode=ro"
        with closing(sqlite3.connect(address, uri=True, timeout=1)) as connection:
            count: int = connection.execute(query, [study]).fetchone()[0]
    except sqlite3.Error:  # `reconcile` mends it, or says how
        return True
    return count > 0


def at_start(results: str | Path) -> None:
    """Reconcile a study at the start of a workflow; no error stops the workflow.

    MLflow is not imported if nothing is open.
    """
    try:
        changes = note_ends(Path(results))
        for line in [*places.peculiarities(Path(results)), *changes]:
            print(line, file=sys.stderr)
        if changes or _may_be_open(Path(results).name):
            run("reconcile", results)
    except Exception as error:
        print(f"reconcile: {masked(error)}; try `make reconcile`", file=sys.stderr)


def run(command: str, results: str | Path) -> None:
    """Run a command of `python -m sigmoid_bce.tracking` beside the workflow, for a limited time."""
    subprocess.run(
        [sys.executable, "-m", "sigmoid_bce.tracking", command, str(results)],
        timeout=START_LIMIT,
        stdout=sys.stderr,
        check=False,
    )


def after_error(results: str | Path) -> None:
    """Log the finished and failed cells of a workflow that failed; no error changes its end."""
    try:
        if any(cells_with_attempts(Path(results))) or any(learning_cells(Path(results))):
            run("log", results)
    except Exception as error:
        print(f"logging: {masked(error)}; try `make tracking`", file=sys.stderr)
