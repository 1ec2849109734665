"""Measure logging, searching and the live view: `python benchmarks/tracking.py`.

`make test` does not run it, since its times depend on the machine and its load.
"""

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from sigmoid_bce.study.cells import Cell
from support.export import runs
from support.servers import free_port, mlflow_server
from support.tracked import client

EPOCHS = 50
WEIGHTS = 500_000  # bytes
TRAIN = """
import json, os, resource, sys, time
from pathlib import Path
import numpy as np, pandas as pd
from pydantic import TypeAdapter
from sigmoid_bce.study.cells import Cell
from sigmoid_bce.study.config import Training
from sigmoid_bce.study.models import Model
from sigmoid_bce.jobs.attempts import Attempt
from sigmoid_bce.tracking import live
from sigmoid_bce.training.train import train
folder, epochs = Path(sys.argv[1]), int(sys.argv[2])
cell = Cell("noise", "convnet", "logits", 20, 0)
place = folder / "results/live/train" / str(cell)
model = dict(architecture="convnet", image_size=48, dense=128, dropout=0.5, max_epochs=epochs,
             learning_rate=0.001)
rng = np.random.default_rng(0)
inputs = rng.integers(0, 256, (2000, 48, 48, 1), dtype=np.uint8)
manifest = pd.DataFrame({"label": rng.integers(0, 2, 2000), "split": ["train"] * 1600 + ["validation"] * 400})
start = time.perf_counter()
with Attempt(str(cell), place, live.follower) as attempt:
    train(cell, TypeAdapter(Model).validate_python(model),
          Training(early_epochs=1, patience=epochs), inputs, manifest, threads=1, note=attempt.note,
          resumed=attempt.resume, attempt=attempt.record, identity={}, history=place / "history.parquet", run=place / "run.json",
          early=place / "early.weights.h5", full=place / "full.weights.h5")
wall = time.perf_counter() - start
used = resource.getrusage(resource.RUSAGE_SELF)
fit = json.loads((place / "run.json").read_text())["seconds"]
print(json.dumps({"wall": wall, "fit": fit, "cpu": used.ru_utime + used.ru_stime, "mb": used.ru_maxrss / 1024}))
"""  # noqa: E501


