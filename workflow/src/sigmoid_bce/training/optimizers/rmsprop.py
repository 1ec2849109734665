"""Keras's RMSprop, with fewer passes over memory."""

from __future__ import annotations

import keras
import tensorflow as tf


class RMSprop(keras.optimizers.RMSprop):
    """Keras's RMSprop without momentum, with one kernel a variable instead of eight.

    TensorFlow's kernel also keeps a momentum, which is 0 here: its slot holds the last step.

    Examples
    --------
    >>> weight = keras.Variable([1.0, 2.0])
    >>> RMSprop(0.1).apply([tf.constant([3.0, 4.0])], [weight])
    >>> [f"{value:.4f}" for value in weight.numpy()]
    ['0.6838', '1.6838']
    """

    def build(self, variables):  # noqa: D102
        if not self.built:
            super().build(variables)
            self._steps = self.add_optimizer_variables(variables, "step")

    def update_step(self, gradient, variable, learning_rate):  # noqa: D102
        index = self._get_variable_index(variable)
        slots = (variable, self._velocities[index], self._steps[index])
        var, ms, mom = (slot.handle for slot in slots)
        tf.raw_ops.ResourceApplyRMSProp(
            var=var,
            ms=ms,
            mom=mom,
            lr=tf.cast(learning_rate, variable.dtype),
            rho=tf.constant(self.rho, variable.dtype),
            momentum=tf.constant(0, variable.dtype),
            epsilon=tf.constant(self.epsilon, variable.dtype),
            grad=tf.cast(gradient, variable.dtype),
        )


def optimizer(learning_rate: float) -> keras.optimizers.Optimizer:
    """Return the optimiser."""
    return RMSprop(learning_rate)
