"""Keras's monitor on Keras's other backends, each in a process of its own."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

X = np.float32([[-60], [60], [1], [-1]] * 8)
Y = np.float32([1, 0, 1, 0] * 8)
BACKENDS = """
import json, sys, warnings
import keras, numpy as np
from sigmoid_bce.keras import SaturationMonitor

x, y, found = *json.load(sys.stdin), []
for monitor in (SaturationMonitor(), None):
    keras.utils.set_random_seed(0)
    ends = keras.layers.Dense(1, "sigmoid", kernel_initializer="ones")
    network = keras.Sequential([keras.Input((1,)), ends])
    network.compile(keras.optimizers.SGD(1e-3), "binary_crossentropy")
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        network.fit(
            np.float32(x), np.float32(y), batch_size=8, verbose=0, shuffle=False,
            callbacks=[monitor] if monitor else [],
        )
    found.append([float(part.ravel()[0]) for part in network.get_weights()])
    if monitor:
        texts = [str(one.message) for one in said if one.category.__name__ == "SaturationWarning"]
        print(json.dumps({"backend": keras.backend.backend(), "said": texts} | monitor.history[0]))
print(json.dumps(found))
"""


@pytest.mark.parametrize(("backend", "source"), [("jax", "inverted"), ("torch", "sigmoid")])
def test_monitor_on_backend(backend, source, record_property):
    """A training with a monitor: it sees each sample, warns, and changes no weight."""
    pytest.importorskip(backend)
    done = subprocess.run(
        [sys.executable, "-c", BACKENDS],
        env={**os.environ, "KERAS_BACKEND": backend, "CUDA_VISIBLE_DEVICES": ""},
        input=json.dumps([X.tolist(), Y.tolist()]),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    row, (watched, plain) = map(json.loads, done.stdout.splitlines())
    assert (row["backend"], row["loss"]) == (backend, "sigmoid_clipped")
    assert (row["source"], row["batches"]) == (source, 4)
    assert (row["samples_0"], row["samples_1"], row["dead_misclassified"]) == (16, 16, 1)
    assert len(row["said"]) == 1
    assert row["said"][0].startswith("epoch 1, batch 1: ")
    assert watched == plain
    record_property("said", f"Keras on {backend}: 4 batches, one warning, the same weights")