def grid(folder: Path, count: int) -> list[Cell]:
    """Write the files of finished cells, of the size of the default study's."""
    results, rng = folder / "results/smoke", np.random.default_rng(0)
    cells = [Cell("digits", "tiny", "logits", 4 * (1 + i % 8), i // 8) for i in range(count)]
    (results / "data/digits").mkdir(parents=True)
    manifest = pd.DataFrame({"label": [0, 1] * 1000, "split": ["train", "validation"] * 1000})
    manifest["sha256"] = [f"{i:064x}" for i in range(2000)]
    manifest.to_parquet(results / "data/digits/manifest.parquet")
    rows = []
    for i, cell in enumerate(cells):
        place, figures = results / "train" / str(cell), results / "figures" / str(cell)
        place.mkdir(parents=True)
        figures.mkdir(parents=True)
        (place / "attempts").mkdir()
        names = [
            "loss",
            "accuracy",
            "val_loss",
            "val_accuracy",
            "raw_output_min",
            "raw_output_max",
            "seconds",
        ]
        table = pd.DataFrame(rng.random((EPOCHS, 7)), columns=names)
        table.insert(0, "epoch", range(1, EPOCHS + 1))
        table.to_parquet(place / "history.parquet", index=False)
        (place / "full.weights.h5").write_bytes(rng.bytes(WEIGHTS))
        for name in ("figure-4", "figure-5", "figure-6", "batch-mean"):
            (figures / f"{name}.png").write_bytes(rng.bytes(90_000))
        record = {
            "study": "smoke", "cell": str(cell), "attempt": 1, "started": 1_700_000_000_000 + i,
            "host": "benchmark", "pid": i, "slurm_job_id": "123456", "git_commit": "0" * 40,
            "git_dirty": False, "lock_sha256": "0" * 64, "stopped_by": "cap", "epochs": EPOCHS,
            "versions": {"tensorflow": "2.21.0", "keras": "3.15.1", "numpy": "2.4.6",
                         "pandas": "3.1.1"},
            "parameters": 500_000, "seconds": 100.0, "device": "CPU", "threads": 1,
            "deterministic": True, "training": {"early_epochs": 8, "patience": 15}, "data": {},
            "model": {"architecture": "convnet", "image_size": 48, "filters": [32, 64, 128, 128],
                      "dense": 512, "max_epochs": 50, "dropout": 0.5, "optimizer": "rmsprop",
                      "learning_rate": 0.001},
        }  # fmt: skip
        (place / "run.json").write_text(json.dumps(record))
        for stage, split in product(("early", "full"), ("train", "validation")):
            keys = ("accuracy", "clipped_correct_share", "clipped_wrong_share",
                    "dead_correct_share", "dead_wrong_share", "bce_sigmoid_error_max")  # fmt: skip
            values = dict(zip(keys, rng.random(len(keys)), strict=True))
            place = dict(zip(["dataset", "model", "loss", "batch_size", "seed"],
                             [cell.dataset, cell.model, cell.loss, cell.batch_size, cell.seed],
                             strict=True))  # fmt: skip
            rows.append({**place, "stage": stage, "split": split, "epochs": EPOCHS, **values})
    (results / "tables").mkdir()
    pd.DataFrame(rows).to_csv(results / "tables/cells.csv", index=False)
    return cells


def log(folder: Path, **environment: str) -> tuple[float, str]:
    """Log a folder in a separate process; return its seconds and its last line."""
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "sigmoid_bce.tracking", "log", "results/smoke"],
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return time.perf_counter() - start, done.stdout.splitlines()[-1]


def logging(folder: Path, count: int) -> None:
    """Log `count` cells twice."""
    grid(folder, count)
    for what in ("first", "again"):
        seconds, line = log(folder)
        print(f"{count} cells, {what}: {seconds:.1f} s ({line})", flush=True)


def searching(folder: Path, count: int) -> None:
    """Search the first 100 of `count` runs that resemble those of the study."""
    mlflow = client(folder)
    found = runs(mlflow, "smoke")
    one = next(run for run in found if run.data.tags["kind"] == "cell")
    experiment = one.info.experiment_id
    sizes = [len(json.dumps(_plain(run))) for run in found]
    print(f"bytes a run, at most: {max(sizes)}")
    from mlflow.entities import Metric, Param, RunTag

    for _ in range(count - len(found)):
        run = mlflow.create_run(experiment)
        mlflow.log_batch(
            run.info.run_id,
            [Metric(k, v, 0, 0) for k, v in one.data.metrics.items()],
            [Param(k, v) for k, v in one.data.params.items()],
            [RunTag(k, v) for k, v in one.data.tags.items()],
        )
    with mlflow_server(folder / "server", f"sqlite:///{folder}/mlflow.db") as server:
        from mlflow import MlflowClient

        for name, some in (("SQLite", mlflow), ("server", MlflowClient(server.uri))):
            some.search_runs([experiment], max_results=1)
            start = time.perf_counter()
            some.search_runs([experiment], max_results=100)
            print(f"first 100 of {count}, {name}: {time.perf_counter() - start:.2f} s", flush=True)


def _plain(run):
    from google.protobuf.json_format import MessageToDict

    return MessageToDict(run.to_proto(), preserving_proto_field_name=True)


def living(folder: Path, epochs: int) -> None:
    """Train without a live view, with a server, and with an unreachable server."""
    file = folder / "train.py"
    file.write_text(TRAIN)
    with mlflow_server(folder / "server", f"sqlite:///{folder}/live.db") as server:
        addresses = {"none": "", "up": server.uri, "away": f"http://127.0.0.1:{free_port()}"}
        addresses |= {"none again": "", "up again": server.uri}
        first = None
        for name, uri in addresses.items():
            shutil.rmtree(folder / "results/live", ignore_errors=True)
            done = subprocess.run(
                [sys.executable, str(file), str(folder), str(epochs)],
                env={**os.environ, "MLFLOW_TRACKING_URI": uri, "TF_CPP_MIN_LOG_LEVEL": "3"},
                capture_output=True,
                text=True,
                check=True,
            )
            used = json.loads(done.stdout.splitlines()[-1])
            first = first or used
            extra = {k: used[k] - first[k] for k in ("wall", "fit", "cpu", "mb")}
            print(f"live view {name}: {used} extra {extra}", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cells", type=int, default=200)
    parser.add_argument("--runs", type=int, default=3000)
    parser.add_argument("--epochs", type=int, default=100)
    parser.add_argument("what", nargs="*", default=["logging", "searching", "living"])
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        if "logging" in given.what:
            logging(Path(name), given.cells)
        if "searching" in given.what:
            searching(Path(name), given.runs)
        if "living" in given.what:
            living(Path(name), given.epochs)
    print(
        f"largest process: {resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024:.0f} MB"
    )
