"""The tracking server or database: created if it is missing, never migrated."""

from __future__ import annotations

import logging
import os
import re
import shlex
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

from sigmoid_bce.jobs import locks
from sigmoid_bce.jobs.credentials import ADDRESS, masked
from sigmoid_bce.jobs.logs import UserError
from sigmoid_bce.tracking.address import sqlite_address, sqlite_file, uri

# before MLflow is imported; a server that is away costs seconds, not minutes
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "3")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "20")
os.environ.setdefault("PGCONNECT_TIMEOUT", "20")
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")

import sqlalchemy
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.store.db import utils as schema
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
from mlflow.version import VERSION

LOCK_LIMIT = 120  # seconds that a process waits for others which create the database
POSTGRES_LOCK = 5_318_008_452  # an arbitrary number that no other program uses


class TrackingError(UserError):
    """The tracking server or database cannot be used; the message says how to mend that."""


@contextmanager
def _alone(address: str) -> Iterator[None]:
    """Let one process at a time check for a database, and create it."""
    if not address.startswith("postgresql"):
        # never in a folder like /tmp, where another user's lock would keep this user out
        with locks.exclusive((sqlite_file(address) or Path("mlflow.db")).with_suffix(".lock")):
            yield
        return
    # processes of other users and hosts share only the database
    engine = sqlalchemy.create_engine(address)
    try:
        with engine.connect() as connection:
            connection.execute(sqlalchemy.text(f"SET lock_timeout = '{LOCK_LIMIT}s'"))
            connection.execute(sqlalchemy.text(f"SELECT pg_advisory_lock({POSTGRES_LOCK})"))
            yield
    finally:
        engine.dispose()


def _check_address(address: str) -> None:
    """Raise if a database's address cannot be read, without its text: it may hold a password."""
    try:
        url = sqlalchemy.make_url(address)
    except (sqlalchemy.exc.ArgumentError, ValueError):
        url = None
    if url is None or "@" in (url.host or ""):
        raise TrackingError(
            "MLFLOW_TRACKING_URI is no address of a database: write "
            "postgresql://name:password@host/database. In a name or a password, write %25 for %, "
            "%2F for /, %3A for : and %40 for @"
        )


def _check_schema(address: str) -> bool:
    """Return whether a database has MLflow's tables.

    Raise if they are of another release: MLflow would migrate them unasked.
    """
    engine = sqlalchemy.create_engine(address)
    try:
        if "alembic_version" not in sqlalchemy.inspect(engine).get_table_names():
            return False
        with engine.connect() as connection:
            query = sqlalchemy.text("SELECT version_num FROM alembic_version")
            found = connection.execute(query).scalar()
    finally:
        engine.dispose()
    expected = schema._get_latest_schema_revision()
    if found == expected:
        return True
    place = masked(address)
    if found in _migrations(expected):
        remedy = f"Keep a copy, then migrate it with: mlflow db upgrade {shlex.quote(place)}"
    else:
        remedy = "A newer release wrote it: use that one here, or move the database away"
    raise TrackingError(
        f"{place} has the schema of another release of MLflow ({found}, release {VERSION} needs "
        f"{expected}). {remedy}"
    )


def _migrations(last: str) -> set[str]:
    """Return the migrations that MLflow knows, down from the last one."""
    scripts = schema.ScriptDirectory.from_config(schema._get_alembic_config(db_url=""))
    return {step.revision for step in scripts.iterate_revisions(last, "base")}


def _prepare(address: str) -> None:
    file = sqlite_file(address)
    # MLflow would write the path of the current folder into SQL as it is, quotes included
    root = Path("mlartifacts").resolve().as_uri()
    with _alone(address):
        # an empty file is what a kill or a full disk left of one
        if file is None or (file.exists() and (file.is_dir() or file.stat().st_size)):
            _check_schema(address)
        else:
            # created beside, then renamed: a kill must not leave half a database
            file.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=file.parent) as folder:
                part = Path(folder) / file.name
                SqlAlchemyStore(sqlite_address(part), root).engine.dispose()
                part.rename(file)
        SqlAlchemyStore(address, root)


def analyse() -> None:
    """Let SQLite count how its tables are filled; other databases do that by themselves.

    Without these counts, MLflow's page finds a run's metric among the metrics of all runs.
    """
    if sqlite_file(uri()) is None:
        return
    engine = sqlalchemy.create_engine(uri())
    try:
        with engine.begin() as connection:
            # a sample is enough, and takes some milliseconds
            connection.execute(sqlalchemy.text("PRAGMA analysis_limit = 1000"))
            connection.execute(sqlalchemy.text("ANALYZE"))
    finally:
        engine.dispose()


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
            _check_address(address)
            _prepare(address)
            client = MlflowClient(address)
    except FAILURES as error:
        raise explained(error) from None
    return client


