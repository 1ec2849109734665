"""The address of the tracking server or database, found without an import of MLflow."""

from __future__ import annotations

import os
import re
from pathlib import Path

DEFAULT = "sqlite:///mlflow.db"


def without_credentials(text: object) -> str:
    """Return a text with the credentials in its addresses masked.

    Examples
    --------
    >>> without_credentials("postgresql://me:secret@host/runs is away")
    'postgresql://***@host/runs is away'
    """
    return re.sub(r"://[^/\s]*@", "://***@", str(text))


def uri() -> str:
    """Return MLFLOW_TRACKING_URI; if it is not set, mlflow.db in the current folder.

    Examples
    --------
    >>> uri().startswith(("sqlite:////", "http", "postgresql"))
    True
    """
    address = os.environ.get("MLFLOW_TRACKING_URI") or DEFAULT
    # absolute: a job may run in another folder
    if file := sqlite_file(address):
        return f"sqlite:///{file.resolve()}"
    return address


def sqlite_file(address: str) -> Path | None:
    """Return the file of an SQLite database; None if `address` is of another kind.

    Examples
    --------
    >>> sqlite_file("sqlite:///mlflow.db").name
    'mlflow.db'
    """
    return Path(address.removeprefix("sqlite:///")) if address.startswith("sqlite:///") else None
