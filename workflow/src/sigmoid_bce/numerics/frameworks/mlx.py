"""MLX: its loss from logits and from probabilities, and the form with logaddexp."""

import numpy as np

from sigmoid_bce.numerics.catalogue import Implementation

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
            "binary_cross_entropy(x, y)",
            lambda x, y: bce(x, y, with_logits=True, reduction="none"),
            "logaddexp(0, x) - x y",
            "python/mlx/nn/losses.py, 0.32",
        ),
        (
            "binary_cross_entropy(sigmoid(x), y, with_logits=False)",
            lambda x, y: bce(core.sigmoid(x), y, with_logits=False, reduction="none"),
            "-(y max(log p, -100) + (1 - y) max(log(1 - p), -100))",
            "python/mlx/nn/losses.py, 0.32",
        ),
        (
            "logaddexp((1 - 2 y) x, 0)",
            lambda x, y: core.logaddexp((1 - 2 * y) * x, core.zeros_like(x)),
            "log1p(exp(-|z|)) + max(z, 0), z = (1 - 2 y) x; hard labels",
            "mlx/backend/cpu/binary_ops.h, 0.32",
        ),
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
            soft=not name.startswith("logaddexp"),
            cause=CAUSES.get(name, ""),
        )
        for name, loss, formula, source in losses
        for mode in ("eager", "compiled")
    ]
