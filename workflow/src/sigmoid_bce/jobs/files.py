"""Files that are whole or absent: written beside, synced, then renamed."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sigmoid_bce.jobs.logs import UserError

if TYPE_CHECKING:  # what is decided before a job needs neither
    import numpy as np
    import pandas as pd

FORMAT = 1
"""Raised when files are written in another way than before: every result is then made again."""

SKEW = 60  # seconds by which clocks of one network may differ
UNWRITABLE = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EFBIG}


class Unwritable(UserError, OSError):
    """A file that the disk has no room for, or that may not be written."""

    def __str__(self) -> str:
        return f"{self.filename} cannot be written: {os.strerror(self.errno)}"


class Damaged(UserError):
    """A file that cannot be read, and what to do about it."""

    def __init__(self, path: str | Path, error: Exception):
        cause = str(error).strip().splitlines() or [type(error).__name__]
        # what only earlier results needed is not missed by a target that is there
        super().__init__(
            f"{path} cannot be read ({cause[0]}): delete it, then run snakemake again with the "
            f"targets: all {path}"
        )


def _cause(error: OSError) -> int | None:
    """Return an error's number, also where HDF5 or NumPy has put it into words."""
    if error.errno is None and (found := re.search(r"errno = (\d+)", str(error))):
        return int(found[1])
    if error.errno is None and re.search(r"\d+ requested and \d+ written", str(error)):
        return errno.ENOSPC
    return error.errno


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Yield a path beside `path` to write to; rename it to `path` if all went well.

    Parameters
    ----------
    path : str or Path
        The file to make or replace; its folder is made if need be.

    Raises
    ------
    Unwritable
        With the file's name, if there is no room or no permission; an earlier file is left as it
        was.

    Examples
    --------
    >>> with replacing("/tmp/sigmoid-bce-example.txt") as part:
    ...     _ = part.write_text("whole")
    >>> Path("/tmp/sigmoid-bce-example.txt").read_text()
    'whole'
    """
    path = Path(path)
    part = path.with_name(f".{os.getpid()}.{path.name}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield part
        with open(part, "rb") as file:
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        number = _cause(error)
        # what is read meanwhile has a name of its own
        if number not in UNWRITABLE or error.filename not in (None, str(part), str(path.parent)):
            raise
        raise Unwritable(number, os.strerror(number), str(path)) from error
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)


def remove_parts(path: str | Path) -> None:
    """Remove what writers of `path` that were killed left beside it; none may be at work.

    Parameters
    ----------
    path : str or Path
        As given to `replacing`.
    """
    path = Path(path)
    for part in path.parent.glob(f".*.{path.name}"):
        if part.name[1:].split(".")[0].isdigit():
            part.unlink(missing_ok=True)


def check_writable(folder: str | Path) -> None:
    """Check that files can be made in a folder, which need not exist.

    Raises
    ------
    Unwritable
        If its disk is mounted read-only, or permission is lacking.

    Examples
    --------
    >>> check_writable("/tmp/sigmoid-bce/not-yet")
    """
    place = next(p for p in (Path(folder), *Path(folder).absolute().parents) if p.exists())
    if not os.access(place, os.W_OK):
        read_only = os.statvfs(place).f_flag & os.ST_RDONLY
        number = errno.EROFS if read_only else errno.EACCES
        raise Unwritable(number, os.strerror(number), str(folder))


def check_dates(paths: Iterable[str | Path]) -> None:
    """Check that files are not dated in the future: Snakemake would delete what is made from them.

    Parameters
    ----------
    paths : iterable of str or Path
        Files that exist.

    Raises
    ------
    UserError
        If one is dated more than a minute ahead of the clock.
    """
    for path in paths:
        ahead = Path(path).stat().st_mtime - time.time()
        if ahead > SKEW:
            raise UserError(
                f"{path} is dated {ahead:.0f} s ahead of the clock, which was set back: Snakemake "
                f"would delete what is made from it. Set the clock, or: touch {path}"
            )


def write_parquet(table: pd.DataFrame, path: str | Path) -> None:
    """Write a table without its index as Parquet, whole or not at all.

    Parameters
    ----------
    table : DataFrame
    path : str or Path
        The file to make or replace.

    Raises
    ------
    OSError
        If the file cannot be written; an earlier one is left as it was.
    """
    with replacing(path) as part:
        table.to_parquet(part, index=False)


@contextmanager
def reading(path: str | Path) -> Iterator[None]:
    """Say of a file that a block reads, if it cannot be read, what to do about it.

    Parameters
    ----------
    path : str or Path
        A file that a rule wrote.

    Raises
    ------
    Damaged
        If the file is cut off or otherwise not what was written.
    """
    try:
        yield
    except FileNotFoundError:
        raise
    except (OSError, ValueError, KeyError, EOFError) as error:
        raise Damaged(path, error) from None


def read_parquet(path: str | Path, **options: Any) -> pd.DataFrame:
    """Read a table that a rule wrote.

    Parameters
    ----------
    path : str or Path
    **options
        Of pandas.read_parquet.

    Raises
    ------
    Damaged
        As `reading`.
    """
    import pandas as pd

    with reading(path):
        return pd.read_parquet(path, **options)


def read_array(path: str | Path) -> np.ndarray:
    """Return an array that a rule wrote in .npy format.

    Parameters
    ----------
    path : str or Path

    Returns
    -------
    ndarray
        Of the file's shape and dtype, mapped to memory, read-only.

    Raises
    ------
    Damaged
        As `reading`.

    Examples
    --------
    >>> import numpy as np
    >>> write_array(np.arange(6, dtype="f4").reshape(2, 3), "/tmp/sigmoid-bce-example.npy")
    >>> read_array("/tmp/sigmoid-bce-example.npy").shape
    (2, 3)
    """
    import numpy as np

    with reading(path):
        return np.load(path, mmap_mode="r")


def read_json(path: str | Path) -> Any:
    """Return a value that a rule wrote as JSON.

    Parameters
    ----------
    path : str or Path

    Raises
    ------
    Damaged
        As `reading`.
    """
    with reading(path):
        return json.loads(Path(path).read_text())


def write_csv(table: pd.DataFrame, path: str | Path) -> None:
    """Write a table without its index as CSV, whole or not at all.

    Parameters
    ----------
    table : DataFrame
    path : str or Path
        The file to make or replace.

    Raises
    ------
    OSError
        If the file cannot be written; an earlier one is left as it was.
    """
    with replacing(path) as part:
        table.to_csv(part, index=False)


def write_json(value: Any, path: str | Path) -> None:
    """Write a value as indented JSON, whole or not at all.

    Parameters
    ----------
    value : Any
        Anything that JSON knows.
    path : str or Path
        The file to make or replace.

    Raises
    ------
    OSError
        If the file cannot be written; an earlier one is left as it was.
    """
    with replacing(path) as part:
        part.write_text(json.dumps(value, indent=2) + "\n")


def sha256(path: str | Path) -> str:
    """Return the SHA-256 of a file's content, in hexadecimal.

    Examples
    --------
    >>> _ = Path("/tmp/sigmoid-bce-example.txt").write_text("whole")
    >>> sha256("/tmp/sigmoid-bce-example.txt")[:8]
    '5d5766cf'
    """
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_array(array: np.ndarray, path: str | Path) -> None:
    """Write an array in .npy format, whole or not at all.

    Parameters
    ----------
    array : ndarray, any shape and dtype
    path : str or Path
        The file to make or replace.

    Raises
    ------
    OSError
        If the file cannot be written; an earlier one is left as it was.
    """
    import numpy as np

    with replacing(path) as part, open(part, "wb") as file:
        np.save(file, array)


def mapped(path: str | Path, dtype: Any, shape: tuple[int, ...]) -> np.memmap:
    """Return a new array in .npy format, mapped to memory, its room on the disk reserved.

    A page of a map that a full disk has no room for would be the process's death.

    Parameters
    ----------
    path : str or Path
        The file to make.
    dtype : dtype
    shape : tuple of int

    Raises
    ------
    OSError
        If there is no room.
    """
    import numpy as np

    array = np.lib.format.open_memmap(path, "w+", dtype, shape)
    with open(path, "r+b") as file:
        os.posix_fallocate(file.fileno(), 0, Path(path).stat().st_size)
    return array
