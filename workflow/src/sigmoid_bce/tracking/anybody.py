"""Runs of MLflow that anybody logged: raw outputs are fetched from one, a verdict is written back.

Nothing is created but what is written back: no database, no schema, no file outside a temporary
folder.
"""

from __future__ import annotations

import csv
import logging
import math
import os
import re
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.request import url2pathname

from sigmoid_bce.jobs.credentials import masked
from sigmoid_bce.jobs.logs import UserError, one_line

if TYPE_CHECKING:
    from mlflow import MlflowClient

ADDRESS = re.compile(r"(?:mlflow:|runs:)/*([^/]*)/*(.*)", re.DOTALL)
"""`mlflow:RUN_ID`, `mlflow:RUN_ID/path/of/artifact`, or MLflow's own `runs:/RUN_ID/path`."""
PLACE = "verdict/"
LONGEST = 2000  # characters of a tag
MOST_LISTED, MOST_FETCHED, LARGEST = 10_000, 30, 1_000_000_000
"""Artifacts that are listed, files that are fetched to look for columns, and their bytes."""


class Fetched(NamedTuple):
    """An artifact of a run: where it is, if that is on this machine, else in a temporary folder.

    Without a run, `path` is that of the file.
    """

    run: str
    path: str
    file: Path

    @property
    def address(self) -> str:
        """What names the artifact."""
        return f"mlflow:{self.run}/{self.path}" if self.run else self.path

    @property
    def place(self) -> str:
        """Where the run keeps what is said of the artifact: folder, and beginning of names."""
        name = str(PurePosixPath(self.path).with_suffix(""))
        return PLACE + re.sub(r"[^\w.\- /]", "_", name)[:180]


def _parquet(file: Path) -> list[str]:
    from pyarrow import parquet

    return list(parquet.read_schema(file).names)


def _csv(file: Path) -> list[str]:
    with open(file, encoding="utf-8-sig", newline="") as text:
        return next(csv.reader(text), [])


def _npz(file: Path) -> list[str]:
    with zipfile.ZipFile(file) as archive:
        return [name.removesuffix(".npy") for name in archive.namelist()]


NAMES: dict[str, Callable[[Path], list[str]]] = {
    ".csv": _csv,
    ".parquet": _parquet,
    ".npz": _npz,
    ".npy": lambda file: [],
}
"""How the names of columns or arrays are read, by the ending of an artifact."""


def is_run(text: str) -> bool:
    """Return whether a text names a run of MLflow, and no file.

    Examples
    --------
    >>> is_run("mlflow:0123abcd/outputs.csv"), is_run("runs:/0123abcd"), is_run("mlflow.csv")
    (True, True, False)
    """
    return ADDRESS.match(text) is not None


@contextmanager
def fetched(address: str, names: Iterable[str] = ("label", "raw_output")) -> Iterator[Fetched]:
    """Fetch an artifact of raw outputs, if need be into a folder that goes away afterwards.

    Parameters
    ----------
    address : str
        `mlflow:RUN_ID/path/of/artifact`; or `mlflow:RUN_ID`, if one artifact alone has the columns.
    names : iterable of str
        The columns or arrays, or their beginnings.

    Yields
    ------
    Fetched

    Raises
    ------
    UserError
        In one line: MLflow is not installed, the server cannot be reached or refuses, there is no
        such run or artifact, or more than one has the columns.
    """
    found = ADDRESS.match(address)
    run_id, path = found.groups() if found else ("", "")
    if not run_id:
        raise UserError(f"{address}: expected mlflow:RUN_ID or mlflow:RUN_ID/path/of/artifact")
    client = _client()
    run = _run(client, run_id)
    with tempfile.TemporaryDirectory(prefix="sigmoid-bce-") as folder:

        def fetch(path: str) -> Path:
            here = _local(run.info.artifact_uri, path)
            if here is not None and here.exists():
                return here
            try:
                return Path(client.download_artifacts(run_id, path, folder))
            except Exception as error:  # of each kind of store, in its own words
                raise _unreachable(run, path, error) from None

        if not path:
            path = _chosen(client, run, list(names), fetch)
        file = fetch(path)
        if file.is_dir():
            raise UserError(f"{address}: expected a file, found a folder: {_listed(client, run)}")
        yield Fetched(run_id, path, file)


def log_verdict(of: Fetched, answer: str, folder: Path, numbers: Mapping[str, float]) -> str:
    """Write a verdict back to the run that its raw outputs are from; twice is the same as once.

    Parameters
    ----------
    of : Fetched
    answer : str
        What becomes a tag of the run.
    folder : Path
        The text, page, tables and figures.
    numbers : mapping
        Metrics by name. One that is not finite is left out.

    Returns
    -------
    str
        The name of the tag, of the artifacts' folder, and what the metrics' names begin with.

    Raises
    ------
    UserError
        In one line, if the server cannot be reached or does not let this user write.
    """
    from mlflow.entities import Metric

    from sigmoid_bce.tracking import store

    client = _client()
    held = _run(client, of.run).data.metrics
    now = int(1000 * time.time())
    points = {f"{of.place}/{name}": float(value) for name, value in numbers.items()}
    new = [
        Metric(name, value, now, 0)
        for name, value in points.items()
        if math.isfinite(value) and held.get(name) != value
    ]
    try:
        client.log_artifacts(of.run, str(folder), of.place)
        client.log_batch(of.run, metrics=new)
        # last: it says that the rest is complete
        client.set_tag(of.run, of.place, answer[:LONGEST])
    except Exception as error:  # of each kind of store
        kept = f"The verdict is in {folder}"
        if isinstance(error, store.FAILURES):
            raise store.explained(error, kept) from None
        raise UserError(f"{of.address}: nothing was written back: {_line(error)}. {kept}") from None
    return of.place


