"""Whether the files of a study are what was recorded of them: in logs, names and other records."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from itertools import chain, groupby
from pathlib import Path
from typing import Any, NamedTuple, cast

from sigmoid_bce.jobs import checkpoint_files, patches
from sigmoid_bce.jobs.attempts import EPOCHS, RECORD, process, start_digest
from sigmoid_bce.jobs.digests import (
    BENCHMARKS,
    LINE,
    LOGS,
    Difference,
    digest,
    recorded,
    regular,
)
from sigmoid_bce.jobs.records import AttemptRecord

ORDER = (
    "logs", "patches", "../downloads", "data", "features", "train", "raw_outputs", "compare",
    "numerics", "learning", "tables", "figures", "report.html", "explorer.html", "tracking",
    "verdict",
)  # fmt: skip
"""Where files are, in the data's way: the first that differs explains those made from it."""
OF_JOBS = (LOGS, BENCHMARKS)
"""Folders whose files are no results: the last job records those of the others."""
LAST = f"{LOGS}/track_study.log"
PART = 200  # files that a thread looks at, at a time
AT_ONCE = 60  # seconds between a job's last result and the end of its log, at most
UNRECORDED = "no log of a job names it"
CHANGED = "its content is not what its job wrote"
RENAMED = "its content is not that after which it is named"
MISSING = "it is missing"
CELL = r"train(?:/[^/~]+~[^/]+)+|learning(?:/[^/]+){4}"
ATTEMPT = re.compile(rf"^({CELL})/attempts/(\d+)/(?:{re.escape(RECORD)}|{re.escape(EPOCHS)})$")
PATCH = re.compile(rf"^{patches.FOLDER}/([0-9a-f]{{{patches.SHORT}}})\.patch$")


class Found(NamedTuple):
    """What a study's files are, compared with what was recorded of them."""

    equal: int
    differences: list[Difference]
    absent: list[str]  # downloads of another project's folder, which this one lacks
    newer: list[str]  # logs and benchmarks that nothing recorded since their job wrote them again


def rank(name: str) -> tuple[int, str]:
    """Return the place of a file in the data's way, by which files are sorted.

    Examples
    --------
    >>> sorted(["tables/cells.csv", "train/c/run.json", "logs/tables.log"], key=rank)
    ['logs/tables.log', 'train/c/run.json', 'tables/cells.csv']
    """
    places = [place for place in ORDER if name == place or name.startswith(f"{place}/")]
    return (ORDER.index(places[0]) if places else len(ORDER)), name


def _names(results: Path) -> Iterator[str]:
    """Yield the files of a study that are results or records, by their names below its folder."""
    seen, root = set(), len(str(results)) + 1
    for folder, below, files in os.walk(results, followlinks=True):
        state = Path(folder).stat()
        if (state.st_dev, state.st_ino) in seen:  # a link to a folder above it
            below.clear()
            continue
        seen.add((state.st_dev, state.st_ino))
        if place := folder[root:]:
            place += "/"
        else:
            below[:] = [name for name in below if name not in OF_JOBS]
        # checkpoints, locks and parts of killed writers are no results
        spare = checkpoint_files.NAMES if place.startswith("train/") else ()
        yield from (place + n for n in files if not n.startswith(".") and n not in spare)


def _look(file: str | Path) -> tuple[str | None, str]:
    """Return the digest of a file, or why there is none."""
    try:
        regular(file)
        return digest(file), ""
    except FileNotFoundError:
        return None, MISSING
    except OSError as error:
        return None, f"it cannot be read: {error.strerror}"
    except ValueError:  # a log's line whose name no file can have
        return None, MISSING


def _read(file: Path) -> tuple[dict[str, Any], str]:
    """Return a record, or why there is none."""
    try:
        regular(file)
        record = json.loads(file.read_text())
    except FileNotFoundError:
        return {}, MISSING
    except OSError as error:
        return {}, f"it cannot be read: {error.strerror}"
    except (ValueError, RecursionError):
        return {}, CHANGED
    return (record, "") if isinstance(record, dict) else ({}, CHANGED)


def _is_empty(file: Path) -> bool:
    try:
        return file.stat().st_size == 0
    except OSError:
        return False


class Attempts:
    """The attempts at a cell: each names its cell, its number, its epochs and the one before it.

    Parameters
    ----------
    results : Path
        The study's folder.
    cell : str
        The folder of the cell's files, as train/<cell>.
    numbers : iterable of str
        The names of the attempts' folders.
    """

    def __init__(self, results: Path, cell: str, numbers: Iterable[str]):
        self.results, self.cell = results, cell
        self.records: dict[str, dict[str, Any]] = {}
        self.unread: dict[str, str] = {}
        for number in sorted(numbers, key=int):
            record, why = _read(results / self._name(number))
            if why == MISSING and _is_empty(results / self._name(number, EPOCHS)):
                continue  # it was killed before it could write that it began
            if why:
                self.unread[number] = why
            else:
                self.records[number] = record

    def _name(self, number: object, file: str = RECORD) -> str:
        return f"{self.cell}/attempts/{number}/{file}"

    def differences(self) -> Iterator[Difference]:
        """Yield what of the attempts is not what was recorded of them."""
        yield from (Difference(self._name(number), why) for number, why in self.unread.items())
        before = {
            process(cast(AttemptRecord, record)): number
            for number, record in self.records.items()
            if _whole(record)
        }
        for number, record in self.records.items():
            if not _whole(record) or not self._is_of(record, number):
                yield Difference(self._name(number), CHANGED)
                continue
            if (previous := record.get("previous")) and previous not in before:
                what = f"the attempt before it ({previous}) is missing, or its {RECORD} was changed"
                yield Difference(self._name(number), what)
            elif previous and self._was_changed(before[previous], record):
                yield Difference(self._name(before[previous]), CHANGED)
            yield from _of_patch(self.results, record)
            yield from self._of_epochs(number, record)

    def _was_changed(self, number: str, later: dict[str, Any]) -> bool:
        """Return whether a record says another start than the attempt after it has read."""
        expected = later.get("previous_sha256")  # records of earlier releases have none
        return expected not in (None, start_digest(self.records[number]))

    def _is_of(self, record: dict[str, Any], number: str) -> bool:
        names = record["cell"], str(record["attempt"])
        return names == (self.cell.partition("/")[2], number)

    def _of_epochs(self, number: str, record: dict[str, Any]) -> Iterator[Difference]:
        # the record of a running attempt has no digest yet
        if expected := record.get("history_sha256"):
            found, why = _look(self.results / self._name(number, EPOCHS))
            if found != expected:
                yield Difference(self._name(number, EPOCHS), why or CHANGED)


