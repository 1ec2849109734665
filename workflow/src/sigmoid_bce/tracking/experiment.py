"""A study's experiment in MLflow, and the runs and models that it holds at present."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit
from urllib.request import url2pathname

from sigmoid_bce.jobs import locks
from sigmoid_bce.jobs.credentials import masked
from sigmoid_bce.jobs.logs import UserError
from sigmoid_bce.tracking import store
from sigmoid_bce.tracking.address import sqlite_file, uri
from sigmoid_bce.tracking.held import root_of
from sigmoid_bce.tracking.runs import KEY_TAG

# isort: split
import mlflow.entities
import sqlalchemy
from mlflow import MlflowClient
from mlflow.entities import LoggedModel, Run, RunInfo
from mlflow.store.entities import PagedList
from mlflow.store.tracking.dbmodels.models import SqlExperiment, SqlLoggedModel, SqlRun

ARTIFACTS = "mlartifacts"
LOCATIONS = (SqlExperiment.artifact_location, SqlRun.artifact_uri, SqlLoggedModel.artifact_location)
"""Where MLflow's databases keep absolute paths of artifacts."""

Item = TypeVar("Item")


@dataclass
class Experiment:
    """A study's experiment.

    Parameters
    ----------
    client : MlflowClient
    id : str
        MLflow's id of the experiment.
    runs : dict
        The active runs that were loaded, by their key's tag and the key.
    models : dict
        The models that were loaded, by the id of their run.
    ids : dict
        The ids of the runs that were brought to the state of the files, by their process.
    changed : int
        Number of changes so far.
    """

    client: MlflowClient
    id: str
    runs: dict[tuple[str, str], list[Run]] = field(default_factory=lambda: defaultdict(list))
    models: dict[str, list[LoggedModel]] = field(default_factory=lambda: defaultdict(list))
    ids: dict[str, str] = field(default_factory=dict)
    changed: int = 0

    @cached_property
    def local(self) -> bool:
        """Whether its artifacts are on this machine."""
        return root_of(self.client.get_experiment(self.id).artifact_location) is not None

    @cached_property
    def database(self) -> sqlalchemy.Engine | None:
        """The tracking database; None if a server has it."""
        return None if uri().startswith("http") else sqlalchemy.create_engine(uri())

    def close(self) -> None:
        """Close the connections to the database."""
        if self.database:
            self.database.dispose()

    def load_runs(self, only: str = "") -> None:
        """Load all active runs, or those that pass a filter in MLflow's language."""
        search = self.client.search_runs
        found: Iterator[Run]
        found = everything(lambda token: search([self.id], only, page_token=token))
        for run in found:
            for tag in set(KEY_TAG.values()) & set(run.data.tags):
                self.runs[tag, run.data.tags[tag]].append(run)

    def load_models(self) -> None:
        """Load all models."""
        search = self.client.search_logged_models
        found: Iterator[LoggedModel]
        found = everything(lambda token: search([self.id], page_token=token))
        for model in found:
            self.models[model.source_run_id or ""].append(model)

    def delete(self, run: Run) -> None:
        """Delete a run and its models; MLflow keeps them until its garbage collection."""
        for model in self.models.pop(run.info.run_id, ()):
            self.client.delete_logged_model(model.model_id)
        self.client.delete_run(run.info.run_id)
        self.changed += 1


def everything(search: Callable[[str | None], PagedList[Item]]) -> Iterator[Item]:
    """Yield the results of a search from all of its pages."""
    token = None
    while True:
        page = search(token)
        yield from page
        token = page.token
        if not token:
            return


def _place(study: str) -> str | None:
    """Return where a study's artifacts belong; None if a server decides."""
    # without a server, artifacts are files: their place must not depend on the current folder
    return None if uri().startswith("http") else Path(ARTIFACTS, study).resolve().as_uri()


