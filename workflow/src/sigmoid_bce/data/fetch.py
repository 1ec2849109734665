"""Downloads by URL: resumed after an interruption, retried, and checked by SHA-256."""

from __future__ import annotations

import errno
import gzip
import hashlib
import http.client
import os
import shutil
import time
import urllib.error
import zlib
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from sigmoid_bce.data import answers
from sigmoid_bce.data.answers import BLOCK, PERMANENT, SLOWEST, Body, GoneError, shown
from sigmoid_bce.data.faults import line, stopping
from sigmoid_bce.data.wheels import DownloadError
from sigmoid_bce.jobs.files import Unwritable, replacing, sha256
from sigmoid_bce.study.base import LIMIT_MB

PROGRESS = 5.0  # seconds between two lines of progress
TIMEOUT = 60.0
LONGEST_TIMEOUT = 480.0
LONGEST_PAUSE = 60.0
GZIP = ("gzip", "x-gzip")


class _Received(NamedTuple):
    """What is known of a file of which all has been sent."""

    known: bool = True  # whether that was its end, and no interruption
    encoding: str = ""


@dataclass
class _Download:
    """One file that is downloaded.

    Parameters
    ----------
    urls : sequence of str
        Its mirrors.
    digest : str
    part : Path
        The file as far as it is here.
    output : Path
    most : int
        The most bytes of a file of unknown size.
    gone : dict of str by str
        The mirrors that will not give it, and why.
    origin : str
        The mirror from which every byte of `part` is; "" if they are from several, or unknown.
    """

    urls: Sequence[str]
    digest: str
    part: Path
    output: Path
    most: int
    gone: dict[str, str] = field(default_factory=dict)
    origin: str = ""


def _size(path: Path) -> int:
    """Return the size of a file, 0 if it does not exist."""
    return path.stat().st_size if path.exists() else 0


def _append(part: Path, blocks: Iterator[bytes], body: Body, most: int, url: str) -> int:
    """Append the bytes that `part` lacks; return the position in the file that was reached."""
    start, position = _size(part), body.first
    began = told = time.monotonic()
    with open(part, "ab", buffering=0) as file:
        for block in blocks:
            position += len(block)
            if body.total is None and position > most:
                file.truncate(0)
                raise GoneError(
                    f"{shown(url)}: it sent more than {most / 1e6:,.0f} MB and does not say how "
                    "many come: limit_mb allows more"
                )
            new = memoryview(block)[max(0, len(block) - max(0, position - start)) :]
            try:
                while new:
                    new = new[file.write(new) :]
            except OSError as error:
                number = error.errno or errno.EIO
                raise Unwritable(number, os.strerror(number), str(part)) from None
            if time.monotonic() - told > PROGRESS:
                told = time.monotonic()
                speed = (position - body.first) / 1e6 / (told - began)
                print(f"{position / 1e6:,.1f} MB of {body.size}, {speed:,.1f} MB/s", flush=True)
    return position


def _refused(error: urllib.error.HTTPError, url: str, part: Path) -> None:
    """Raise the error of a request that failed; return if it failed because nothing was left."""
    error.close()
    total, have = (error.headers.get("Content-Range") or "").rpartition("/")[2], _size(part)
    if error.code == 416 and have:
        if total == str(have):
            return
        part.unlink()
        raise DownloadError(f"{shown(url)}: the partial file here does not fit the server's file")
    kind = GoneError if error.code in PERMANENT else DownloadError
    raise kind(f"{shown(url)}: {error.code} {' '.join(str(error.reason).split())[:200]}")


def _receive(file: _Download, url: str, patience: float) -> _Received:
    """Download the rest of a file from one mirror."""
    start = _size(file.part)
    try:
        answer = answers.request(url, start, patience)
    except urllib.error.HTTPError as error:
        _refused(error, url, file.part)
        return _Received()
    with closing(answer):
        body = Body.of(answer, start, url)
        body.check_room(file.part, url)
        print(f"{shown(url)}: {body.size}; {start / 1e6:,.1f} MB are here already", flush=True)
        blocks = body.blocks(answer, patience, url)
        position = _append(file.part, blocks, body, file.most, url)
    if body.total is not None and position < body.total:
        raise DownloadError(f"{shown(url)}: broke off after {position:,} of {body.total:,} bytes")
    return _Received(body.known, body.encoding)


def _from_any(file: _Download, patience: float) -> tuple[str, int, _Received]:
    """Download the rest of a file from the first mirror that gives it.

    Returns
    -------
    url : str
        That mirror.
    start : int
        The number of bytes that were here before.
    received : _Received
    """
    errors: list[DownloadError] = []
    for url in file.urls:
        if url in file.gone:
            continue
        start = _size(file.part)
        try:
            return url, start, _receive(file, url, patience)
        except Unwritable:
            raise
        except GoneError as error:
            file.gone[url] = str(error)
        except DownloadError as error:
            errors.append(error)
        except TimeoutError:
            errors.append(DownloadError(f"{shown(url)}: no answer in {patience:g} s"))
        except (
            ValueError,
            http.client.InvalidURL,
        ) as error:  # an address that is none, here or in a redirect
            file.gone[url] = f"{shown(url)}: {line(error)}"
        except (OSError, http.client.HTTPException) as error:
            reason = getattr(error, "reason", None)
            cause = reason if isinstance(reason, Exception) else error
            errors.append(DownloadError(f"{shown(url)}: {line(cause)}"))
    raise DownloadError("; ".join([*file.gone.values(), *map(str, errors)]))


