"""Keras 3 on PyTorch: compiled models, differentiated by PyTorch."""

from __future__ import annotations

import numpy as np

from sigmoid_bce.numerics.catalogue import Implementation
from sigmoid_bce.numerics.frameworks._keras import PROGRAMS, compiled
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

    def entry(head, from_logits):
        made = {}

        def function(x, y):
            name = x.dtype.name
            if name not in made:
                made[name] = compiled(keras, head, name, from_logits)
            model, native = made[name], getattr(torch, name)
            # by way of float32, since PyTorch does not read bfloat16 from NumPy
            wide = np.float64 if name == "float64" else np.float32
            x = torch.from_numpy(x[:, None].astype(wide)).to(native).requires_grad_()
            y = torch.from_numpy(y[:, None].astype(wide)).to(native)
            loss = model.compute_loss(x=x, y=y, y_pred=model(x, training=False)).reshape(-1)
            (gradient,) = torch.autograd.grad(loss.sum(), x)
            found = (a.detach().to(torch.float64).numpy() for a in (loss, gradient.reshape(-1)))
            return tuple(found)

        return function

    half = ("float16", "bfloat16")
    return [
        Implementation(
            name,
            entry(head, from_logits),
            half if head == "float32" else (*half, "float32", "float64"),
            "eager",
            FORMULAS[from_logits],
            "keras/src/backend/torch/nn.py, binary_crossentropy, 3.15",
            from_sigmoid=not from_logits,
        )
        for name, (head, from_logits) in PROGRAMS.items()
        if head != "reshape"
    ]
