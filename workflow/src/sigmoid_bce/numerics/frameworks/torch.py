"""PyTorch: both of its losses, and the form with softplus; on a GPU, a layer with TF32 as well."""

from typing import Any

import numpy as np

from sigmoid_bce.numerics.catalogue import Implementation

TITLE = "PyTorch"
PACKAGES = ("torch",)
INSTEAD = "torch.nn.BCEWithLogitsLoss()(x, y)"


def device_name(device: str) -> str:
    """Return the name of a device that is no CPU; raises if there is none."""
    import torch

    return str(torch.cuda.get_device_name(device))


def implementations(device: str = "") -> list[Implementation]:
    """Return each loss, eager and compiled."""
    import torch
    from torch.nn import functional

    torch.set_num_threads(1)
    native = {np.dtype(np.float16), np.dtype(np.float32), np.dtype(np.float64)}

    def tensor(values):
        # by way of float32, since PyTorch does not read bfloat16 from NumPy
        if values.dtype in native:
            return torch.from_numpy(values.copy()).to(place)
        return torch.from_numpy(values.astype(np.float32)).to(torch.bfloat16).to(place)

    def array(values):
        return values.detach().to("cpu", torch.float64).numpy()

    def entry(loss, mode):
        def function(x, y):
            torch.backends.cuda.matmul.allow_tf32 = mode.endswith("TF32")
            x, y = tensor(x).requires_grad_(), tensor(y)
            values = run(x, y)
            (gradient,) = torch.autograd.grad(values.sum(), x)
            return array(values), array(gradient)

        # dynamic=False compiles a program for each dtype
        run = torch.compile(loss, dynamic=False) if mode == "compiled" else loss
        return function

    place, half = device or "cpu", ("float16", "bfloat16", "float32", "float64")
    losses = [
        (
            "BCELoss() after sigmoid",
            lambda x, y: functional.binary_cross_entropy(torch.sigmoid(x), y, reduction="none"),
            "-(y max(log p, -100) + (1 - y) max(log(1 - p), -100)); "
            "backward (p - y) / max(p (1 - p), 1e-12)",
            "aten/src/ATen/native/Loss.cpp, 2.13",
        ),
        (
            "BCEWithLogitsLoss()",
            lambda x, y: functional.binary_cross_entropy_with_logits(x, y, reduction="none"),
            "(1 - y) x - logsigmoid(x); backward sigmoid(x) - y",
            "aten/src/ATen/native/Loss.cpp, 2.13",
        ),
        (
            "softplus((1 - 2 y) x)",
            lambda x, y: functional.softplus((1 - 2 * y) * x),
            "log1p(exp(z)), z = (1 - 2 y) x, above 20 z itself; hard labels",
            "aten/src/ATen/native/cpu/Activation.cpp, 2.13",
        ),
    ]
    return [
        Implementation(
            name,
            entry(loss, mode),
            half,
            mode,
            formula,
            source,
            from_sigmoid="sigmoid" in name,
            soft=not name.startswith("softplus"),
        )
        for name, loss, formula, source in losses
        for mode in ("eager", "compiled")
    ] + layer(entry, torch, place, bool(device))


def layer(entry: Any, torch: Any, place: str, wanted: bool) -> list[Implementation]:
    """Return the loss of a layer that passes the raw output on, where TF32 may act."""
    weights = torch.eye(16, device=place)

    def loss(x, y):
        outputs = torch.nn.functional.linear(x[:, None].expand(-1, 16), weights)[:, 0]
        return torch.nn.functional.binary_cross_entropy_with_logits(outputs, y, reduction="none")

    return [
        Implementation(
            "Linear(), BCEWithLogitsLoss()",
            entry(loss, mode),
            mode=mode,
            formula="the raw output is a product of matrices; then (1 - y) x - logsigmoid(x)",
            source="aten/src/ATen/cuda/CUDABlas.cpp, 2.13",
        )
        for mode in (("eager", "eager, TF32") if wanted else ())
    ]
