"""What MLflow holds of a run: points and files beside the run itself."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

from sigmoid_bce.tracking import runs
from sigmoid_bce.tracking.anybody import PLACE
from sigmoid_bce.tracking.points import Point

# isort: split
import sqlalchemy
from mlflow import MlflowClient
from mlflow.entities import Run
from mlflow.store.tracking.dbmodels.models import SqlMetric


def root_of(address: str) -> Path | None:
    """Return a folder of artifacts on this machine; None if a server has them.

    Examples
    --------
    >>> root_of("file:///a%20folder/artifacts"), root_of("/a folder"), root_of("s3://runs/1")
    (PosixPath('/a folder/artifacts'), PosixPath('/a folder'), None)
    """
    parts = urlsplit(address)
    if not parts.scheme:
        return Path(address)
    return Path(url2pathname(parts.path)) if parts.scheme == "file" else None


@dataclass
class Held:
    """A run as MLflow holds it: the points and files that are there already."""

    run: Run
    points: set[Point] = field(default_factory=set)
    files: dict[str, int] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """MLflow's id of the run."""
        return self.run.info.run_id


def content_of(
    client: MlflowClient, database: sqlalchemy.Engine | None, run: Run, wanted: runs.Run
) -> Held | None:
    """Return what a run holds; None if it holds anything that `wanted` does not."""
    if run.info.start_time != wanted.start or not run.data.params.items() <= wanted.params.items():
        return None
    inputs = run.inputs.dataset_inputs if run.inputs else ()
    if not {i.dataset.digest for i in inputs} <= {split.digest for split in wanted.data}:
        return None
    found = points_of(client, database, run, wanted)
    points = set(found)
    if len({(p.key, p.step) for p in found}) < len(found) or not points <= set(wanted.points):
        return None
    files = files_of(client, run, {folder for folder, _ in wanted.artifacts})
    return Held(run, points, files) if files.keys() <= wanted.files.keys() else None


def points_of(
    client: MlflowClient, database: sqlalchemy.Engine | None, run: Run, wanted: runs.Run
) -> list[Point]:
    """Return every point of a run but those of verdicts; one may be there twice.

    Parameters
    ----------
    client : MlflowClient
    database : Engine, optional
        The tracking database. Without it, a server is asked for one metric at a time.
    run : mlflow.entities.Run
        The run as MLflow holds it.
    wanted : runs.Run
        The run as the files describe it.
    """
    if database is not None:
        found = _in_database(database, run.info.run_id)
        return [point for point in found if not point.key.startswith(PLACE)]
    lengths = Counter(point.key for point in wanted.points)
    expected, found = set(wanted.points), []
    for last in run.to_proto().data.metrics:
        point = Point(last.key, last.step, last.value, last.timestamp)
        if last.key.startswith(PLACE):
            continue
        if lengths[last.key] == 1 and point in expected:
            found.append(point)  # the run itself has the last value: no further call is needed
            continue
        found += [
            Point(m.key, m.step, m.value, m.timestamp)
            for m in client.get_metric_history(run.info.run_id, last.key)
        ]
    return found


def _in_database(database: sqlalchemy.Engine, run_id: str) -> list[Point]:
    """Return every point of a run, by one query: MLflow needs one for each metric."""
    columns = (SqlMetric.key, SqlMetric.step, SqlMetric.value, SqlMetric.timestamp)
    query = sqlalchemy.select(*columns, SqlMetric.is_nan).where(SqlMetric.run_uuid == run_id)
    with database.connect() as connection:
        return [
            Point(key, step, float("nan") if is_nan else value, time)
            for key, step, value, time, is_nan in connection.execute(query)
        ]


def files_of(client: MlflowClient, run: Run, folders: set[str]) -> dict[str, int]:
    """Return the size of a run's artifacts in the root and in `folders`, by their name.

    Those of verdicts are left out: whoever asks for one adds them to any run.
    """
    if root := root_of(run.info.artifact_uri):
        files = (file for file in root.rglob("*") if file.is_file())
        sizes = {str(file.relative_to(root)): file.stat().st_size for file in files}
        return {name: size for name, size in sizes.items() if not name.startswith(PLACE)}
    return {
        artifact.path: artifact.file_size
        for folder in {"", *folders}
        for artifact in client.list_artifacts(run.info.run_id, folder or None)
        if not artifact.is_dir
    }
