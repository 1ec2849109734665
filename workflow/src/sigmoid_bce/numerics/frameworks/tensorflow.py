"""TensorFlow's own operation on raw outputs."""

from sigmoid_bce.numerics.catalogue import Implementation

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


def implementations() -> list[Implementation]:
    """Return the operation in each mode."""
    import tensorflow as tf

    def function(x, y):
        with tf.GradientTape() as tape:
            tape.watch(x)
            loss = tf.nn.sigmoid_cross_entropy_with_logits(labels=y, logits=x)
        return loss, tape.gradient(loss, x)

    modes = {
        "eager": lambda x, y: function(tf.constant(x), tf.constant(y)),
        "graph": tf.function(function),
        "xla": tf.function(function, jit_compile=True),
    }
    return [
        Implementation(
            "sigmoid_cross_entropy_with_logits",
            run,
            ("float16", "bfloat16", "float32", "float64"),
            mode,
            formula="max(x, 0) - x y + log1p(exp(-|x|))",
            source="tensorflow/python/ops/nn_impl.py, 2.21",
            cause=CAUSES.get(mode, UNKNOWN)[0],
            cause_of=CAUSES.get(mode, UNKNOWN)[1],
        )
        for mode, run in modes.items()
    ]
