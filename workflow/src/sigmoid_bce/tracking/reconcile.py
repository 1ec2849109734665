"""Close what earlier crashes left open, in the files and in MLflow; leave alone what still runs."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from socket import gethostname
from typing import Any

from sigmoid_bce.jobs.attempts import read_attempts
from sigmoid_bce.jobs.files import write_json
from sigmoid_bce.study.cells import Cell
from sigmoid_bce.tracking.address import sqlite_file, uri

OPEN = ("RUNNING", "SCHEDULED")
START_LIMIT = 60  # seconds that the start of a workflow waits at most


def cells_with_attempts(results: Path) -> Iterator[Cell]:
    """Yield every cell of a study's folder that was ever tried."""
    for folder in sorted(results.glob("train/*/*/*/*/*/attempts")):
        yield Cell.parse(str(folder.parent.relative_to(results / "train")))


def note_ends(results: Path) -> list[str]:
    """Write the end of attempts that died without a word to their files.

    Parameters
    ----------
    results : Path
        The study's folder.

    Returns
    -------
    list of str
        What was changed, a line an attempt.
    """
    changes = []
    for cell in cells_with_attempts(results):
        for record in read_attempts(results / "train" / str(cell)):
            file = record["folder"] / "attempt.json"
            if record["status"] == "KILLED" and "status" not in json.loads(file.read_text()):
                write_json({k: v for k, v in record.items() if k != "folder"}, file)
                changes.append(f"{cell}, attempt {record['attempt']}: KILLED, {record['reason']}")
    return changes


def _runs_on(process: str) -> bool | None:
    """Tell whether a process runs on this host; None if it is one of another host."""
    host, pid, _ = process.rsplit(":", 2)
    if host != gethostname():
        return None
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _close(client: Any, run: Any, status: str, reason: str, end: int | None = None) -> int:
    client.set_tag(run.info.run_id, "kind", "attempt")
    client.set_tag(run.info.run_id, "reason", reason)
    client.set_terminated(run.info.run_id, status, end)
    print(f"{run.data.tags['cell']}: run {run.info.run_id}: {status}, {reason}", flush=True)
    return 1


def close_replaced(client: Any, run: Any) -> int:
    """Close a finished run of a cell whose files tell of a later one; return 1."""
    return _close(client, run, "KILLED", "replaced by a later training", run.info.end_time)


def close_if_dead(client: Any, run: Any, records: dict[str, dict[str, Any]]) -> int:
    """Close an open run whose process is gone, with the status that the files tell.

    Parameters
    ----------
    client : MlflowClient
    run : mlflow.entities.Run
        With the tag `cell`.
    records : dict
        The records of the cell's attempts, by process.

    Returns
    -------
    int
        1 if it was closed.
    """
    if run.info.status not in OPEN:
        return 0
    process = run.data.tags.get("process", "")
    record = records.get(process)
    if record and record["status"] == "FINISHED":
        client.set_terminated(run.info.run_id, "FINISHED", record["ended"])
        return 1
    if record and record["status"] != "RUNNING":
        return _close(client, run, record["status"], record["reason"] or "", record.get("ended"))
    running = True if record else _runs_on(process) if process.count(":") > 1 else False
    if running is False:
        return _close(client, run, "KILLED", "no process of it is left")
    where = "still runs" if running else f"was begun on another host, {process}, and may still run"
    print(f"{run.data.tags['cell']}: run {run.info.run_id} {where}: left alone", flush=True)
    return 0


def reconcile(results: Path) -> list[str]:
    """Close what a study's crashes left open, in the files and in MLflow.

    Parameters
    ----------
    results : Path
        The study's folder.

    Returns
    -------
    list of str
        What was changed in the files; changes in MLflow are printed.

    Raises
    ------
    store.TrackingError
        If the tracking server or database cannot be used. The files are in order then.
    """
    changes = note_ends(results)
    if (file := sqlite_file(uri())) and not file.exists():
        return changes
    from sigmoid_bce.tracking import store

    try:
        client = store.client()
        experiment = client.get_experiment_by_name(results.name)
        token = None
        while experiment:
            page = client.search_runs(
                [experiment.experiment_id], "attributes.status = 'RUNNING'", page_token=token
            )
            for run in page:
                if "cell" in run.data.tags:
                    close_if_dead(client, run, _records(results, run.data.tags["cell"]))
            token = page.token
            if not token:
                break
    except store.FAILURES as error:
        raise store.explained(error) from None
    return changes


def _records(results: Path, cell: str) -> dict[str, dict[str, Any]]:
    from sigmoid_bce.tracking.runs import records

    try:
        return records(results, Cell.parse(cell))
    except ValueError:
        return {}


def _open_in_default(study: str) -> bool:
    """Tell whether mlflow.db has open runs of a study, without the second that MLflow costs."""
    file = Path("mlflow.db")
    if os.environ.get("MLFLOW_TRACKING_URI") or not file.exists():
        return False
    query = (
        "SELECT count(*) FROM runs JOIN experiments USING (experiment_id) "
        "WHERE runs.status = 'RUNNING' AND runs.lifecycle_stage = 'active' AND name = ?"
    )
    connection = sqlite3.connect(f"file:{file}?mode=ro", uri=True, timeout=1)
    try:
        return connection.execute(query, [study]).fetchone()[0] > 0
    finally:
        connection.close()


def at_start(results: str | Path) -> None:
    """Reconcile a study at the start of a workflow; MLflow is not imported if nothing is open.

    Nothing that goes wrong here stops the workflow.
    """
    try:
        changes = note_ends(Path(results))
        for line in changes:
            print(line, file=sys.stderr)
        if changes or _open_in_default(Path(results).name):
            run("reconcile", results)
    except Exception as error:
        print(f"reconcile: {error}: see `make reconcile`", file=sys.stderr)


def run(command: str, results: str | Path) -> None:
    """Run a command of `python -m sigmoid_bce.tracking` beside the workflow, for a limited time."""
    subprocess.run(
        [sys.executable, "-m", "sigmoid_bce.tracking", command, str(results)],
        timeout=START_LIMIT,
        stdout=sys.stderr,
        check=False,
    )


def after_error(results: str | Path) -> None:
    """Log what a workflow that failed has finished, and what failed in it.

    Nothing that goes wrong here changes how the workflow ends.
    """
    try:
        note_ends(Path(results))
        if any(cells_with_attempts(Path(results))):
            run("log", results)
    except Exception as error:
        print(f"logging: {error}: see `make tracking`", file=sys.stderr)
