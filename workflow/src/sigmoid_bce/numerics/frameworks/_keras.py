"""Networks whose raw output is their input, for every Keras: one input, one weight of 1."""

from __future__ import annotations

from types import ModuleType
from typing import Any

MIXED = {"float16": "mixed_float16", "bfloat16": "mixed_bfloat16"}
"""Keras's policies for half precision. They compute in half precision, with weights and loss in
float32."""

PROGRAMS = {
    "Dense(1, sigmoid), BinaryCrossentropy()": ("sigmoid", False),
    "Dense(1, sigmoid), Reshape, BinaryCrossentropy()": ("reshape", False),
    "Dense(1), sigmoid in float32, BinaryCrossentropy()": ("float32", False),
    "Dense(1), BinaryCrossentropy(from_logits=True)": ("linear", True),
}
"""By the code that a user writes: the head of the network, and from_logits of the loss."""


def network(keras: ModuleType, head: str, dtype: str) -> Any:
    """Return a model whose raw output equals its input.

    Parameters
    ----------
    keras : module
        Keras 3 or tf_keras.
    head : {"sigmoid", "reshape", "float32", "linear", "softmax"}
        The layers after the raw output: a sigmoid, a sigmoid and a reshaping, a sigmoid in
        float32, none, or a softmax over (0, raw output).
    dtype : str
        Precision of the raw output; half precisions by Keras's mixed policies.

    Returns
    -------
    keras.Model
        From (n, 1) to (n, 1), or to (n, 2) for the softmax; not compiled.
    """
    policy = MIXED.get(dtype, dtype)
    layers = keras.layers
    inputs = keras.Input((1,), dtype=dtype)
    if head == "softmax":
        last = layers.Dense(2, activation="softmax", dtype=policy)
    else:
        activation = "sigmoid" if head in ("sigmoid", "reshape") else None
        last = layers.Dense(1, activation=activation, dtype=policy)
    outputs = last(inputs)
    if head == "reshape":
        outputs = layers.Reshape((1,), dtype=policy)(outputs)
    elif head == "float32":
        outputs = layers.Activation("sigmoid", dtype="float32")(outputs)
    kernel, bias = last.get_weights()
    kernel[:], bias[:] = 0, 0
    kernel[0, -1] = 1
    last.set_weights([kernel, bias])
    return keras.Model(inputs, outputs)


def compiled(
    keras: ModuleType, head: str, dtype: str, from_logits: bool, loss_dtype: str | None = None
) -> Any:
    """Return a `network` compiled with Keras's own loss, which gives one value for each sample.

    Parameters
    ----------
    keras, head, dtype
        As for `network`.
    from_logits : bool
        The argument of the loss.
    loss_dtype : str, optional
        Precision of the loss; by default Keras's own choice.

    Returns
    -------
    keras.Model
    """
    # users set float64 for everything, the loss included; they set half precision by policy
    keras.backend.set_floatx("float64" if dtype == "float64" else "float32")
    model = network(keras, head, dtype)
    options = {} if loss_dtype is None else {"dtype": loss_dtype}
    loss = keras.losses.BinaryCrossentropy(from_logits=from_logits, reduction="none", **options)
    model.compile(optimizer="sgd", loss=loss)
    return model
