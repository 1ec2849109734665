"""Train networks of several seeds side by side: each weight has one more axis, the seeds.

A step on small networks is almost all overhead, which a stack pays once. No seed sees another one:
products are products of stacks, optimisers work on each element, and the order of samples, the
initial weights and the dropout masks are those of each seed alone. Sums have another order than in
a network of its own, so a stack is compared with stacks of the same seeds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from types import ModuleType
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

Tensors = list[tf.Tensor]

FIRST_SCALE = 2.0**15
"""The first loss scale, as of Keras's LossScaleOptimizer."""
GROWTH = 2000
"""Steps in a row with finite gradients after which the loss scale doubles, as there."""


class Outputs(NamedTuple):
    """What an epoch is described with; arrays of shape (seeds, n), norms of shape (seeds,)."""

    train: NDArray[np.float32]
    validation: NDArray[np.float32]
    loss: NDArray[np.float32]
    gradient: NDArray[np.float32]
    norm: NDArray[np.float64]
    exact_norm: NDArray[np.float64]
    cosine: NDArray[np.float64]


def nudged(values: NDArray[np.float32], nudge: int) -> NDArray[np.float32]:
    """Return floats moved by one unit in the last place: up for 1, down for -1, not for 0.

    Parameters
    ----------
    values : ndarray of float32, any shape
    nudge : {-1, 0, 1}

    Examples
    --------
    >>> float(nudged(np.float32([1.0]), 1)[0] - 1) == 2**-23
    True
    """
    return np.nextafter(values, np.float32(nudge * np.inf)) if nudge else values


def _stacked(networks: Iterable[Sequence[keras.Variable]]) -> list[NDArray]:
    """Return the values of each variable, with one more axis: the networks."""
    values = ([variable.numpy() for variable in variables] for variables in networks)
    return [np.stack(same) for same in zip(*values, strict=True)]


