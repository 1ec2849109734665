"""Keras 3 on NumPy, which has no gradients."""

from __future__ import annotations

import numpy as np

from sigmoid_bce.numerics.catalogue import Implementation
from sigmoid_bce.numerics.frameworks._keras import OTHERS, PLAIN, PROGRAMS, compiled, formula
from sigmoid_bce.numerics.surroundings import keras_on

TITLE = "Keras on NumPy"
PACKAGES = ("keras", "jax")  # this backend imports JAX
INSTEAD = "np.logaddexp(0, (1 - 2 * y) * x), since this backend clips with from_logits=True too"
CLIP = "p clipped to [1e-7, 1 - 1e-7]; -(y log p + (1 - y) log(1 - p)), p = sigmoid(x)"


def implementations() -> list[Implementation]:
    """Return the losses of the programs."""
    keras = keras_on("numpy")

    def entry(make, one):
        made = {}

        def function(x, y):
            if x.dtype.name not in made:
                made[x.dtype.name] = make(x.dtype.name)
            model = made[x.dtype.name]
            weights = {"sample_weight": one.weights(y)} if one.objective == "weighted" else {}
            loss = model.loss(one.targets(y), model(x[:, None]), **weights)
            return np.asarray(loss).reshape(-1), None

        return function

    return [
        Implementation(
            name,
            entry(lambda dtype, h=head, f=from_logits: compiled(keras, h, dtype, f), PLAIN),
            ("float32", "float64"),
            "eager",
            CLIP,
            "keras/src/backend/numpy/nn.py, binary_crossentropy, 3.15",
            from_sigmoid=not from_logits,
            cause="float64 is computed in float32: this backend's functions return float32",
            cause_of="loss_off, float64",
        )
        for name, (head, from_logits) in PROGRAMS.items()
        if head in ("sigmoid", "linear")
    ] + [
        Implementation(
            one.name,
            entry(lambda dtype, o=one: o.compiled(keras, dtype), one),
            ("float32", "float64"),
            "eager",
            formula(one, {True: CLIP, False: CLIP}),
            f"keras/src/losses/losses.py, {one.loss}, 3.15",
            from_sigmoid=not one.from_logits,
            objective=one.objective,
        )
        for one in OTHERS
    ]
