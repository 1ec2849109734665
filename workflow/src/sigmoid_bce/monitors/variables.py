"""Counts in variables of Keras's backend, from operations within the training step."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops

from sigmoid_bce.monitors.counts import KINDS, SHAPE, Counts
from sigmoid_bce.monitors.losses import Loss


class State(keras.metrics.Metric):
    """Counts in variables of the framework, in few operations.

    A metric, because Keras on JAX takes the variables of metrics through its steps. It is none that
    is reset or shown.
    """

    def __init__(self, name: str) -> None:
        super().__init__(name=name)
        # rows: all samples, those of label 1, those on the wrong side, those that are both
        self.table = self.add_variable(SHAPE, "zeros", dtype="int", name="table")
        # and those before the first one with a dead sample on the wrong side
        self.batches = self.add_variable((2,), "zeros", dtype="int", name="batches")
        # of -x, x, -y and y
        self.largest = self.add_variable((4,), keras.initializers.Constant(-np.inf), name="largest")

    def add(self, loss: Loss, x: Any, p: Any, y: Any, gradient: Any, weight: Any) -> None:
        """Count a batch: `Counts.add`, in operations of the framework."""
        x, y = (ops.cast(ops.reshape(each, (-1,)), "float32") for each in (x, y))
        label = ops.greater(y, 0.5)
        wrong = ops.not_equal(ops.greater(x, 0), label)
        clipped, every = ops.not_equal(label, label), ops.equal(label, label)
        dead = clipped if gradient is None else ops.equal(ops.reshape(gradient, (-1,)), 0)
        if loss.low is not None and loss.high is not None and loss.clips:
            p = ops.cast(ops.reshape(p, (-1,)), "float32")
            low, high = (_of_label(label, pair) for pair in (loss.low, loss.high))
            clipped = ops.logical_or(ops.less_equal(p, low), ops.greater_equal(p, high))
        hits = ops.stack([every, clipped, dead, ops.isnan(x)], axis=1)
        ranges = ops.stack([-x, x, -y, y])
        if weight is not None:
            kept = ops.not_equal(ops.reshape(weight, (-1,)), 0)
            hits = ops.logical_and(hits, kept[:, None])
            ranges = ops.where(kept, ranges, -np.inf)
        groups = ops.stack([every, label, wrong, ops.logical_and(label, wrong)])
        # a product of zeros and ones counts, and is quick
        found = ops.matmul(ops.cast(groups, "float32"), ops.cast(hits, "float32"))
        table = self.table.value + ops.cast(found, self.table.dtype)
        quiet = ops.cast(ops.equal(table[2, KINDS.index("dead")], 0), self.batches.dtype)
        self.table.assign(table)
        self.batches.assign(self.batches.value + ops.stack([ops.ones_like(quiet), quiet]))
        self.largest.assign(ops.maximum(self.largest.value, ops.max(ranges, axis=1)))

    def reset_state(self) -> None:
        """Do nothing: `evaluate` resets metrics before the epoch ends."""

    def result(self) -> dict[str, Any]:
        """Return nothing to be shown."""
        return {}

    def clear(self) -> None:
        """Begin again."""
        self.table.assign(np.zeros(SHAPE))
        self.batches.assign(np.zeros(2))
        self.largest.assign(np.full(4, -np.inf))

    def counts(self) -> Counts:
        """Return what was counted; this waits for the device."""
        every, ones, wrong, both = _array(self.table).astype(np.int64)
        table = np.stack([every - ones - wrong + both, wrong - both, ones - both, both])
        low, high, low_label, high_label = _array(self.largest).tolist()
        batches, quiet = _array(self.batches).tolist()
        return Counts(table, -low, high, batches, quiet, -low_label, high_label)


def _array(variable: Any) -> Any:
    """Return a variable's value; Keras's own function warns of NumPy 2."""
    value = variable.value
    if hasattr(value, "detach"):
        value = value.detach().cpu()
    return value.numpy() if hasattr(value, "numpy") else np.asarray(value)


def _of_label(label: Any, pair: tuple[float, float]) -> Any:
    return pair[0] if pair[0] == pair[1] else ops.where(label, pair[1], pair[0])
