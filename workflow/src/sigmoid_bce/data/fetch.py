"""Downloads by URL: resumed after an interruption, retried, and checked by SHA-256."""

from __future__ import annotations

import http.client
import shutil
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from http.client import HTTPResponse
from pathlib import Path
from urllib.parse import urlsplit

from sigmoid_bce.data.wheels import DownloadError
from sigmoid_bce.jobs.files import replacing, sha256

BLOCK = 2**18
PROGRESS = 5.0  # seconds between two lines of progress
TIMEOUT = 60.0
LONGEST_PAUSE = 60.0
PERMANENT = {400, 401, 403, 404, 405, 410, 451}
"""Statuses after which the same request cannot succeed."""


class _GoneError(DownloadError):
    """A mirror that does not have the file."""


def _shown(url: str) -> str:
    """Return a URL for messages, without the parts that may hold a secret."""
    part = urlsplit(url)
    return f"{part.scheme}://{part.hostname}{f':{part.port}' if part.port else ''}{part.path}"


def _size(path: Path) -> int:
    """Return the size of a file, 0 if it does not exist."""
    return path.stat().st_size if path.exists() else 0


def _request(url: str, start: int) -> HTTPResponse:
    """Ask for a file from byte `start` on."""
    headers = {"User-Agent": "sigmoid-bce", "Accept-Encoding": "identity"}
    if start:
        headers["Range"] = f"bytes={start}-"
    request = urllib.request.Request(url, headers=headers)
    answer: HTTPResponse = urllib.request.urlopen(request, timeout=TIMEOUT)
    return answer


@dataclass(frozen=True)
class _Body:
    """The body of an answer: the first byte of the file in it, and the file's size if known."""

    first: int
    total: int | None

    @classmethod
    def of(cls, answer: HTTPResponse, start: int, url: str) -> _Body:
        """Return the body of an answer to a request for the bytes from `start` on."""
        partial = answer.status == 206
        content_range = answer.headers.get("Content-Range") or ""
        if partial and not content_range.startswith(f"bytes {start}-"):
            raise DownloadError(f"{_shown(url)}: it sent another part than the one requested")
        # a server without ranges sends the whole file
        first = start if partial else 0
        length = answer.headers.get("Content-Length")
        return cls(first, first + int(length) if length else None)

    @property
    def size(self) -> str:
        """The file's size for messages."""
        return f"{self.total / 1e6:,.1f} MB" if self.total else "an unknown size"


def _refused(error: urllib.error.HTTPError, url: str, part: Path) -> None:
    """Raise the error of a request that failed; return if it failed because nothing was left."""
    error.close()
    total = (error.headers.get("Content-Range") or "").rpartition("/")[2]
    if error.code == 416 and total == str(_size(part)):
        return
    if error.code == 416:
        part.unlink()
        raise DownloadError(f"{_shown(url)}: the partial file here does not fit the server's file")
    kind = _GoneError if error.code in PERMANENT else DownloadError
    raise kind(f"{_shown(url)}: {error.code} {error.reason}")


def _save(answer: HTTPResponse, body: _Body, part: Path) -> int:
    """Append the bytes that `part` lacks; return the position in the file that was reached."""
    start, position = _size(part), body.first
    began = shown = time.monotonic()
    with open(part, "ab") as file:
        while block := answer.read(BLOCK):
            position += len(block)
            if position > start:
                file.write(block[max(0, len(block) - (position - start)) :])
            if time.monotonic() - shown > PROGRESS:
                shown = time.monotonic()
                speed = (position - body.first) / 1e6 / (shown - began)
                print(f"{position / 1e6:,.1f} MB of {body.size}, {speed:,.1f} MB/s", flush=True)
    return position


def _receive(url: str, part: Path) -> bool:
    """Download the rest of `part` from one mirror.

    Returns
    -------
    bool
        Whether the server gave the size. Without it, the end may be an interruption.
    """
    start = _size(part)
    try:
        answer = _request(url, start)
    except urllib.error.HTTPError as error:
        _refused(error, url, part)
        return True
    with answer:
        body = _Body.of(answer, start, url)
        print(f"{_shown(url)}: {body.size}; {start / 1e6:,.1f} MB are here already", flush=True)
        position = _save(answer, body, part)
    if body.total is not None and position < body.total:
        raise DownloadError(f"{_shown(url)}: broke off after {position:,} of {body.total:,} bytes")
    return body.total is not None


