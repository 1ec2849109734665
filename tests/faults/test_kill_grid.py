"""A grid of cells of a second, whose jobs and whose Snakemake are killed at random moments."""

import copy
import hashlib
import os
import random
import signal
import time
from contextlib import suppress

import pandas as pd
import psutil
import pytest
import yaml
from mlflow import MlflowClient

from sigmoid_bce.jobs.attempts import read_attempts
from sigmoid_bce.study.cells import Cell
from support.broken import LIMIT, wait_until
from support.broken import begin as started
from support.checkout import SMOKE, checkout
from support.export import runs
from support.leftovers import leftovers
from support.tracked import command

SEED = int(os.environ.get("SIGMOID_BCE_KILLS", "0"))  # of the moments of the kills
SIZE = int(os.environ.get("SIGMOID_BCE_GRID", "60"))  # cells
# the same network by two names: a cell of the one must have the bytes of a cell of the other
MODELS = ("one", "two")
CELLS = [Cell("digits", model, "logits", 64, i) for model in MODELS for i in range(SIZE // 2)]
STUDY, TRAIN = "faults", "results/faults/train"
HOW = (signal.SIGKILL, signal.SIGTERM)

NET = """
from keras import Sequential, layers


def net(input_shape):
    return Sequential([layers.Input(input_shape), layers.Flatten(), layers.Dense(1)])
"""


@pytest.fixture
def folder(tmp_path):
    """A checkout with the grid, as `faults.yaml`."""
    study = copy.deepcopy(SMOKE) | {"study": STUDY}
    del study["numerics"]
    net = {"architecture": "custom", "function": "net:net", "image_size": 8, "optimizer": "rmsprop"}
    study["models"] = dict.fromkeys(MODELS, net | {"learning_rate": 0.003, "max_epochs": 30})
    seeds = list(range(SIZE // 2))
    study["grid"] |= {"model": list(MODELS), "loss": ["logits"], "batch_size": [64], "seed": seeds}
    folder = checkout(tmp_path / "grid")
    (folder / "net.py").write_text(NET)
    (folder / "faults.yaml").write_text(yaml.safe_dump(study, sort_keys=False))
    return folder


def of(folder, cell):
    return read_attempts(folder / TRAIN / str(cell))


def running(folder):
    """Return the attempts that run at present, of the cells that are not finished."""
    begun = [cell for cell in CELLS if (folder / TRAIN / str(cell) / "attempts").exists()]
    open_ = [cell for cell in begun if not (folder / TRAIN / str(cell) / "run.json").exists()]
    return [r for cell in open_ for r in of(folder, cell) if r["status"] == "RUNNING"]


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


def test_random_kills_in_a_grid(folder):
    chance = random.Random(SEED)

    def done():
        return len(list((folder / TRAIN).rglob("run.json")))

    def shoot(snakemake):
        """Kill a training at a random moment, and spare a few; return whether one was running."""
        wait_until(lambda: running(folder) or snakemake.poll() is not None, "no training")
        time.sleep(chance.random() / 2)
        if some := running(folder):
            with suppress(ProcessLookupError):
                os.kill(chance.choice(some)["pid"], chance.choice(HOW))
        # on a slow machine, none would ever come to its end
        spared = done() + chance.randrange(3)
        wait_until(lambda: done() >= spared or snakemake.poll() is not None, "none ends")
        return bool(some)

    killed = 0
    for how in (signal.SIGKILL, signal.SIGTERM):
        snakemake, share = started(folder, "--until", "train"), done() + SIZE // 4
        while done() < share and snakemake.poll() is None:
            killed += shoot(snakemake)
        snakemake.send_signal(how)
        snakemake.wait(LIMIT)
        started(folder, "--unlock").wait(LIMIT)
    assert started(folder, "--until", "train").wait(LIMIT + 10 * SIZE) == 0
    said = (folder / "snakemake.log").read_text()[-3000:]
    assert done() == SIZE, said
    assert killed >= SIZE // 10

    for cell in CELLS[: SIZE // 2]:
        assert digests(folder, cell) == digests(folder, Cell(**{**vars(cell), "model": "two"}))
    logged = command(folder, "log", "results/faults")
    assert logged.returncode == 0, logged.stdout
    mlflow = MlflowClient(f"sqlite:///{folder}/mlflow.db")
    found = [run for run in runs(mlflow, STUDY) if "cell" in run.data.tags]
    assert {run.info.status for run in found} == {"FINISHED", "KILLED"}
    finished = {
        run.data.tags["cell"]: run.info.run_id for run in found if run.info.status == "FINISHED"
    }
    assert len(finished) == sum(run.info.status == "FINISHED" for run in found) == SIZE
    for cell in map(str, CELLS):
        epochs = pd.read_parquet(folder / TRAIN / cell / "history.parquet")["epoch"]
        steps = [point.step for point in mlflow.get_metric_history(finished[cell], "loss")]
        assert steps == list(epochs) == list(range(1, len(epochs) + 1))
    wait_until(lambda: not alive(folder), "a process is left")
