"""PyTorch: both of its losses, and the form with softplus."""

import numpy as np

from sigmoid_bce.numerics.catalogue import Implementation

TITLE = "PyTorch"
PACKAGES = ("torch",)
INSTEAD = "torch.nn.BCEWithLogitsLoss()(x, y)"


def implementations() -> list[Implementation]:
    """Return each loss, eager and compiled."""
    import torch
    from torch.nn import functional

    torch.set_num_threads(1)
    native = {np.dtype(np.float16), np.dtype(np.float32), np.dtype(np.float64)}

    def tensor(values):
        # by way of float32, since PyTorch does not read bfloat16 from NumPy
        if values.dtype in native:
            return torch.from_numpy(values.copy())
        return torch.from_numpy(values.astype(np.float32)).to(torch.bfloat16)

    def array(values):
        return values.detach().to(torch.float64).numpy()

    def entry(loss, mode):
        def function(x, y):
            x, y = tensor(x).requires_grad_(), tensor(y)
            values = run(x, y)
            (gradient,) = torch.autograd.grad(values.sum(), x)
            return array(values), array(gradient)

        # dynamic=False compiles a program for each dtype
        run = torch.compile(loss, dynamic=False) if mode == "compiled" else loss
        return function

    half = ("float16", "bfloat16", "float32", "float64")
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
    ]
