"""Where runs are logged, without a look at MLflow."""

from __future__ import annotations

import os
import re
from pathlib import Path

DEFAULT = "sqlite:///mlflow.db"


def shown(text: object) -> str:
    """Return a text without the names and passwords of the addresses in it.

    Examples
    --------
    >>> shown("postgresql://me:secret@host/runs is away")
    'postgresql://***@host/runs is away'
    """
    return re.sub(r"://[^/\s]*@", "://***@", str(text))


def uri() -> str:
    """Return where runs are logged: MLFLOW_TRACKING_URI, or mlflow.db in the current folder.

    Examples
    --------
    >>> uri().startswith(("sqlite:////", "http", "postgresql"))
    True
    """
    address = os.environ.get("MLFLOW_TRACKING_URI") or DEFAULT
    # a job may run in another folder
    if file := sqlite_file(address):
        return f"sqlite:///{file.resolve()}"
    return address


def sqlite_file(address: str) -> Path | None:
    """Return the file of an SQLite database; None if `address` is another kind of one.

    Examples
    --------
    >>> sqlite_file("sqlite:///mlflow.db").name
    'mlflow.db'
    """
    return Path(address.removeprefix("sqlite:///")) if address.startswith("sqlite:///") else None
