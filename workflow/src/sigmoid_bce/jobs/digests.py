r"""The digest of every result, in the log of the job that made it.

A log's lines have the form of `sha256sum`: in a study's folder,
`grep -hrE '^.?[0-9a-f]{64}  ' logs | grep -v '/run\.json$' | sha256sum --check` checks the same,
but for run.json.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import stat
from collections.abc import Iterable, Iterator
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

LOGS, BENCHMARKS, LATER = "logs", "benchmarks", "verdict"
UNREADABLE = (
    OSError, EOFError, ValueError, LookupError, TypeError, AttributeError, ArithmeticError,
    NotImplementedError, RecursionError,
)  # fmt: skip
"""What readers raise for a damaged file: a byte may be one of a key, a type, a number or a size."""
SMALL = 1 << 18  # bytes
MOST = 20  # files that the metadata of a figure name


class Difference(NamedTuple):
    """A file that is not what its job recorded."""

    file: str  # below the study's folder
    what: str

    def __str__(self) -> str:
        return f"{self.file}: {self.what}"


class Recorded(NamedTuple):
    """What the logs of a study say."""

    digests: dict[str, str]  # of each file, by its name below the study's folder
    unreadable: list[Difference]  # logs


def digest(file: str | Path) -> str:
    """Return the SHA-256 of a file as its job wrote it, in hexadecimal.

    Examples
    --------
    >>> _ = Path("/tmp/sigmoid-bce-example.txt").write_text("whole")
    >>> digest("/tmp/sigmoid-bce-example.txt")[:8]
    '5d5766cf'
    """
    with open(file, "rb") as content:
        if Path(file).name == RECORD:
            return hashlib.sha256(_as_written(content.read())).hexdigest()
        # `file_digest` would take a large buffer for each of thousands of small files
        if os.fstat(content.fileno()).st_size < SMALL:
            return hashlib.sha256(content.read()).hexdigest()
        return hashlib.file_digest(content, "sha256").hexdigest()


def _as_written(content: bytes) -> bytes:
    """Return a record without the id of its run."""
    try:
        record = json.loads(content)
        run_id = record.pop(ADDED, None)
    except (ValueError, AttributeError, RecursionError):
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


def line(file: str | Path, results: str | Path) -> str:
    """Return the line of a file for a log: digest, and name below the study's folder.

    Examples
    --------
    >>> _ = Path("/tmp/sigmoid-bce-example.txt").write_text("whole")
    >>> line("/tmp/sigmoid-bce-example.txt", "/tmp")[56:]
    '1ad53099  sigmoid-bce-example.txt'
    """
    name = os.path.relpath(file, results)
    escaped = name.translate(SIGNS)
    return f"{SIGN if escaped != name else ''}{digest(file)}  {escaped}"


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
            yield line(file, study[0])


def of_other_jobs(log: str | Path) -> Iterator[str]:
    """Yield a line for each log and benchmark of a study's other jobs, for the last job's log.

    Parameters
    ----------
    log : str or Path
        results/<study>/logs/<rule>.log

    Examples
    --------
    >>> list(of_other_jobs("elsewhere.log"))
    []
    """
    if study := STUDY.match(str(log)):
        for folder, ending in ((LOGS, ".log"), (BENCHMARKS, ".tsv")):
            place = Path(study[0], folder)
            own = place / Path(log).relative_to(f"{study[0]}/{LOGS}").with_suffix(ending)
            files = (file for file in _files([place]) if file != own)
            # those of verdicts are made at any time
            yield from (line(f, study[0]) for f in files if f.relative_to(place).parts[0] != LATER)


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


def recorded(results: Path) -> Recorded:
    """Return the digest of each file that the logs of a study name; of two, the newer log counts.

    Parameters
    ----------
    results : Path
        The study's folder.
    """
    dated: list[tuple[float, str]] = []
    unreadable: list[Difference] = []
    for place, _, names in os.walk(results / LOGS):
        for log in (f"{place}/{name}" for name in names):
            try:
                date = regular(log).st_mtime
                with open(log, errors="surrogateescape") as file:
                    dated.append((date, file.read()))
            except OSError as error:
                name = os.path.relpath(log, results)
                unreadable.append(Difference(name, f"it cannot be read: {error.strerror}"))
    found: dict[str, str] = {}
    for _, text in sorted(dated, key=lambda one: one[0]):
        for escaped, value, name in LINE.findall(text):
            if escaped:
                name = re.sub(r"\\[\\nr]", lambda sign: PLAIN[sign[0]], name)
            found[name] = value
    return Recorded(found, unreadable)


def regular(file: str | Path) -> os.stat_result:
    """Return the state of a file; a pipe or a device would be read for ever.

    Raises
    ------
    OSError
        If it is no regular file, or there is none.
    """
    state = Path(file).stat()
    if stat.S_ISDIR(state.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(file))
    if not stat.S_ISREG(state.st_mode):
        raise OSError(errno.EINVAL, "Not a regular file", str(file))
    return state
