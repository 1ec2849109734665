"""A training that was interrupted ends in the bytes of one that was not."""

import contextlib
import functools
import os
import signal

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
from sigmoid_bce.training import checkpoint
from sigmoid_bce.training.train import train

# of NumPy's, about Keras's own conversions
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
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
MODULE = '''
import keras
import tensorflow as tf
from keras import layers

class Odd(layers.Layer):
    """States of every kind: Keras keeps a list of none but the first."""

    def build(self, shape):
        self.mean = self.add_weight(shape=(), trainable=False)
        self.count = tf.Variable(0.0)
        self.own = tf.random.Generator.from_seed(1)

    def call(self, x, training=False):
        if training:
            self.mean.assign(0.9 * self.mean + 0.1 * keras.ops.mean(x))
            self.count.assign_add(1.0)
            noise = keras.random.normal(keras.ops.shape(x)) + self.own.normal(tf.shape(x))
            return x + 0.1 * noise * self.count / (1 + self.count)
        return x - self.mean

class Hidden(layers.Layer):
    def call(self, x, training=False):
        return x + tf.random.normal(tf.shape(x)) if training else x

def odd(shape, layer=Odd):
    return keras.Sequential([
        keras.Input(shape), layers.Rescaling(1 / 255), layers.RandomFlip(),
        layers.Conv2D(4, 3), layers.BatchNormalization(), layers.Flatten(), layer(),
        layers.GaussianDropout(0.2), layers.Dense(1),
    ])

def hidden(shape):
    return odd(shape, Hidden)
'''


class Interrupted(Exception):
    pass


@pytest.fixture(scope="module")
def modules(tmp_path_factory):
    folder = tmp_path_factory.mktemp("modules")
    (folder / "odd_nets.py").write_text(MODULE)
    return folder


@pytest.fixture(params=["head", "custom"])
def model(request, modules):
    if request.param == "head":
        return HEAD
    return {**CUSTOM, "function": "odd_nets:odd", "folder": str(modules)}


def run(folder, model, *, until=None, how=None, patience=EPOCHS, identity="one"):
    """Train to the end, or until an epoch; return how many epochs it went on from, and had."""
    keras.utils.clear_session()
    chance = np.random.default_rng(0)
    shape = (8, 8, 1) if model["architecture"] == "custom" else (20,)
    inputs = chance.integers(0, 256, (60, *shape)).astype("uint8" if len(shape) == 3 else "f4")
    manifest = pd.DataFrame({"label": chance.integers(0, 2, 60)})
    manifest["split"] = ["train"] * 44 + ["validation"] * 16
    resumed, rows = [], []

    def note(row):
        rows.append(row)
        if row["epoch"] == until:
            how() if how else (_ for _ in ()).throw(Interrupted())

    with contextlib.suppress(Interrupted):
        train(
            CELL,
            TypeAdapter(Model).validate_python(model),
            Training(early_epochs=3, patience=patience),
            inputs,
            manifest,
            threads=1,
            note=note,
            resumed=resumed.extend,
            circumstances={},
            identity={"of": identity},
            **{name.split(".")[0]: folder / name for name in OUTPUTS},
        )
    return len(resumed), len(rows)


def contents(folder):
    found = {name: (folder / name).read_bytes() for name in OUTPUTS if name.endswith("h5")}
    table = pd.read_parquet(folder / "history.parquet").drop(columns="seconds")
    return found | {"history": table.to_numpy().tobytes(), "dtypes": str(table.dtypes)}


@pytest.fixture(autouse=True)
def every_epoch(monkeypatch):
    monkeypatch.setattr(checkpoint, "SHARE", 1e9)
    keep = functools.partialmethod(checkpoint.Checkpoints._keep, wait=True)
    monkeypatch.setattr(checkpoint.Checkpoints, "_keep", keep)


