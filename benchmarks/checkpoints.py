"""The cost of checkpoints, and of resuming from one: `python -W ignore benchmarks/checkpoints.py`.

Networks, inputs and batch sizes are those of the default study, on one thread. CPU seconds are of
the whole process, with the writing thread, from the end of the first epoch to the end of the last;
the table shows medians of alternating runs. `kept` counts the epochs that have a checkpoint.
"""

import json
import signal
import statistics
import sys
import tempfile
import time
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import yaml
from pydantic import TypeAdapter

from sigmoid_bce.jobs.checkpoint_files import NAMES
from sigmoid_bce.study.cells import Cell
from sigmoid_bce.study.config import Training
from sigmoid_bce.study.models import Model
from sigmoid_bce.training import checkpoint
from sigmoid_bce.training.train import train

CONFIG = yaml.safe_load((Path(__file__).parents[1] / "config/config.yaml").read_text())
CASES = [  # model, batch size, epochs
    ("convnet", 20, 3),
    ("efficientnet_lite0", 128, 100),
    ("efficientnet_lite0", 20, 30),
    ("efficientnet_lite0", 4, 8),
]
OUTPUTS = ("history.parquet", "run.json", "early.weights.h5", "full.weights.h5")


class Stopped(Exception):
    """The training has reached the epoch at which to stop."""


def trained(name, batch_size, epochs, folder, *, share, stop=None):
    """Train; return CPU and wall seconds an epoch, checkpoints, and seconds of resuming."""
    checkpoint.SHARE = share
    keras.utils.clear_session()
    chance = np.random.default_rng(0)
    shape = (48, 48, 1) if name == "convnet" else (1280,)
    inputs = chance.integers(0, 256, (2624, *shape)).astype("uint8" if len(shape) == 3 else "f4")
    if len(shape) == 1:
        inputs /= 256
    manifest = pd.DataFrame({"label": chance.integers(0, 2, 2624)})
    manifest["split"] = ["train"] * 2000 + ["validation"] * 624
    model = TypeAdapter(Model).validate_python({**CONFIG["models"][name], "max_epochs": epochs})
    marks, kept, resuming = [], set(), []
    write, resume = checkpoint.Checkpoints._write, checkpoint.Checkpoints.resume

    def counted(self, state, rows, taken):
        write(self, state, rows, taken)
        kept.add(len(rows))

    def timed(self):
        start = time.perf_counter()
        rows = resume(self)
        resuming.append(time.perf_counter() - start)
        return rows

    def note(row):
        marks.append((time.process_time(), time.perf_counter()))
        if row["epoch"] == stop:
            raise Stopped

    checkpoint.Checkpoints._write, checkpoint.Checkpoints.resume = counted, timed
    try:
        train(
            Cell("elpv", name, "logits", batch_size, 0),
            model,
            Training(early_epochs=2, patience=epochs),
            inputs,
            manifest,
            threads=1,
            note=note,
            resumed=lambda rows: None,
            attempt={},
            identity={},
            **{file.split(".")[0]: Path(folder) / file for file in OUTPUTS},
        )
    except Stopped:
        pass
    finally:
        checkpoint.Checkpoints._write, checkpoint.Checkpoints.resume = write, resume
    cpu, wall = (np.subtract(marks[-1], marks[0]) / (len(marks) - 1)) if len(marks) > 1 else (0, 0)
    return float(cpu), float(wall), len(kept), resuming[0]


def main(repeats):
    handler = signal.getsignal(signal.SIGINT)
    share, rows = checkpoint.SHARE, []
    for name, batch_size, epochs in CASES:
        with_, without, resumes, kept, size = [], [], [], 0, 0
        for _ in range(repeats):
            with tempfile.TemporaryDirectory() as folder:
                without.append(trained(name, batch_size, epochs, folder, share=-1))
            with tempfile.TemporaryDirectory() as folder:
                with_.append(trained(name, batch_size, epochs, folder, share=share))
                kept = with_[-1][2]
            with tempfile.TemporaryDirectory() as folder:
                trained(name, batch_size, epochs, folder, share=1e9, stop=4)
                size = sum((Path(folder) / f).stat().st_size for f in NAMES)
                resumes.append(trained(name, batch_size, epochs, folder, share=-1)[3])
        cpu = [statistics.median(run[0] for run in runs) for runs in (without, with_)]
        wall = [statistics.median(run[1] for run in runs) for runs in (without, with_)]
        rows.append(
            {
                "model": name,
                "batch_size": batch_size,
                "epoch_cpu_ms": round(cpu[0] * 1000, 1),
                "with_checkpoints_ms": round(cpu[1] * 1000, 1),
                "cpu_overhead": f"{cpu[1] / cpu[0] - 1:+.1%}",
                "wall_overhead": f"{wall[1] / wall[0] - 1:+.1%}",
                "kept": f"{kept} of {epochs}",
                "mb": round(size / 1e6, 1),
                "resuming_ms": round(statistics.median(resumes) * 1000),
            }
        )
        print(json.dumps(rows[-1]), flush=True)
    assert signal.getsignal(signal.SIGINT) is handler
    print(pd.DataFrame(rows).to_string(index=False))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 3)
