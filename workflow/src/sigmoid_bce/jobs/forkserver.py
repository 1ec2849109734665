"""Jobs without imports: they are forked from a process that has imported their modules.

TensorFlow takes four seconds to import, and a small network may take less to train. The start of a
workflow, or else the first job of a kind, starts a server that lives as long as its Snakemake
process. Each job is a fork of a server: a process of its own that shares only imported code.
"""

from __future__ import annotations

import json
import os
import re
import runpy
import selectors
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterable
from contextlib import suppress
from hashlib import sha256
from importlib import import_module
from pathlib import Path

from sigmoid_bce.jobs import fork_client, gpus

OWNER = "SIGMOID_BCE_FORKSERVER"
"""Environment variable: the Snakemake process of the jobs. Without it, jobs do not fork."""

# imported by every job's script
SCRIPT = ("snakemake.script", "pydantic", "pandas", "pyarrow.parquet")
PRELOADS = {
    "networks": (
        *SCRIPT, "sigmoid_bce.training.train", "sigmoid_bce.training.raw_outputs", "h5py",
    ),
    "tables": (
        *SCRIPT, "scipy.special",
        "sigmoid_bce.comparison.summary",
        "sigmoid_bce.figures.stage", "sigmoid_bce.figures.batch_mean",
    ),
    "tracking": (*SCRIPT, "scipy.stats", "mlflow.store.tracking.sqlalchemy_store"),
    "report": (*SCRIPT, "snakemake.cli", "snakemake.report.html_reporter", "docutils.core"),
}  # fmt: skip
"""The modules that jobs of a kind import. Modules that an environment lacks are left out."""

START = 10.0  # seconds within which a server must listen
LATE = 1.0  # seconds that a job waits for another's server after its own has ended
LONGEST = 1 << 20  # bytes of a request


def forked(kind: str) -> None:
    """Run the script in a fork of the server for jobs of a kind; a script's first line.

    The calling process waits for the fork, passes SIGTERM, SIGINT and SIGHUP on to it, and ends
    with its status. If it is killed, so is the fork. Without a server the function returns, and the
    script runs in the calling process.

    Parameters
    ----------
    kind : str
        A key of `PRELOADS`.

    Raises
    ------
    SystemExit
        With the fork's status; 137 if the fork was killed.

    Examples
    --------
    >>> forked("tables")  # without Snakemake, the script runs by itself
    """
    os.environ.update(fork_client.BACKEND)
    owner = os.environ.get(OWNER, "")
    if fork_client.FORK in os.environ or not owner or not hasattr(os, "pidfd_open") or orphaned():
        return
    connection = _connected(kind, owner)
    if connection is None:
        return
    fork_client.run(connection, sys.argv)


def orphaned() -> bool:
    """Return whether this job belongs to a Snakemake process that has ended.

    Examples
    --------
    >>> orphaned()  # no Snakemake process is named
    False
    """
    try:
        os.kill(int(os.environ.get(OWNER) or os.getpid()), 0)
    except OSError:  # it has ended, or its pid now belongs to another user
        return True
    return False


def warm(scripts: Iterable[Path]) -> None:
    """Start the servers that scripts will need, one after the other, in the background.

    Parameters
    ----------
    scripts : iterable of Path

    Examples
    --------
    >>> warm([])
    """
    asked = {kind_of(file.read_text()) for file in scripts}
    kinds = [kind for kind in PRELOADS if kind in asked]
    if kinds and hasattr(os, "pidfd_open"):
        _start(os.environ[OWNER], *kinds)


def kind_of(script: str) -> str:
    """Return the kind of the server in whose fork a script runs; an empty string for none.

    Parameters
    ----------
    script : str
        Its text.

    Examples
    --------
    >>> kind_of('forked("tables")'), kind_of("import pandas")
    ('tables', '')
    """
    found = re.search(r'^forked\("(\w+)"\)$', script, re.M)
    return found[1] if found else ""


def command(script: str) -> list[str]:
    """Return the arguments of Python that run a script in a fork, where a server listens.

    Parameters
    ----------
    script : str
        Its text.

    Returns
    -------
    list of str
        To be followed by the script's file; empty if it runs by itself.

    Examples
    --------
    >>> command("import pandas")
    []
    """
    kind, owner = kind_of(script), os.environ.get(OWNER, "")
    if not (kind and owner and hasattr(os, "pidfd_open")):
        return []
    # without the modules of the environment, Python starts in 15 ms
    return ["-I", "-S", fork_client.__file__, _address(kind, owner)[1:]]


