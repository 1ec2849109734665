"""Files that are whole or absent: written beside, synced, then renamed."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Yield a path beside `path` to write to; rename it to `path` if all went well.

    Parameters
    ----------
    path : str or Path
        The file to make or replace; its folder is made if need be.

    Examples
    --------
    >>> with replacing("/tmp/sigmoid-bce-example.txt") as part:
    ...     _ = part.write_text("whole")
    >>> Path("/tmp/sigmoid-bce-example.txt").read_text()
    'whole'
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{os.getpid()}.{path.name}")
    try:
        yield part
        with open(part, "rb") as file:
            os.fsync(file.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


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
    with replacing(path) as part, open(part, "wb") as file:
        np.save(file, array)
