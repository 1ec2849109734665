"""PyTorch: its losses, and the form with softplus; on a GPU, a layer with TF32 as well."""

from typing import Any

from sigmoid_bce.numerics.catalogue import Implementation
from sigmoid_bce.numerics.frameworks import _torch_losses
from sigmoid_bce.numerics.frameworks._torch import ATEN, Program, Runner
from sigmoid_bce.numerics.frameworks._torch_losses import CLAMPED, LOGITS, LOSS

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

    run = Runner(device)
    losses = [
        Program(
            "BCELoss() after sigmoid",
            lambda x, y: functional.binary_cross_entropy(torch.sigmoid(x), y, reduction="none"),
            f"{CLAMPED}; backward (p - y) / max(p (1 - p), 1e-12)",
            LOSS,
        ),
        Program(
            "BCEWithLogitsLoss()",
            lambda x, y: functional.binary_cross_entropy_with_logits(x, y, reduction="none"),
            LOGITS,
            LOSS,
        ),
        Program(
            "softplus((1 - 2 y) x)",
            lambda x, y: functional.softplus((1 - 2 * y) * x),
            "log1p(exp(z)), z = (1 - 2 y) x, above 20 z itself; hard labels",
            ATEN.format("cpu/Activation.cpp"),
        ),
        *_torch_losses.autocast(torch, run.place),
        *_torch_losses.programs(torch),
        *layer(torch, run.place, bool(device)),
    ]
    return run.implementations(losses)


def layer(torch: Any, place: str, wanted: bool) -> list[Program]:
    """Return the loss of a layer that passes the raw output on, where TF32 may act."""
    weights = torch.eye(16, device=place)

    def loss(x, y):
        outputs = torch.nn.functional.linear(x[:, None].expand(-1, 16), weights)[:, 0]
        return torch.nn.functional.binary_cross_entropy_with_logits(outputs, y, reduction="none")

    return [
        Program(
            "Linear(), BCEWithLogitsLoss()",
            loss,
            "the raw output is a product of matrices; then (1 - y) x - logsigmoid(x)",
            "aten/src/ATen/cuda/CUDABlas.cpp, 2.13",
            dtypes=("float32",),
            modes=("eager", "eager, TF32"),
        )
        for _ in range(wanted)
    ]
