"""A study's experiment in MLflow, and the runs and models that it holds at present."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from sigmoid_bce.jobs import locks
from sigmoid_bce.jobs.logs import UserError
from sigmoid_bce.tracking import store
from sigmoid_bce.tracking.address import uri
from sigmoid_bce.tracking.runs import KEY_TAG

# isort: split
from mlflow import MlflowClient
from mlflow.entities import LoggedModel, Run
from mlflow.store.entities import PagedList

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
    changed : int
        Number of changes so far.
    """

    client: MlflowClient
    id: str
    runs: dict[tuple[str, str], list[Run]] = field(default_factory=lambda: defaultdict(list))
    models: dict[str, list[LoggedModel]] = field(default_factory=lambda: defaultdict(list))
    changed: int = 0

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


def experiment_id(client: MlflowClient, study: str) -> str:
    """Return the id of a study's experiment; create it if missing, restore it if deleted."""
    found = client.get_experiment_by_name(study)
    if found is None:
        # without a server, artifacts are files: their place must not depend on the current folder
        server = uri().startswith("http")
        place = None if server else Path("mlartifacts", study).resolve().as_uri()
        try:
            return client.create_experiment(study, artifact_location=place)
        except Exception:  # another process created it meanwhile
            found = client.get_experiment_by_name(study)
            if found is None:
                raise
    if found.lifecycle_stage == "deleted":
        client.restore_experiment(found.experiment_id)
    return found.experiment_id


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
            yield Experiment(client, experiment_id(client, study))
    except UserError:
        raise
    except store.FAILURES as error:
        raise store.explained(error) from error
