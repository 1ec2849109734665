"""PaddlePaddle: its losses, and the forms with softplus and log_sigmoid."""

from typing import Any

from sigmoid_bce.numerics.catalogue import Implementation
from sigmoid_bce.numerics.frameworks._labels import smoothed
from sigmoid_bce.numerics.names import BCE
from sigmoid_bce.numerics.objectives import BALANCE, FOCUS, WEIGHT

TITLE = "PaddlePaddle"
PACKAGES = ("paddlepaddle",)
INSTEAD = "paddle.logaddexp(z, paddle.zeros_like(z)), z = (1 - 2 * y) * x"
NO_LOG1P = "log(1 + exp(z)) without log1p is 0 where exp(z) is below half an ulp of 1"
PROBABILITY = "-log(p of the label), p = softmax(max(outputs - max(outputs), -64))"
SOFTMAX = "paddle/phi/kernels/cpu/cross_entropy_kernel.cc, 3.3"
CAUSES = {
    "binary_cross_entropy_with_logits": (
        f"{NO_LOG1P}; at x = 0 the gradients of max(x, 0) and |x| are taken for 0 and 1, which "
        "makes -0.5 - y of 0.5 - y"
    ),
    "softplus((1 - 2 y) x)": NO_LOG1P,
}
"""Why an implementation goes wrong, by its name."""


def implementations() -> list[Implementation]:
    """Return each loss, eager and compiled to a static graph."""
    import paddle
    from paddle.nn import functional

    paddle.set_device("cpu")

    def entry(loss, mode):
        def function(x, y):
            x, y = paddle.to_tensor(x, stop_gradient=False), paddle.to_tensor(y)
            values = run(x, y)
            (gradient,) = paddle.grad(values.sum(), x)
            return values.numpy(), gradient.numpy()

        run = paddle.jit.to_static(loss) if mode == "static" else loss
        return function

    losses: list[tuple[str, str, Any, str, str]] = [
        (
            BCE,
            "binary_cross_entropy(sigmoid(x), y)",
            lambda x, y: functional.binary_cross_entropy(
                functional.sigmoid(x), y, reduction="none"
            ),
            "-(y max(log p, -100) + (1 - y) max(log(1 - p), -100)); "
            "backward (p - y) / max(p (1 - p), 1e-12)",
            "paddle/phi/kernels/cpu/bce_loss_kernel.cc, 3.3",
        ),
        (
            BCE,
            "binary_cross_entropy_with_logits",
            lambda x, y: functional.binary_cross_entropy_with_logits(x, y, reduction="none"),
            "max(x, 0) - x y + log(1 + exp(-|x|))",
            "paddle/phi/kernels/cpu/sigmoid_cross_entropy_with_logits_kernel.cc, 3.3",
        ),
        (
            BCE,
            "softplus((1 - 2 y) x)",
            lambda x, y: functional.softplus((1 - 2 * y) * x),
            "log(1 + exp(z)), z = (1 - 2 y) x, above 20 z itself; hard labels",
            "paddle/phi/kernels/funcs/activation_functor.h, 3.3",
        ),
        (
            BCE,
            "logaddexp((1 - 2 y) x, 0)",
            lambda x, y: paddle.logaddexp((1 - 2 * y) * x, paddle.zeros_like(x)),
            "log1p(exp(-|z|)) + max(z, 0), z = (1 - 2 y) x; hard labels",
            "python/paddle/tensor/math.py, 3.3",
        ),
        *other_losses(paddle, functional),
    ]
    return [
        Implementation(
            name,
            entry(loss, mode),
            ("float32", "float64"),  # its CPU kernels have no half precision
            mode,
            formula,
            source,
            from_sigmoid="sigmoid(x)" in name,
            soft="(1 - 2 y)" not in name,
            cause=CAUSES.get(name, ""),
            objective=objective,
        )
        for objective, name, loss, formula, source in losses
        for mode in ("eager", "static")
    ]