class Stack:
    """Networks of the same layers and optimiser, one a seed.

    Parameters
    ----------
    build : callable
        Returns an untrained network, from the place of its seed among the seeds.
    optimizer : Optimizer
    loss : module
        A file of `training/losses`.
    seeds : sequence of int
        Seeds of initial weights, order and dropout masks.
    train, validation : pair of ndarray, shapes (seeds, n, ...) and (seeds, n)
        Inputs and labels of each seed.
    """

    def __init__(
        self,
        build: Callable[[int], keras.Model],
        optimizer: keras.optimizers.Optimizer,
        loss: ModuleType,
        seeds: Sequence[int],
        train: tuple[NDArray, NDArray],
        validation: tuple[NDArray, NDArray],
    ):
        self.seeds, self.optimizer, self.loss = list(seeds), optimizer, loss
        networks = []
        for place, seed in enumerate(self.seeds):
            keras.utils.set_random_seed(seed)
            networks.append(build(place))
        self.network = networks[0]
        nudge = getattr(loss, "NUDGE", 0)
        trained = _stacked(n.trainable_variables for n in networks)
        self.weights = [keras.Variable(nudged(values, nudge)) for values in trained]
        self.states = [  # of dropout
            keras.Variable(values, dtype=values.dtype.name, trainable=False)
            for values in _stacked(n.non_trainable_variables for n in networks)
        ]
        self.scaled = getattr(loss, "SCALED", False)
        self.scale = tf.Variable(tf.fill(len(self.seeds), FIRST_SCALE))
        self.finite_steps = tf.Variable(tf.zeros(len(self.seeds), tf.int32))
        self.optimizer.build(self.weights)
        self.train = tuple(map(tf.constant, train))
        self.validation = tuple(map(tf.constant, validation))

    def _call(self, weights: Tensors, x: tf.Tensor, *, training: bool) -> tuple[tf.Tensor, Tensors]:
        """Return raw outputs (seeds, n, 1) and the next states."""

        def one(arguments):
            weights, states, x = arguments
            return self.network.stateless_call(weights, states, x, training=training)

        states = [state.value for state in self.states]
        return tf.vectorized_map(one, (weights, states, x), fallback_to_while_loop=True)

    def _losses(self, y: tf.Tensor, x: tf.Tensor) -> tf.Tensor:
        """Return the loss of each sample: arrays of shape (seeds, n, 1)."""
        flat = self.loss.loss(tf.reshape(y, (-1, 1)), tf.reshape(x, (-1, 1)))
        return tf.reshape(flat, tf.shape(x))

    def _step(self, x: tf.Tensor, y: tf.Tensor) -> None:
        weights = [weight.value for weight in self.weights]
        with tf.GradientTape() as tape:
            tape.watch(weights)
            raw, states = self._call(weights, x, training=True)
            means = tf.reduce_mean(self._losses(y, raw), axis=(1, 2))
            total = tf.reduce_sum(means * self.scale if self.scaled else means)
        gradients = tape.gradient(total, weights)
        for state, value in zip(self.states, states, strict=True):
            state.assign(value)
        if self.scaled:
            self._apply_scaled(gradients)
        else:
            self.optimizer.apply(gradients, self.weights)

    def _apply_scaled(self, gradients: Tensors) -> None:
        """Apply gradients of the scaled loss; a seed whose gradients overflow keeps its weights."""

        def along(values, like):
            return tf.reshape(values, (-1,) + (1,) * (len(like.shape) - 1))

        finite = tf.reduce_all(
            [
                tf.reduce_all(tf.math.is_finite(tf.reshape(g, (len(self.seeds), -1))), axis=1)
                for g in gradients
            ],
            axis=0,
        )
        changing = [*self.weights, *self._slots]
        before = [tf.identity(variable.value) for variable in changing]
        self.optimizer.apply([g / along(self.scale, g) for g in gradients], self.weights)
        for variable, old in zip(changing, before, strict=True):
            variable.assign(tf.where(along(finite, old), variable.value, old))
        steps = tf.where(finite, self.finite_steps + 1, 0)
        grown = tf.where(steps >= GROWTH, self.scale * 2, self.scale)
        self.scale.assign(tf.where(finite, grown, self.scale / 2))
        self.finite_steps.assign(tf.where(steps >= GROWTH, 0, steps))

    @cached_property
    def _slots(self) -> list[keras.Variable]:
        """The optimiser's variables that have the stack's axis."""
        return [v for v in self.optimizer.variables if v.shape[:1] == (len(self.seeds),)]

    @cached_property
    def _steps(self) -> Callable[[tf.Tensor, int], None]:
        @tf.function(autograph=False)
        def steps(order, size):
            def one(start):
                rows = order[:, start : start + size]
                self._step(*(tf.gather(part, rows, axis=1, batch_dims=1) for part in self.train))
                return start + size

            end = tf.shape(order)[1]
            tf.while_loop(lambda start: start < end, one, [tf.constant(0)], parallel_iterations=1)

        return steps

    def epoch(self, number: int, batch_size: int) -> None:
        """Train for one epoch, the last batch of which may have fewer samples.

        Parameters
        ----------
        number : int
            The epoch, counted from 0. With the seed it decides the order of samples.
        batch_size : int
        """
        rows = tf.range(self.train[1].shape[1])
        shuffle = tf.random.experimental.stateless_shuffle
        with tf.device("CPU"):
            order = tf.stack([shuffle(rows, seed=[seed, number]) for seed in self.seeds])
        self._steps(order, tf.constant(batch_size))

    @cached_property
    def _outputs(self) -> Callable[[], tuple[tf.Tensor, ...]]:
        @tf.function(autograph=False)
        def outputs():
            weights = [weight.value for weight in self.weights]
            x, y = self.train
            y = y[:, :, None]
            with tf.GradientTape(persistent=True) as tape:
                tape.watch(weights)
                raw = self._call(weights, x, training=False)[0]
            with tf.GradientTape() as of_loss:
                of_loss.watch(raw)
                losses = self._losses(y, raw)
            computed = of_loss.gradient(losses, raw)
            computed = tf.zeros_like(raw) if computed is None else computed
            wide = tf.cast(raw, tf.float64)
            exact = tf.cast(tf.where(y > 0.5, -tf.sigmoid(-wide), tf.sigmoid(wide)), tf.float32)
            n = tf.cast(tf.shape(y)[1], tf.float32)
            one, other = (
                tf.concat(
                    [
                        tf.cast(tf.reshape(g, (len(self.seeds), -1)), tf.float64)
                        for g in tape.gradient(raw, weights, output_gradients=dx / n)
                    ],
                    axis=1,
                )
                for dx in (computed, exact)
            )
            norms = tf.norm(one, axis=1), tf.norm(other, axis=1)
            cosine = tf.reduce_sum(one * other, axis=1) / (norms[0] * norms[1])
            validation = self._call(weights, self.validation[0], training=False)[0]
            arrays = (part[:, :, 0] for part in (raw, validation, losses, computed))
            return (*arrays, *norms, cosine)

        return outputs

    def outputs(self) -> Outputs:
        """Return raw outputs, losses and gradients of the networks as they are now."""
        return Outputs(*(part.numpy() for part in self._outputs()))
