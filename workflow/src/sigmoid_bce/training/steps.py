"""Compiled training and evaluation steps, and the order of samples."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import tensorflow as tf
from numpy.typing import NDArray

CHUNK = 64
"""Steps in one call of TensorFlow. A signal is noticed between two calls."""


def batched(
    step: Callable, data: tuple[tf.Tensor, ...], size: int, *, xla: bool = False
) -> Callable[[tf.Tensor], None]:
    """Return a compiled function of row numbers that does a step on each batch of these rows.

    Keras's `steps_per_execution` cannot be used: where it does not divide the number of steps, an
    epoch takes steps from the next one.

    Parameters
    ----------
    step : callable
        `train_step` or `test_step` of a compiled network. A batch is a tuple of tensors.
    data : tuple of tensor, shape (n, ...)
        Inputs and labels.
    size : int
        Samples in a batch; the last batch may have fewer.
    xla : bool
        Whether XLA compiles the step.

    Examples
    --------
    >>> batches = []
    >>> step = lambda batch: tf.py_function(lambda x: batches.append(x.numpy().tolist()), batch, [])
    >>> batched(step, (tf.constant([10, 11, 12, 13]),), 2)(tf.constant([3, 0, 1]))
    >>> batches
    [[13, 10], [11]]
    """
    step = tf.function(step, jit_compile=True) if xla else step

    @tf.function(input_signature=[tf.TensorSpec((None,), tf.int32)], autograph=False)
    def steps(rows):
        def one(start):
            batch = rows[start : start + size]
            step(tuple(tf.gather(part, batch) for part in data))
            return start + size

        end = tf.size(rows)
        tf.while_loop(lambda start: start < end, one, [tf.constant(0)], parallel_iterations=1)

    return steps


def chunks(rows: NDArray, size: int, *, seed: int, epoch: int) -> Iterator[tf.Tensor]:
    """Yield the rows in an order that only seed and epoch decide, `CHUNK` batches at a time.

    Parameters
    ----------
    rows : ndarray of int32, shape (n,)
        Row numbers of the training samples.
    size : int
        Samples in a batch.
    seed, epoch : int

    Examples
    --------
    >>> [chunk.numpy().tolist() for chunk in chunks([5, 6, 7], 2, seed=0, epoch=0)]
    [[7, 5, 6]]
    """
    with tf.device("CPU"):
        order = tf.random.experimental.stateless_shuffle(rows, seed=[seed, epoch])
    for start in range(0, len(rows), CHUNK * size):
        yield order[start : start + CHUNK * size]