@pytest.fixture(scope="module", autouse=True)
def shared_process():
    """The process is other tests' too: its threads are set already, its operations freed again."""
    with pytest.MonkeyPatch.context() as patch:
        for which in ("intra", "inter"):
            setter = f"set_{which}_op_parallelism_threads"
            patch.setattr(tf.config.threading, setter, lambda threads: None)
        yield
    disable_op_determinism()


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """An undisturbed training of the head."""
    folder = tmp_path_factory.mktemp("whole")
    assert run(folder, HEAD) == (0, EPOCHS)
    return contents(folder)


def test_interrupted_thrice_it_ends_in_the_same_bytes(tmp_path, model):
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    assert run(whole, model) == (0, EPOCHS)
    assert run(broken, model, until=2) == (0, 2)
    assert run(broken, model, until=5) == (1, 4)  # an epoch is noted before it is kept
    assert not (broken / "early.weights.h5").exists()
    assert run(broken, model, until=5) == (4, 1)
    assert run(broken, model) == (4, EPOCHS - 4)
    assert contents(broken) == contents(whole)
    assert sorted(file.name for file in broken.iterdir()) == sorted(OUTPUTS)


def test_patience_counts_on(tmp_path):
    still = {**HEAD, "learning_rate": 1e-12, "dropout": 0.0}
    assert run(tmp_path / "whole", still, patience=2)[1] < EPOCHS
    n = len(pd.read_parquet(tmp_path / "whole/history.parquet"))
    assert run(tmp_path / "broken", still, patience=2, until=n) == (0, n)
    assert run(tmp_path / "broken", still, patience=2) == (n - 1, 1)
    assert contents(tmp_path / "broken") == contents(tmp_path / "whole")


@pytest.mark.parametrize(("number", "epoch"), [(signal.SIGTERM, 4), (signal.SIGINT, EPOCHS)])
def test_a_notice_loses_no_epoch(tmp_path, whole, monkeypatch, number, epoch):
    monkeypatch.setattr(checkpoint, "SHARE", 0)  # none is kept but on notice

    def notice():
        os.kill(os.getpid(), number)

    with pytest.raises(SystemExit) as end:
        run(tmp_path, HEAD, until=epoch, how=notice)
    assert end.value.code == 128 + number
    assert run(tmp_path, HEAD) == (epoch, EPOCHS - epoch)
    assert contents(tmp_path) == whole


def cut(file):
    file.write_bytes(file.read_bytes()[:-200])


def flip(file):
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda f: cut(f / "checkpoint.npz"), "is not continued: File is not a zip file"),
        (lambda f: flip(f / "checkpoint.npz"), "is not continued: Bad "),
        (lambda f: cut(f / "checkpoint.early.npz"), "is not continued: File is not a zip file"),
        (lambda f: (f / "checkpoint.early.npz").unlink(), "checkpoint.early.npz"),
        (lambda f: (f / "checkpoint.npz").write_bytes(b""), "is not continued"),
    ],
)
def test_a_damaged_one_is_said_and_not_continued(tmp_path, capfd, damage, said):
    run(tmp_path, HEAD, until=6)
    part = tmp_path / ".12345.checkpoint.npz"  # of a writer that was killed
    part.write_bytes(b"PK")
    damage(tmp_path)
    assert run(tmp_path, HEAD, until=1) == (0, 1)
    assert said in capfd.readouterr().out
    assert not part.exists()


def test_that_of_another_training_is_not_continued(tmp_path, whole, capfd):
    run(tmp_path, HEAD, until=6, identity="two")
    assert run(tmp_path, HEAD) == (0, EPOCHS)
    assert "it is of another training (of differ)" in capfd.readouterr().out
    assert contents(tmp_path) == whole


def test_a_state_that_cannot_be_read_is_said(tmp_path, modules, capfd):
    hidden = {**CUSTOM, "function": "odd_nets:hidden", "folder": str(modules)}
    run(tmp_path, hidden, until=4)
    assert "the state of RandomStandardNormal cannot be read" in capfd.readouterr().out
    assert run(tmp_path, hidden) == (0, EPOCHS)
    assert sorted(file.name for file in tmp_path.iterdir()) == sorted(OUTPUTS)
