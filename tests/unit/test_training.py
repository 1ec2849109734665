"""Faster steps, orders and layers compute the same as Keras's."""

import json
import math
import subprocess
import sys

import keras
import ml_dtypes  # noqa: F401, bfloat16 for NumPy
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from keras import layers

from sigmoid_bce.models import networks
from sigmoid_bce.study.models import Convnet
from sigmoid_bce.training import metrics, steps
from sigmoid_bce.training.optimizers.rmsprop import RMSprop
from support.checkout import DEFAULT


@pytest.mark.parametrize("size", [1, 2, 40, 200])
def test_an_epoch_is_every_sample_once(size):
    n, epochs = 150, 3
    x, y = np.arange(n, dtype=np.float32)[:, None], np.zeros((n, 1), np.float32)
    network = keras.Sequential([keras.Input((1,)), layers.Dense(1, kernel_initializer="ones")])
    # the mean of all samples, if each is there once: no step changes anything
    network.compile(keras.optimizers.SGD(0.0), loss=lambda y, x: x)
    network.optimizer.build(network.trainable_variables)
    run = steps.batched(network.train_step, (tf.constant(x), tf.constant(y)), size)
    for epoch in range(epochs):
        network.reset_metrics()
        for chunk in steps.chunks(np.arange(n, dtype=np.int32), size, seed=0, epoch=epoch):
            run(chunk)
        assert network.optimizer.iterations == math.ceil(n / size) * (epoch + 1)
        assert metrics.values(network)["loss"] == pytest.approx(x.mean())


def test_orders_depend_on_seed_and_epoch_alone():
    rows = np.arange(30, dtype=np.int32)

    def orders(size, seed):
        parts = (list(steps.chunks(rows, size, seed=seed, epoch=epoch)) for epoch in range(3))
        return np.stack([np.concatenate(chunks) for chunks in parts])

    first = orders(7, seed=1)
    assert (np.sort(first) == rows).all()
    assert (first[0] != first[1]).any()
    assert (first == orders(30, seed=1)).all()
    assert (first != orders(7, seed=2)).any()


def test_a_call_takes_whole_batches(monkeypatch):
    monkeypatch.setattr(steps, "CHUNK", 3)
    chunks = steps.chunks(np.arange(20, dtype=np.int32), 4, seed=0, epoch=0)
    assert [len(chunk) for chunk in chunks] == [12, 8]


def test_rmsprop_is_that_of_keras():
    rng = np.random.default_rng(0)
    gradients = rng.normal(size=(50, 1000)).astype(np.float32) * 10.0 ** rng.integers(-8, 3, 1000)
    ours, theirs = (keras.Variable(np.ones(1000, np.float32)) for _ in range(2))
    for optimizer, variable in ((RMSprop(0.01), ours), (keras.optimizers.RMSprop(0.01), theirs)):
        for gradient in gradients.astype(np.float32):
            optimizer.apply([tf.constant(gradient)], [variable])
    np.testing.assert_allclose(ours.numpy(), theirs.numpy(), rtol=2e-5, atol=1e-6)


def test_bias_and_relu_after_pooling_are_those_before_it():
    model = Convnet(**{**DEFAULT["models"]["convnet"], "dropout": 0})
    shape = (model.image_size, model.image_size, 1)
    ours = networks.build(model, shape)
    before = keras.Sequential([keras.Input(shape, dtype="uint8"), layers.Rescaling(1 / 255)])
    for n in model.filters:
        before.add(layers.Conv2D(n, 3, activation="relu"))
        before.add(layers.MaxPooling2D())
    for layer in (layers.Flatten(), layers.Dense(model.dense, "relu"), layers.Dense(1)):
        before.add(layer)
    before.set_weights(ours.get_weights())
    for layer in before.layers:
        if layer.name.startswith("conv2d"):
            layer.bias.assign(np.linspace(-0.1, 0.1, layer.filters, dtype=np.float32))
    ours.set_weights(before.get_weights())
    x = np.random.default_rng(0).integers(0, 256, (8, *shape), np.uint8)
    results = []
    for network in (ours, before):
        with tf.GradientTape() as tape:
            out = network(x)
            loss = keras.ops.sum(out * keras.ops.arange(1.0, 9.0)[:, None])
        results.append([out, *tape.gradient(loss, network.trainable_weights)])
    for a, b in zip(*results, strict=True):
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-4, atol=1e-5)


TINY = """
import json, sys
from pathlib import Path
import numpy as np, pandas as pd
from sigmoid_bce.study.cells import Cell
from sigmoid_bce.study.config import Training
from sigmoid_bce.study.models import Convnet
from sigmoid_bce.models import networks
from sigmoid_bce.training.train import train

folder, training = Path(sys.argv[1]), Training(early_epochs=1, **json.loads(sys.argv[2]))
model = Convnet(
    architecture="convnet", image_size=46, filters=[2, 2, 2, 2], dense=8, dropout=0.25,
    learning_rate=0.01, max_epochs=2,
)
rng = np.random.default_rng(0)
x = rng.integers(0, 256, (50, 46, 46, 1), np.uint8)
manifest = pd.DataFrame(
    {"label": rng.integers(0, 2, 50), "split": ["train"] * 40 + ["validation"] * 10}
)
train(
    Cell("noise", "tiny", "logits", 16, 0), model, training, x, manifest, threads=1,
    note=print, resumed=print, attempt={}, identity={}, history=folder / "history.parquet",
    run=folder / "run.json", early=folder / "early.weights.h5", full=folder / "full.weights.h5",
)
network = networks.build(model, (46, 46, 1))
network.load_weights(folder / "full.weights.h5")
np.save(folder / "outputs.npy", network(x))
dtypes = [layer.compute_dtype for layer in network.layers]
print(json.dumps([dtypes, sorted({v.dtype for v in network.variables if v.trainable})]))
"""


@pytest.mark.parametrize("precision", ["mixed_float16", "mixed_bfloat16", "float32"])
def test_precision_and_xla_are_recorded(precision, tmp_path):
    """Trained for real, each in a process of its own: both are a process's for good."""
    settings = {"precision": precision, "xla": precision == "float32"}
    done = subprocess.run(
        [sys.executable, "-c", TINY, str(tmp_path), json.dumps(settings)],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    run = json.loads((tmp_path / "run.json").read_text())
    assert run["training"] == {"early_epochs": 1, "patience": 15, **settings}
    assert run["deterministic"] is not settings["xla"]
    assert run["epochs"] == len(pd.read_parquet(tmp_path / "history.parquet")) == 2
    dtypes, weights = json.loads(done.stdout.splitlines()[-1])
    assert set(dtypes[:-1]) == {precision.removeprefix("mixed_")}
    assert dtypes[-1] == "float32"
    assert weights == ["float32"]
    assert ("many times slower on a CPU" in done.stdout) == (precision == "mixed_float16")
    out = np.load(tmp_path / "outputs.npy")
    assert out.dtype == np.float32
    # more digits than half precision has
    assert (out != out.astype("bfloat16")).any()
    assert (out != out.astype(np.float16)).any()