def experiment_id(client: MlflowClient, study: str) -> str:
    """Return the id of a study's experiment; create it if missing, restore it if deleted."""
    found, place = client.get_experiment_by_name(study), _place(study)
    if found is None:
        try:
            return client.create_experiment(study, artifact_location=place)
        except Exception:  # another process created it meanwhile
            found = client.get_experiment_by_name(study)
            if found is None:
                raise
    if found.lifecycle_stage == "deleted":
        client.restore_experiment(found.experiment_id)
    if place and found.artifact_location != place:
        _bring_home(found, place)
    return found.experiment_id


def at_home(experiment: Experiment, found: mlflow.entities.Experiment) -> None:
    """Let the artifacts of a moved or copied project's runs be those in its own folder.

    The next logging writes that to the database; here, only what was loaded is changed.

    Parameters
    ----------
    experiment : Experiment
    found : mlflow.entities.Experiment
        The same as MLflow holds it.
    """
    before, place = found.artifact_location, _place(found.name)
    if not place or before == place or not before.endswith(f"/{ARTIFACTS}/{found.name}"):
        return
    old, new = (Path(url2pathname(urlsplit(location).path)) for location in (before, place))
    if not new.exists() or (old.exists() and not _in_project()):
        return
    for some in experiment.runs.values():
        some[:] = [_run_at(run, _below(run.info.artifact_uri, before, place)) for run in some]
    for models in experiment.models.values():
        models[:] = [
            _model_at(model, _below(model.artifact_location, before, place)) for model in models
        ]


def _run_at(run: Run, address: str) -> Run:
    """Return the same run with its artifacts at another address."""
    info = RunInfo(**{**dict(run.info), "artifact_uri": address})
    return Run(info, run.data, run.inputs, run.outputs)


def _model_at(model: LoggedModel, address: str) -> LoggedModel:
    """Return the same model with its files at another address."""
    fields = {**dict(model), "artifact_location": address}
    del fields["model_uri"]  # made from the model's id
    return LoggedModel(**fields)


def _below(address: str, before: str, place: str) -> str:
    """Return an address with another beginning, if it has the one before."""
    return place + address.removeprefix(before) if address.startswith(f"{before}/") else address


def _in_project() -> bool:
    """Return whether the database is a file of the project."""
    file = sqlite_file(uri())
    return file is not None and file.resolve().is_relative_to(Path.cwd())


def _bring_home(experiment: mlflow.entities.Experiment, place: str) -> None:
    """Let the artifacts of a project that was copied or moved be those in its own folder.

    A place that somebody else chose for the artifacts is left alone.

    Raises
    ------
    store.TrackingError
        If the database is outside the project, and the artifacts are those of another project.
    """
    address, before = uri(), experiment.artifact_location
    if not before.endswith(f"/{ARTIFACTS}/{experiment.name}"):
        return
    old, new = (Path(url2pathname(urlsplit(location).path)) for location in (before, place))
    if old.exists() and not _in_project():
        if new.exists() and old.samefile(new):
            return
        raise store.TrackingError(
            f"experiment {experiment.name} of {masked(address)} has its files in {old}, which "
            "belongs to another project: give this study another name, or name another database "
            "in MLFLOW_TRACKING_URI"
        )
    engine = sqlalchemy.create_engine(address)
    with engine.begin() as connection:
        for column in LOCATIONS:
            rest = sqlalchemy.func.substr(column, len(before) + 1)
            connection.execute(
                sqlalchemy.update(column.class_)
                .where(column.class_.experiment_id == int(experiment.experiment_id))
                .where(column.startswith(before, autoescape=True))
                .values({column.key: sqlalchemy.literal(place) + rest})
            )
    engine.dispose()
    print(f"the artifacts of {experiment.name} are in {new} now: before, {old}", flush=True)


@contextmanager
def opened(study: str, results: Path) -> Iterator[Experiment]:
    """Give a study's experiment to one process at a time.

    Parameters
    ----------
    study : str
    results : Path
        The study's folder. The lock's file is in it.

    Raises
    ------
    store.TrackingError
        In one line, if the tracking server or database cannot be used.
    """
    try:
        with locks.exclusive(results / "tracking" / ".lock"):
            client = store.client()
            with closing(Experiment(client, experiment_id(client, study))) as experiment:
                yield experiment
    except UserError:
        raise
    except store.FAILURES as error:
        raise store.explained(error) from error
