"""One attempt at a cell: its record and its epochs, in files that outlive the process."""

from __future__ import annotations

import csv
import hashlib
import json
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from itertools import accumulate
from pathlib import Path
from socket import gethostname
from typing import TYPE_CHECKING, Any, Protocol, cast

from sigmoid_bce.jobs import ends, locks
from sigmoid_bce.jobs.digests import UNREADABLE, line, regular
from sigmoid_bce.jobs.files import sha256, write_json
from sigmoid_bce.jobs.logs import told, why
from sigmoid_bce.jobs.lost import Lost, reading_attempt
from sigmoid_bce.jobs.notice import Interrupted, heard
from sigmoid_bce.jobs.provenance import circumstances, visible_devices
from sigmoid_bce.jobs.records import AttemptRecord, End, PastAttempt, Row

if TYPE_CHECKING:  # the start of a workflow reads records, and no history
    import pandas as pd

RECORD, EPOCHS = "attempt.json", "history.csv"
"""The files of an attempt."""
LATER = {
    "cuda_visible_devices", "resumed_from", "status", "reason", "ended_by", "ended",
    "history_sha256", "folder",
}  # fmt: skip
"""Fields of a record that are written or changed after an attempt's start."""
NEEDED = {"cell", "attempt", "host", "pid", "started"}
"""Fields without which a record names no attempt."""


class Follower(Protocol):
    """Shows an attempt somewhere else while it runs."""

    def wake(self) -> None:
        """Take notice of a new epoch."""

    def close(self) -> None:
        """Take notice of the attempt's end, which its record has."""


