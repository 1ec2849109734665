"""A grid of short cells that is shot at: jobs, Snakemake itself, the server. Then it is resumed."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import psutil
import pytest
import yaml
from mlflow import MlflowClient

from conftest import checkout
from export import exported, runs
from servers import mlflow_server
from sigmoid_bce.cells import Cell
from sigmoid_bce.training.attempts import read_attempts
from tracked import command, environment

SEED = int(os.environ.get("SIGMOID_BCE_KILLS", "0"))  # another seed, other moments
STUDY = "kills"
CELLS = [
    Cell("digits", "tiny", loss, 16, seed)
    for loss in ("logits", "sigmoid_clipped")
    for seed in (0, 1)
]
CONFIG = ("--configfile", "kills.yaml")
LIMIT = 240


def configured(folder):
    checkout(folder)
    config = yaml.safe_load((folder / "config/studies/smoke.yaml").read_text())
    config["study"] = STUDY
    config["models"]["tiny"]["max_epochs"] = 60
    config["training"]["patience"] = 60
    config["grid"]["seed"] = [0, 1]
    (folder / "kills.yaml").write_text(yaml.safe_dump(config))
    return folder


def begin(folder, *arguments, **more):
    """Start Snakemake, in a session of its own."""
    with open(folder / "snakemake.log", "a") as log:
        path = f"{os.path.dirname(sys.executable)}{os.pathsep}{os.environ['PATH']}"  # noqa: PTH120
        return subprocess.Popen(
            [sys.executable, "-m", "snakemake", "--cores", "2", *CONFIG, *arguments],
            cwd=folder,
            env={**environment(folder, **more), "PATH": path},
            stdout=log,
            stderr=log,
            start_new_session=True,
        )


def attempts(folder):
    """Return the records of all attempts, by their cell."""
    return {cell: read_attempts(folder / f"results/{STUDY}/train" / str(cell)) for cell in CELLS}


def running(folder):
    return [r for some in attempts(folder).values() for r in some if r["status"] == "RUNNING"]


def wait_until(ready, what):
    end = time.monotonic() + LIMIT
    while not ready():
        assert time.monotonic() < end, what
        time.sleep(0.05)


def epochs(record):
    file = record["folder"] / "history.csv"
    return len(file.read_text().splitlines()) - 1


@pytest.fixture
def folder(tmp_path):
    folder = configured(tmp_path / "grid")
    yield folder
    # what Snakemake's death left behind
    for record in running(folder):
        psutil.Process(record["pid"]).kill()


def test_after_kills_and_restarts_every_cell_has_one_finished_run(folder, tmp_path):
    chance = random.Random(SEED)
    with mlflow_server(tmp_path / "server", f"sqlite:///{tmp_path}/runs.db") as server:
        uri = {"MLFLOW_TRACKING_URI": server.uri}
        client = MlflowClient(server.uri)

        def shoot(how):
            """Kill a training at a moment that chance decides."""
            wait_until(lambda: running(folder), "no training begins")
            record = chance.choice(running(folder))
            least = chance.randrange(30)
            wait_until(
                lambda: epochs(record) >= least or record["pid"] not in psutil.pids(),
                "no epochs",
            )
            try:
                os.kill(record["pid"], how)
            except ProcessLookupError:
                return
            wait_until(lambda: record["pid"] not in psutil.pids(), "it does not die")

        snakemake = begin(folder, "--until", "train", **uri)
        shoot(signal.SIGKILL)
        shoot(signal.SIGTERM)
        server.stop(signal.SIGKILL)  # the server dies in the middle, and comes back
        wait_until(lambda: running(folder) or snakemake.poll() is not None, "no training")
        server.start()
        snakemake.wait(LIMIT)
        assert snakemake.returncode != 0
        killed = [r for some in attempts(folder).values() for r in some if r["status"] == "KILLED"]
        assert len(killed) >= 1

        # Snakemake itself dies; its trainings go on, and the same cells are begun again beside them
        snakemake = begin(folder, "--until", "train", **uri)
        wait_until(lambda: running(folder), "no training begins")
        snakemake.kill()
        snakemake.wait(LIMIT)
        begin(folder, "--unlock", **uri).wait(LIMIT)
        snakemake = begin(folder, "--until", "train", **uri)
        shoot(signal.SIGKILL)
        time.sleep(chance.random())
        snakemake.send_signal(signal.SIGTERM)
        snakemake.wait(LIMIT)
        wait_until(lambda: not running(folder), "trainings do not end")
        for _ in range(2):
            begin(folder, "--unlock", **uri).wait(LIMIT)
            snakemake = begin(folder, "--until", "train", **uri)
            if snakemake.wait(LIMIT) == 0:
                break
        assert snakemake.returncode == 0, (folder / "snakemake.log").read_text()[-3000:]

        done = command(folder, "reconcile", f"results/{STUDY}", **uri)
        assert done.returncode == 0, done.stdout
        done = command(folder, "log", f"results/{STUDY}", **uri)
        assert done.returncode == 0, done.stdout
        check(folder, client)
        shared = exported(client, STUDY)
    # rebuilt in an empty database, it is the same, interrupted attempts included
    assert command(folder, "log", f"results/{STUDY}").returncode == 0
    rebuilt = exported(MlflowClient(f"sqlite:///{folder}/mlflow.db"), STUDY)
    del shared["experiment"], rebuilt["experiment"]
    assert rebuilt == shared


def check(folder, client):
    found = runs(client, STUDY)
    assert {run.info.status for run in found} <= {"FINISHED", "KILLED"}
    assert any(run.info.status == "KILLED" for run in found)
    for cell in CELLS:
        [run] = [
            run
            for run in found
            if run.data.tags.get("cell") == str(cell) and run.info.status == "FINISHED"
        ]
        table = pd.read_parquet(folder / f"results/{STUDY}/train/{cell}/history.parquet")
        for name in table.columns.drop("epoch"):
            points = client.get_metric_history(run.info.run_id, name)
            assert [m.step for m in points] == list(table["epoch"])
            values = np.array([m.value for m in points])
            assert values.tobytes() == table[name].to_numpy().tobytes()
            assert run.data.metrics[name] == table[name].iloc[-1]


def test_a_failed_cell_is_shown_with_its_reason_and_the_others_finished(folder):
    """Without a server: the workflow's end logs what it made, and what failed."""
    config = yaml.safe_load((folder / "kills.yaml").read_text())
    config["grid"] |= {"seed": [0], "loss": ["logits"], "model": ["tiny", "wild"]}
    config["models"]["wild"] = {**config["models"]["tiny"], "optimizer": "sgd", "learning_rate": 10}
    config["models"]["wild"] |= {"max_epochs": 5}
    (folder / "kills.yaml").write_text(yaml.safe_dump(config))
    file = folder / "workflow/src/sigmoid_bce/training/train.py"
    text = file.read_text()
    assert "if not np.isfinite(table" in text
    # a network that really diverges takes luck; a disk that is full does not
    file.write_text(text.replace("    if not np.isfinite(", WILD))
    shutil.rmtree(folder / "results", ignore_errors=True)
    assert begin(folder, "--until", "train").wait(LIMIT) != 0
    found = runs(MlflowClient(f"sqlite:///{folder}/mlflow.db"), STUDY)
    by_model = {run.data.params["model"]: run for run in found if "cell" in run.data.tags}
    assert by_model["tiny"].info.status == "FINISHED"
    assert by_model["wild"].info.status == "FAILED"
    cell = Cell("digits", "wild", "logits", 16, 0)
    log = (folder / f"results/{STUDY}/logs/train/{cell}.log").read_text()
    reason = by_model["wild"].data.tags["reason"]
    assert reason == log.splitlines()[-1] == "error: [Errno 28] No space left on device"
    record = json.loads(
        (folder / f"results/{STUDY}/train/{cell}/attempts/1/attempt.json").read_text()
    )
    assert record["status"] == "FAILED"
    assert by_model["wild"].data.metrics["loss"] > 0


WILD = """    if "model~wild" in str(cell):
        raise OSError(28, "No space left on device")
    if not np.isfinite("""
