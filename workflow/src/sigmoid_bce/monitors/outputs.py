"""What a model of Keras puts out, what the loss makes of it, and the gradient that it gets."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import keras
from keras import ops

from sigmoid_bce.monitors import keras_internals as internals
from sigmoid_bce.monitors.losses import LOSSES, UNKNOWN, Loss

PASSING = ("Identity", "Reshape", "Squeeze", "ExpandDims", "Cast")
"""Operations of TensorFlow between a sigmoid and the loss."""


class Seen:
    """A batch's outputs, and what they are of.

    Attributes
    ----------
    output : tensor
        The model's output, which the loss gets.
    x, p : tensor
        Raw outputs and sigmoid outputs.
    source : {"raw", "sigmoid", "inverted"}
        Whether the model ends in its raw output, or in a sigmoid whose input is at hand, or in one
        whose input is computed back.
    """

    def __init__(self, output: Any, is_raw: bool | None, ends: bool) -> None:
        self.output, self.source = output, "sigmoid"
        self.x: Any
        self.p: Any
        self.x, self.p = (None, None) if is_raw else _before_sigmoid(output)
        if self.x is not None:
            return
        if is_raw or (is_raw is None and not ends):
            self.source, self.x, self.p = "raw", output, ops.sigmoid(output)
        else:
            self._invert(output)

    def _invert(self, p: Any) -> None:
        self.source, self.p = "inverted", ops.clip(p, 0, 1)
        exact = ops.cast(self.p, "float32")
        self.x = ops.log(exact) - ops.log1p(-exact)

    @property
    def inputs(self) -> list[Any]:
        """What the loss may depend on."""
        return [self.output, self.x] if self.source == "sigmoid" else [self.output]

    def gradient(self, parts: list[Any]) -> Any:
        """Return the gradient with respect to `x`, from those with respect to `inputs`."""
        by_output = parts[0]
        if self.source == "raw" or by_output is None:
            return parts[-1]
        by_output = ops.cast(ops.reshape(by_output, ops.shape(self.p)), self.p.dtype)
        # in the order of the sigmoid's own derivative
        through = by_output * self.p * (1 - self.p)
        if self.source == "sigmoid" and parts[1] is not None:
            return through + ops.cast(parts[1], through.dtype)
        return through

    def let_fuse(self) -> None:
        """Count another raw output than the one that only the sigmoid uses.

        Grappler fuses a product with the sigmoid after it, which rounds otherwise, if nothing else
        uses the product. A monitor must not change that.
        """
        if self.source == "sigmoid" and getattr(self.x, "graph", None) is not None:
            again = _computed_again(self.x)
            if again is None:
                self._invert(self.p)
            else:
                self.x = again


def _before_sigmoid(tensor: Any) -> tuple[Any, Any]:
    """Return the raw output and the sigmoid output that a tensor comes from, or None twice."""
    for _ in range(8):
        found = internals.logits(tensor)
        if found is not None:
            return found, tensor
        operation: Any = getattr(tensor, "op", None)
        kind = getattr(operation, "type", "")
        if kind == "Sigmoid":
            return operation.inputs[0], tensor
        if kind not in PASSING:
            break
        tensor = operation.inputs[0]
    return None, None


def _computed_again(x: Any) -> Any:
    """Return the product of a last layer and its bias again; None if it is something else."""
    import tensorflow as tf

    if x.op.type == "Cast":
        again = _computed_again(x.op.inputs[0])
        return None if again is None else tf.cast(again, x.dtype)
    if x.op.type not in ("BiasAdd", "AddV2"):
        return None
    product, bias = x.op.inputs
    if product.op.type != "MatMul" or any(map(product.op.get_attr, ("transpose_a", "transpose_b"))):
        return None
    left, right = product.op.inputs
    # of three dimensions: Grappler makes one of two equal operations
    return tf.matmul(left[None], right[None])[0] + bias


def _tensorflow(call: Callable, output: Any, inputs: list[Any], scale: Callable) -> Any:
    import tensorflow as tf

    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(inputs)
        loss = call(output)
        scaled = scale(loss)
    return loss, tape.gradient(scaled, inputs)


def _jax(call: Callable, output: Any, inputs: list[Any], scale: Callable) -> Any:
    import jax

    # the loss scale is not at hand within a step of JAX
    return call(output), [jax.grad(call)(output)]


def _torch(call: Callable, output: Any, inputs: list[Any], scale: Callable) -> Any:
    import torch

    loss = call(output)
    found = torch.autograd.grad(scale(loss), output, retain_graph=True, allow_unused=True)
    return loss, [*found, *[None] * (len(inputs) - 1)]


BACKENDS = {"tensorflow": _tensorflow, "jax": _jax, "torch": _torch}
"""How a loss and its gradient are computed."""


def last(output: Any, model: Any) -> str | None:
    """Return "sigmoid" or "softmax" if a model's symbolic output is one, whatever reshapes it.

    None if this release of Keras does not tell where the output comes from.
    """
    while (found := internals.origin(output, model)) is not None:
        operation, inputs = found
        if isinstance(operation, keras.Model):
            outputs = getattr(operation, "outputs", None)
            if not outputs:  # code of the user's, without a graph
                return ""
            output, model = outputs[0], operation
            continue
        function = getattr(operation, "activation", operation)
        name = getattr(function, "__name__", type(function).__name__).lower()
        if name in ("sigmoid", "softmax"):
            return str(name)
        if getattr(operation, "weights", ()) or len(inputs) != 1:
            return ""
        (output,) = inputs
    return None


def is_binary(loss: Any) -> tuple[bool, bool]:
    """Return whether a compiled loss is Keras's binary cross-entropy, and one of raw outputs."""
    known: dict[str, Any] = {}
    if isinstance(loss, partial):
        loss, known = loss.func, loss.keywords
    if isinstance(loss, str):
        loss = keras.losses.get(loss)
    function = getattr(loss, "fn", loss)
    own = getattr(function, "__module__", "").split(".")[0] in ("keras", "tf_keras")
    if not own or getattr(function, "__name__", "") != "binary_crossentropy":
        return False, False
    return True, bool(known.get("from_logits", internals.from_logits(loss)))


def recognised(binary: bool, of_raw: bool) -> Loss:
    """Return the loss in use, from what it is and what it depends on."""
    if not binary:
        return UNKNOWN
    return LOSSES["logits" if of_raw else "sigmoid_clipped"]
