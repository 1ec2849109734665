"""A small study for fault tests, and the state that must survive the faults."""

import hashlib
import os
import subprocess
import sys
import time
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import pandas as pd
import pytest
import yaml

from sigmoid_bce.jobs.attempts import read_attempts
from sigmoid_bce.study.cells import STAGES, Cell
from support.checkout import checkout
from support.tracked import environment

STUDY = "faults"
EPOCHS = 60
CELLS = [Cell("digits", "tiny", "sigmoid_clipped", 16, seed) for seed in (0, 1)]
CONFIG = ("--configfile", "faults.yaml")
RESULTS = Path(f"results/{STUDY}")
LIMIT = 240
NOTE = "            note(epochs[-1])\n"
HOLD = """\
            while any(int(file.name) <= len(epochs) for file in Path("hold").iterdir()):
                if checkpoints.notice.signal:
                    break
                time.sleep(0.01)
"""


def configured(folder):
    checkout(folder)
    config = yaml.safe_load((folder / "config/studies/smoke.yaml").read_text())
    config["study"] = STUDY
    config["models"]["tiny"]["max_epochs"] = EPOCHS
    config["training"]["patience"] = EPOCHS
    config["grid"] |= {"loss": ["sigmoid_clipped"], "seed": [0, 1]}
    del config["numerics"], config["learning"]
    (folder / "faults.yaml").write_text(yaml.safe_dump(config))
    file = folder / "workflow/src/sigmoid_bce/training/train.py"
    before, after = file.read_text().split(NOTE)
    file.write_text(f"{before}{NOTE}{HOLD}{after}")
    (folder / "hold").mkdir()
    return folder


@contextmanager
def held(folder, epoch=EPOCHS - 20):
    """Let trainings go on to an epoch, and not beyond it, for the length of a block.

    However slow this machine is, they are there to be killed.
    """
    gate = folder / "hold" / str(epoch)
    gate.touch()
    try:
        yield
    finally:
        gate.unlink()


def begin(folder, *arguments, **more):
    """Start Snakemake in a session of its own."""
    with open(folder / "snakemake.log", "a") as log:
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        return subprocess.Popen(
            [sys.executable, "-m", "snakemake", "--cores", "2", *arguments, *CONFIG],
            cwd=folder,
            env={**environment(folder, **more), "PATH": path},
            stdout=log,
            stderr=log,
            start_new_session=True,
        )


def attempts(folder):
    """Return the records of all attempts, by cell."""
    return {cell: read_attempts(folder / RESULTS / "train" / str(cell)) for cell in CELLS}


def running(folder):
    return [r for some in attempts(folder).values() for r in some if r["status"] == "RUNNING"]


def epochs(record):
    file = record["folder"] / "history.csv"
    return len(file.read_text().splitlines()) - 1


def wait_until(ready, what):
    end = time.monotonic() + LIMIT
    while not ready():
        assert time.monotonic() < end, what
        time.sleep(0.02)


def state(folder):
    """Return digests or text of weights, histories without seconds, raw outputs, losses, tables."""
    found = {}
    for cell in CELLS:
        train = folder / RESULTS / "train" / str(cell)
        table = pd.read_parquet(train / "history.parquet").drop(columns="seconds")
        found[cell, "history"] = table.to_csv()
        for stage in STAGES:
            files = {
                "weights": train / f"{stage}.weights.h5",
                "raw outputs": folder / RESULTS / "raw_outputs" / str(cell) / f"{stage}.parquet",
                "losses": folder / RESULTS / "compare" / str(cell) / f"{stage}.parquet",
            }
            for what, file in files.items():
                found[cell, stage, what] = hashlib.sha256(file.read_bytes()).hexdigest()
    for file in sorted((folder / RESULTS / "tables").glob("*.csv")):
        found[file.name] = file.read_text()
    return found


def one_at_a_time(folder):
    """Check that no two processes trained a cell at once, and that no checkpoint is left."""
    for cell, records in attempts(folder).items():
        spans = [
            (r["started"], r.get("ended", (r["folder"] / "history.csv").stat().st_mtime * 1000))
            for r in records
        ]
        for (_, end), (start, _) in pairwise(spans):
            assert end <= start + 1, (cell, spans)
        assert not list((folder / RESULTS / "train" / str(cell)).rglob("*checkpoint*"))


@contextmanager
def disk(place, size):
    """Mount an empty file system of a given size over `place` for the length of a block."""
    place.mkdir(parents=True, exist_ok=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(place)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode and not os.environ.get("SIGMOID_BCE_CI"):
        pytest.skip(f"no file system can be mounted here: {done.stderr.strip()}")
    assert done.returncode == 0, done.stderr
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


def remount(place, options):
    subprocess.run(["mount", "-o", f"remount,{options}", str(place)], check=True)


def fill(place):
    """Fill the disk at `place`; return the file that fills it."""
    ballast = place / "ballast"
    with open(ballast, "wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            return ballast
