"""Answers of web servers: what they say about a file, and its bytes, within limits."""

from __future__ import annotations

import re
import shutil
import socket
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

from sigmoid_bce.data.wheels import DownloadError

BLOCK = 2**18
SLOWEST = 100  # bytes a second, below which a server has stalled
SCHEMES = ("http", "https")
NUMBER = r"\d{1,15}"
PERMANENT = {*range(300, 400), 400, 401, 403, 404, 405, 410, 451}
"""Statuses after which the same request cannot succeed."""


class GoneError(DownloadError):
    """A mirror that will not give the file."""


def shown(url: str) -> str:
    """Return a URL for messages, without the parts that may hold a secret.

    Examples
    --------
    >>> shown("https://me:secret@example.org:99999/a.zip?key=secret")
    'https://example.org:99999/a.zip'
    """
    return re.sub(r"[?#].*", "", re.sub(r"(?<=://)[^/?#]*@", "", url), flags=re.DOTALL)


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follow redirects to web servers, and to nothing else."""

    def http_error_302(self, req, fp, code, msg, headers):
        target = urljoin(req.full_url, headers.get("Location") or "")
        if urlsplit(target).scheme not in SCHEMES:
            raise GoneError(
                f"{shown(req.full_url)}: it redirects to {shown(target)}: only http and https are "
                "followed"
            )
        return super().http_error_302(req, fp, code, msg, headers)

    http_error_301 = http_error_303 = http_error_307 = http_error_308 = http_error_302


def _hang_up(connection: socket.socket, late: threading.Event) -> None:
    """End a connection that another thread waits for."""
    late.set()
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


def _timed(kind: Any) -> Any:
    """Return a kind of connection on which all headers must arrive before its time is over."""

    class Timed(kind):
        def getresponse(self):
            # the socket's own limit is that of each single byte
            late = threading.Event()
            watch = threading.Timer(2 * self.timeout, _hang_up, [self.sock, late])
            watch.daemon = True
            watch.start()
            try:
                answer = super().getresponse()
            except (OSError, HTTPException):
                if not late.is_set():
                    raise
            finally:
                watch.cancel()
            if late.is_set():  # http.client takes the end of a connection for that of the headers
                raise TimeoutError
            return answer

    return Timed


class _Http(urllib.request.HTTPHandler):
    def do_open(self, http_class, req, **options):
        return super().do_open(_timed(http_class), req, **options)


class _Https(urllib.request.HTTPSHandler):
    def do_open(self, http_class, req, **options):
        return super().do_open(_timed(http_class), req, **options)


def request(url: str, start: int, patience: float) -> HTTPResponse:
    """Ask for a file from byte `start` on.

    Parameters
    ----------
    url : str
    start : int
    patience : float
        The seconds in which something must arrive.

    Raises
    ------
    GoneError
        If the server redirects to something else than a web server.
    OSError, HTTPException or ValueError
        If there is no answer, or none that can be read.
    """
    headers = {"User-Agent": "sigmoid-bce", "Accept-Encoding": "identity"}
    if start:
        headers["Range"] = f"bytes={start}-"
    opener = urllib.request.OpenerDirector()
    for handler in (
        *(urllib.request.ProxyHandler(), urllib.request.UnknownHandler(), _Http(), _Https()),
        *(_Redirects(), urllib.request.HTTPDefaultErrorHandler()),
        urllib.request.HTTPErrorProcessor(),
    ):
        opener.add_handler(handler)
    answer: Any = opener.open(urllib.request.Request(url, headers=headers), timeout=patience)
    return answer


def _length(answer: HTTPResponse, url: str) -> int | None:
    """Return the number of bytes that an answer promises; None if it promises none."""
    if answer.chunked:  # then the header does not count
        return None
    headers = ",".join(answer.headers.get_all("Content-Length", []))
    values = {value.strip() for value in headers.split(",")} - {""}
    if not values:
        return None
    first = min(values)
    if len(values) > 1 or not re.fullmatch(NUMBER, first, re.ASCII):
        raise GoneError(
            f"{shown(url)}: its Content-Length is {', '.join(sorted(values))[:60]!r}: expected one "
            "number of bytes"
        )
    return int(first)


@dataclass(frozen=True)
class Body:
    """The body of an answer.

    Parameters
    ----------
    first : int
        The first byte of the file in it.
    end : int or None
        The byte of the file after it, if the server says so.
    total : int or None
        The file's size, if the server says so.
    known : bool
        Whether one can see that the body is complete.
    encoding : str
        Its Content-Encoding, which was not asked for.
    """

    first: int
    end: int | None
    total: int | None
    known: bool
    encoding: str

    @classmethod
    def of(cls, answer: HTTPResponse, start: int, url: str) -> Body:
        """Return the body of an answer to a request for the bytes from `start` on.

        Raises
        ------
        GoneError
            If its length is no number.
        DownloadError
            If it is another part of the file, or none.
        """
        length = _length(answer, url)
        encoding = (answer.headers.get("Content-Encoding") or "").strip().casefold()
        encoding = "" if encoding == "identity" else encoding
        if answer.status == 200:  # a server without ranges sends the whole file
            return cls(0, length, length, answer.chunked or length is not None, encoding)
        said = (answer.headers.get("Content-Range") or "").strip()
        found = re.fullmatch(rf"bytes ({NUMBER})-({NUMBER})/({NUMBER}|\*)", said, re.ASCII | re.I)
        if answer.status != 206 or not found:
            raise DownloadError(f"{shown(url)}: {answer.status} {answer.reason}, without a file")
        first, end = int(found[1]), int(found[2]) + 1
        if first != start or end <= first or length not in (None, end - first):
            raise DownloadError(f"{shown(url)}: it sent another part than the one requested")
        total = None if found[3] == "*" else int(found[3])
        return cls(first, end, total, total is not None, encoding)

    @property
    def size(self) -> str:
        """The file's size for messages."""
        return f"{self.total / 1e6:,.1f} MB" if self.total is not None else "an unknown size"

    def check_room(self, part: Path, url: str) -> None:
        """Check that the disk has room for what is missing.

        Raises
        ------
        GoneError
        """
        have = part.stat().st_size if part.exists() else 0
        free = shutil.disk_usage(part.parent).free
        if self.total is not None and self.total - have > free:
            raise GoneError(
                f"{shown(url)}: it has {self.size}; the disk of {part.parent} has "
                f"{free / 1e6:,.1f} MB left"
            )

    def blocks(self, answer: HTTPResponse, patience: float, url: str) -> Iterator[bytes]:
        """Yield the body as it arrives, at most the bytes that were promised.

        Raises
        ------
        DownloadError
            If less than `SLOWEST` arrives in `patience` seconds.
        OSError or HTTPException
            If the connection breaks.
        """
        position, since, mark = self.first, time.monotonic(), self.first
        while self.end is None or position < self.end:
            most = BLOCK if self.end is None else min(BLOCK, self.end - position)
            try:
                block = answer.read1(most)  # a slow server's bytes are kept as they come
            except TimeoutError:
                raise DownloadError(f"{shown(url)}: it sent nothing for {patience:g} s") from None
            if not block:
                return
            position += len(block)
            yield block
            passed = time.monotonic() - since
            if passed > patience:
                if position - mark < SLOWEST * passed:
                    raise DownloadError(
                        f"{shown(url)}: it sent {position - mark:,} bytes in {passed:.1f} s"
                    )
                since, mark = time.monotonic(), position
