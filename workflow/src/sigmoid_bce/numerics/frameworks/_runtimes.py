"""Graphs of binary cross-entropy, as converters write them for runtimes that serve networks.

Each graph takes the operations of a runtime, which make constants of numbers, the raw outputs and
the labels.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from sigmoid_bce.numerics.arrays import Array
from sigmoid_bce.numerics.catalogue import Implementation

INSTEAD = "np.logaddexp(0, (1 - 2 * y) * x), x = {} of the network without its sigmoid"
"""The advice of every runtime: the raw output is served, the loss is computed outside."""

Graph = Callable[[Any, Any, Any], Any]
"""From the operations of a runtime, raw outputs and labels to losses or probabilities."""


class Program(NamedTuple):
    """A graph that users export.

    Parameters
    ----------
    name : str
        What a user exports.
    graph : callable
        See `Graph`.
    formula : str
        The formula of the graph.
    from_sigmoid : bool
        Whether the loss is computed from the sigmoid output.
    soft : bool
        Whether it takes labels between 0 and 1.
    """

    name: str
    graph: Graph
    formula: str
    from_sigmoid: bool = True
    soft: bool = True

    def measured(
        self,
        run: Callable[[Array, Array], Array],
        dtypes: tuple[str, ...],
        note: str = "",
        **about: Any,
    ) -> Implementation:
        """Return the entry of the catalogue.

        Parameters
        ----------
        run : callable
            From raw outputs and labels to the graph's output, all of shape (n,).
        dtypes : tuple of str
            The precisions of the graph's input and output.
        note : str
            What is added to the formula.
        about : Any
            Further fields of `Implementation`.
        """

        def function(x: Array, y: Array) -> tuple[Array, None]:
            values = run(x, y)
            return (log_loss(values, y) if self is SIGMOID else values), None

        formula = ", ".join(filter(None, [self.formula, note]))
        return Implementation(
            self.name,
            function,
            dtypes,
            formula=formula,
            from_sigmoid=self.from_sigmoid,
            soft=self.soft,
            **about,
        )


def log_loss(p: Array, y: Array) -> Array:
    """Return the log loss of probabilities, computed in float64 without a clip.

    Parameters
    ----------
    p, y : ndarray, shape (n,)
        Probabilities and labels.

    Examples
    --------
    >>> log_loss(np.array([0.5, 0.25]), np.array([1, 0])).round(4).tolist()
    [0.6931, 0.2877]
    """
    p, y = np.asarray(p, np.float64), np.asarray(y, np.float64)
    # the other class of a hard label counts 0, and not 0 * inf
    with np.errstate(divide="ignore", invalid="ignore"):
        ones, zeros = (np.where(w > 0, w * np.log(q), 0) for w, q in ((y, p), (1 - y, 1 - p)))
    loss: Array = -(ones + zeros)
    return loss


def _softplus(op, x, y):
    return op.softplus(op.mul(op.sub(1.0, op.mul(2.0, y)), x))


def _log_sigmoid(op, x, y):
    return op.neg(op.log_sigmoid(op.mul(op.sub(op.mul(2.0, y), 1.0), x)))


def _from_logits(op, x, y):
    softplus = op.log(op.add(op.exp(op.neg(op.abs(x))), 1.0))
    return op.add(op.sub(op.relu(x), op.mul(x, y)), softplus)


def _logs(op, p, y):
    ones, zeros = op.log(p), op.log(op.sub(1.0, p))
    return op.neg(op.add(op.mul(y, ones), op.mul(op.sub(1.0, y), zeros)))


SIGMOID = Program(
    "sigmoid, log loss outside in float64",
    lambda op, x, y: op.sigmoid(x),
    "-(y log p + (1 - y) log(1 - p)) in float64",
)
SOFTPLUS = Program(
    "softplus((1 - 2 y) x)",
    _softplus,
    "softplus(z), z = (1 - 2 y) x; hard labels",
    from_sigmoid=False,
    soft=False,
)
LOG_SIGMOID = Program(
    "LogSigmoid((2 y - 1) x)",
    _log_sigmoid,
    "-log(sigmoid(z)), z = (2 y - 1) x; hard labels",
    soft=False,
)
FROM_LOGITS = Program(
    "loss from logits in the graph",
    _from_logits,
    "max(x, 0) - x y + log(1 + exp(-|x|))",
    from_sigmoid=False,
)
CLIPPED = Program(
    "sigmoid, clip at 1e-7, log in the graph",
    lambda op, x, y: _logs(op, op.clip(op.sigmoid(x), 1e-7, 1 - 1e-7), y),
    "-(y log q + (1 - y) log(1 - q)), q = p between 1e-7 and 1 - 1e-7",
)
TORCH = Program(
    "BCEWithLogitsLoss, torch.onnx.export",
    lambda op, x, y: _logs(op, op.sigmoid(x), y),
    "-(y log p + (1 - y) log(1 - p)), without a clip",
)
