"""TensorFlow.js in Node: its losses, softplus and sigmoid, by its JavaScript and WASM backends."""

from __future__ import annotations

import json
import subprocess
from base64 import b64decode, b64encode

import numpy as np

from sigmoid_bce.jobs.releases import node_modules
from sigmoid_bce.numerics.catalogue import Implementation
from sigmoid_bce.numerics.frameworks import _runtimes as runtimes

TITLE = "TensorFlow.js"
PACKAGES = ("npm:@tensorflow/tfjs", "npm:@tensorflow/tfjs-backend-wasm")
INSTEAD = "tf.softplus(tf.mul(tf.sub(1, tf.mul(2, y)), x))"
SERVER = """
const tf = require('@tensorflow/tfjs');
require('@tensorflow/tfjs-backend-wasm');
const none = tf.Reduction.NONE, weight = undefined;
const programs = {
  sigmoid: (x, y) => tf.sigmoid(x),
  cross: (x, y) => tf.losses.sigmoidCrossEntropy(y, x, weight, 0, none),
  logLoss: (x, y) => tf.losses.logLoss(y, tf.sigmoid(x), weight, undefined, none),
  softplus: (x, y) => tf.softplus(tf.mul(tf.sub(1, tf.mul(2, y)), x)),
};
const array = (text) => new Float32Array(Uint8Array.from(Buffer.from(text, 'base64')).buffer);
const sent = (tensor) => Buffer.from(tensor.dataSync().buffer).toString('base64');
require('readline').createInterface({input: process.stdin}).on('line', async (line) => {
  const given = JSON.parse(line);
  await tf.setBackend(given.backend);
  console.log(JSON.stringify(tf.tidy(() => {
    const x = tf.tensor1d(array(given.x)), y = tf.tensor1d(array(given.y));
    const run = programs[given.program];
    return {loss: sent(run(x, y)), gradient: sent(tf.grad((x) => run(x, y))(x))};
  })));
});
"""
"""Answers each line, a program and its arrays, by a line."""
ROUNDED = "computed in float64, and each operation's result rounded to float32"
LOG1P = (
    "tfjs-backend-wasm/src/cc/kernels/Log1p.cc computes log(1 + z), which is 0 where z is below "
    "half an ulp of 1"
)
PROGRAMS = {
    "sigmoid": (runtimes.SIGMOID.name, runtimes.SIGMOID.formula, ""),
    "cross": (
        "tf.losses.sigmoidCrossEntropy(y, x)",
        "relu(x) - x y + log1p(exp(-|x|))",
        LOG1P,
    ),
    "logLoss": (
        "tf.losses.logLoss(y, tf.sigmoid(x))",
        "-(y log(p + 1e-7) + (1 - y) log(1 - p + 1e-7))",
        "the epsilon of 1e-7 makes the loss of a correctly classified sample negative",
    ),
    "softplus": ("tf.softplus((1 - 2 y) x)", "softplus(z), z = (1 - 2 y) x; hard labels", ""),
}
"""By its name in `SERVER`: what a user writes, the formula, and why it goes wrong."""


class _Node:
    """A process of Node that computes until this one ends; started by the first call."""

    process: subprocess.Popen[str] | None = None

    def __call__(self, **given: str) -> dict[str, str]:
        if self.process is None:
            folder = node_modules(PACKAGES[0].removeprefix("npm:"))
            self.process = subprocess.Popen(
                ["node", "--eval", SERVER],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=folder,
            )  # fmt: skip
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        print(json.dumps(given), file=self.process.stdin, flush=True)
        for line in self.process.stdout:
            if line.startswith("{"):  # it greets, too
                found: dict[str, str] = json.loads(line)
                return found
        raise RuntimeError("Node ended: its message is above")


def implementations() -> list[Implementation]:
    """Return each loss, on each backend."""
    node = _Node()

    def entry(program, backend):
        def function(x, y):
            sent = {name: b64encode(a.tobytes()).decode() for name, a in (("x", x), ("y", y))}
            found = node(program=program, backend=backend, **sent)
            loss, gradient = (
                np.frombuffer(b64decode(found[name]), np.float32) for name in ("loss", "gradient")
            )
            # the gradient of a probability is none of a loss
            return (runtimes.log_loss(loss, y), None) if program == "sigmoid" else (loss, gradient)

        return function

    return [
        Implementation(
            name,
            entry(program, backend),
            ("float32",),
            "JavaScript" if backend == "cpu" else "WASM",
            f"{formula}, {ROUNDED}" if backend == "cpu" else formula,
            "tfjs-core/src/ops and tfjs-backend-" + backend + "/src/kernels, 4.22",
            from_sigmoid=program in ("sigmoid", "logLoss"),
            soft="hard labels" not in formula,
            cause=cause if program == "logLoss" or backend == "wasm" else "",
            cause_of="loss",
        )
        for program, (name, formula, cause) in PROGRAMS.items()
        for backend in ("cpu", "wasm")
    ]