def other_losses(paddle: Any, functional: Any) -> list[tuple[str, str, Any, str, str]]:
    """Return the other objectives' losses: objective, name, function, formula and source."""
    kernel = "paddle/phi/kernels/cpu/sigmoid_cross_entropy_with_logits_kernel.cc, 3.3"
    logits = "max(x, 0) - x t + log(1 + exp(-|x|))"
    bce, bce_logits = functional.binary_cross_entropy, functional.binary_cross_entropy_with_logits

    def weighted(x, y):
        # made here, since a static graph takes no tensor from outside
        weight = paddle.full([1], float(WEIGHT), x.dtype)
        return bce_logits(x, y, pos_weight=weight, reduction="none")

    def focal(x, y):
        # in two dimensions: with one, eager mode raises an error about the shape [-1]
        columns = x.unsqueeze(1), y.unsqueeze(1)
        settings = {"alpha": BALANCE, "gamma": FOCUS, "reduction": "none"}
        return functional.sigmoid_focal_loss(*columns, **settings).flatten()

    def softmax(x, y, classes, soft=False):
        zeros = paddle.zeros_like(x).unsqueeze(1)
        outputs = paddle.concat([x.unsqueeze(1), *[zeros] * (classes - 1)], axis=1)
        label = paddle.where(y > 0, paddle.zeros_like(y), paddle.ones_like(y)).astype("int64")
        if soft:
            label = functional.one_hot(label, classes).astype(x.dtype)
        found = functional.cross_entropy(outputs, label, soft_label=soft, reduction="none")
        return found.flatten()

    return [
        (
            "weighted",
            "binary_cross_entropy_with_logits, pos_weight=4",
            weighted,
            "(1 - y) x + (1 + 3 y) (log(1 + exp(-|x|)) + max(-x, 0))",
            kernel,
        ),
        (
            "weighted",
            "binary_cross_entropy(sigmoid(x), y, 1 + 3 y)",
            lambda x, y: bce(
                functional.sigmoid(x), y, weight=1 + (WEIGHT - 1) * y, reduction="none"
            ),
            "-(1 + 3 y) (y max(log p, -100) + (1 - y) max(log(1 - p), -100)); "
            "backward (1 + 3 y) (p - y) / max(p (1 - p), 1e-12)",
            "paddle/phi/kernels/cpu/bce_loss_kernel.cc, 3.3",
        ),
        (
            "smoothing",
            "binary_cross_entropy_with_logits(x, 7 y / 8 + 1 / 16)",
            lambda x, y: bce_logits(x, smoothed(y), reduction="none"),
            f"{logits}, t = 7 y / 8 + 1 / 16",
            kernel,
        ),
        (
            "smoothing",
            "binary_cross_entropy(sigmoid(x), 7 y / 8 + 1 / 16)",
            lambda x, y: bce(functional.sigmoid(x), smoothed(y), reduction="none"),
            "-(t max(log p, -100) + (1 - t) max(log(1 - p), -100)), t = 7 y / 8 + 1 / 16; "
            "backward (p - t) / max(p (1 - p), 1e-12)",
            "paddle/phi/kernels/cpu/bce_loss_kernel.cc, 3.3",
        ),
        (
            "focal",
            "sigmoid_focal_loss",
            focal,
            f"a (1 - p_t)^2 ({logits}), t = y, p_t = p y + (1 - p) (1 - y)",
            "python/paddle/nn/functional/loss.py, 3.3",
        ),
        (
            "siglip",
            "-log_sigmoid(z)",
            lambda x, y: -functional.log_sigmoid((2 * y - 1) * x),
            "m + log(exp(-m) + exp(-z - m)), m = max(-z, 0), z = (2 y - 1) x",
            "paddle/phi/kernels/funcs/activation_functor.h, 3.3",
        ),
        # a lambda each: a static graph is found by its code, whatever the code encloses
        *(
            (objective, name, loss, PROBABILITY, SOFTMAX)
            for objective, name, loss in (
                ("softmax-2", "cross_entropy", lambda x, y: softmax(x, y, 2)),
                ("softmax-2", "cross_entropy, soft_label", lambda x, y: softmax(x, y, 2, True)),
                ("softmax-10", "cross_entropy", lambda x, y: softmax(x, y, 10)),
                ("softmax-10", "cross_entropy, soft_label", lambda x, y: softmax(x, y, 10, True)),
            )
        ),
    ]