def _unpacked(part: Path, most: int) -> Iterator[bytes]:
    """Yield the content of a file that was compressed on its way; nothing after the limit."""
    with gzip.open(part) as file:
        while (block := file.read(BLOCK)) and most > 0:
            most -= len(block)
            yield block


def _compressed(file: _Download, encoding: str) -> bool:
    """Return whether a server has compressed the file on its way, without being asked to."""
    content = hashlib.sha256()
    try:
        for block in _unpacked(file.part, file.most) if encoding in GZIP else ():
            content.update(block)
    except (EOFError, zlib.error, gzip.BadGzipFile):
        return False
    return content.hexdigest() == file.digest


def _wrong(encoding: str, size: int) -> str:
    """Return why a file may have another digest."""
    if not size:
        return "the server sent an empty file"
    if encoding:
        return f"the server sent it encoded as {encoding[:20]!r}, unasked"
    return "the file was damaged on its way, or is not the file that the configuration names"


def _attempt(file: _Download, patience: float) -> None:
    """Download the rest of a file, check it and rename it, or raise DownloadError."""
    part, before = file.part, _size(file.part)
    url, start, received = _from_any(file, patience)
    file.origin = url if start == 0 or file.origin == url else ""
    size, found = _size(part), sha256(part)
    if found == file.digest:
        part.replace(file.output)
    elif _compressed(file, received.encoding):
        with replacing(file.output) as unpacked, open(unpacked, "wb") as out:
            out.writelines(_unpacked(part, file.most))
        part.unlink()
    elif not received.known and (size > before or not size):
        raise DownloadError(f"{shown(url)}: broke off, or ended, at {size:,} bytes")
    else:
        part.unlink()
        wrong = _wrong(received.encoding, size)
        wrong = f"{shown(url)}: expected SHA-256 {file.digest}, found {found}: {wrong}"
        if file.origin == url:  # this mirror would send the same again
            file.gone[url] = wrong
        raise DownloadError(wrong)
    size = _size(file.output)
    print(f"{file.output.name}: {size:,} bytes, SHA-256 as expected", flush=True)


def fetch(
    sources: Sequence[str],
    digest: str,
    output: str | Path,
    *,
    attempts: int = 5,
    pause: float = 1,
    most: int = 10**6 * LIMIT_MB,
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
        The number of attempts in a row that may fail without progress. Each waits twice as long as
        the one before for a server that sends nothing.
    pause : float
        Seconds before the second of them. Each further pause is twice as long.
    most : int
        The most bytes that are taken from a server that does not say how many come.

    Raises
    ------
    DownloadError
        If no source has the file, or its digest differs.
    Unwritable
        If the disk has no room for it.
    """
    output = Path(output)
    output.parent.mkdir(parents=True, exist_ok=True)
    local = [source for source in sources if "://" not in source]
    if local:
        return _copy(Path(local[0]), digest, output)
    part = output.with_name(f".{output.name}.part")
    file = _Download(sources, digest, part, output, most)
    stalled, reached = 0, _size(part)
    while True:
        since = time.monotonic()
        try:
            return _attempt(file, min(TIMEOUT * 2**stalled, LONGEST_TIMEOUT))
        except DownloadError as last:
            error = last
        if file.gone.keys() >= set(sources):
            raise DownloadError(f"not downloaded: {'; '.join(file.gone.values())}")
        # bytes that were here before, and were wrong, are no progress
        progress = _size(part) - reached
        reached += max(0, progress)
        moved = progress > 0 and progress >= SLOWEST * (time.monotonic() - since)
        stalled = 0 if moved else stalled + 1
        if stalled == attempts:
            raise DownloadError(f"not downloaded after {attempts} attempts: {error}")
        wait = min(pause * 2 ** max(0, stalled - 1), LONGEST_PAUSE)
        print(f"{error}; next attempt in {wait:g} s", flush=True)
        time.sleep(wait)


def _copy(source: Path, digest: str, output: Path) -> None:
    """Copy a local file, after checking its digest."""
    with stopping(source):
        found = sha256(source)
    if found != digest:
        raise DownloadError(
            f"{source}: expected SHA-256 {digest}, found {found}: if this is the right file, "
            f"write sha256: {found}"
        )
    with stopping(source), replacing(output) as part:
        shutil.copyfile(source, part)
    print(f"{output.name}: copied from {source}, SHA-256 as expected", flush=True)
