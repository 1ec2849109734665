"""A training that was interrupted ends in the bytes of one that was not."""

import functools
import os
import signal

import pandas as pd
import pytest

from sigmoid_bce.training import checkpoint
from support.trained import CUSTOM, EPOCHS, HEAD, OUTPUTS, run, shared_process  # noqa: F401

# NumPy's, about Keras's own conversions
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
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


def contents(folder):
    found = {name: (folder / name).read_bytes() for name in OUTPUTS if name.endswith("h5")}
    table = pd.read_parquet(folder / "history.parquet").drop(columns="seconds")
    return found | {"history": table.to_numpy().tobytes(), "dtypes": str(table.dtypes)}


@pytest.fixture(autouse=True)
def every_epoch(monkeypatch):
    monkeypatch.setattr(checkpoint, "SHARE", 1e9)
    keep = functools.partialmethod(checkpoint.Checkpoints._keep, wait=True)
    monkeypatch.setattr(checkpoint.Checkpoints, "_keep", keep)


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


@pytest.mark.parametrize(
    ("number", "epoch"), [(signal.SIGTERM, 4), (signal.SIGINT, EPOCHS), (signal.SIGHUP, 4)]
)
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
        (lambda f: cut(f / "checkpoint.npz"), "is not resumed: File is not a zip file"),
        (lambda f: flip(f / "checkpoint.npz"), "is not resumed: Bad "),
        (lambda f: cut(f / "checkpoint.early.npz"), "is not resumed: File is not a zip file"),
        (lambda f: (f / "checkpoint.early.npz").unlink(), "checkpoint.early.npz"),
        (lambda f: (f / "checkpoint.npz").write_bytes(b""), "is not resumed"),
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
    assert "it belongs to another training (different: of)" in capfd.readouterr().out
    assert contents(tmp_path) == whole


def test_a_state_that_cannot_be_read_is_said(tmp_path, modules, capfd):
    hidden = {**CUSTOM, "function": "odd_nets:hidden", "folder": str(modules)}
    run(tmp_path, hidden, until=4)
    assert "the state of RandomStandardNormal cannot be read" in capfd.readouterr().out
    assert run(tmp_path, hidden) == (0, EPOCHS)
    assert sorted(file.name for file in tmp_path.iterdir()) == sorted(OUTPUTS)
