"""Log a study's folder as the rules of tracking do, without a workflow."""

import os
import shutil
import subprocess
import sys
import uuid

import yaml
from mlflow import MlflowClient

from support.export import exported

STUDY = "smoke"
UNCHANGED = [
    "5 cells logged, 0 changes",
    "the study's run logged, 0 changes",
]
TRACK = """
import sys
from pathlib import Path
import yaml
from sigmoid_bce.jobs.logs import logged_to
from sigmoid_bce.tracking.sync import log_cells, log_study
from sigmoid_bce.tracking.reconcile import cells_with_attempts, learning_cells
results = Path("results/smoke")
config = yaml.safe_load(Path("config/studies/smoke.yaml").read_text())
study, cells = config.pop("study"), list(cells_with_attempts(results))
with logged_to("track.log"):
    log_cells(study, results, cells, list(learning_cells(results)))
    log_study(
        study,
        results,
        cells,
        list(learning_cells(results)),
        files=[*sorted(results.glob("tables/*.csv")), results / "report.html"],
        question=config.pop("question"),
        settings=config,
    )
"""


def environment(folder, **more):
    clean = {k: v for k, v in os.environ.items() if not k.startswith("MLFLOW_")}
    return {**clean, "PYTHONPATH": str(folder / "workflow/src"), **more}


def track(folder, **more):
    """Log a folder; return the exit status and the log."""
    done = subprocess.run(
        [sys.executable, "-c", TRACK],
        cwd=folder,
        env=environment(folder, **more),
        timeout=300,
    )
    return done.returncode, (folder / "track.log").read_text()


def command(folder, *arguments, **more):
    """Run `python -m sigmoid_bce.tracking`; its `stdout` is the whole output."""
    return subprocess.run(
        [sys.executable, "-m", "sigmoid_bce.tracking", *arguments],
        cwd=folder,
        env=environment(folder, **more),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
    )


def copied(source, folder):
    """Copy the folder of a finished study without MLflow's database and artifacts."""
    shutil.copytree(
        source, folder, symlinks=True, ignore=shutil.ignore_patterns("mlflow.*", "mlartifacts")
    )
    return folder


def client(folder):
    """Return a client; through a new link, since MLflow keeps a replaced database open."""
    link = folder / f"{uuid.uuid4().hex}.db"
    link.symlink_to("mlflow.db")
    return MlflowClient(f"sqlite:///{link}")


def export(folder):
    return exported(client(folder), STUDY)


def config(folder):
    return yaml.safe_load((folder / "config/studies/smoke.yaml").read_text())
