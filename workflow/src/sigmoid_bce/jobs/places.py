"""What a study's folder is: whether users share it, and what its file system lacks."""

from __future__ import annotations

import os
import pwd
import shlex
import stat
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from sigmoid_bce.jobs import locks
from sigmoid_bce.jobs.files import SKEW
from sigmoid_bce.jobs.locks import user
from sigmoid_bce.jobs.logs import UserError

WRITTEN_OVER = "benchmarks"
"""A folder whose files Snakemake writes over; all others are deleted and made again."""


def check_shared(folder: Path) -> None:
    """Check that this user can replace whatever other users made in a folder.

    A job would fail midway. A folder that only its owner can write in is not looked at.

    Raises
    ------
    UserError
        With the first folder or file that belongs to another user and cannot be replaced.

    Examples
    --------
    >>> check_shared(Path("/tmp/sigmoid-bce/not-yet"))
    """
    kept = [*_kept_from_me(folder)] if folder.exists() and _is_shared(folder) else []
    if kept:
        more = f", as {len(kept) - 1} more" if len(kept) > 1 else ""
        raise UserError(
            f"{kept[0]} belongs to {_owner(kept[0])}, and {user()} cannot replace what jobs wrote "
            f"there{more}: let the owner run `chmod -R g+rwX {shlex.quote(str(folder))}` with a "
            "group that both are in, or give the study another name"
        )


def clock(folder: Path) -> float:
    """Return by how many seconds the clock of a file system is ahead of this machine's.

    Parameters
    ----------
    folder : Path
        Where a file can be written for a moment; else the clocks are taken for equal.

    Examples
    --------
    >>> abs(clock(Path("/tmp"))) < 1
    True
    """
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b".")
            file.flush()
            return os.fstat(file.fileno()).st_mtime - time.time()
    except OSError:
        return 0.0


def peculiarities(folder: Path) -> list[str]:
    """Return a line for whatever of a folder's file system a user has to know of.

    Parameters
    ----------
    folder : Path
        The study's folder.

    Examples
    --------
    >>> peculiarities(Path("/tmp"))
    []
    """
    place = next(p for p in (folder, *folder.absolute().parents) if p.exists())
    found = []
    if not locks.supported(place):
        found.append(
            f"{folder}: its file system has no locks: nothing keeps two workflows from making the "
            "same result, so start one at a time"
        )
    if abs(ahead := clock(place)) > SKEW:
        found.append(
            f"{folder}: the clock of its file system is {abs(ahead):.0f} s "
            f"{'ahead of' if ahead > 0 else 'behind'} this machine's: no result is affected, but "
            "the dates of files and of epochs are not of one clock"
        )
    return found


def _is_shared(folder: Path) -> bool:
    """Return whether others may have written in a folder. To root, all is permitted."""
    state, me = folder.stat(), os.geteuid()
    return me != 0 and (state.st_uid != me or bool(state.st_mode & (stat.S_IWGRP | stat.S_IWOTH)))


def _kept_from_me(folder: Path) -> Iterator[Path]:
    """Yield the folders and files that this process cannot replace."""
    for name, _, files in os.walk(folder):
        place = Path(name)
        if not place.exists():  # another user's job has removed it just now
            continue
        if not os.access(place, os.W_OK | os.X_OK):
            yield place
        elif _keeps(place):
            yield from (place / one for one in files if not _is_mine(place / one))
        elif WRITTEN_OVER in place.relative_to(folder).parts[:1]:
            some = (place / one for one in files if not os.access(place / one, os.W_OK))
            yield from (one for one in some if one.exists())


def _keeps(folder: Path) -> bool:
    """Return whether only its owner may delete a file in a folder, as in /tmp."""
    try:
        state = folder.stat()
    except FileNotFoundError:
        return False
    return bool(state.st_mode & stat.S_ISVTX) and state.st_uid != os.geteuid()


def _is_mine(file: Path) -> bool:
    """Return whether this user owns a file; one that is gone is in nobody's way."""
    try:
        return file.lstat().st_uid == os.geteuid()
    except FileNotFoundError:
        return True


def _owner(path: Path) -> str:
    number = path.lstat().st_uid
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:  # a container's users may have no name
        return str(number)