def _client() -> MlflowClient:
    # before MLflow is imported: who waits for a verdict waits for seconds
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")
    try:
        from sigmoid_bce.tracking import store
    except ImportError as error:
        raise UserError(
            f"a run of MLflow needs MLflow ({error}): pip install 'sigmoid-bce[workflow]'"
        ) from None
    for name in ("urllib3", "mlflow"):  # their warnings repeat the error
        logging.getLogger(name).setLevel(logging.ERROR)
    return store.existing()


def _run(client: MlflowClient, run_id: str) -> Any:
    """Return a run; raise if there is none, or if it is deleted."""
    from mlflow.exceptions import MlflowException

    from sigmoid_bce.tracking import store

    try:
        run = client.get_run(run_id)
    except MlflowException as error:
        if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            raise UserError(
                f"mlflow:{run_id}: there is no such run at {masked(client.tracking_uri)}: expected "
                'the ID that the page of the run shows as "Run ID"'
            ) from None
        raise store.explained(error, NOTHING) from None
    except store.FAILURES as error:
        raise store.explained(error, NOTHING) from None
    if run.info.lifecycle_stage == "deleted":
        raise UserError(f"mlflow:{run_id}: the run is deleted: mlflow runs restore --run-id ...")
    return run


NOTHING = "Nothing was changed"


def _line(error: Exception) -> str:
    return one_line((masked(error).strip().splitlines() or [type(error).__name__])[0][:300])


def _local(uri: str, path: str) -> Path | None:
    """Return where an artifact is, if that is on this machine; MLflow mistakes a # in its name."""
    if not uri.startswith("file:///") or ".." in PurePosixPath(path).parts:
        return None
    return Path(url2pathname(uri.removeprefix("file://"))) / path


def _unreachable(run: Any, path: str, error: Exception) -> UserError:
    place = masked(run.info.artifact_uri)
    return UserError(
        f"mlflow:{run.info.run_id}/{path}: the artifact cannot be fetched from {place}: "
        f"{type(error).__name__}: {_line(error)}"
    )


def _files(client: MlflowClient, run: Any) -> dict[str, int]:
    """Return the artifacts of a run by path, with their sizes in bytes."""
    found: dict[str, int] = {}
    folders: list[str | None] = [None]
    try:
        while folders and len(found) < MOST_LISTED:
            for one in client.list_artifacts(run.info.run_id, folders.pop(0)):
                if one.is_dir:
                    folders.append(one.path)
                else:
                    found[one.path] = one.file_size or 0
    except Exception as error:  # of each kind of store
        raise _unreachable(run, folders[0] or "" if folders else "", error) from None
    return found


def _listed(client: MlflowClient, run: Any) -> str:
    """Return what a run holds, in a line."""
    files = sorted(_files(client, run))
    if not files:
        return f"the run has no artifact in {masked(run.info.artifact_uri)}"
    more = f" and {len(files) - 20} more" if len(files) > 20 else ""
    return f"the run has {', '.join(map(one_line, files[:20]))}{more}"


def _holds(file: Path, names: list[str]) -> bool:
    """Return whether a file has each of some columns or arrays, or several that begin so."""
    try:
        found = NAMES[file.suffix.lower()](file)
    except Exception:  # damaged, or of another kind than its name says
        return False
    return all(any(one == name or one.startswith(f"{name}_") for one in found) for name in names)


def _of_known_kind(run: Any, files: Iterable[str]) -> list[str]:
    """Return the paths that may hold raw outputs; an earlier verdict has tables of its own."""
    ours = tuple(f"{tag}/" for tag in run.data.tags if tag.startswith(PLACE))
    known = (path for path in files if PurePosixPath(path).suffix.lower() in NAMES)
    return [path for path in known if not path.startswith(ours)]


def _chosen(client: MlflowClient, run: Any, names: list[str], fetch: Callable[[str], Path]) -> str:
    """Return the path of the one artifact that has the columns."""
    run_id, files = run.info.run_id, _files(client, run)
    fitting = _of_known_kind(run, files)
    if len(fitting) == 1:
        return fitting[0]
    ask, both = f"name one: mlflow:{run_id}/path", " and ".join(names)
    if not fitting:
        raise UserError(
            f"mlflow:{run_id}: no artifact ends in {', '.join(NAMES)}: {_listed(client, run)}"
        )
    if len(fitting) > MOST_FETCHED or sum(files[path] for path in fitting) > LARGEST:
        raise UserError(f"mlflow:{run_id}: too many files to look into; {ask}")
    holding = [path for path in fitting if _holds(fetch(path), names)]
    if len(holding) == 1:
        return holding[0]
    if not holding:
        raise UserError(
            f"mlflow:{run_id}: no artifact has {both} (--label and --raw-output name others); "
            f"{_listed(client, run)}"
        )
    found = ", ".join(f"mlflow:{run_id}/{one_line(path)}" for path in sorted(holding))
    raise UserError(f"mlflow:{run_id}: {len(holding)} artifacts have {both}: name one of {found}")
