"""The process of a job that runs in a fork: it asks a server for the fork, and ends as that does.

Snakemake starts this file in place of a job's script. It imports a little of the standard library
and nothing else, so it starts in a fifth of the time that the script's own first lines take.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import struct
import sys
from contextlib import suppress

FORK = "SIGMOID_BCE_FORK"
"""Environment variable of a fork, which must not ask for another fork."""

BACKEND = {"MPLBACKEND": "agg"}
"""Figures go into files: a backend of a notebook, or a mistyped one, may not be there."""

ANSWER = 60.0  # seconds within which a server must fork: its imports come first


def user_of(connection: socket.socket) -> int:
    """Return the user at the other end of a connection."""
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
    return struct.unpack("3i", credentials)[1]


def connect(address: str) -> socket.socket | None:
    """Return a connection to a server; None if nobody listens.

    Parameters
    ----------
    address : str
        The name of an abstract socket, after a null character.

    Raises
    ------
    PermissionError
        If the name belongs to another user's process.

    Examples
    --------
    >>> connect(chr(0) + "nobody's name")
    """
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    # a connection that has to wait is refused: whoever holds the name may never accept it
    connection.setblocking(False)
    try:
        connection.connect(address)
    except OSError:
        connection.close()
        return None
    if (user := user_of(connection)) != os.getuid():
        connection.close()
        raise PermissionError(f"the server belongs to user {user}")
    return connection


def _pass_on(process: int, number: int) -> None:
    with suppress(ProcessLookupError):  # it has ended just now
        os.kill(process, number)


def run(connection: socket.socket, argv: list[str]) -> None:
    """Run a script in a fork of a server, and end as it ends.

    This process passes SIGTERM, SIGINT and SIGHUP on to the fork. If it is killed, so is the fork.

    Parameters
    ----------
    connection : socket
        To the server.
    argv : list of str
        The script and its arguments.

    Raises
    ------
    SystemExit
        With the fork's status; 137 if the fork was killed. Without it, no fork was started.
    """
    # until the fork's pid is known, a signal ends this process, and with it the fork
    with connection:
        connection.settimeout(ANSWER)
        request = {
            "argv": argv,
            "cwd": os.path.realpath(os.curdir),
            "env": {**os.environ, FORK: "1"},
        }
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
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            if number == signal.SIGHUP and signal.getsignal(number) == signal.SIG_IGN:
                continue  # as `nohup` starts a process
            signal.signal(number, lambda number, _: _pass_on(process, number))
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


def main(name: str, script: str) -> None:
    """Run a script in a fork of a server, or else by itself: it may start the server.

    Parameters
    ----------
    name : str
        The server's address, without its first character.
    script : str
    """
    os.environ.update(BACKEND)
    try:
        if connection := connect(f"\0{name}"):
            run(connection, [script])
    except PermissionError:
        pass
    os.execv(sys.executable, [sys.executable, script])


if __name__ == "__main__":
    main(*sys.argv[1:])