def _address(kind: str, owner: str) -> str:
    digest = sha256(f"{sys.prefix} {os.environ.get('PYTHONPATH')}".encode()).hexdigest()[:16]
    return f"\0sigmoid-bce/{os.getuid()}/{owner}/{kind}/{digest}"


def _connected(kind: str, owner: str) -> socket.socket | None:
    """Return a connection to the server of a kind; start the server if there is none.

    None if the name of the server belongs to a process that does not serve.
    """
    address = _address(kind, owner)
    started, end = None, time.monotonic() + START
    while time.monotonic() < end:
        try:
            if connection := fork_client.connect(address):
                return connection
        except PermissionError:
            break
        started = started or _start(owner, kind)
        if started.poll() is not None:
            end = min(end, time.monotonic() + LATE)
        time.sleep(0.02)
    return None


def _start(owner: str, *kinds: str) -> subprocess.Popen[bytes]:
    """Start the server of the first kind; after its imports, it starts those of the others."""
    # threads of BLAS or MLflow in the server would make forks unsafe
    threadless = {"OPENBLAS_NUM_THREADS": "1", "MLFLOW_DISABLE_TELEMETRY": "true"}
    # without a GPU, TensorFlow's only errors are about that
    level = {"TF_CPP_MIN_LOG_LEVEL": "2" if gpus.pool() else "3"}
    environment = {**level, **os.environ, **threadless, **fork_client.BACKEND}
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "sigmoid_bce.jobs.forkserver", owner, *kinds],
        cwd="/",
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def _serve(owner: str, kind: str, *later: str) -> socket.socket:
    """Fork for every connection until the owner ends; return the connection, in a fork only."""
    owner_ends = os.pidfd_open(int(owner))
    server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        server.bind(_address(kind, owner))
    except OSError:  # another server of this kind was faster
        if later:
            _start(owner, *later)
        sys.exit()
    server.listen(4096)
    for module in PRELOADS[kind]:
        with suppress(ImportError):
            import_module(module)
    if later:
        _start(owner, *later)
    signal.signal(signal.SIGCHLD, _reap)
    with selectors.DefaultSelector() as selector:
        selector.register(server, selectors.EVENT_READ)
        selector.register(owner_ends, selectors.EVENT_READ)
        while True:
            ready = {key.fileobj for key, _ in selector.select()}
            if owner_ends in ready:
                sys.exit()
            connection, _ = server.accept()
            if fork_client.user_of(connection) == os.getuid() and os.fork() == 0:
                break
            connection.close()
    server.close()
    os.close(owner_ends)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    return connection


def _reap(*_: object) -> None:
    """Let ended forks go; the CPU time of a fork that is waited for counts as this process's."""
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _run(connection: socket.socket) -> None:
    """Run the script that a connection asks for, as the client's process would."""
    length, descriptors, *_ = socket.recv_fds(connection, 4, 3)
    message = b""
    while len(message) < struct.unpack("I", length)[0]:
        if not (part := connection.recv(LONGEST)):
            os._exit(1)  # the client has died
        message += part
    request = json.loads(message)
    for number, descriptor in enumerate(descriptors):
        os.dup2(descriptor, number)
        os.close(descriptor)
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["env"])
    sys.argv = request["argv"]
    try:
        connection.sendall(struct.pack("I", os.getpid()))
    except OSError:  # the client runs the script by itself
        os._exit(1)
    threading.Thread(target=_die_with_client, args=(connection,), daemon=True).start()
    status = 1
    try:
        runpy.run_path(sys.argv[0], run_name="__main__")
        status = 0
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
        if end.code is not None and end.code != status:
            print(end.code, file=sys.stderr)
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        with suppress(OSError):  # a full disk, or a client that is gone
            for stream in (sys.stdout, sys.stderr):
                stream.flush()
        with suppress(OSError):
            connection.sendall(struct.pack("I", status & 0xFF))
        os._exit(status & 0xFF)


def _die_with_client(connection: socket.socket) -> None:
    with suppress(OSError):
        connection.recv(1)
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    _run(_serve(*sys.argv[1:]))
