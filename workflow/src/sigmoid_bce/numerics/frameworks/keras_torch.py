"""Keras 3 on PyTorch: compiled models, differentiated by PyTorch."""

from __future__ import annotations

import numpy as np

from sigmoid_bce.numerics.catalogue import Implementation
from sigmoid_bce.numerics.frameworks._keras import OTHERS, PLAIN, PROGRAMS, compiled, formula
from sigmoid_bce.numerics.surroundings import keras_on

TITLE = "Keras on PyTorch"
PACKAGES = ("keras", "torch")
INSTEAD = "Dense(1) with keras.losses.BinaryCrossentropy(from_logits=True)"
FORMULAS = {
    True: "binary_cross_entropy_with_logits of PyTorch: (1 - y) x - logsigmoid(x)",
    False: "p clipped to [1e-7, 1 - 1e-7]; binary_cross_entropy of PyTorch; logits not recovered",
}


def implementations() -> list[Implementation]:
    """Return each program, run operation by operation."""
    keras = keras_on("torch")
    import torch

    torch.set_num_threads(1)

    def entry(make, one):
        made = {}

        def function(x, y):
            name = x.dtype.name
            if name not in made:
                made[name] = make(name)
            model, native = made[name], getattr(torch, name)
            # by way of float32, since PyTorch does not read bfloat16 from NumPy
            wide = np.float64 if name == "float64" else np.float32
            given = x[:, None], one.targets(y), one.weights(y)
            x, y, w = (torch.from_numpy(a.astype(wide)).to(native) for a in given)
            x.requires_grad_()
            weights = {"sample_weight": w} if one.objective == "weighted" else {}
            outputs = model(x, training=False)
            loss = model.compute_loss(x=x, y=y, y_pred=outputs, **weights).reshape(-1)
            (gradient,) = torch.autograd.grad(loss.sum(), x)
            found = (a.detach().to(torch.float64).numpy() for a in (loss, gradient.reshape(-1)))
            return tuple(found)

        return function

    half = ("float16", "bfloat16")
    return [
        Implementation(
            name,
            entry(lambda dtype, h=head, f=from_logits: compiled(keras, h, dtype, f), PLAIN),
            half if head == "float32" else (*half, "float32", "float64"),
            "eager",
            FORMULAS[from_logits],
            "keras/src/backend/torch/nn.py, binary_crossentropy, 3.15",
            from_sigmoid=not from_logits,
        )
        for name, (head, from_logits) in PROGRAMS.items()
        if head != "reshape"
    ] + [
        Implementation(
            one.name,
            entry(lambda dtype, o=one: o.compiled(keras, dtype), one),
            (*half, "float32", "float64"),
            "eager",
            formula(one, FORMULAS),
            f"keras/src/losses/losses.py, {one.loss}, 3.15",
            from_sigmoid=not one.from_logits,
            objective=one.objective,
        )
        for one in OTHERS
    ]
