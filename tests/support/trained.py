"""Trainings of seconds, in the process of the tests."""

import contextlib

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from pydantic import TypeAdapter
from tensorflow.python.framework.config import disable_op_determinism

from sigmoid_bce.study.cells import Cell
from sigmoid_bce.study.config import Training
from sigmoid_bce.study.models import Model
from sigmoid_bce.training.learn import AS_WRITTEN
from sigmoid_bce.training.train import train

CELL = Cell("d", "m", "logits", 8, 3)
OUTPUTS = ("history.parquet", "run.json", "early.weights.h5", "full.weights.h5")
EPOCHS = 9
HEAD = {
    "architecture": "efficientnet_lite0",
    "weights": "none",
    "dense": 8,
    "dropout": 0.5,
    "learning_rate": 0.01,
    "max_epochs": EPOCHS,
}
CUSTOM = {
    "architecture": "custom",
    "image_size": 8,
    "learning_rate": 0.01,
    "max_epochs": EPOCHS,
    "optimizer": "adam",
}


class Interrupted(Exception):
    """The training was stopped by the test."""


def samples(model):
    """Return inputs and the manifest of 60 samples, 44 of them to train."""
    chance = np.random.default_rng(0)
    shape = (8, 8, 1) if model["architecture"] == "custom" else (20,)
    inputs = chance.integers(0, 256, (60, *shape)).astype("uint8" if len(shape) == 3 else "f4")
    if len(shape) == 1:
        inputs /= 256
    manifest = pd.DataFrame({"label": chance.integers(0, 2, 60)})
    manifest["split"] = ["train"] * 44 + ["validation"] * 16
    return inputs, manifest


def run(folder, model, *, until=None, how=None, patience=EPOCHS, identity="one", cell=CELL):
    """Train to the end, or until an epoch; return how many epochs were resumed, and noted."""
    keras.utils.clear_session()
    inputs, manifest = samples(model)
    resumed, rows = [], []

    def note(row):
        rows.append(row)
        if row["epoch"] == until:
            if how is None:
                raise Interrupted
            how()

    with contextlib.suppress(Interrupted):
        train(
            cell,
            TypeAdapter(Model).validate_python(model),
            Training(early_epochs=3, patience=patience),
            inputs,
            manifest,
            threads=1,
            note=note,
            resumed=resumed.extend,
            attempt={},
            identity={"of": identity},
            **{name.split(".")[0]: folder / name for name in OUTPUTS},
        )
    return len(resumed), len(rows)


@pytest.fixture
def optimised_again():
    """Have TensorFlow optimise formulas again, as the tests after this one expect it."""
    yield
    tf.config.optimizer.set_experimental_options(dict.fromkeys(AS_WRITTEN, True))


@pytest.fixture(scope="module", autouse=True)
def shared_process():
    """Let trainings run in a process whose threads are set already; free its operations again."""
    with pytest.MonkeyPatch.context() as patch:
        for which in ("intra", "inter"):
            setter = f"set_{which}_op_parallelism_threads"
            patch.setattr(tf.config.threading, setter, lambda threads: None)
        yield
    disable_op_determinism()
