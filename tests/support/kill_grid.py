"""A grid of cells of a second, and what must be left of it after faults."""

import copy
import hashlib
from contextlib import suppress

import pandas as pd
import psutil
import yaml
from mlflow import MlflowClient

from sigmoid_bce.jobs.attempts import read_attempts
from sigmoid_bce.study.cells import Cell
from support.checkout import SMOKE, checkout
from support.export import runs
from support.leftovers import leftovers
from support.tracked import command

# the same network by two names: a cell of the one must have the bytes of a cell of the other
MODELS = ("one", "two")
STUDY, TRAIN = "faults", "results/faults/train"

NET = """
from keras import Sequential, layers


def net(input_shape):
    return Sequential([layers.Input(input_shape), layers.Flatten(), layers.Dense(1)])
"""


def cells(size, models=MODELS):
    """Return the cells of a grid of a size."""
    seeds = range(size // len(MODELS))
    return [Cell("digits", model, "logits", 64, seed) for model in models for seed in seeds]


def prepare(folder, file, size, models=MODELS, epochs=30, **training):
    """Return a checkout with the grid, in a configuration file of a name."""
    study = copy.deepcopy(SMOKE) | {"study": STUDY}
    del study["numerics"]
    net = {"architecture": "custom", "function": "net:net", "image_size": 8, "optimizer": "rmsprop"}
    study["models"] = dict.fromkeys(models, net | {"learning_rate": 0.003, "max_epochs": epochs})
    study["training"] |= training
    seeds = list(range(size // len(MODELS)))
    study["grid"] |= {"model": list(models), "loss": ["logits"], "batch_size": [64], "seed": seeds}
    checkout(folder)
    (folder / "net.py").write_text(NET)
    (folder / file).write_text(yaml.safe_dump(study, sort_keys=False))
    return folder


def done(folder):
    """Return the number of finished cells."""
    return len(list((folder / TRAIN).rglob("run.json")))


def running(folder, cells):
    """Return the attempts that run at present, of the cells that are not finished."""
    places = [folder / TRAIN / str(cell) for cell in cells]
    open_ = [p for p in places if (p / "attempts").exists() and not (p / "run.json").exists()]
    return [r for place in open_ for r in read_attempts(place) if r["status"] == "RUNNING"]


def digests(folder, cell):
    place = folder / TRAIN / str(cell)
    found = [hashlib.sha256(file.read_bytes()).hexdigest() for file in sorted(place.glob("*.h5"))]
    history = pd.read_parquet(place / "history.parquet").drop(columns="seconds")
    return [*found, history.to_csv()]


def alive(folder):
    """Return the processes that still run in a folder."""
    found = []
    for process in leftovers():
        with suppress(psutil.Error):
            found += [process] if process.cwd() == str(folder) else []
    return found


def check_runs(folder, cells, ends=frozenset({"FINISHED", "KILLED"})):
    """Check that MLflow has one finished run a cell, with each epoch once, and other `ends`."""
    logged = command(folder, "log", f"results/{STUDY}")
    assert logged.returncode == 0, logged.stdout
    mlflow = MlflowClient(f"sqlite:///{folder}/mlflow.db")
    found = [run for run in runs(mlflow, STUDY) if "cell" in run.data.tags]
    assert {run.info.status for run in found} <= ends
    ended = [run for run in found if run.info.status == "FINISHED"]
    finished = {run.data.tags["cell"]: run.info.run_id for run in ended}
    assert len(finished) == len(ended) == len(cells)
    for cell in map(str, cells):
        epochs = pd.read_parquet(folder / TRAIN / cell / "history.parquet")["epoch"]
        steps = [point.step for point in mlflow.get_metric_history(finished[cell], "loss")]
        assert steps == list(epochs) == list(range(1, len(epochs) + 1))
    return found