def existing() -> MlflowClient:
    """Return a client of a tracking server, database or folder that exists; create nothing.

    Raises
    ------
    TrackingError
        In one line, if it does not exist or cannot be used.
    """
    address = uri()
    if not os.environ.get(ADDRESS) and not Path("mlflow.db").exists() and Path("mlruns").is_dir():
        address = "mlruns"  # where earlier releases keep runs
    try:
        _check_exists(address)
        client = MlflowClient(address)
        client.search_experiments(max_results=1)
    except FAILURES as error:
        raise explained(error, "Nothing was changed") from None
    return client


def _check_exists(address: str) -> None:
    """Raise if there is no database or folder with runs: MLflow would create it."""
    if re.match(r"https?:|databricks", address):
        return
    database, folder = sqlite_file(address), _folder(address)
    file = database or Path(folder)
    if (database or folder) and not (file.is_dir() if folder else _has_content(file)):
        raise TrackingError(
            f"there are no runs of MLflow in {file.absolute()}: name their server or database: "
            "export MLFLOW_TRACKING_URI=http://127.0.0.1:5000"
        )
    if folder:
        os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")
        return
    _check_address(address)
    if not _check_schema(address):
        raise TrackingError(f"{masked(address)} has no runs of MLflow")


def _has_content(file: Path) -> bool:
    """Return whether a file is there and not empty."""
    return file.exists() and file.stat().st_size > 0


def _folder(address: str) -> str:
    """Return the folder that an address names; nothing, if it is of another kind."""
    if address.startswith("file:"):
        return url2pathname(urlsplit(address).path)
    return "" if re.match(r"[\w+.-]+://", address) else address


# errors of MLflow, of the network, of the database, and of a driver that is not installed
FAILURES = (MlflowException, OSError, sqlalchemy.exc.SQLAlchemyError, ImportError)

SQLITE_WORDS = {
    "not a database|malformed|disk I/O error": "is damaged: move it away with "
    "`mv {file} {file}.bad`",
    "is locked": "is in use by another program: wait for it, or end it",
    "readonly|read-only|Permission denied": "cannot be written by {user}: mend its permissions and "
    "those of its folder, or name another database in MLFLOW_TRACKING_URI",
    "unable to open|Is a directory": "cannot be opened by {user}: see that it is a file, and that "
    "it and its folder may be read and written",
    "is full|No space left": "cannot grow: its disk is full",
}
"""What to do, by the words of SQLite or of the system."""


def _cause(error: Exception) -> str:
    """Return the line of an error that says what happened."""
    text = masked(error).strip()
    # MLflow and SQLAlchemy put their own words before, and the statement after
    driver = re.search(r"\((?:sqlite3|psycopg\w*)\.[\w.]+\) (.+)", text)
    return driver[1] if driver else (text.splitlines() or [type(error).__name__])[0]


def _beside(database: Path | None, file: str) -> bool:
    """Return whether a file is a database, beside it, or one of its folders."""
    folder = database.resolve().parent if database else None
    path = Path(os.fsdecode(file)).resolve()
    return folder is not None and (path.parent == folder or folder.is_relative_to(path))


LATER = "Nothing is lost: log later with `make tracking`"


def explained(error: Exception, later: str = LATER) -> TrackingError:
    """Return one of `FAILURES` as one line that says how to mend it, and what is not lost."""
    address, cause = uri(), _cause(error)
    database = sqlite_file(address)
    if isinstance(error, OSError) and error.filename and not _beside(database, error.filename):
        # a result or an artifact: the database has no part in it
        return TrackingError(f"{error.filename} cannot be used: {error.strerror}. {later}")
    status = getattr(error, "get_http_status_code", int)()
    if database:
        fitting = (SQLITE_WORDS[words] for words in SQLITE_WORDS if re.search(words, cause, re.I))
        named = shlex.quote(str(database))
        why = next(fitting, "cannot be used").format(file=named, user=locks.user())
        why += f" ({cause[:200]})"
    elif status in (401, 403) or re.search(r"\b40[13]\b", masked(error)[:400]):
        why = (
            "refuses these credentials; set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD "
            "(403: or the server's --allowed-hosts lacks this name)"
        )
    else:
        why = f"cannot be used: start it, or correct MLFLOW_TRACKING_URI ({cause[:200]})"
    return TrackingError(f"{masked(address)} {why}. {later}")
