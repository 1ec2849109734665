"""One attempt at a cell: what it was, and every epoch as it ends, in files that outlive it."""

from __future__ import annotations

import csv
import hashlib
import importlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from importlib.metadata import version
from itertools import accumulate
from pathlib import Path
from socket import gethostname
from typing import Any

import pandas as pd

from sigmoid_bce.jobs import locks
from sigmoid_bce.jobs.files import write_json
from sigmoid_bce.study.cells import Cell

PACKAGES = ("tensorflow", "keras", "numpy", "pandas")
CHECKPOINTS = ("checkpoint.npz", "checkpoint.early.npz")
"""In a cell's folder: the last epoch that was kept, and the early stage once it is reached."""
ROOT = Path(__file__).parents[4]


def _git(*arguments: str) -> str | None:
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True)
    return done.stdout.strip() if done.returncode == 0 else None


def remove_checkpoints(folder: Path) -> None:
    """Delete the checkpoints in a cell's folder, if there are any.

    Parameters
    ----------
    folder : Path
        train/<cell>/.
    """
    for name in CHECKPOINTS:
        (folder / name).unlink(missing_ok=True)


def versions() -> dict[str, str]:
    """Return the releases of the packages that a training depends on."""
    return {package: version(package) for package in PACKAGES}


def _circumstances() -> dict[str, Any]:
    """Return what an attempt depends on beside its cell: code, packages, machine."""
    lock = ROOT / "envs" / "requirements.lock"
    return {
        "host": gethostname(),
        "pid": os.getpid(),
        "slurm_job_id": os.environ.get("SLURM_JOB_ID"),
        "cuda_visible_devices": os.environ.get("CUDA_VISIBLE_DEVICES"),
        "git_commit": _git("rev-parse", "HEAD"),
        "git_dirty": bool(_git("status", "--porcelain")),
        "lock_sha256": hashlib.sha256(lock.read_bytes()).hexdigest() if lock.exists() else None,
        "versions": versions(),
    }


class Attempt:
    """An attempt at a cell, noted in `attempts/<number>/` of the cell's folder as it goes.

    `history.csv` gets a line an epoch, and is locked while the attempt lives, so that one that was
    killed can be told from one that runs. `attempt.json` says who and when and, at the end, with
    what status. Where MLFLOW_TRACKING_URI is set, the epochs are also shown there; nothing that
    happens there can harm or delay the training.

    Parameters
    ----------
    cell : Cell
    folder : str or Path
        The cell's folder, results/<study>/train/<cell>.

    Raises
    ------
    SystemExit
        In place of death by SIGTERM, with status 143.
    """

    def __init__(self, cell: Cell, folder: str | Path):
        self.cell, self.folder = cell, Path(folder) / "attempts"
        # results/<study>/train/<cell>
        self.study = Path(folder).resolve().parents[str(cell).count("/") + 1].name
        self.rows: list[dict[str, float]] = []

    def __enter__(self) -> Attempt:
        self.folder.mkdir(parents=True, exist_ok=True)
        number = max((int(f.name) for f in self.folder.iterdir() if f.name.isdigit()), default=0)
        while True:
            number += 1
            try:
                (self.folder / str(number)).mkdir()
                break
            except FileExistsError:  # of another attempt that begins at the same moment
                continue
        self.folder /= str(number)
        self.file = open(self.folder / "history.csv", "w", buffering=1, newline="")
        locks.acquire(self.file)
        self.record = {
            "study": self.study,
            "cell": str(self.cell),
            "attempt": number,
            "started": int(time.time() * 1000),
            **_circumstances(),
        }
        self._say()
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
        self.live = self._live()
        return self

    def _live(self):
        if not os.environ.get("MLFLOW_TRACKING_URI"):
            return None
        try:
            # by name: what shows a training is no part of the code that its result depends on
            live = importlib.import_module("sigmoid_bce.tracking.live")
            return live.Follower(self.record, self.rows)
        except Exception as error:
            print(f"no live view: {error}", flush=True)
            return None

    def resume(self, rows: Sequence[dict[str, float]]) -> None:
        """Begin with the epochs of earlier attempts: they are this one's too."""
        self.record["resumed_from"] = len(rows)
        self._say()
        for row in rows:
            self.note(row)

    def _say(self) -> None:
        try:
            write_json(self.record, self.folder / "attempt.json")
        except OSError as error:  # what is trained counts more than what is told of it
            print(error, flush=True)

    def note(self, row: dict[str, float]) -> None:
        """Append an epoch to `history.csv`: its names and values, in order."""
        row = {name: value if name == "epoch" else float(value) for name, value in row.items()}
        try:
            # one write a line: a reader, or a sudden end, finds whole lines
            if not self.rows:
                self.file.write(",".join(row) + "\n")
            self.file.write(",".join(map(repr, row.values())) + "\n")
        except OSError as error:
            print(f"epoch {row['epoch']} is not in {self.file.name}: {error}", flush=True)
        self.rows.append(row)
        if self.live:
            self.live.wake()

    def __exit__(self, kind, error, _) -> None:
        status, reason = "FINISHED", None
        if kind is not None and issubclass(kind, Exception):
            # as the log's last line says it
            status, reason = "FAILED", f"error: {error}".strip().splitlines()[-1]
        elif kind is not None:
            status, reason = "KILLED", interrupted(len(self.rows))
        end = {"status": status, "reason": reason, "ended": int(time.time() * 1000)}
        self.record |= end
        self._say()
        if self.live:
            self.live.close(status, reason, end["ended"])
        try:
            self.file.close()
        except OSError as error:
            print(f"{self.file.name} is not whole: {error}", flush=True)


