"""Files that are complete or absent: written under another name, synced, then renamed."""

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

from sigmoid_bce.jobs.digests import UNREADABLE, regular
from sigmoid_bce.jobs.logs import UserError, why

if TYPE_CHECKING:  # planning imports neither
    import numpy as np
    import pandas as pd

FORMAT = 1
"""Version of the format of files. Raise it when that changes: all results are then made again."""

SKEW = 60  # seconds by which the clocks of two hosts may differ
UNWRITABLE = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EFBIG}


class Unwritable(UserError, OSError):
    """A file for which the disk has no room, or the process no permission."""

    def __str__(self) -> str:
        return f"{self.filename} cannot be written: {self.strerror}"


class Damaged(UserError):
    """A file that cannot be read. The message says how to make it again."""

    def __init__(self, path: str | Path, error: Exception):
        # the file is a target of its own, since `all` ignores a missing file whose results exist
        super().__init__(
            f"{path} cannot be read ({why(error)}): delete it, then run snakemake again with the "
            f"targets: all {path}"
        )


def _cause(error: OSError) -> int | None:
    """Return an error's number, also if HDF5 or NumPy only gives it in the message."""
    if error.errno is None and (found := re.search(r"errno = (\d+)", str(error))):
        return int(found[1])
    if error.errno is None and re.search(r"\d+ requested and \d+ written", str(error)):
        return errno.ENOSPC
    return error.errno


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; rename it to `path` if the block succeeds.

    Parameters
    ----------
    path : str or Path
        The file to write or replace. Its folder is made if it is missing.

    Raises
    ------
    Unwritable
        If there is no room or no permission. An earlier file stays as it was.

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
        # an error of a file that the block reads names that file
        if number not in UNWRITABLE or error.filename not in (None, str(part), str(path.parent)):
            raise
        raise Unwritable(number, os.strerror(number), str(path)) from error
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)


def remove_parts(path: str | Path) -> None:
    """Remove the temporary files of killed writers of `path`. No writer may be running.

    Parameters
    ----------
    path : str or Path
        As given to `replacing`.

    Examples
    --------
    >>> (part := Path("/tmp/.4711.sigmoid-bce-example.txt")).touch()
    >>> remove_parts("/tmp/sigmoid-bce-example.txt"), part.exists()
    (None, False)
    """
    path = Path(path)
    for part in path.parent.glob(f".*.{path.name}"):
        if part.name[1:].split(".")[0].isdigit():
            part.unlink(missing_ok=True)


def check_writable(folder: str | Path) -> None:
    """Check that files can be written in a folder, which may not exist yet.

    Raises
    ------
    UserError
        If its disk is mounted read-only, or permission is missing, for it or for what is in it.
    """
    from sigmoid_bce.jobs.places import check_shared

    place = next(p for p in (Path(folder), *Path(folder).absolute().parents) if p.exists())
    if not os.access(place, os.W_OK):
        read_only = os.statvfs(place).f_flag & os.ST_RDONLY
        number = errno.EROFS if read_only else errno.EACCES
        raise Unwritable(number, os.strerror(number), str(folder))
    check_shared(Path(folder))


def check_dates(paths: Iterable[str | Path]) -> None:
    """Check that no file is dated in the future: Snakemake would delete the results made from it.

    Parameters
    ----------
    paths : iterable of str or Path
        Files that exist.

    Raises
    ------
    UserError
        If one is dated more than a minute ahead of the clock.
    """
    from sigmoid_bce.jobs.places import clock  # which needs this module

    for path in paths:
        ahead = Path(path).stat().st_mtime - time.time()
        # by the clock of the file system, which may be a server's
        if ahead > SKEW and (ahead := ahead - clock(Path(path).parent)) > SKEW:
            raise UserError(
                f"{path} is dated {ahead:.0f} s ahead of the clock, which was set back: Snakemake "
                f"would delete the results made from it. Set the clock, or run: touch {path}"
            )


def write_parquet(table: pd.DataFrame, path: str | Path) -> None:
    """Write a table without its index as Parquet, completely or not at all.

    Parameters
    ----------
    table : DataFrame
    path : str or Path
        The file to write or replace.

    Raises
    ------
    OSError
        If the file cannot be written. An earlier one stays as it was.

    Examples
    --------
    >>> import pandas as pd
    >>> write_parquet(pd.DataFrame({"loss": [0.25]}), "/tmp/sigmoid-bce-example.parquet")
    >>> read_parquet("/tmp/sigmoid-bce-example.parquet")["loss"].tolist()
    [0.25]
    """
    with replacing(path) as part:
        table.to_parquet(part, index=False)


