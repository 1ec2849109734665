"""MLflow's pages of the studies here: a server, the links to their views, a browser."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
import webbrowser
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, NamedTuple

from sigmoid_bce.jobs.credentials import masked
from sigmoid_bce.jobs.logs import UserError
from sigmoid_bce.tracking import store
from sigmoid_bce.tracking.address import sqlite_file, uri
from sigmoid_bce.tracking.views import VIEWS, address

# isort: split
from mlflow.entities import Experiment

SHARED = "mlflow.sharedViewState."
LIMIT = 120
"""Seconds that the server's start may take: a cold disk reads 170 MB."""
PATIENCE = 10
"""Seconds that the server's end may take."""
QUIET = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}


class Link(NamedTuple):
    """A page of a study."""

    study: str
    name: str
    address: str


def links(experiments: Iterable[Experiment], base: str, first: str = "") -> list[Link]:
    """Return a link for each study and view.

    Parameters
    ----------
    experiments : iterable of mlflow.entities.Experiment
        MLflow's own one, "Default", is left out.
    base : str
        The server's address.
    first : str
        The study that comes first.
    """
    found = []
    for experiment in sorted(experiments, key=lambda one: (one.name != first, one.name)):
        if experiment.experiment_id == "0":
            continue
        views = [view for view in VIEWS if SHARED + view in experiment.tags]
        found += [
            Link(
                experiment.name,
                VIEWS[view].name if view else "All runs",
                f"{base}/{address(experiment.experiment_id, view)}",
            )
            for view in views or [""]
        ]
    return found


def text(found: Sequence[Link]) -> str:
    """Return the links in lines, a heading for each study.

    Examples
    --------
    >>> print(text([Link("s", "All cells", "http://x/#/1"), Link("s", "Learning", "http://x/#/2")]))
    s
      All cells  http://x/#/1
      Learning   http://x/#/2
    """
    width = max(len(link.name) for link in found)
    lines = []
    for number, link in enumerate(found):
        if not number or found[number - 1].study != link.study:
            lines.append(link.study)
        lines.append(f"  {link.name:{width}}  {link.address}")
    return "\n".join(lines)


def may_open(environment: Mapping[str, str], terminal: bool, platform: str = sys.platform) -> bool:
    """Return whether a browser is to be opened: for a person who sits in front of a display.

    Parameters
    ----------
    environment : mapping
    terminal : bool
        Whether the output goes to a terminal.
    platform : str
        As `sys.platform`.

    Examples
    --------
    >>> may_open({"DISPLAY": ":0"}, True, "linux"), may_open({}, True, "linux")
    (True, False)
    >>> may_open({"DISPLAY": ":0", "NO_BROWSER": "1"}, True, "linux")
    False
    """
    if not terminal or {"NO_BROWSER", "CI", "PYTEST_CURRENT_TEST"} & {
        k for k in environment if environment[k]
    }:
        return False
    display = environment.get("DISPLAY") or environment.get("WAYLAND_DISPLAY")
    return bool(display) or platform in ("darwin", "win32")


def check_port(host: str, port: int) -> None:
    """Raise a UserError if another program listens on a port."""
    kind = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.socket(kind) as probe:
            # as servers do: a port whose last connection has just ended is free
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
    except (OSError, OverflowError) as error:
        if isinstance(error, OSError) and "in use" in str(error):
            raise UserError(
                f"port {port} is in use by another program, perhaps another `make ui`: "
                f"end that one, or take another port: make ui PORT={port + 1}"
            ) from None
        raise UserError(
            f"port {port} of {host} cannot be used ({error}): make ui PORT=5001"
        ) from None


def _check_database(place: str) -> None:
    """Raise a UserError if there is no database: the study makes it."""
    file = sqlite_file(place)
    if file and not (file.exists() and file.stat().st_size):
        raise UserError(
            f"{file.absolute()} does not exist yet: run a study first (make run), or log a "
            "finished one (make tracking)"
        )


def _last_words(log: IO[str]) -> str:
    log.seek(0)
    lines = [line.strip() for line in log.read().splitlines() if line.strip()]
    return masked(lines[-1][:200]) if lines else "it said nothing"


@contextmanager
def server(host: str, port: int, more: Sequence[str] = ()) -> Iterator[subprocess.Popen]:
    """Start MLflow's server, wait until it answers, and end it with all of its processes.

    Parameters
    ----------
    host : str
    port : int
    more : sequence of str
        Further options of `mlflow server`.

    Raises
    ------
    UserError
        If it does not start.
    """
    command = [sys.executable, "-m", "mlflow", "server", "--host", host, "--port", str(port)]
    command += ["--workers", "1", *more]
    with tempfile.TemporaryFile("w+", errors="replace") as log:
        # in a session of its own, so that all of its processes can be ended
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            # not among the arguments, which all users of the machine can see
            env={**os.environ, **QUIET, "MLFLOW_BACKEND_STORE_URI": uri()},
            start_new_session=True,
        )
        try:
            end = time.monotonic() + LIMIT
            while not _answers(f"http://{_shown(host)}:{port}/health"):
                if process.poll() is not None or time.monotonic() > end:
                    raise UserError(f"MLflow's server did not start: {_last_words(log)}")
                time.sleep(0.1)
            yield process
            if process.poll():
                raise UserError(f"MLflow's server ended: {_last_words(log)}")
        finally:
            _end(process)


def _shown(host: str) -> str:
    """Return the name by which this machine's browser reaches a server."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"[{host}]" if ":" in host else host


def _answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=5):
            return True
    except urllib.error.HTTPError as error:
        # a server with users may refuse, but it is there
        error.close()
        return error.code in (401, 403)
    except OSError:
        return False


def _end(process: subprocess.Popen) -> None:
    """End a process and all others of its session."""
    for sign in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, sign)
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            continue
        except ProcessLookupError:
            return


def show(results: Path, host: str, port: int, more: Sequence[str] = ()) -> None:
    """Print the links to the studies' views, and serve them until a signal comes.

    Where the runs are on a server of their own, its links are printed, and nothing is served.

    Parameters
    ----------
    results : Path
        The folder of the study that comes first.
    host : str
    port : int
    more : sequence of str
        Further options of `mlflow server`.

    Raises
    ------
    UserError
        In one line, if there are no runs, or if the server cannot start.
    """
    place = uri()
    remote = place.startswith("http")
    _check_database(place)
    # without a name and a password
    theirs = re.sub("//.*@", "//", place).rstrip("/")
    base = theirs if remote else f"http://{_shown(host)}:{port}"
    found = links(store.existing().search_experiments(), base, results.name)
    if not found:
        raise UserError(
            f"{masked(place)} holds no study yet: run one first (make run), or log a finished one "
            "(make tracking)"
        )
    if remote:
        _present(found, results.name)
        return
    check_port(host, port)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    print("MLflow's server starts ...", flush=True)
    with suppress(KeyboardInterrupt), server(host, port, more) as process:
        _present(found, results.name)
        print("Ctrl-C ends it.", flush=True)
        process.wait()


def _present(found: Sequence[Link], study: str) -> None:
    """Print links, and open the first of them for a person in front of a display."""
    if found[0].study != study:
        print(f"the study {study} has no runs here yet; there are:")
    print(text(found), flush=True)
    if may_open(os.environ, sys.stdout.isatty()):
        webbrowser.open(found[0].address)
