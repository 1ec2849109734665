"""MLX: its losses from logits and from probabilities, and the form with logaddexp."""

from typing import Any

import numpy as np

from sigmoid_bce.numerics.catalogue import Implementation
from sigmoid_bce.numerics.frameworks._labels import smoothed
from sigmoid_bce.numerics.names import BCE
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
CAUSES |= {
    "binary_cross_entropy(x, y, weights=1 + 3 y)": CAUSES["binary_cross_entropy(x, y)"],
    "binary_cross_entropy(sigmoid(x), y, weights=1 + 3 y, with_logits=False)": CAUSES[
        "binary_cross_entropy(sigmoid(x), y, with_logits=False)"
    ],
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

    losses: list[tuple[str, str, Any, str, str]] = [
        (
            BCE,
            "binary_cross_entropy(x, y)",
            lambda x, y: bce(x, y, with_logits=True, reduction="none"),
            "logaddexp(0, x) - x y",
            "python/mlx/nn/losses.py, 0.32",
        ),
        (
            BCE,
            "binary_cross_entropy(sigmoid(x), y, with_logits=False)",
            lambda x, y: bce(core.sigmoid(x), y, with_logits=False, reduction="none"),
            "-(y max(log p, -100) + (1 - y) max(log(1 - p), -100))",
            "python/mlx/nn/losses.py, 0.32",
        ),
        (
            BCE,
            "logaddexp((1 - 2 y) x, 0)",
            lambda x, y: core.logaddexp((1 - 2 * y) * x, core.zeros_like(x)),
            "log1p(exp(-|z|)) + max(z, 0), z = (1 - 2 y) x; hard labels",
            "mlx/backend/cpu/binary_ops.h, 0.32",
        ),
        *other_losses(core, nn),
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
            objective=objective,
        )
        for objective, name, loss, formula, source in losses
        for mode in ("eager", "compiled")
    ]


def other_losses(core: Any, nn: Any) -> list[tuple[str, str, Any, str, str]]:
    """Return the other objectives' losses: objective, name, function, formula and source."""
    source = "python/mlx/nn/losses.py, 0.32"
    bce = nn.losses.binary_cross_entropy

    def weighted(x, y, **settings):
        return bce(x, y, weights=1 + (WEIGHT - 1) * y, reduction="none", **settings)

    def smooth(x, y, **settings):
        return bce(x, smoothed(y), reduction="none", **settings)

    def softmax(classes, one_hot):
        def loss(x, y):
            outputs = core.pad(x[:, None], ((0, 0), (0, classes - 1)))
            target = core.where(y > 0, 0, 1)
            if one_hot:
                target = core.eye(classes, dtype=x.dtype)[target]
            return nn.losses.cross_entropy(outputs, target, reduction="none")

        return loss

    probabilities = "max(log p, -100) + (1 - t) max(log(1 - p), -100))"
    return [
        (
            "weighted",
            "binary_cross_entropy(x, y, weights=1 + 3 y)",
            weighted,
            "(1 + 3 y) (logaddexp(0, x) - x y)",
            source,
        ),
        (
            "weighted",
            "binary_cross_entropy(sigmoid(x), y, weights=1 + 3 y, with_logits=False)",
            lambda x, y: weighted(core.sigmoid(x), y, with_logits=False),
            f"-(1 + 3 y) (t {probabilities}, t = y",
            source,
        ),
        (
            "smoothing",
            "binary_cross_entropy(x, 7 y / 8 + 1 / 16)",
            smooth,
            "logaddexp(0, x) - x t, t = 7 y / 8 + 1 / 16",
            source,
        ),
        (
            "smoothing",
            "binary_cross_entropy(sigmoid(x), 7 y / 8 + 1 / 16, with_logits=False)",
            lambda x, y: smooth(core.sigmoid(x), y, with_logits=False),
            f"-(t {probabilities}, t = 7 y / 8 + 1 / 16",
            source,
        ),
        (
            "siglip",
            "-log_sigmoid(z)",
            lambda x, y: -nn.log_sigmoid((2 * y - 1) * x),
            "logaddexp(-z, 0), z = (2 y - 1) x",
            "python/mlx/nn/layers/activations.py, 0.32",
        ),
        *(
            (f"softmax-{classes}", name, softmax(classes, one_hot), formula, source)
            for classes in (2, 10)
            for name, one_hot, formula in (
                (
                    "cross_entropy, indices",
                    False,
                    "logsumexp(s) - s of the label, s = outputs - max(outputs)",
                ),
                (
                    "cross_entropy, one-hot",
                    True,
                    "logsumexp(s) - sum(s y), s = outputs - max(outputs)",
                ),
            )
        ),
    ]
