"""TensorFlow's own operations on raw outputs."""

from typing import Any

from sigmoid_bce.numerics.catalogue import Implementation
from sigmoid_bce.numerics.frameworks._labels import smoothed
from sigmoid_bce.numerics.objectives import WEIGHT

TITLE = "TensorFlow"
PACKAGES = ("tensorflow",)
INSTEAD = "tf.nn.sigmoid_cross_entropy_with_logits(labels=y, logits=x)"
CAUSES = {
    "graph": (
        "the graph's arithmetic optimisation rewrites the gradient; it is right with "
        "tf.config.optimizer.set_experimental_options({'arithmetic_optimization': False})",
        "gradient, label 1, correct side",
    )
}
"""Why an implementation goes wrong and what that explains, by mode."""
UNKNOWN = "", ""


LOGITS = "max(x, 0) - x y + log1p(exp(-|x|))"
SOFTMAX = "log(sum(exp(x - m))) - (x - m) of the right class, m the largest x"
OPERATIONS = "tensorflow/python/ops/nn_impl.py, 2.21"
KERNEL = "tensorflow/core/kernels/{}xent_op.h, 2.21"


def losses(tf: Any) -> list[tuple[str, str, Any, str, str]]:
    """Return objective, name, function, formula and source of each loss."""
    cross_entropy = tf.nn.sigmoid_cross_entropy_with_logits

    def outputs(x, classes):
        return tf.stack([x, *[tf.zeros_like(x)] * (classes - 1)], axis=1)

    def targets(y, classes):
        return tf.stack([y, 1 - y, *[tf.zeros_like(y)] * (classes - 2)], axis=1)

    return [
        (
            "bce",
            "sigmoid_cross_entropy_with_logits",
            lambda x, y: cross_entropy(labels=y, logits=x),
            LOGITS,
            OPERATIONS,
        ),
        (
            "weighted",
            "weighted_cross_entropy_with_logits",
            lambda x, y: tf.nn.weighted_cross_entropy_with_logits(y, x, WEIGHT),
            "(1 - y) x + (1 + 3 y) (log1p(exp(-|x|)) + max(-x, 0))",
            OPERATIONS,
        ),
        (
            "smoothing",
            "sigmoid_cross_entropy_with_logits of smoothed labels",
            lambda x, y: cross_entropy(labels=smoothed(y), logits=x),
            f"{LOGITS}, y smoothed",
            OPERATIONS,
        ),
        *(
            loss
            for k in (2, 10)
            for loss in (
                (
                    f"softmax-{k}",
                    "softmax_cross_entropy_with_logits",
                    lambda x, y, k=k: tf.nn.softmax_cross_entropy_with_logits(
                        labels=targets(y, k), logits=outputs(x, k)
                    ),
                    SOFTMAX,
                    KERNEL.format(""),
                ),
                (
                    f"softmax-{k}",
                    "sparse_softmax_cross_entropy_with_logits",
                    lambda x, y, k=k: tf.nn.sparse_softmax_cross_entropy_with_logits(
                        labels=tf.cast(1 - y, tf.int32), logits=outputs(x, k)
                    ),
                    SOFTMAX,
                    KERNEL.format("sparse_"),
                ),
            )
        ),
        (
            "siglip",
            "-log_sigmoid((2 y - 1) x)",
            lambda x, y: -tf.math.log_sigmoid((2 * y - 1) * x),
            "softplus(-z), z = (2 y - 1) x",
            "tensorflow/python/ops/math_ops.py, 2.21",
        ),
    ]


def implementations() -> list[Implementation]:
    """Return each operation in each mode."""
    import tensorflow as tf

    def step(loss):
        def function(x, y):
            with tf.GradientTape() as tape:
                tape.watch(x)
                values = loss(x, y)
            return values, tape.gradient(values, x)

        return function

    def run(loss, mode):
        if mode == "eager":
            return lambda x, y: step(loss)(tf.constant(x), tf.constant(y))
        return tf.function(step(loss), jit_compile=mode == "xla")

    return [
        Implementation(
            name,
            run(loss, mode),
            ("float16", "bfloat16", "float32", "float64"),
            mode,
            formula=formula,
            source=source,
            soft="2 y" not in name,
            cause=CAUSES.get(mode, UNKNOWN)[0] if objective == "bce" else "",
            cause_of=CAUSES.get(mode, UNKNOWN)[1] if objective == "bce" else "",
            objective=objective,
        )
        for objective, name, loss, formula, source in losses(tf)
        for mode in ("eager", "graph", "xla")
    ]
