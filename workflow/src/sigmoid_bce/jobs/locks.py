"""File locks: the kernel's own, which end with the process that holds them, however it ends."""

from __future__ import annotations

import errno
import fcntl
import getpass
import json
import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from socket import gethostname
from typing import IO, Any, TypedDict

from sigmoid_bce.jobs.files import remove_parts
from sigmoid_bce.jobs.logs import announce

LONGEST = 1 << 20  # bytes of a lock's file that are read
UNSUPPORTED = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP}  # file systems without locks


class Record(TypedDict, total=False):
    """The content of a result's lock file: its holder, or the last one."""

    pid: int
    user: str
    host: str
    since: str
    identity: Any
    finished: str


def open_shared(path: str | Path) -> int:
    """Open a lock's file, and make it if it is missing; it may belong to another user.

    Returns
    -------
    int
        A file descriptor, for writing if the file's permissions allow it.

    Raises
    ------
    OSError
        If the file cannot be opened, or is a symbolic link.
    """
    try:
        # NFS grants an exclusive lock only on a file that is open for writing
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o666)
    except PermissionError:
        if not os.path.lexists(path):
            raise
        return os.open(path, os.O_RDONLY | os.O_NOFOLLOW)


def acquire(file: int | IO[Any], wait: bool = True) -> bool:
    """Lock an open file until it is closed or this process ends.

    On a file system without locks, a line of the log says so and the file counts as locked.

    Parameters
    ----------
    file : int or file object
    wait : bool
        Wait while another process holds the lock.

    Returns
    -------
    bool
        False if another process holds the lock and `wait` is False.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.NamedTemporaryFile() as one, open(one.name) as other:
    ...     acquire(one), acquire(other, wait=False)
    (True, False)
    """
    try:
        fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in UNSUPPORTED:
            raise
        number = file if isinstance(file, int) else file.fileno()
        place = Path(f"/proc/self/fd/{number}").readlink()
        # the start of the workflow said it to the user, once
        print(
            f"{place}: its file system has no locks ({error.strerror}); going on without one",
            flush=True,
        )
    return True


def supported(folder: Path) -> bool:
    """Return whether the file system of a folder has locks; True if nothing can be written there.

    Examples
    --------
    >>> supported(Path("/tmp"))
    True
    """
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno not in UNSUPPORTED
    return True


def held(path: str | Path) -> bool | None:
    """Return whether a living process, on this host or another, holds the lock of a file.

    False if there is no such file; None if its file system has no locks.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.NamedTemporaryFile() as file:
    ...     before, _, after = held(file.name), acquire(file), held(file.name)
    >>> before, after
    (False, True)
    """
    try:
        # a pipe in its place would be opened for ever
        with open(path, opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)) as file:
            # a shared lock: two processes that look at once do not see each other
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError as error:
        return None if error.errno in UNSUPPORTED else False
    return False


def exists(pid: int) -> bool:
    """Return whether a process of this machine exists, whoever started it.

    Examples
    --------
    >>> exists(os.getpid())
    True
    """
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # of another user
        pass
    return True


@contextmanager
def exclusive(path: str | Path) -> Iterator[None]:
    """Let one process at a time run a block; others wait.

    Parameters
    ----------
    path : str or Path
        The lock's file. It is made if it is missing, and stays.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder, exclusive(f"{folder}/.lock"):
    ...     held(f"{folder}/.lock")
    True
    """
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    lock = open_shared(path)
    try:
        acquire(lock)
        yield
    finally:
        os.close(lock)


def _read(lock: int) -> Record:
    """Return the record in a lock's file; an empty one if there is none, or it was cut off."""
    try:
        return Record(**json.loads(os.pread(lock, LONGEST, 0)))
    except (ValueError, TypeError):
        return {}


def _write(lock: int, record: Record) -> None:
    with suppress(OSError):  # the lock holds on a full disk, too
        os.ftruncate(lock, 0)
        os.pwrite(lock, (json.dumps(record, indent=2) + "\n").encode(), 0)


def _holder(record: Record) -> str:
    if "pid" not in record:
        return "another process"
    return "process {pid} of {user} on {host}, started {since}".format_map(record)


def _now() -> str:
    return datetime.now(UTC).isoformat(" ", "seconds")


def user() -> str:
    """Return the name of this process's user, or else the number."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        return str(os.getuid())


@contextmanager
def hold(path: str | Path, outputs: Iterable[str | Path], identity: Any) -> Iterator[bool]:
    """Hold the lock of a result, and yield whether the result still has to be made.

    While another process holds it, on this host or another, a line names that process and this
    one waits.

    Parameters
    ----------
    path : str or Path
        The lock's file. It names the holder, and stays.
    outputs : iterable of str or Path
        The result's files.
    identity : Any
        The values that the result depends on, as JSON can represent them.

    Yields
    ------
    bool
        False if all outputs exist and were made under this lock from the same identity. They were
        made while this process waited: Snakemake deletes a job's outputs before it starts the job.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> for _ in range(2):  # doctest: +ELLIPSIS
    ...     with hold(folder / ".lock", [folder / "sum"], {"of": [1, 2]}) as needed:
    ...         print(needed)
    ...         _ = (folder / "sum").write_text("3")
    True
    /...: already made by process ... of ... on ..., started ...
    False
    """
    path, files = Path(path), [Path(output) for output in outputs]
    path.parent.mkdir(parents=True, exist_ok=True)
    identity = json.loads(json.dumps(identity, default=str))
    lock = open_shared(path)
    try:
        if not acquire(lock, wait=False):
            announce(f"{path.parent}: waiting for {_holder(_read(lock))}, which is making this")
            acquire(lock)
        last = _read(lock)
        made = last.get("identity") == identity and "finished" in last
        if made and all(file.exists() for file in files):
            announce(f"{path.parent}: already made by {_holder(last)}")
            yield False
            return
        for file in files:
            remove_parts(file)
        record = Record(
            pid=os.getpid(), user=user(), host=gethostname(), since=_now(), identity=identity
        )
        _write(lock, record)
        yield True
        _write(lock, Record(**record, finished=_now()))
    finally:
        os.close(lock)
