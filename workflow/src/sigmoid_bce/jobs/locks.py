"""One process at a time makes a result; another one waits, and takes what it finds made."""

from __future__ import annotations

import errno
import fcntl
import getpass
import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from socket import gethostname
from typing import Any

from sigmoid_bce.jobs.files import remove_parts
from sigmoid_bce.jobs.logs import announce

LONGEST = 1 << 20  # bytes of what a lock's file says
UNKNOWN = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP}  # file systems without locks


def _read(lock: int) -> dict[str, Any]:
    """Return what the holder wrote; nothing if it has not, or was cut off."""
    try:
        return dict(json.loads(os.pread(lock, LONGEST, 0)))
    except ValueError:
        return {}


def _write(lock: int, record: dict[str, Any]) -> None:
    with suppress(OSError):  # on a full disk the lock holds all the same
        os.ftruncate(lock, 0)
        os.pwrite(lock, (json.dumps(record, indent=2) + "\n").encode(), 0)


def _who(record: dict[str, Any]) -> str:
    return "process {pid} of {user} on {host}, since {since}".format_map(record)


def _now() -> str:
    return datetime.now(UTC).isoformat(" ", "seconds")


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        return str(os.getuid())


@contextmanager
def hold(path: str | Path, outputs: Iterable[str | Path], identity: Any) -> Iterator[bool]:
    """Hold a result's lock, and yield whether it is still to be made.

    While another process holds it, on this host or another, wait, and say for whom. The lock is the
    kernel's: it ends with its process, however that ends.

    Parameters
    ----------
    path : str or Path
        The lock's file. It says who holds it, and stays.
    outputs : iterable of str or Path
        The result's files.
    identity : Any
        What the result depends on, in values that JSON knows.

    Yields
    ------
    bool
        False if all outputs are there, made under this lock from the same: they were made while
        this process waited, for Snakemake deletes a job's outputs before it starts the job.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> for _ in range(2):  # doctest: +ELLIPSIS
    ...     with hold(folder / ".lock", [folder / "sum"], {"of": [1, 2]}) as needed:
    ...         print(needed)
    ...         _ = (folder / "sum").write_text("3")
    True
    /...: taken as made by process ... since ...
    False
    """
    path, outputs = Path(path), [Path(output) for output in outputs]
    path.parent.mkdir(parents=True, exist_ok=True)
    identity = json.loads(json.dumps(identity, default=str))
    lock = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = _read(lock)
            who = _who(holder) if "pid" in holder else "another process"
            announce(f"{path.parent}: waiting for {who}, which is at it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        except OSError as error:
            if error.errno not in UNKNOWN:
                raise
            announce(f"{path}: this file system has no locks ({error.strerror}): going on without")
        last = _read(lock)
        made = last.get("identity") == identity and "finished" in last
        if made and all(output.exists() for output in outputs):
            announce(f"{path.parent}: taken as made by {_who(last)}")
            yield False
            return
        for output in outputs:
            remove_parts(output)
        record = {"pid": os.getpid(), "user": _user(), "host": gethostname(), "since": _now()}
        record["identity"] = identity
        _write(lock, record)
        yield True
        _write(lock, {**record, "finished": _now()})
    finally:
        os.close(lock)
