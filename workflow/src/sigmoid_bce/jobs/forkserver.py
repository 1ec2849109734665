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

from sigmoid_bce.jobs import gpus

OWNER = "SIGMOID_BCE_FORKSERVER"
"""Environment variable: the Snakemake process of the jobs. Without it, jobs do not fork."""

FORK = "SIGMOID_BCE_FORK"
"""Environment variable of a fork, which must not ask for another fork."""

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

BACKEND = {"MPLBACKEND": "agg"}
"""Figures go into files: a backend of a notebook, or a mistyped one, may not be there."""

START = 10.0  # seconds within which a server must listen
LATE = 1.0  # seconds that a job waits for another's server after its own has ended
ANSWER = 60.0  # seconds within which a server must fork: its imports come first
LONGEST = 1 << 20  # bytes of a request


def forked(kind: str) -> None:
    """Run the script in a fork of the server for jobs of a kind; a script's first line.

    The calling process waits for the fork, passes SIGTERM and SIGINT on to it, and ends with its
    status. If it is killed, so is the fork. Without a server the function returns, and the script
    runs in the calling process.

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
    os.environ.update(BACKEND)
    owner = os.environ.get(OWNER, "")
    if FORK in os.environ or not owner or not hasattr(os, "pidfd_open") or orphaned():
        return
    connection = _connected(kind, owner)
    if connection is None:
        return
    # until the fork's pid is known, a signal ends this process, and with it the fork
    with connection:
        connection.settimeout(ANSWER)
        request = {"argv": sys.argv, "cwd": str(Path.cwd()), "env": {**os.environ, FORK: "1"}}
        message = json.dumps(request).encode()
        try:
            socket.send_fds(connection, [struct.pack("I", len(message))], [0, 1, 2])
            connection.sendall(message)
            answer = connection.recv(4)
        except OSError:
            return
        if len(answer) < 4:  # the fork did not start
            return
        connection.settimeout(None)
        (process,) = struct.unpack("I", answer)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda number, _: os.kill(process, number))
        status = connection.recv(4)
    if len(status) == 4:
        sys.exit(struct.unpack("I", status)[0])
    print(
        "error: the job ended without a status: it was killed, as when memory runs out, or it "
        "crashed, or code in it called os._exit",
        file=sys.stderr,
        flush=True,
    )
    sys.exit(128 + signal.SIGKILL)


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
    asked = {
        kind
        for file in scripts
        for kind in re.findall(r'^forked\("(\w+)"\)$', file.read_text(), re.M)
    }
    kinds = [kind for kind in PRELOADS if kind in asked]
    if kinds and hasattr(os, "pidfd_open"):
        _start(os.environ[OWNER], *kinds)


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
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        # a connection that has to wait is refused: whoever holds the name may never accept it
        connection.setblocking(False)
        try:
            connection.connect(address)
        except OSError:
            connection.close()
            started = started or _start(owner, kind)
            if started.poll() is not None:
                end = min(end, time.monotonic() + LATE)
            time.sleep(0.02)
            continue
        if _user(connection) == os.getuid():
            return connection
        connection.close()
        break
    return None


def _start(owner: str, *kinds: str) -> subprocess.Popen[bytes]:
    """Start the server of the first kind; after its imports, it starts those of the others."""
    # threads of BLAS or MLflow in the server would make forks unsafe
    threadless = {"OPENBLAS_NUM_THREADS": "1", "MLFLOW_DISABLE_TELEMETRY": "true"}
    # without a GPU, TensorFlow's only errors are about that
    level = {"TF_CPP_MIN_LOG_LEVEL": "2" if gpus.pool() else "3"}
    environment = {**level, **os.environ, **threadless, **BACKEND}
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "sigmoid_bce.jobs.forkserver", owner, *kinds],
        cwd="/",
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def _user(connection: socket.socket) -> int:
    """Return the user at the other end of a connection."""
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
    return struct.unpack("3i", credentials)[1]


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
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # no zombies
    with selectors.DefaultSelector() as selector:
        selector.register(server, selectors.EVENT_READ)
        selector.register(owner_ends, selectors.EVENT_READ)
        while True:
            ready = {key.fileobj for key, _ in selector.select()}
            if owner_ends in ready:
                sys.exit()
            connection, _ = server.accept()
            if _user(connection) == os.getuid() and os.fork() == 0:
                break
            connection.close()
    server.close()
    os.close(owner_ends)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    return connection


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
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        connection.sendall(struct.pack("I", status))
        os._exit(status)


def _die_with_client(connection: socket.socket) -> None:
    with suppress(OSError):
        connection.recv(1)
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    _run(_serve(*sys.argv[1:]))
