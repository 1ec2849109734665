"""Keras 3 on NumPy, which has no gradients."""

from __future__ import annotations

import numpy as np

from sigmoid_bce.numerics.catalogue import Implementation
from sigmoid_bce.numerics.frameworks._keras import PROGRAMS, compiled
from sigmoid_bce.numerics.surroundings import keras_on

TITLE = "Keras on NumPy"
PACKAGES = ("keras", "jax")  # this backend imports JAX
INSTEAD = "np.logaddexp(0, (1 - 2 * y) * x), since this backend clips with from_logits=True too"


def implementations() -> list[Implementation]:
    """Return the losses of the programs."""
    keras = keras_on("numpy")

    def entry(head, from_logits):
        made = {}

        def function(x, y):
            if x.dtype.name not in made:
                made[x.dtype.name] = compiled(keras, head, x.dtype.name, from_logits)
            model = made[x.dtype.name]
            return np.asarray(model.loss(y[:, None], model(x[:, None]))).reshape(-1), None

        return function

    return [
        Implementation(
            name,
            entry(head, from_logits),
            ("float32", "float64"),
            "eager",
            "p clipped to [1e-7, 1 - 1e-7]; -(y log p + (1 - y) log(1 - p)), p = sigmoid(x)",
            "keras/src/backend/numpy/nn.py, binary_crossentropy, 3.15",
            from_sigmoid=not from_logits,
            cause="float64 is computed in float32: this backend's functions return float32",
            cause_of="loss_off, float64",
        )
        for name, (head, from_logits) in PROGRAMS.items()
        if head in ("sigmoid", "linear")
    ]