def _of_patch(results: Path, record: dict[str, Any]) -> Iterator[Difference]:
    """Yield the patch that a record names, if it is missing."""
    if (name := record.get("git_patch")) and not patches.place(results, str(name)).is_file():
        file = str(patches.place(results, str(name)).relative_to(results))
        yield Difference(file, f"{MISSING}: an attempt names it")


def _whole(record: dict[str, Any]) -> bool:
    return {"cell", "attempt", "host", "pid", "started"} <= record.keys()


def _of_attempts(results: Path, names: Iterable[str]) -> Iterator[Difference]:
    """Yield the differences of all attempts."""
    found = {(match[1], match[2]) for name in names if (match := ATTEMPT.match(name))}
    for cell, some in groupby(sorted(found), key=lambda one: one[0]):
        yield from Attempts(results, cell, [number for _, number in some]).differences()


def _of_patches(results: Path, names: Iterable[str]) -> Iterator[Difference]:
    """Yield the patches that are not those after which they are named."""
    for name in names:
        if match := PATCH.match(name):
            found, why = _look(results / name)
            if why or not str(found).startswith(match[1]):
                yield Difference(name, why or RENAMED)


def _made_again(results: Path, name: str) -> bool:
    """Return whether a job wrote a log or a benchmark after the last job had recorded it.

    Its results are then of the same moment.
    """
    if name.startswith(f"{BENCHMARKS}/"):
        name = f"{LOGS}/{name.partition('/')[2].removesuffix('.tsv')}.log"
    log = results / name
    if not name.startswith(f"{LOGS}/") or not (log.is_file() and (results / LAST).is_file()):
        return False
    made = [results / found[2] for found in LINE.findall(log.read_text(errors="replace"))]
    dates = [file.stat().st_mtime for file in made if file.exists()]
    ended, recorded_at = log.stat().st_mtime, (results / LAST).stat().st_mtime
    return any(recorded_at < date and abs(ended - date) < AT_ONCE for date in dates)


def _with_others(
    differences: Iterable[Difference], known: Mapping[str, str], results: Path
) -> Iterator[Difference]:
    """Yield differences; of a file with the content of another one, which one that is."""
    names = {value: name for name, value in sorted(known.items(), reverse=True)}
    for one in differences:
        file = results / one.file
        if one.what in (CHANGED, RENAMED) and not _is_empty(file):
            value = str(_look(file)[0])
            patch = patches.place(results, value[: patches.SHORT]).relative_to(results)
            if other := names.get(value, str(patch) if (results / patch).exists() else ""):
                yield Difference(one.file, f"{one.what}: it has the content of {other}")
                continue
        yield one


def verify(results: Path) -> Found:
    """Compare every file of a study with what was recorded of it.

    The log of a job has the digest of each file that it made. A patch is named by its digest. The
    record of an attempt names its cell, the attempt before it with a digest of its start, and the
    digest of its epochs.

    Parameters
    ----------
    results : Path
        The study's folder.

    Returns
    -------
    Found
        The differences in the order of the data's way.
    """
    # first: what a job makes meanwhile is in no log that was read before
    names = list(_names(results))
    known, differences = recorded(results)
    ours = [name for name in names if ATTEMPT.match(name) or PATCH.match(name)]
    differences += [
        Difference(name, UNRECORDED) for name in sorted({*names} - known.keys() - {*ours})
    ]
    differences += [*_of_attempts(results, ours), *_of_patches(results, ours)]
    equal, absent, newer = 0, [], []
    with ThreadPoolExecutor() as pool:
        paths = [f"{results}/{name}" for name in known]
        parts = [paths[i : i + PART] for i in range(0, len(paths), PART)]
        found = chain.from_iterable(pool.map(lambda part: [*map(_look, part)], parts))
        for name, (value, why) in zip(known, found, strict=True):
            if value == known[name]:
                equal += 1
            elif why == MISSING and name.startswith("../"):
                absent.append(name)
            elif why or not _made_again(results, name):
                differences.append(Difference(name, why or CHANGED))
            else:
                newer.append(name)
    wrong = {difference.file for difference in differences}
    equal += len({*ours} - known.keys() - wrong)
    differences = [*_with_others({*differences}, known, results)]
    differences.sort(key=lambda one: (rank(one.file), one.what))
    return Found(equal, differences, absent, sorted(newer, key=rank))
