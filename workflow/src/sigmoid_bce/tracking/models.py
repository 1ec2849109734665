"""Trained networks in MLflow's tab of models: weights, settings and required releases."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

from sigmoid_bce.jobs.files import sha256, write_json
from sigmoid_bce.tracking import runs
from sigmoid_bce.tracking.experiment import Experiment
from sigmoid_bce.tracking.held import root_of
from sigmoid_bce.tracking.points import STAGE_METRICS, Point
from sigmoid_bce.tracking.runs import SHORT, Network

# isort: split
from mlflow import MlflowClient
from mlflow.entities import LoggedModel, LoggedModelOutput, LoggedModelStatus, Run
from mlflow.models import Model

METRICS = {key for key in STAGE_METRICS if key.startswith("full/")}
"""The metrics that a model shows beside its run."""
FILES = {"MLmodel", "requirements.txt", "settings.json"}  # beside the weights
DIGEST = "files"
"""The tag of a model that has the digests of these files."""
REQUIREMENTS = ("tensorflow", "keras", "numpy")


def sync_model(experiment: Experiment, run: Run, wanted: runs.Run) -> str | None:
    """Log the network of a run, unless MLflow has it.

    Parameters
    ----------
    experiment : Experiment
    run : mlflow.entities.Run
        The run as MLflow holds it.
    wanted : runs.Run
        The run as the files describe it.

    Returns
    -------
    str or None
        The id of the model if it lacks metrics; None if it needs none.
    """
    if wanted.network is None:
        return None
    client, held = experiment.client, experiment.models[run.info.run_id]
    model = logged(experiment, run, wanted.network)
    if model is None:
        for outdated in held:
            client.delete_logged_model(outdated.model_id)
        model_id = _create(experiment, run.info.run_id, wanted.key, wanted.network)
        output = LoggedModelOutput(model_id, wanted.points[-1].step)
        client.log_outputs(run.info.run_id, [output])
        experiment.changed += 1
        return model_id
    sizes = _sizes(client, model)
    weights = wanted.network.weights
    whole = sizes.keys() >= FILES and DIGEST in model.tags
    if not whole or sizes.get(weights.name) != weights.stat().st_size:
        _log_files(client, model.model_id, run.info.run_id, wanted.key, wanted.network)
        experiment.changed += 1
    # a model that was logged before the tables were made lacks its metrics
    keys = {metric.key for metric in model.metrics or ()}
    return None if _metrics_of(wanted) <= keys else model.model_id


def _sizes(client: MlflowClient, model: LoggedModel) -> dict[str, int]:
    """Return the size of a model's files, by their name."""
    if root := root_of(model.artifact_location):
        return {file.name: file.stat().st_size for file in root.glob("*") if file.is_file()}
    listed = client.list_logged_model_artifacts(model.model_id)
    return {file.path: file.file_size for file in listed}


def logged(experiment: Experiment, run: Run, network: Network) -> LoggedModel | None:
    """Return the complete model of a run that has the weights of a network; None without one."""
    outputs = {m.model_id for m in (run.outputs.model_outputs if run.outputs else ())}
    held = (m for m in experiment.models[run.info.run_id] if m.model_id in outputs)
    return next((m for m in held if _holds(m, network)), None)


def params_of(network: Network) -> dict[str, str]:
    """Return the settings of a network, as a model's params."""
    return {name: str(value) for name, value in network.settings.items() if name != "weights"}


def name_of(network: Network) -> str:
    """Return the name of a network's model: its architecture, which may be module:function."""
    return re.sub(r"\W", "_", network.settings["architecture"])


def digest_of(file: Path) -> str | None:
    """Return the digest of a model's file as its tag has it; None if it cannot be read."""
    try:
        return sha256(file)[:SHORT]
    except OSError:
        return None


def _metrics_of(wanted: runs.Run) -> set[str]:
    return {point.key for point in wanted.points if point.key in METRICS}


def _holds(model: LoggedModel, network: Network) -> bool:
    """Return whether a model is complete and has the network's weights."""
    ready = str(model.status) == str(LoggedModelStatus.READY)
    return ready and model.tags.get("content") == network.content[:SHORT]


def _create(experiment: Experiment, run_id: str, key: str, network: Network) -> str:
    """Log a network as a new model; return its id."""
    client = experiment.client
    model = client.create_logged_model(
        experiment.id,
        name=name_of(network),
        source_run_id=run_id,
        tags={"cell": key, "content": network.content[:SHORT]},
        params=params_of(network),
        model_type="keras weights",
    )
    _log_files(client, model.model_id, run_id, key, network)
    client.finalize_logged_model(model.model_id, LoggedModelStatus.READY)
    return model.model_id


def _log_files(
    client: MlflowClient, model_id: str, run_id: str, key: str, network: Network
) -> None:
    """Log the files of a model, which may be there already."""
    pins, weights = network.versions, network.weights
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        content = Model(model_id=model_id, run_id=run_id)
        content.add_flavor(
            "keras_weights", weights=weights.name, settings="settings.json", cell=key
        )
        content.save(folder / "MLmodel")
        (folder / "requirements.txt").write_text(
            "".join(f"{name}=={pins[name]}\n" for name in REQUIREMENTS if pins.get(name))
        )
        write_json(network.settings, folder / "settings.json")
        digests = " ".join(f"{name}={digest_of(folder / name)}" for name in sorted(FILES))
        (folder / weights.name).symlink_to(weights.resolve())
        client.log_model_artifacts(model_id, name)
        client.set_logged_model_tags(model_id, {DIGEST: digests})


def model_of(point: Point, model_id: str | None, wanted: runs.Run) -> dict[str, str]:
    """Return the fields that tie a metric to a model and to its data; none for other metrics."""
    if not model_id or point.key not in METRICS:
        return {}
    split, _ = STAGE_METRICS[point.key]
    data = next(data for data in wanted.data if data.name == split)
    return {"model_id": model_id, "dataset_name": data.dataset, "dataset_digest": data.digest}
