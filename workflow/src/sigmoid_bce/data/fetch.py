"""Downloads by URL: continued where they broke off, tried again, checked by SHA-256."""

from __future__ import annotations

import http.client
import shutil
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

from sigmoid_bce.data.wheels import DownloadError
from sigmoid_bce.jobs.files import replacing, sha256

BLOCK = 2**18
PROGRESS = 5.0  # seconds between two lines of progress
TIMEOUT = 60.0
FOR_GOOD = {400, 401, 403, 404, 405, 410, 451}
"""Answers by which a server says that it will not give the file, however often it is asked."""


class _GoneError(DownloadError):
    """A mirror that does not have the file."""


def _shown(url: str) -> str:
    """Return a URL for messages: without what may be a secret in it."""
    part = urlsplit(url)
    return f"{part.scheme}://{part.hostname}{f':{part.port}' if part.port else ''}{part.path}"


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _request(url: str, start: int):
    headers = {"User-Agent": "sigmoid-bce", "Accept-Encoding": "identity"}
    if start:
        headers["Range"] = f"bytes={start}-"
    return urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=TIMEOUT)


def _receive(url: str, part: Path) -> bool:
    """Continue `part` with what `url` gives, to the end, or raise an error.

    Returns whether the server told the size: if not, an end may be a break.
    """
    start = _size(part)
    try:
        answer = _request(url, start)
    except urllib.error.HTTPError as error:
        error.close()
        whole = (error.headers.get("Content-Range") or "").rpartition("/")[2]
        if error.code == 416 and whole == str(start):
            return True  # there was nothing left to ask for
        if error.code == 416:
            part.unlink()
            raise DownloadError(f"{_shown(url)}: what is here does not fit what is there") from None
        kind = _GoneError if error.code in FOR_GOOD else DownloadError
        raise kind(f"{_shown(url)}: {error.code} {error.reason}") from None
    with answer, open(part, "ab") as file:
        partial = answer.status == 206
        length = answer.headers.get("Content-Length")
        total = int(length) + (start if partial else 0) if length else None
        if partial and not (answer.headers.get("Content-Range") or "").startswith(
            f"bytes {start}-"
        ):
            raise DownloadError(f"{_shown(url)}: it sends another part than was asked for")
        how = "" if not start else ", continued" if partial else ", from its beginning once more"
        of = f"{total / 1e6:,.1f} MB" if total else "size not told"
        print(f"{_shown(url)}: {of}, {start / 1e6:,.1f} MB are here{how}", flush=True)
        # a server that knows no ranges sends all of it: what is here already is passed over
        position, shown, began = start if partial else 0, time.monotonic(), time.monotonic()
        first = position
        while block := answer.read(BLOCK):
            position += len(block)
            if position > start:
                file.write(block[max(0, len(block) - (position - start)) :])
            if time.monotonic() - shown > PROGRESS:
                shown = time.monotonic()
                speed = (position - first) / 1e6 / (shown - began)
                print(f"{position / 1e6:,.1f} MB of {of}, {speed:,.1f} MB/s", flush=True)
    if total is not None and position < total:
        raise DownloadError(f"{_shown(url)}: broke off after {position:,} of {total:,} bytes")
    return total is not None


def _round(urls: Sequence[str], part: Path, gone: dict[str, str]) -> tuple[str, int, bool]:
    """Ask each mirror in turn; return the one that gave the end, where it began, if it is sure."""
    errors = []
    for url in urls:
        if url in gone:
            continue
        start = _size(part)
        try:
            return url, start, _receive(url, part)
        except _GoneError as error:
            gone[url] = str(error)
        except (OSError, http.client.HTTPException, DownloadError) as error:
            reason = getattr(error, "reason", None) or error
            text = str(error) if isinstance(error, DownloadError) else f"{_shown(url)}: {reason}"
            errors.append(text)
    raise DownloadError("; ".join([*gone.values(), *errors]))


def fetch(
    sources: Sequence[str], digest: str, output: str | Path, *, attempts: int = 5, pause: float = 1
) -> None:
    """Bring a file here from the first of its sources that has it.

    Parameters
    ----------
    sources : sequence of str
        URLs of mirrors, or the path of a local file.
    digest : str
        The file's SHA-256, in hexadecimal.
    output : str or Path
        Where to put it. While it is incomplete it lies beside as ``.<name>.part``, from where a
        later call goes on.
    attempts : int
        How often to try in a row without a single byte gained.
    pause : float
        Seconds before the second of them; doubled before each further one.

    Raises
    ------
    DownloadError
        If no source has it, or what they have has another digest.
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
            url, start, sure = _round(sources, part, gone)
            found = sha256(part)
            if found == digest:
                part.replace(output)
                print(f"{output.name}: {_size(output):,} bytes, SHA-256 as expected", flush=True)
                return
            if not sure and _size(part) > before:
                raise DownloadError(f"{_shown(url)}: broke off, or ended, at {_size(part):,} bytes")
            part.unlink()
            wrong = (
                f"{_shown(url)}: expected SHA-256 {digest}, found {found}: the file was damaged on "
                "its way, or is another than the configuration names"
            )
            if start == 0:  # all of it came from there, and will be the same again
                gone[url] = wrong
            raise DownloadError(wrong)
        except DownloadError as last:
            error = last
        if gone.keys() >= set(sources):
            raise DownloadError(f"not downloaded: {'; '.join(gone.values())}")
        stalled = 0 if _size(part) > before else stalled + 1
        if stalled == attempts:
            raise DownloadError(f"not downloaded after {attempts} attempts: {error}")
        wait = min(pause * 2 ** max(0, stalled - 1), 60)
        print(f"{error}; next attempt in {wait:g} s", flush=True)
        time.sleep(wait)


def _copy(source: Path, digest: str, output: Path) -> None:
    found = sha256(source)
    if found != digest:
        raise DownloadError(
            f"{source}: expected SHA-256 {digest}, found {found}: if it is the file you mean, "
            f"write sha256: {found}"
        )
    with replacing(output) as part:
        shutil.copyfile(source, part)
    print(f"{output.name}: copied from {source}, SHA-256 as expected", flush=True)
