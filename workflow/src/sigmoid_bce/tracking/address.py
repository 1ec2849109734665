"""The address of the tracking server or database, found without an import of MLflow."""

from __future__ import annotations

import os
from pathlib import Path

from sigmoid_bce.jobs.credentials import ADDRESS

SQLITE = "sqlite:///"
DEFAULT = f"{SQLITE}mlflow.db"


def uri() -> str:
    """Return MLFLOW_TRACKING_URI; if it is not set, mlflow.db in the current folder.

    Examples
    --------
    >>> uri().startswith(("sqlite:///", "http", "postgresql"))
    True
    """
    address = os.environ.get(ADDRESS) or DEFAULT
    if file := sqlite_file(address):
        return sqlite_address(file) + "".join(address.partition("?")[1:])
    return address


def sqlite_file(address: str) -> Path | None:
    """Return the file of an SQLite database; None if `address` is of another kind.

    Examples
    --------
    >>> sqlite_file("sqlite:///mlflow.db?timeout=30")
    PosixPath('mlflow.db')
    """
    if not address.startswith(SQLITE):
        return None
    return Path(address.removeprefix(SQLITE).partition("?")[0])


def sqlite_address(file: Path) -> str:
    """Return the address of an SQLite database: absolute, since a job may run in another folder.

    Examples
    --------
    >>> sqlite_address(Path("/a folder#1/mlflow.db"))
    'sqlite:////a folder#1/mlflow.db'
    """
    place = str(file.resolve())
    # an address has options after a ?; relative to its own folder the file's name has none
    return SQLITE + (os.path.relpath(place) if "?" in place else place)