class Attempt:
    """An attempt at a cell, recorded in `attempts/<number>/` of the cell's folder as it runs.

    `history.csv` gets a line for each epoch. The attempt holds a lock on it while it lives, so that
    a killed attempt can be told from a running one. `attempt.json` holds the attempt's record,
    which gets a status at the end.

    Parameters
    ----------
    cell : str
        The cell's path.
    folder : str or Path
        The cell's folder, results/<study>/train/<cell>.
    follower : callable, optional
        Takes the attempt's record and the list that its epochs are appended to. Returns a
        `Follower`, or None. An error of the follower does not reach the training.

    Raises
    ------
    Interrupted
        With status 143, when the process receives SIGTERM; 129 for SIGHUP.
    """

    def __init__(
        self,
        cell: str,
        folder: str | Path,
        follower: Callable[[AttemptRecord, list[Row]], Follower | None] | None = None,
    ):
        self.cell, self.folder = cell, Path(folder) / "attempts"
        # results/<study>/train/<cell>
        self.results = Path(folder).resolve().parents[cell.count("/") + 1]
        self.rows: list[Row] = []
        self._follow = follower
        self.follower: Follower | None = None

    def __enter__(self) -> Attempt:
        self.folder.mkdir(parents=True, exist_ok=True)
        # it asks git, for seconds: a process that is killed meanwhile has left no attempt
        about = circumstances(self.results)
        earlier = _records(self.folder.parent)
        number = max((int(f.name) for f in self.folder.iterdir() if f.name.isdigit()), default=0)
        while True:
            number += 1
            try:
                (self.folder / str(number)).mkdir()
                break
            except FileExistsError:  # another attempt began at the same moment
                continue
        self.folder /= str(number)
        self.file = open(self.folder / EPOCHS, "w", buffering=1, newline="")
        locks.acquire(self.file)
        self.record = AttemptRecord(
            study=self.results.name,
            cell=self.cell,
            attempt=number,
            started=int(time.time() * 1000),
            **about,
        )
        if earlier:
            self.record["previous"] = process(earlier[-1])
            self.record["previous_sha256"] = start_digest(earlier[-1])
        self._write()
        Interrupted.raised = False
        for number in heard(signal.SIGTERM):
            signal.signal(number, self._stop)
        if self._follow:
            try:
                self.follower = self._follow(self.record, self.rows)
            except Exception as error:
                print(f"live view: {error}; the training is not shown", flush=True)
        return self

    def _stop(self, number: int, _: object) -> None:
        raise Interrupted(number)

    def resume(self, rows: Sequence[Row]) -> None:
        """Take over the epochs of earlier attempts."""
        self.record["resumed_from"] = len(rows)
        self._take_devices()
        self._write()
        for row in rows:
            self.note(row)

    def _take_devices(self) -> bool:
        """Note the GPU that the training has taken meanwhile; return whether that is news."""
        before = self.record["cuda_visible_devices"]
        self.record["cuda_visible_devices"] = visible_devices()
        return before != self.record["cuda_visible_devices"]

    def _write(self) -> None:
        try:
            write_json(self.record, self.folder / RECORD)
        except OSError as error:  # a full disk must not stop the training
            print(error, flush=True)

    def note(self, row: Row) -> None:
        """Append an epoch to `history.csv`."""
        row = {name: value if name == "epoch" else float(value) for name, value in row.items()}
        try:
            # one write a line: a reader never sees half of one
            if not self.rows:
                self.file.write(",".join(row) + "\n")
            self.file.write(",".join(map(repr, row.values())) + "\n")
        except OSError as error:
            print(f"{self.file.name} lacks epoch {row['epoch']}: {error}", flush=True)
        if not self.rows and self._take_devices():
            self._write()  # a process that is killed later says no more
        self.rows.append(row)
        self._tell(lambda follower: follower.wake())

    def _tell(self, news: Callable[[Follower], None]) -> None:
        try:
            if self.follower:
                news(self.follower)
        except Exception as error:
            print(f"live view: {error}", flush=True)
            self.follower = None

    def __exit__(self, kind: type[BaseException] | None, error: object, _: object) -> None:
        self.record |= {**self._end(kind, error), "ended": int(time.time() * 1000)}
        self._take_devices()
        # the lock goes with the file: until the record has a status, the attempt is running
        if digest := _digest(self.folder):
            self.record["history_sha256"] = digest
        self._write()
        if self.record.get("ended_by") == "interrupted":
            self._ask_why()
        self._tell(lambda follower: follower.close())
        try:
            self.file.close()
        except OSError as error:
            print(f"{self.file.name} is incomplete: {error}", flush=True)
        if digest != (digest := _digest(self.folder)) and digest:  # a full disk had room again
            self.record["history_sha256"] = digest
            self._write()
        if kind is None:
            self._record()

    def _ask_why(self) -> None:
        """Note why SLURM ended this attempt: after its end, since an answer may take too long."""
        if (cause := ends.of_notice()) != "interrupted":
            self.record |= ends.outside(cause, len(self.rows))
            self._write()

    def _record(self) -> None:
        """Print the digests of the files to the log; that of a failed job has none."""
        for file in (self.folder / RECORD, self.folder / EPOCHS):
            if file.exists():  # on a full disk there may be none
                print(line(file.resolve(), self.results), flush=True)

    def _end(self, kind: type[BaseException] | None, error: object) -> End:
        """Return status, cause and reason of the attempt's end."""
        if kind is None:
            return {"status": "FINISHED", "reason": None}
        # native code may turn the interruption into an error of its own
        if issubclass(kind, (Interrupted, KeyboardInterrupt)) or Interrupted.raised:
            return ends.outside("interrupted", len(self.rows))
        # the same text as the last line of the log
        last_line = told(error).strip().splitlines()[-1]
        return {"status": "FAILED", "reason": last_line, "ended_by": ends.of_error(kind)}


def process(record: AttemptRecord) -> str:
    """Return the process of an attempt: host, number and start, so that no two are alike.

    Examples
    --------
    >>> process({"host": "node1", "pid": 17, "started": 1000})
    'node1:17:1000'
    """
    return f"{record['host']}:{record['pid']}:{record['started']}"


def start_digest(record: Mapping[str, Any]) -> str:
    """Return a digest of what an attempt's record said at its start.

    Fields that a later step writes or changes do not count.

    Examples
    --------
    >>> start_digest({"attempt": 1}) == start_digest({"attempt": 1, "status": "KILLED"})
    True
    """
    said = {name: value for name, value in record.items() if name not in LATER}
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


