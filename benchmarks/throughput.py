"""Measure the samples a second of the comparison, NumPy, scikit-learn and TensorFlow."""

from __future__ import annotations

import json
import sys
import time

import numpy as np

from measured import run

LONG = 5.0  # seconds: slower functions are measured once


def _ways(x, y):
    """Return functions without arguments, by name; they use the same raw outputs and labels."""
    import pandas as pd
    import tensorflow as tf
    from scipy.special import expit
    from sklearn.metrics import log_loss

    from sigmoid_bce.comparison import compare
    from sigmoid_bce.numerics import formulas

    table = pd.DataFrame({"sample_id": np.arange(len(x)), "label": y, "raw_output": x})
    labels = y.astype(np.float32)
    tensors = tf.constant(x), tf.constant(labels)

    def numpy():
        return np.maximum(x, 0) - x * labels + np.log1p(np.exp(-np.abs(x)))

    def tensorflow():
        loss = tf.nn.sigmoid_cross_entropy_with_logits(labels=tensors[1], logits=tensors[0])
        return loss.numpy()

    return {
        "ours: loss from raw outputs": lambda: formulas.loss_from_logits(x, labels),
        "ours: all columns, three losses and gradients": lambda: compare.samples(table),
        "NumPy: loss from raw outputs": numpy,
        "scikit-learn: log_loss of sigmoid outputs": lambda: log_loss(y, expit(x)),
        "TensorFlow: sigmoid_cross_entropy_with_logits": tensorflow,
    }


def _child(sizes, repeat):
    """Print the best seconds of each function and size as JSON."""
    found = []
    rng = np.random.default_rng(0)
    for size in sizes:
        y = (rng.random(size) < 0.4).astype(np.int8)
        x = ((2 * y - 1) * rng.normal(5, 6, size)).astype(np.float32)
        ways = _ways(x, y)
        best = dict.fromkeys(ways, np.inf)
        for number in range(repeat):  # in turn, so that a slow moment affects all of them
            for name, way in ways.items():
                if number and best[name] > LONG:
                    continue
                start = time.perf_counter()
                way()
                best[name] = min(best[name], time.perf_counter() - start)
        found += [(size, name, seconds) for name, seconds in best.items()]
    print(json.dumps(found))


def measure(given) -> list[tuple]:
    """Return the rows of this part."""
    sizes = [size for size in (10**5, 10**6, 10**7) if size <= max(10**5, 10**7 * given.scale)]
    log = given.work / "throughput.log"
    run([sys.executable, __file__, *sizes], given.work, log, TF_CPP_MIN_LOG_LEVEL="3")
    found = json.loads(log.read_text().splitlines()[-1])
    speed = {(size, name): size / seconds for size, name, seconds in found}
    rows = [
        (f"{size:,} samples", name, value / 1e6, "million samples/s", "best of 5, or one above 5 s")
        for (size, name), value in speed.items()
    ]
    ours = "ours: loss from raw outputs"
    return rows + [
        (f"{size:,} samples", f"ours / {name}", speed[size, ours] / value, "ratio", "")
        for (size, name), value in speed.items()
        if not name.startswith("ours")
    ]


if __name__ == "__main__":
    _child(map(int, sys.argv[1:]), 5)
