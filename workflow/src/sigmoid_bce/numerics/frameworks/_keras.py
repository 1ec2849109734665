"""Networks of one input and one weight, whose raw output is their input: for every Keras."""

from __future__ import annotations

from types import ModuleType
from typing import Any

MIXED = {"float16": "mixed_float16", "bfloat16": "mixed_bfloat16"}
"""Keras's policies for half precision: computing in half, weights and loss in float32."""

PROGRAMS = {
    "Dense(1, sigmoid), BinaryCrossentropy()": ("sigmoid", False),
    "Dense(1, sigmoid), Reshape, BinaryCrossentropy()": ("reshape", False),
    "Dense(1), sigmoid in float32, BinaryCrossentropy()": ("float32", False),
    "Dense(1), BinaryCrossentropy(from_logits=True)": ("linear", True),
}
"""What a user writes: the head of the network, and the loss's from_logits."""


def network(keras: ModuleType, head: str, dtype: str) -> Any:
    """Return a compiled model whose raw output equals its input.

    Parameters
    ----------
    keras : module
        Keras 3 or tf_keras.
    head : {"sigmoid", "reshape", "float32", "linear", "softmax"}
        What follows the raw output: a sigmoid, a sigmoid and a reshaping, a sigmoid in float32,
        nothing, or a softmax over (0, raw output).
    dtype : str
        Precision of the raw output; half precision by Keras's mixed policies.

    Returns
    -------
    keras.Model
        From (n, 1) to (n, 1), or (n, 2) for the softmax, compiled with a loss of each sample.
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
    """Return `network` compiled with Keras's own loss, a value for each sample.

    Parameters
    ----------
    keras, head, dtype
        As for `network`.
    from_logits : bool
        The loss's argument.
    loss_dtype : str, optional
        Precision of the loss, where it is not Keras's own choice.

    Returns
    -------
    keras.Model
    """
    # a user of float64 sets it for everything, the loss included; of half precision, by policy
    keras.backend.set_floatx("float64" if dtype == "float64" else "float32")
    model = network(keras, head, dtype)
    options = {} if loss_dtype is None else {"dtype": loss_dtype}
    loss = keras.losses.BinaryCrossentropy(from_logits=from_logits, reduction="none", **options)
    model.compile(optimizer="sgd", loss=loss)
    return model
