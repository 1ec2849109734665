"""The tracking server or database: created if it is missing, never migrated."""

from __future__ import annotations

import hashlib
import logging
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sigmoid_bce.jobs import locks
from sigmoid_bce.jobs.logs import UserError
from sigmoid_bce.tracking.address import sqlite_file, uri, without_credentials

# before MLflow is imported; a server that is away costs seconds, not minutes
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "3")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "20")
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")

import sqlalchemy
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.store.db import utils as schema

POSTGRES_LOCK = 5_318_008_452  # an arbitrary number that no other program uses


class TrackingError(UserError):
    """The tracking server or database cannot be used; the message says how to mend that."""


@contextmanager
def _alone(address: str) -> Iterator[None]:
    """Let one process at a time check for a database, and create it."""
    name = hashlib.sha256(address.encode()).hexdigest()[:16]
    file = sqlite_file(address)
    lock = file.with_suffix(".lock") if file else Path(tempfile.gettempdir(), f"mlflow-{name}.lock")
    with locks.exclusive(lock):
        if not address.startswith("postgresql"):
            yield
            return
        # processes of other hosts share only the database
        engine = sqlalchemy.create_engine(address)
        with engine.connect() as connection:
            connection.execute(sqlalchemy.text(f"SELECT pg_advisory_lock({POSTGRES_LOCK})"))
            yield
        engine.dispose()


def _check_schema(address: str) -> None:
    """Raise if a database has the schema of another release: MLflow would migrate it unasked."""
    engine = sqlalchemy.create_engine(address)
    try:
        if "alembic_version" not in sqlalchemy.inspect(engine).get_table_names():
            return
        with engine.connect() as connection:
            query = sqlalchemy.text("SELECT version_num FROM alembic_version")
            found = connection.execute(query).scalar()
    finally:
        engine.dispose()
    expected = schema._get_latest_schema_revision()
    if found != expected:
        place = without_credentials(address)
        raise TrackingError(
            f"{place} has the schema of another release of MLflow ({found}, this release needs "
            f"{expected}). Keep a copy, then migrate it with: mlflow db upgrade {place}"
        )


def _prepare(address: str) -> None:
    file = sqlite_file(address)
    with _alone(address):
        if file is None or file.exists():
            _check_schema(address)
        else:
            # created beside, then renamed: a kill must not leave half a database
            file.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=file.parent) as folder:
                part = Path(folder) / file.name
                engine = sqlalchemy.create_engine(f"sqlite:///{part}")
                schema._initialize_tables(engine)  # as `mlflow db upgrade` does
                engine.dispose()
                part.rename(file)
        MlflowClient(address).search_experiments(max_results=1)


def client() -> MlflowClient:
    """Return a client of the tracking server or database; create a missing database.

    Raises
    ------
    TrackingError
        In one line, if it cannot be reached, or if the database has the schema of another release
        of MLflow. Nothing has been changed then.
    """
    address = uri()
    logging.getLogger("alembic").setLevel(logging.WARNING)
    try:
        if address.startswith(("http://", "https://")):
            client = MlflowClient(address)
            client.search_experiments(max_results=1)
        else:
            _prepare(address)
            client = MlflowClient(address)
    except FAILURES as error:
        raise explained(error) from None
    return client


# errors of MLflow, of the network and of the database
FAILURES = (MlflowException, OSError, sqlalchemy.exc.SQLAlchemyError)


def explained(error: Exception) -> TrackingError:
    """Return one of `FAILURES` as one line that says how to mend it."""
    address = without_credentials(uri())
    status = getattr(error, "get_http_status_code", int)()
    text = without_credentials(error)
    if status in (401, 403) or re.search(r"\b40[13]\b", text[:400]):
        why = (
            "refuses these credentials: set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD "
            "(403: or the server's --allowed-hosts lacks this name)"
        )
    else:
        cause = (text.strip().splitlines() or [type(error).__name__])[0][:200]
        why = f"cannot be used: start it, or correct MLFLOW_TRACKING_URI ({cause})"
    return TrackingError(f"{address} {why}. Nothing is lost: log later with `make tracking`")