@contextmanager
def reading(path: str | Path) -> Iterator[None]:
    """Raise `Damaged` if a block cannot read a file.

    Parameters
    ----------
    path : str or Path
        A file that a rule wrote.

    Raises
    ------
    Damaged
        If it is cut off or damaged, or no file. A missing file is a FileNotFoundError.

    Examples
    --------
    >>> with reading("a.json"):  # doctest: +ELLIPSIS
    ...     json.loads("{")
    Traceback (most recent call last):
    sigmoid_bce.jobs.files.Damaged: a.json cannot be read ...
    """
    try:
        with suppress(FileNotFoundError):
            regular(path)  # a pipe would be read for ever
        yield
    except FileNotFoundError:
        raise
    except UNREADABLE as error:
        raise Damaged(path, error) from None


def read_parquet(path: str | Path, **options: Any) -> pd.DataFrame:
    """Read a table that a rule wrote.

    Parameters
    ----------
    path : str or Path
    **options
        Options of pandas.read_parquet.

    Raises
    ------
    Damaged
        As `reading`.

    Examples
    --------
    >>> _ = Path("/tmp/sigmoid-bce-example.parquet").write_text("cut off")
    >>> read_parquet("/tmp/sigmoid-bce-example.parquet")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    sigmoid_bce.jobs.files.Damaged: /tmp/sigmoid-bce-example.parquet cannot be read ...
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
        Read-only, mapped to memory.

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
    r"""Write a table without its index as CSV, completely or not at all.

    Parameters
    ----------
    table : DataFrame
    path : str or Path
        The file to write or replace.

    Raises
    ------
    OSError
        If the file cannot be written. An earlier one stays as it was.

    Examples
    --------
    >>> import pandas as pd
    >>> write_csv(pd.DataFrame({"loss": [0.25]}), "/tmp/sigmoid-bce-example.csv")
    >>> Path("/tmp/sigmoid-bce-example.csv").read_text()
    'loss\n0.25\n'
    """
    with replacing(path) as part:
        table.to_csv(part, index=False)


def write_json(value: Any, path: str | Path) -> None:
    """Write a value as indented JSON, completely or not at all.

    Parameters
    ----------
    value : Any
        Any value that JSON can represent.
    path : str or Path
        The file to write or replace.

    Raises
    ------
    OSError
        If the file cannot be written. An earlier one stays as it was.

    Examples
    --------
    >>> write_json({"seed": 3}, "/tmp/sigmoid-bce-example.json")
    >>> read_json("/tmp/sigmoid-bce-example.json")
    {'seed': 3}
    """
    with replacing(path) as part:
        part.write_text(json.dumps(value, indent=2) + "\n")


def sha256(path: str | Path) -> str:
    """Return the SHA-256 of a regular file's content, in hexadecimal.

    Examples
    --------
    >>> _ = Path("/tmp/sigmoid-bce-example.txt").write_text("whole")
    >>> sha256("/tmp/sigmoid-bce-example.txt")[:8]
    '5d5766cf'
    """
    regular(path)
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_array(array: np.ndarray, path: str | Path) -> None:
    """Write an array in .npy format, completely or not at all.

    Parameters
    ----------
    array : ndarray, any shape and dtype
    path : str or Path
        The file to write or replace.

    Raises
    ------
    OSError
        If the file cannot be written. An earlier one stays as it was.
    """
    import numpy as np

    with replacing(path) as part, open(part, "wb") as file:
        np.save(file, array)


def mapped(path: str | Path, dtype: Any, shape: tuple[int, ...]) -> np.memmap:
    """Return a new array in .npy format, mapped to memory, with its room on the disk reserved.

    Without the reservation, a full disk would kill the process that writes to the map.

    Parameters
    ----------
    path : str or Path
        The file to write.
    dtype : dtype
    shape : tuple of int

    Raises
    ------
    OSError
        If there is no room.

    Examples
    --------
    >>> mapped("/tmp/sigmoid-bce-example.npy", "u1", (2, 3)).shape
    (2, 3)
    """
    import numpy as np

    array = np.lib.format.open_memmap(path, "w+", dtype, shape)
    with open(path, "r+b") as file:
        os.posix_fallocate(file.fileno(), 0, Path(path).stat().st_size)
    return array