def _from_any(urls: Sequence[str], part: Path, gone: dict[str, str]) -> tuple[str, int, bool]:
    """Download the rest of `part` from the first mirror that gives it.

    Returns
    -------
    url : str
        That mirror.
    start : int
        The size of `part` before.
    sure : bool
        As `_receive` returns it.
    """
    errors = []
    for url in urls:
        if url in gone:
            continue
        start = _size(part)
        try:
            return url, start, _receive(url, part)
        except _GoneError as error:
            gone[url] = str(error)
        except DownloadError as error:
            errors.append(str(error))
        except (OSError, http.client.HTTPException) as error:
            errors.append(f"{_shown(url)}: {getattr(error, 'reason', None) or error}")
    raise DownloadError("; ".join([*gone.values(), *errors]))


def _attempt(
    urls: Sequence[str], digest: str, part: Path, output: Path, gone: dict[str, str]
) -> None:
    """Download the rest of `part`, check it and rename it to `output`, or raise DownloadError."""
    before = _size(part)
    url, start, sure = _from_any(urls, part, gone)
    found = sha256(part)
    if found == digest:
        part.replace(output)
        print(f"{output.name}: {_size(output):,} bytes, SHA-256 as expected", flush=True)
        return
    if not sure and _size(part) > before:
        raise DownloadError(f"{_shown(url)}: broke off, or ended, at {_size(part):,} bytes")
    part.unlink()
    wrong = (
        f"{_shown(url)}: expected SHA-256 {digest}, found {found}: the file was damaged on its "
        "way, or is not the file that the configuration names"
    )
    if start == 0:  # this mirror sent the whole file, and would send the same again
        gone[url] = wrong
    raise DownloadError(wrong)


def fetch(
    sources: Sequence[str], digest: str, output: str | Path, *, attempts: int = 5, pause: float = 1
) -> None:
    """Download a file from the first of its sources that has it.

    Parameters
    ----------
    sources : sequence of str
        URLs of mirrors, or the path of a local file.
    digest : str
        The file's SHA-256, in hexadecimal.
    output : str or Path
        The file to write. While it is incomplete it is called ``.<name>.part``, and a later call
        resumes it.
    attempts : int
        The number of attempts in a row that may fail without receiving a byte.
    pause : float
        Seconds before the second of them. Each further pause is twice as long.

    Raises
    ------
    DownloadError
        If no source has the file, or its digest differs.
    """
    output = Path(output)
    output.parent.mkdir(parents=True, exist_ok=True)
    local = [source for source in sources if "://" not in source]
    if local:
        return _copy(Path(local[0]), digest, output)
    part = output.with_name(f".{output.name}.part")
    gone: dict[str, str] = {}
    stalled = 0
    while True:
        before = _size(part)
        try:
            return _attempt(sources, digest, part, output, gone)
        except DownloadError as last:
            error = last
        if gone.keys() >= set(sources):
            raise DownloadError(f"not downloaded: {'; '.join(gone.values())}")
        stalled = 0 if _size(part) > before else stalled + 1
        if stalled == attempts:
            raise DownloadError(f"not downloaded after {attempts} attempts: {error}")
        wait = min(pause * 2 ** max(0, stalled - 1), LONGEST_PAUSE)
        print(f"{error}; next attempt in {wait:g} s", flush=True)
        time.sleep(wait)


def _copy(source: Path, digest: str, output: Path) -> None:
    """Copy a local file, after checking its digest."""
    found = sha256(source)
    if found != digest:
        raise DownloadError(
            f"{source}: expected SHA-256 {digest}, found {found}: if this is the right file, "
            f"write sha256: {found}"
        )
    with replacing(output) as part:
        shutil.copyfile(source, part)
    print(f"{output.name}: copied from {source}, SHA-256 as expected", flush=True)
