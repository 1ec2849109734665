"""The digest of every result, in the log of the job that made it, and whether it still holds.

A log's lines have the form of `sha256sum`: in a study's folder,
`grep -hrE '^.?[0-9a-f]{64}  ' logs | sha256sum --check` checks the same, but for run.json.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

STUDY = re.compile(r"^(?:.*?/)?results/[^/]+(?=/logs/)")
LINE = re.compile(r"^(\\?)([0-9a-f]{64})  (.+)$", re.MULTILINE)
RECORD = "run.json"
"""A file that gets the id of its run once it was logged, which is not part of its digest."""
ADDED = "mlflow_run_id"
SIGN = "\\"
SIGNS = str.maketrans({SIGN: r"\\", "\n": r"\n", "\r": r"\r"})
"""As `sha256sum` writes names: a line whose name has one of these signs begins with a backslash."""
PLAIN = {r"\\": SIGN, r"\n": "\n", r"\r": "\r"}

MOST = 20  # files that the metadata of a figure name
ORDER = (
    "../downloads", "data", "features", "train", "raw_outputs", "compare", "numerics", "learning",
    "tables", "figures", "report.html", "explorer.html", "tracking", "verdict",
)  # fmt: skip
"""Where results are, in the data's way: the first that differs explains those made from it."""
UNRECORDED = "no log of a job names it"


class Difference(NamedTuple):
    """A file that is not what its job recorded."""

    file: str  # below the study's folder
    what: str

    def __str__(self) -> str:
        return f"{self.file}: {self.what}"


class Found(NamedTuple):
    """What a study's files are, compared with what their jobs recorded."""

    equal: int
    differences: list[Difference]
    absent: list[str]  # downloads of another project's folder, which this one lacks


def digest(file: str | Path) -> str:
    """Return the SHA-256 of a file as its job wrote it, in hexadecimal.

    Examples
    --------
    >>> _ = Path("/tmp/sigmoid-bce-example.txt").write_text("whole")
    >>> digest("/tmp/sigmoid-bce-example.txt")[:8]
    '5d5766cf'
    """
    if Path(file).name == RECORD:
        return hashlib.sha256(_as_written(Path(file).read_bytes())).hexdigest()
    with open(file, "rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _as_written(content: bytes) -> bytes:
    """Return a record without the id of its run."""
    try:
        record = json.loads(content)
        run_id = record.pop(ADDED, None)
    except (ValueError, AttributeError):
        return content
    written = (json.dumps(record, indent=2) + "\n").encode()
    with_id = (json.dumps({**record, ADDED: run_id}, indent=2) + "\n").encode()
    # anything else that was changed must show
    return written if content == with_id else content


def _files(outputs: Iterable[str | Path]) -> Iterator[Path]:
    for output in map(Path, outputs):
        if output.is_dir():
            yield from sorted(file for file in output.rglob("*") if file.is_file())
        elif output.exists():
            yield output


def lines(log: str | Path, outputs: Iterable[str | Path]) -> Iterator[str]:
    """Yield a line for each file that a job made, for its log.

    Parameters
    ----------
    log : str or Path
        results/<study>/logs/...
    outputs : iterable of str or Path
        Files, and folders of files.

    Examples
    --------
    >>> list(lines("elsewhere.log", ["/tmp"]))
    []
    """
    if study := STUDY.match(str(log)):
        for file in _files(outputs):
            name = os.path.relpath(file, study[0])
            escaped = name.translate(SIGNS)
            yield f"{SIGN if escaped != name else ''}{digest(file)}  {escaped}"


def sources(log: str | Path, inputs: Iterable[str | Path]) -> str:
    """Return what a job's results are made from: files of the study, each after its SHA-256.

    Of more than `MOST` files, the number and the digest of these lines are told.

    Parameters
    ----------
    log : str or Path
        results/<study>/logs/...
    inputs : iterable of str or Path

    Examples
    --------
    >>> sources("elsewhere.log", [])
    ''
    """
    found = sorted(set(lines(log, inputs)), key=lambda line: line.partition("  ")[2])
    if len(found) > MOST:
        whole = hashlib.sha256("".join(f"{line}\n" for line in found).encode()).hexdigest()
        return f"{len(found)} files, sha256 of the lines of sha256sum: {whole}"
    return "\n".join(found)


def recorded(results: Path) -> dict[str, str]:
    """Return the digest of each file that the logs of a study name; of two, the newer log counts.

    Parameters
    ----------
    results : Path
        The study's folder.
    """
    logs = [Path(place, name) for place, _, names in os.walk(results / "logs") for name in names]
    found: dict[str, str] = {}
    for log in sorted(logs, key=lambda file: file.stat().st_mtime):
        for escaped, value, name in LINE.findall(log.read_text(errors="surrogateescape")):
            if escaped:
                name = re.sub(r"\\[\\nr]", lambda sign: PLAIN[sign[0]], name)
            found[name] = value
    return found


def _rank(name: str) -> tuple[int, str]:
    places = [place for place in ORDER if name == place or name.startswith(f"{place}/")]
    return (ORDER.index(places[0]) if places else len(ORDER)), name


def _unrecorded(results: Path, known: Iterable[str]) -> Iterator[Difference]:
    """Yield the results that no log names."""
    names = set(known)
    for place in ORDER[1:]:
        for folder, _, files in os.walk(results / place):
            below = Path(folder).relative_to(results)
            # attempts, checkpoints and locks are no results
            if place == "train" and "attempts" in below.parts:
                continue
            for file in files:
                name = str(below / file)
                if name not in names and not file.startswith((".", "checkpoint")):
                    yield Difference(name, UNRECORDED)


def _look(file: Path) -> tuple[str | None, str]:
    """Return the digest of a file, or why there is none."""
    try:
        return digest(file), ""
    except FileNotFoundError:
        return None, "it is missing"
    except OSError as error:
        return None, f"it cannot be read: {error.strerror}"


def verify(results: Path) -> Found:
    """Compare every file of a study with the digest in the log of its job.

    Parameters
    ----------
    results : Path
        The study's folder.

    Returns
    -------
    Found
        The differences in the order of the data's way.
    """
    known = recorded(results)
    differences = list(_unrecorded(results, known))
    absent, equal = [], 0

    with ThreadPoolExecutor() as pool:
        found = pool.map(_look, (results / name for name in known))
        for name, (value, why) in zip(known, found, strict=True):
            if value == known[name]:
                equal += 1
            elif value is None and name.startswith("../"):
                absent.append(name)
            else:
                what = why or "its content is not what its job wrote"
                differences.append(Difference(name, what))
    differences.sort(key=lambda difference: _rank(difference.file))
    return Found(equal, differences, absent)