def interrupted(epochs: int) -> str:
    """Say after how many epochs an attempt was stopped from outside.

    Examples
    --------
    >>> interrupted(3)
    'interrupted after epoch 3'
    """
    return f"interrupted after epoch {epochs}" if epochs else "interrupted before its first epoch"


def times(started: int, seconds: Sequence[float], resumed_from: int = 0) -> list[int]:
    """Return when each epoch ended.

    Parameters
    ----------
    started : int
        Start of the attempt, in milliseconds since 1970.
    seconds : sequence of float
        What each epoch took.
    resumed_from : int
        How many of them are those of earlier attempts, and lie before the start.

    Returns
    -------
    list of int
        Milliseconds since 1970.

    Examples
    --------
    >>> times(1000, [0.5, 0.25])
    [1500, 1750]
    >>> times(1000, [0.5, 0.25], resumed_from=1)
    [1000, 1250]
    """
    totals = [0.0, *accumulate(seconds)]
    return [started + int((total - totals[resumed_from]) * 1000) for total in totals[1:]]


def alive(folder: Path) -> bool:
    """Tell whether the attempt that writes to `folder` still runs, on whatever host."""
    return locks.held(folder / "history.csv")


def read_history(file: Path) -> pd.DataFrame:
    """Return the whole epochs that an attempt noted; a line that was cut off is left out.

    Returns
    -------
    DataFrame
        As the cell's history.parquet, value for value; without rows or columns if there is none.
    """
    lines = file.read_text().split("\n")[:-1] if file.exists() else []
    names, *rows = list(csv.reader(lines)) or [[]]
    rows = [[float(value) for value in row] for row in rows if len(row) == len(names)]
    table = pd.DataFrame(rows, columns=names)
    return table.astype({"epoch": "int64"}) if names else table


def read_attempts(folder: Path) -> list[dict[str, Any]]:
    """Return the records of a cell's attempts, oldest first, each with its `folder` and `status`.

    An attempt without an end that no process writes to any more has been KILLED.

    Parameters
    ----------
    folder : Path
        The cell's folder.
    """
    records = []
    for file in folder.glob("attempts/*/attempt.json"):
        running = alive(file.parent)  # before its record is read: what has ended has said so
        try:
            record = json.loads(file.read_text())
        except ValueError:
            print(f"{file} is damaged: left out", flush=True)
            continue
        if "status" not in record:
            epochs = len(read_history(file.parent / "history.csv"))
            record |= (
                {"status": "RUNNING"}
                if running
                else {"status": "KILLED", "reason": interrupted(epochs)}
            )
        records.append({**record, "folder": file.parent})
    return sorted(records, key=lambda record: record["attempt"])
