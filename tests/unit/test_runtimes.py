"""Runtimes that serve networks: their graphs, and what becomes of a served probability."""

import subprocess
import sys

import numpy as np
import pytest

from sigmoid_bce.jobs.releases import installed, node_modules
from sigmoid_bce.numerics import catalogue, frameworks
from sigmoid_bce.numerics.frameworks import _runtimes as runtimes
from support.checkout import ROOT

SERVING = ("onnxruntime", "openvino", "litert")


def here(name, *marks):
    """Return a framework as a parameter, which is skipped where it is not installed."""
    missing = not all(frameworks.versions(name).values())
    return pytest.param(
        name, marks=[pytest.mark.skipif(missing, reason=f"{name} is not installed"), *marks]
    )


MEASURED = [here(name) for name in (*SERVING, "mlx")]
# `make soak` installs these
MEASURED += [here(name, pytest.mark.soak) for name in ("catboost", "paddle", "tensorflow_js")]


CHECK = """
import sys
import numpy as np
from sigmoid_bce.numerics import catalogue, reference
x = np.linspace(-5, 5, 41)
entries = catalogue.module(sys.argv[1]).implementations()
assert len({(e.name, e.objective, e.mode) for e in entries}) == len(entries) > 1
for entry in entries:
    assert entry.formula and entry.source
    plain = entry.objective == "bce"
    for dtype in entry.dtypes if plain else {"float32", "float64"} & set(entry.dtypes):
        for y in (0, 1, *([0.125] if entry.soft and plain else [])):
            z = x.astype(catalogue.DTYPES[dtype])
            loss, gradient = entry(z, y)
            z = z.astype(float)
            truth = reference.loss(z, np.full_like(z, y), "float64", entry.objective)
            close = {"float16": 0.02, "bfloat16": 0.1}.get(dtype, 1e-3)
            assert np.allclose(loss, truth, rtol=close, atol=close / 4), (entry.name, dtype, y)
            assert gradient is None or gradient.shape == z.shape
print("right")
"""


@pytest.mark.parametrize("name", MEASURED)
def test_where_nothing_is_extreme_every_program_is_right(name):
    command = [sys.executable, "-W", "ignore", "-c", CHECK, name]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.stdout.strip().endswith("right"), done.stderr[-2000:]


def test_runtimes_have_no_gradient_and_say_where_probabilities_are_used():
    """The graph of a probability is judged by a loss outside, in float64 and without a clip."""

    def run(x, y):
        return np.float16([0, 1, 0.25])

    entry = runtimes.SIGMOID.measured(run, ("float16",), note="noted", source="here")
    loss, gradient = entry.function(None, np.float16([0, 1, 1]))
    assert gradient is None
    assert loss.dtype == np.float64
    assert loss.tolist() == [0, 0, np.log(4)]
    assert entry.from_sigmoid
    assert entry.formula.endswith(", noted")
    assert runtimes.log_loss(np.array([0.0, 1.0]), np.array([1.0, 0.0])).tolist() == [np.inf] * 2


@pytest.mark.parametrize("name", SERVING)
def test_the_advice_is_the_raw_output(name):
    assert catalogue.module(name).INSTEAD.startswith("np.logaddexp(0, (1 - 2 * y) * x), x = ")


SERVED = """
import numpy as np
import keras
import serving
from sigmoid_bce.models.architectures.convnet import PooledConv2D
keras.utils.set_random_seed(0)
layers = keras.layers
network = keras.Sequential([
    keras.Input((10, 10, 1), dtype="uint8"), layers.Rescaling(1 / 255), PooledConv2D(2, 3),
    layers.Flatten(), layers.Dropout(0.5), layers.Dense(4, activation="relu"), layers.Dense(1),
])
for weight in network.weights:
    weight.assign(weight * 4)
images = np.random.default_rng(0).integers(0, 256, (40, 10, 10, 1), np.uint8)
x = np.array(network(images))[:, 0]
rows = list(serving.served(network, images, x, np.arange(40) % 2, images))
assert len(rows) == 14
for row in rows:
    close = {"float32": 1e-5, "float16": 1e-2, "int8": 0.2}[row["precision"]]
    assert row["probability_error_max"] < close, row
certain = serving.judged(np.float32([99, -1]), np.array([0, 0]), np.float32([1, 0.25]))
assert (certain["certain"], certain["certain_wrong"]) == (1, 1)
print("served")
"""


@pytest.mark.skipif(not all(map(installed, ("onnx", "openvino", "ai-edge-litert"))),
                    reason="a runtime is not installed")  # fmt: skip
def test_a_served_network_is_the_trained_one():
    command = [sys.executable, "-W", "ignore", "-c", SERVED]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT / "benchmarks")
    assert done.stdout.strip().endswith("served"), done.stderr[-2000:]


def test_packages_of_node_have_a_release(tmp_path, monkeypatch):
    module = tmp_path / "node_modules/@some/module"
    module.mkdir(parents=True)
    (module / "package.json").write_text('{"version": "1.2.3"}')
    below = tmp_path / "a/b"
    below.mkdir(parents=True)
    monkeypatch.chdir(below)
    assert node_modules("@some/module") == tmp_path
    assert installed.__wrapped__("npm:@some/module") == "1.2.3"
    assert installed.__wrapped__("npm:@some/other") is None
