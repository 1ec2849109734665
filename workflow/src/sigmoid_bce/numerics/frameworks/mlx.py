"""MLX: its losses from logits and from probabilities, and the form with logaddexp."""

from typing import Any

import numpy as np

from sigmoid_bce.numerics.catalogue import Implementation
from sigmoid_bce.numerics.frameworks._labels import smoothed
from sigmoid_bce.numerics.objectives import WEIGHT

TITLE = "MLX"
PACKAGES = ("mlx",)
INSTEAD = "mlx.core.logaddexp((1 - 2 * y) * x, 0)"
CAUSES = {
    "binary_cross_entropy(x, y)": (
        "logaddexp(0, x) - x cancels for label 1, and the gradient of the second argument of "
        "logaddexp is 1 - sigmoid(-x), which cancels for label 0"
    ),
    "binary_cross_entropy(sigmoid(x), y, with_logits=False)": (
        "the gradient of log(0), which is infinite, is multiplied by 0"
    ),
}
"""Why an implementation goes wrong, by its name."""


def implementations() -> list[Implementation]:
    """Return each loss, eager and compiled."""
    from mlx import core, nn

    core.set_default_device(core.cpu)
    bce = nn.losses.binary_cross_entropy

    def array(values):
        # by way of float32, since MLX does not read bfloat16 from NumPy
        name = str(values.dtype)
        return core.array(values.astype(np.float32)).astype(getattr(core, name))

    def entry(loss, mode):
        def function(x, y):
            values, (gradient,) = core.vjp(lambda x: loss(x, y), [x], [core.ones_like(x)])
            return values[0], gradient

        run = core.compile(function) if mode == "compiled" else function
        return lambda x, y: tuple(
            np.array(part.astype(core.float32)) for part in run(array(x), array(y))
        )

    losses = [
        (
            "bce",
            "binary_cross_entropy(x, y)",
            lambda x, y: bce(x, y, with_logits=True, reduction="none"),
            "logaddexp(0, x) - x y",
            "python/mlx/nn/losses.py, 0.32",
        ),
        (
            "bce",
            "binary_cross_entropy(sigmoid(x), y, with_logits=False)",
            lambda x, y: bce(core.sigmoid(x), y, with_logits=False, reduction="none"),
            "-(y max(log p, -100) + (1 - y) max(log(1 - p), -100))",
            "python/mlx/nn/losses.py, 0.32",
        ),
        (
            "bce",
            "logaddexp((1 - 2 y) x, 0)",
            lambda x, y: core.logaddexp((1 - 2 * y) * x, core.zeros_like(x)),
            "log1p(exp(-|z|)) + max(z, 0), z = (1 - 2 y) x; hard labels",
            "mlx/backend/cpu/binary_ops.h, 0.32",
        ),
        *others(core, nn),
    ]
    return [
        Implementation(
            name,
            entry(loss, mode),
            ("float16", "bfloat16", "float32"),  # its float64 lacks operations on the CPU
            mode,
            formula,
            source,
            from_sigmoid="sigmoid(x)" in name,
            soft="2 y" not in name,
            cause=CAUSES.get(name, "") if objective == "bce" else "",
            objective=objective,
        )
        for objective, name, loss, formula, source in losses
        for mode in ("eager", "compiled")
    ]


def others(core: Any, nn: Any) -> list[tuple[str, str, Any, str, str]]:
    """Return objective, name, function, formula and source of the other losses."""
    source, bce = "python/mlx/nn/losses.py, 0.32", nn.losses.binary_cross_entropy

    def cross_entropy(classes):
        def loss(x, y):
            outputs = core.stack([x, *[core.zeros_like(x)] * (classes - 1)], axis=1)
            right = (1 - y).astype(core.int32)
            return nn.losses.cross_entropy(outputs, right, reduction="none")

        return loss

    return [
        (
            "weighted",
            "binary_cross_entropy(x, y, weights)",
            lambda x, y: bce(x, y, 1 + (WEIGHT - 1) * y, reduction="none"),
            "(logaddexp(0, x) - x y) (1 + 3 y)",
            source,
        ),
        (
            "smoothing",
            "binary_cross_entropy(x, smoothed labels)",
            lambda x, y: bce(x, smoothed(y), reduction="none"),
            "logaddexp(0, x) - x y, y smoothed",
            source,
        ),
        *(
            (
                f"softmax-{classes}",
                "cross_entropy",
                cross_entropy(classes),
                "logsumexp(x) - x of the right class",
                source,
            )
            for classes in (2, 10)
        ),
        (
            "siglip",
            "-log_sigmoid((2 y - 1) x)",
            lambda x, y: -nn.log_sigmoid((2 * y - 1) * x),
            "logaddexp(0, -z), z = (2 y - 1) x",
            "python/mlx/nn/layers/activations.py, 0.32",
        ),
    ]