def end_tags(record: AttemptRecord) -> dict[str, str]:
    """Return why an attempt ended before its cell was finished, as tags.

    Examples
    --------
    >>> end_tags({"status": "KILLED", "reason": "killed after epoch 3", "ended_by": "killed"})
    {'reason': 'killed after epoch 3', 'ended_by': 'killed'}
    """
    # records of earlier releases have no cause
    cause = record.get("ended_by")
    return {"reason": record["reason"] or "", **({"ended_by": cause} if cause else {})}


def times(started: int, seconds: Sequence[float], resumed_from: int = 0) -> list[int]:
    """Return the time at which each epoch ended.

    Parameters
    ----------
    started : int
        Start of the attempt, in milliseconds since 1970.
    seconds : sequence of float
        Duration of each epoch.
    resumed_from : int
        Number of epochs that earlier attempts trained. They lie before the start.

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
    """Return whether the attempt that writes to `folder` is running, on this host or another.

    Without locks, an attempt on another host counts as ended: nothing would ever end it.
    """
    if (held := locks.held(folder / EPOCHS)) is not None:
        return held
    try:
        record = json.loads((folder / RECORD).read_text())
        return record["host"] == gethostname() and locks.exists(record["pid"])
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _lines(file: Path) -> tuple[list[str], list[list[str]]]:
    """Return the names and the rows of a history; a line that was cut off is left out."""
    with reading_attempt(file):
        lines = file.read_text().split("\n")[:-1] if file.exists() else []
        names, *rows = list(csv.reader(lines)) or [[]]
    return names, [row for row in rows if len(row) == len(names)]


def read_history(file: Path) -> pd.DataFrame:
    """Return the epochs in an attempt's `history.csv`; a line that was cut off is left out.

    Parameters
    ----------
    file : Path

    Returns
    -------
    DataFrame
        The columns and values of the cell's history.parquet; an empty table if there is no file.

    Raises
    ------
    Lost
        If the file cannot be read.
    """
    import pandas as pd

    names, rows = _lines(file)
    with reading_attempt(file):
        table = pd.DataFrame([[float(value) for value in row] for row in rows], columns=names)
        return table.astype({"epoch": "int64"}) if names else table


def _digest(folder: Path) -> str | None:
    """Return the digest of an attempt's epochs; None if they cannot be read."""
    try:
        return sha256(folder / EPOCHS)
    except OSError:
        return None


def _epochs(folder: Path) -> int | None:
    """Return how many epochs an attempt finished; None if they cannot be read."""
    with suppress(Lost):
        return len(_lines(folder / EPOCHS)[1])
    return None


def _records(folder: Path) -> list[PastAttempt]:
    """Return the records of a cell's attempts as they are, oldest first."""
    records: list[PastAttempt] = []
    for file in folder.glob(f"attempts/*/{RECORD}"):
        try:
            regular(file)
            record = {**json.loads(file.read_text()), "folder": file.parent}
            if lacking := NEEDED - record.keys():
                raise ValueError(f"it has no {min(lacking)}")
            record["attempt"], record["started"] = int(record["attempt"]), int(record["started"])
            records.append(cast(PastAttempt, record))
        except UNREADABLE as error:
            print(f"{file} cannot be read ({why(error)}): this attempt is left out", flush=True)
    return sorted(records, key=lambda record: record["attempt"])


def read_attempts(folder: Path) -> list[PastAttempt]:
    """Return the records of a cell's attempts, oldest first, each with a status.

    An attempt whose record has no status is RUNNING while its process lives, and KILLED after that.

    Parameters
    ----------
    folder : Path
        The cell's folder, results/<study>/train/<cell>.
    """
    running = {file.parent for file in folder.glob(f"attempts/*/{RECORD}") if alive(file.parent)}
    records = _records(folder)  # second: an attempt that has ended has a status
    for record in records:
        if "status" in record:
            continue
        # or it began after the first look
        if record["folder"] in running or alive(record["folder"]):
            record["status"] = "RUNNING"
        else:
            epochs = _epochs(record["folder"])
            results = folder.parents[record["cell"].count("/") + 1]
            cast(dict[str, Any], record).update(
                ends.outside(ends.of_death(record, results), epochs)
            )
            if digest := _digest(record["folder"]):
                record["history_sha256"] = digest
    return records
