"""The content of MLflow for one study, in a form that compares two databases."""

import hashlib
import tempfile
from pathlib import Path

from mlflow import MlflowClient

KEYS = ("cell", "group", "learning", "study")


def all_pages(search):
    found, token = [], None
    while True:
        page = search(token)
        found += page
        token = page.token
        if not token:
            return found


def runs(client: MlflowClient, study: str):
    """Return all active runs of a study."""
    experiment = client.get_experiment_by_name(study)
    if experiment is None:
        return []
    return all_pages(lambda t: client.search_runs([experiment.experiment_id], page_token=t))


def key(run):
    return next(run.data.tags[k] for k in KEYS if k in run.data.tags)


def artifacts(client, run_id, folder=None):
    found = {}
    with tempfile.TemporaryDirectory() as place:
        root = Path(client.download_artifacts(run_id, folder or "", place))
        for file in sorted(f for f in root.rglob("*") if f.is_file()):
            found[str(file.relative_to(root))] = hashlib.sha256(file.read_bytes()).hexdigest()
    return found


def points(client, run):
    return {
        (m.key, m.step, m.value, m.timestamp)
        for name in run.data.metrics
        for m in client.get_metric_history(run.info.run_id, name)
    }


def models(client, run):
    ids = [m.model_id for m in run.outputs.model_outputs] if run.outputs else []
    found = [client.get_logged_model(model_id) for model_id in ids]
    return [
        (m.name, m.model_type, m.params, m.tags["content"], str(m.status), m.source_run_id)
        == (m.name, m.model_type, m.params, m.tags["content"], "READY", run.info.run_id)
        and (m.name, m.params, m.tags["content"], sorted((x.key, x.value) for x in m.metrics or ()))
        for m in found
    ]


def exported(client: MlflowClient, study: str):
    """Return the runs, the groups and the experiment of a study, without ids."""
    found = runs(client, study)
    names = {run.info.run_id: key(run) for run in found}
    processes = {run.info.run_id: str(run.data.tags.get("process")) for run in found}
    out = {}
    for run in found:
        tags = dict(run.data.tags)
        tags["mlflow.parentRunId"] = names.get(tags.get("mlflow.parentRunId"))
        if earlier := tags.get("previous_run"):
            tags["previous_run"] = processes[earlier]
            number = run.info.experiment_id
            link, note = f"#/experiments/{number}/runs/{earlier}", tags["mlflow.note.content"]
            assert link in note
            tags["mlflow.note.content"] = note.replace(link, processes[earlier])
        what = tags["kind"], key(run), tags.get("process")
        assert what not in out, f"{what} is there twice"
        out[what] = {
            "name": run.info.run_name,
            "status": run.info.status,
            "times": (run.info.start_time, run.info.end_time),
            "params": run.data.params,
            "last": run.data.metrics,
            "points": points(client, run),
            "tags": tags,
            "data": sorted(
                (d.dataset.name, d.dataset.digest, d.dataset.profile, d.tags[0].value)
                for d in (run.inputs.dataset_inputs if run.inputs else ())
            ),
            "artifacts": artifacts(client, run.info.run_id),
            "models": models(client, run),
        }
    experiment = client.get_experiment_by_name(study)
    number = experiment.experiment_id
    out["experiment"] = {
        k: v.replace(f"/{number}/", "/N/") for k, v in experiment.tags.items() if "update" not in k
    }
    return out
