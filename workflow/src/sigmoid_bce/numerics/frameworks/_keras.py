"""Networks whose raw output is their input, for every Keras: one input, one weight of 1."""

from __future__ import annotations

from types import ModuleType
from typing import Any, NamedTuple

import numpy as np

from sigmoid_bce.numerics.names import BCE
from sigmoid_bce.numerics.objectives import BALANCE, FOCUS, SMOOTHING, WEIGHT

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
HEADS = {
    "sigmoid": (1, "sigmoid"),
    "reshape": (1, "sigmoid"),
    "concatenate": (1, "sigmoid"),
    "float32": (1, None),
    "linear": (1, None),
    "softmax": (2, "softmax"),
    "linear of 2": (2, None),
    "softmax of 10": (10, "softmax"),
    "linear of 10": (10, None),
}
"""Units and activation of the dense layer that computes the raw output."""


class Other(NamedTuple):
    """A program with a loss of its own."""

    name: str
    head: str
    loss: str
    """The class in `keras.losses`."""
    options: dict[str, Any] = {}  # noqa: RUF012, since it is never changed
    objective: str = BCE

    @property
    def from_logits(self) -> bool:
        """Whether the loss takes raw outputs."""
        return bool(self.options.get("from_logits"))

    def compiled(self, keras: ModuleType, dtype: str) -> Any:
        """Return the compiled model in a precision; its loss gives one value for each sample."""
        _set_float(keras, dtype)
        model = network(keras, self.head, dtype)
        loss = getattr(keras.losses, self.loss)(reduction="none", **self.options)
        model.compile(optimizer="sgd", loss=loss)
        return model

    def targets(self, y: np.ndarray) -> np.ndarray:
        """Return labels as the loss takes them: (n, 1), or (n, classes) with label 1 the last."""
        classes = HEADS[self.head][0]
        if self.head == "concatenate":
            return np.stack([y, y], axis=1)
        columns = [1 - y, *[np.zeros_like(y)] * (classes - 2), y] if classes > 1 else [y]
        return np.stack(columns, axis=1)

    def weights(self, y: np.ndarray) -> np.ndarray:
        """Return sample_weight, as fit makes it of class_weight; 1 if the loss is not weighted."""
        weights: np.ndarray = 1 + (WEIGHT - 1) * y * (self.objective == "weighted")
        return weights.astype(y.dtype)


LOGITS = {"from_logits": True}
_FOCAL = {"apply_class_balancing": True, "alpha": BALANCE, "gamma": float(FOCUS)}
_SMOOTH = {"label_smoothing": SMOOTHING}
CONCATENATED = Other(
    "Dense(1, sigmoid) twice, Concatenate, BinaryCrossentropy()",
    "concatenate",
    "BinaryCrossentropy",
)
"""Two equal heads, so that the mean of their losses is the loss of one."""
PLAIN = Other("", "linear", "BinaryCrossentropy")
"""How binary cross-entropy itself takes labels: in one column, without weights."""
OTHERS = (
    Other(
        "Dense(1, sigmoid), BinaryCrossentropy(), sample_weight",
        "sigmoid",
        "BinaryCrossentropy",
        objective="weighted",
    ),
    Other(
        "Dense(1), BinaryCrossentropy(from_logits=True), sample_weight",
        "linear",
        "BinaryCrossentropy",
        LOGITS,
        "weighted",
    ),
    Other(
        "Dense(1, sigmoid), BinaryCrossentropy(label_smoothing)",
        "sigmoid",
        "BinaryCrossentropy",
        _SMOOTH,
        "smoothing",
    ),
    Other(
        "Dense(1), BinaryCrossentropy(from_logits=True, label_smoothing)",
        "linear",
        "BinaryCrossentropy",
        LOGITS | _SMOOTH,
        "smoothing",
    ),
    Other(
        "Dense(1, sigmoid), BinaryFocalCrossentropy()",
        "sigmoid",
        "BinaryFocalCrossentropy",
        _FOCAL,
        "focal",
    ),
    Other(
        "Dense(1), BinaryFocalCrossentropy(from_logits=True)",
        "linear",
        "BinaryFocalCrossentropy",
        LOGITS | _FOCAL,
        "focal",
    ),
    *(
        other
        for head, classes in (("2", 2), ("10", 10))
        for other in (
            Other(
                f"Dense({classes}, softmax), CategoricalCrossentropy()",
                "softmax" if classes == 2 else "softmax of 10",
                "CategoricalCrossentropy",
                objective=f"softmax-{classes}",
            ),
            Other(
                f"Dense({classes}), CategoricalCrossentropy(from_logits=True)",
                f"linear of {head}",
                "CategoricalCrossentropy",
                LOGITS,
                f"softmax-{classes}",
            ),
        )
    ),
)
"""Losses beside binary cross-entropy."""


def formula(one: Other, plain: dict[bool, str], own_sigmoid: bool = True) -> str:
    """Return the formula of a program.

    Parameters
    ----------
    one : Other
    plain : dict of str by bool
        The formulas of binary cross-entropy, by from_logits.
    own_sigmoid : bool
        Whether the focal loss of raw outputs computes the loss of their sigmoid.
    """
    if one.loss == "CategoricalCrossentropy":
        return (
            "m + log(sum(exp(x - m))) - x of the right class, m the largest x"
            if one.from_logits
            else "-log(p), p clipped to [1e-7, 1 - 1e-7], where the raw outputs are not found"
        )
    if one.loss == "BinaryFocalCrossentropy":
        inner = plain[one.from_logits and not own_sigmoid]
        return f"a (1 - t)^2, t = p or 1 - p, p = sigmoid(x), times the loss: {inner}"
    ends = {"weighted": ", times 1 + 3 y", "smoothing": ", y smoothed"}
    return plain[one.from_logits] + ends.get(one.objective, "")


def network(keras: ModuleType, head: str, dtype: str) -> Any:
    """Return a model whose raw output equals its input.

    Parameters
    ----------
    keras : module
        Keras 3 or tf_keras.
    head : str
        The layers after the raw output, one of `HEADS`: a sigmoid, a sigmoid and a reshaping, two
        sigmoids side by side, a sigmoid in float32, none, or a softmax over (0, ..., raw output).
    dtype : str
        Precision of the raw output; half precisions by Keras's mixed policies.

    Returns
    -------
    keras.Model
        From (n, 1) to (n, 1), or to (n, classes); not compiled.
    """
    policy = MIXED.get(dtype, dtype)
    layers = keras.layers
    inputs = keras.Input((1,), dtype=dtype)
    units, activation = HEADS[head]
    last = layers.Dense(units, activation=activation, dtype=policy)
    outputs = last(inputs)
    if head == "reshape":
        outputs = layers.Reshape((1,), dtype=policy)(outputs)
    elif head == "concatenate":
        outputs = layers.Concatenate(dtype=policy)([outputs, last(inputs)])
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
    _set_float(keras, dtype)
    model = network(keras, head, dtype)
    options = {} if loss_dtype is None else {"dtype": loss_dtype}
    loss = keras.losses.BinaryCrossentropy(from_logits=from_logits, reduction="none", **options)
    model.compile(optimizer="sgd", loss=loss)
    return model


def _set_float(keras: ModuleType, dtype: str) -> None:
    """Set Keras's precision as users do: float64 for all, the loss included; half by policy."""
    keras.backend.set_floatx("float64" if dtype == "float64" else "float32")
