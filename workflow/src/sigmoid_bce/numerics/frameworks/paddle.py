"""PaddlePaddle: its losses, and the forms with softplus."""

from functools import cache
from typing import Any

from sigmoid_bce.numerics.catalogue import Implementation
from sigmoid_bce.numerics.frameworks._labels import smoothed
from sigmoid_bce.numerics.objectives import BALANCE, FOCUS, WEIGHT

TITLE = "PaddlePaddle"
PACKAGES = ("paddlepaddle",)
INSTEAD = "paddle.logaddexp(z, paddle.zeros_like(z)), z = (1 - 2 * y) * x"
NO_LOG1P = "log(1 + exp(z)) without log1p is 0 where exp(z) is below half an ulp of 1"
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
        compiled = cache(lambda: paddle.jit.to_static(loss))

        def function(x, y):
            # after a first to_static, sigmoid_focal_loss raises in eager mode: those come first
            run = compiled() if mode == "static" else loss
            x, y = paddle.to_tensor(x, stop_gradient=False), paddle.to_tensor(y)
            values = run(x, y)
            (gradient,) = paddle.grad(values.sum(), x)
            return values.numpy(), gradient.numpy()

        return function

    losses = [
        ("bce", *loss)
        for loss in [
            (
                "binary_cross_entropy(sigmoid(x), y)",
                lambda x, y: functional.binary_cross_entropy(
                    functional.sigmoid(x), y, reduction="none"
                ),
                "-(y max(log p, -100) + (1 - y) max(log(1 - p), -100)); "
                "backward (p - y) / max(p (1 - p), 1e-12)",
                "paddle/phi/kernels/cpu/bce_loss_kernel.cc, 3.3",
            ),
            (
                "binary_cross_entropy_with_logits",
                lambda x, y: functional.binary_cross_entropy_with_logits(x, y, reduction="none"),
                "max(x, 0) - x y + log(1 + exp(-|x|))",
                "paddle/phi/kernels/cpu/sigmoid_cross_entropy_with_logits_kernel.cc, 3.3",
            ),
            (
                "softplus((1 - 2 y) x)",
                lambda x, y: functional.softplus((1 - 2 * y) * x),
                "log(1 + exp(z)), z = (1 - 2 y) x, above 20 z itself; hard labels",
                "paddle/phi/kernels/funcs/activation_functor.h, 3.3",
            ),
            (
                "logaddexp((1 - 2 y) x, 0)",
                lambda x, y: paddle.logaddexp((1 - 2 * y) * x, paddle.zeros_like(x)),
                "log1p(exp(-|z|)) + max(z, 0), z = (1 - 2 y) x; hard labels",
                "python/paddle/tensor/math.py, 3.3",
            ),
        ]
    ] + others(paddle)
    return [
        Implementation(
            name,
            entry(loss, mode),
            ("float32", "float64"),  # its CPU kernels have no half precision
            mode,
            formula,
            source,
            from_sigmoid="sigmoid(x)" in name,
            soft="2 y" not in name,
            cause=CAUSES.get(name, "") if objective == "bce" else "",
            objective=objective,
        )
        for mode in ("eager", "static")
        for objective, name, loss, formula, source in losses
    ]


def others(paddle: Any) -> list[tuple[str, str, Any, str, str]]:
    """Return objective, name, function, formula and source of the other losses."""
    functional = paddle.nn.functional
    with_logits = functional.binary_cross_entropy_with_logits
    source = "python/paddle/nn/functional/loss.py, 3.3"
    plain = "max(x, 0) - x y + log(1 + exp(-|x|))"

    def cross_entropy(classes):
        def loss(x, y):
            outputs = paddle.stack([x, *[paddle.zeros_like(x)] * (classes - 1)], axis=1)
            right = (1 - y).astype("int64")
            return functional.cross_entropy(outputs, right, reduction="none").reshape([-1])

        return loss

    def weighted(x, y):
        weight = paddle.to_tensor([float(WEIGHT)], dtype=x.dtype)
        return with_logits(x, y, reduction="none", pos_weight=weight)

    def focal(x, y):
        return functional.sigmoid_focal_loss(x, y, None, BALANCE, float(FOCUS), reduction="none")

    return [
        ("weighted", "binary_cross_entropy_with_logits(pos_weight)", weighted,
         f"({plain}) (1 + 3 y)", source),
        ("smoothing", "binary_cross_entropy_with_logits of smoothed labels",
         lambda x, y: with_logits(x, smoothed(y), reduction="none"),
         f"{plain}, y smoothed", source),
        ("focal", "sigmoid_focal_loss", focal,
         f"a (1 - t)^2 times {plain}, t = p or 1 - p", source),
        *(
            (f"softmax-{classes}", "cross_entropy", cross_entropy(classes),
             "-log_softmax(x) of the right class",
             "paddle/phi/kernels/cpu/cross_entropy_kernel.cc, 3.3")
            for classes in (2, 10)
        ),
        ("siglip", "-log_sigmoid((2 y - 1) x)",
         lambda x, y: -functional.log_sigmoid((2 * y - 1) * x),
         "m + log(exp(-m) + exp(-z - m)), m = max(-z, 0)",
         "paddle/phi/kernels/funcs/activation_functor.h, 3.3"),
    ]  # fmt: skip
