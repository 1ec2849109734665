"""Which share of the machine's own sgemm the default convnet's training reaches, by batch size.

One thread, as in the workflow. The multiplications and additions of a step are counted from the
layers; sgemm is TensorFlow's product of two float32 matrices. Operations are those of TensorFlow's
own trace, in a run of their own, since tracing costs time. Seconds are of CPU.
"""

from __future__ import annotations

import json
import math
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from measured import default_study, run

BATCHES = (4, 20, 128)
SAMPLES = 2560
REPEATS = 5
MATRIX = 1536
# the kinds of operations that a row sums up, by the beginning of their names
KINDS = {
    "convolutions, forward": ("Conv2D", "_MklConv2D", "_FusedConv2D", "_MklNativeConv2D"),
    "convolutions, gradients": ("Conv2DBackprop", "_MklConv2DBackprop", "_MklNativeConv2DBackprop"),
    "dense layers": ("MatMul", "_MklMatMul", "_FusedMatMul", "_MklNativeFusedMatMul", "BatchMat"),
    "pooling": ("MaxPool", "_MklMaxPool", "_MklNativeMaxPool"),
    "activations, biases": ("Relu", "_MklRelu", "Bias", "_MklNativeRelu"),
    "optimizer": ("Assign", "ReadVariable", "Sqrt", "Square", "RealDiv", "Resource"),
    "dropout": ("Stateless", "Random"),
}


def operations(network) -> float:
    """Return the floating point operations of a training step, for each sample.

    A gradient by the weights costs as much as the layer, and so does one by its inputs, which the
    first layer needs not.
    """
    step, first = 0.0, True
    for layer in network.layers:
        if not layer.weights:
            continue
        kernel, size = layer.weights[0].shape, layer.input.shape[1:-1]
        # convolutions without padding, before their pooling
        places = math.prod(s - k + 1 for s, k in zip(size, kernel[: len(size)], strict=True))
        once = 2.0 * math.prod(kernel) * places
        step += once * (2 if first else 3)
        first = False
    return step


def kind_of(name: str) -> str:
    """Return the kind of an operation; the longest beginning that fits decides."""
    fits = [(len(b), kind) for kind, begins in KINDS.items() for b in begins if name.startswith(b)]
    return max(fits)[1] if fits else "other operations"


def traced(call, steps: int) -> Counter:
    """Return the milliseconds a step of each kind of operation, from TensorFlow's trace."""
    import tensorflow as tf
    from tensorflow.tsl.profiler.protobuf import xplane_pb2

    found: Counter = Counter()
    with tempfile.TemporaryDirectory() as folder:
        options = tf.profiler.experimental.ProfilerOptions(
            host_tracer_level=2, python_tracer_level=0
        )
        with tf.profiler.experimental.Profile(folder, options):
            call()
        for file in Path(folder).rglob("*.xplane.pb"):
            space = xplane_pb2.XSpace()
            space.ParseFromString(file.read_bytes())
            for plane in space.planes:
                for line in plane.lines:
                    for event in line.events:
                        name = plane.event_metadata[event.metadata_id].name
                        *node, operation = name.split(":")
                        # a loop and a function contain their operations
                        if len(node) == 1 and operation.isidentifier() and operation != "While":
                            found[kind_of(operation)] += event.duration_ps / 1e9 / steps
    return found


def sgemm() -> float:
    """Return the billions of operations a second of a product of two matrices."""
    import tensorflow as tf

    one = tf.random.stateless_normal((MATRIX, MATRIX), [0, 1])
    product = tf.function(lambda x: tf.linalg.matmul(x, x))
    product(one).numpy()
    best = math.inf
    for _ in range(2 * REPEATS):
        start = time.process_time()
        product(one).numpy()
        best = min(best, time.process_time() - start)
    return 2 * MATRIX**3 / best / 1e9


def _child() -> None:
    """Print what was measured as JSON: the speed of sgemm, and each batch size's."""
    import keras
    import numpy as np
    import tensorflow as tf
    from pydantic import TypeAdapter

    from sigmoid_bce.models import networks
    from sigmoid_bce.study.models import Model
    from sigmoid_bce.training import devices, optimizers
    from sigmoid_bce.training.steps import batched

    devices.set_up(1)
    settings = default_study()["models"]["convnet"]
    model = TypeAdapter(Model).validate_python(settings)
    found = {"sgemm": [sgemm()], "batches": {}}
    chance = np.random.default_rng(0)
    size = settings["image_size"]
    data = (
        tf.constant(chance.integers(0, 256, (SAMPLES, size, size, 1)).astype(np.uint8)),
        tf.constant(chance.integers(0, 2, (SAMPLES, 1)).astype(np.float32)),
    )
    rows = tf.constant(chance.permutation(SAMPLES).astype(np.int32))
    for batch in BATCHES:
        network = networks.build(model, (size, size, 1))
        network.compile(
            optimizer=optimizers.make(model.optimizer, model.learning_rate, None),
            loss=keras.losses.BinaryCrossentropy(from_logits=True),
        )
        network.optimizer.build(network.trainable_variables)
        network.compute_metrics(None, data[1][:1], data[1][:1])
        steps = batched(network.train_step, data, batch)
        steps(rows[: 2 * batch])
        # a small batch needs fewer samples for as many steps
        some = rows[: min(SAMPLES, 64 * batch)]
        count = -(-len(some) // batch)
        seconds = []
        for _ in range(REPEATS):
            start = time.process_time()
            steps(some)
            seconds.append((time.process_time() - start) / count)
        found["batches"][batch] = {
            "seconds": min(seconds),
            "operations": operations(network) * batch,
            "kinds": traced(lambda steps=steps, some=some: steps(some), count),
        }
    found["sgemm"].append(sgemm())
    print(json.dumps(found))


def measure(given) -> list[tuple]:
    """Return the rows of this part."""
    log = given.work / "roofline.log"
    run([sys.executable, __file__], given.work, log, TF_CPP_MIN_LOG_LEVEL="3")
    found = json.loads(log.read_text().splitlines()[-1])
    speed = max(found["sgemm"])
    note = f"{MATRIX} x {MATRIX}, best of {4 * REPEATS}, one thread"
    rows = [("this machine", "sgemm", speed, "GFLOP/s", note)]
    for batch, of in found["batches"].items():
        grid = f"convnet, batch size {batch}"
        reached = of["operations"] / of["seconds"] / 1e9
        rows += [
            (grid, "step / sgemm", reached / speed, "ratio", f"{reached:.0f} GFLOP/s"),
            (grid, "step", of["seconds"] * 1e3, "ms", f"best of {REPEATS} times up to 64 steps"),
        ]
        whole = sum(of["kinds"].values())
        rows += [
            (grid, f"of the step: {kind}", spent / whole, "ratio", f"{spent:.2f} ms, traced")
            for kind, spent in sorted(of["kinds"].items(), key=lambda item: -item[1])
        ]
    return rows


if __name__ == "__main__":
    _child()
