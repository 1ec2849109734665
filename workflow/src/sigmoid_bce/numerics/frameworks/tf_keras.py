"""Keras 2, by its last package, tf_keras: compiled models, differentiated by gradient tape."""

from __future__ import annotations

from sigmoid_bce.numerics.catalogue import Implementation
from sigmoid_bce.numerics.frameworks._keras import PROGRAMS, compiled
from sigmoid_bce.numerics.surroundings import keras_on

TITLE = "Keras 2"
PACKAGES = ("tf_keras", "tensorflow")
INSTEAD = "Dense(1) with tf_keras.losses.BinaryCrossentropy(from_logits=True)"
LOGITS = "max(x, 0) - x y + log1p(exp(-|x|))"
CLIP = "p clipped; -(y log(p + 1e-7) + (1 - y) log(1 - p + 1e-7))"


def implementations() -> list[Implementation]:
    """Return each program in each mode."""
    tf_keras = keras_on("tensorflow", "tf_keras")
    import tensorflow as tf

    def entry(head, from_logits, mode):
        made = {}

        def program(dtype):
            model = compiled(tf_keras, head, dtype, from_logits)

            def step(x, y):
                with tf.GradientTape() as tape:
                    tape.watch(x)
                    loss = model.loss(y, model(x, training=False))
                return tf.reshape(loss, [-1]), tf.reshape(tape.gradient(loss, x), [-1])

            return step if mode == "eager" else tf.function(step, jit_compile=mode == "xla")

        def function(x, y):
            if x.dtype.name not in made:
                made[x.dtype.name] = program(x.dtype.name)
            return made[x.dtype.name](tf.constant(x[:, None]), tf.constant(y[:, None]))

        return function

    half = ("float16", "bfloat16")
    return [
        Implementation(
            name,
            entry(head, from_logits, mode),
            half if head == "float32" else (*half, "float32", "float64"),
            mode,
            LOGITS if from_logits else f"{LOGITS} where the logits are found, else {CLIP}",
            "tf_keras/src/backend.py, binary_crossentropy and _get_logits, 2.21",
            from_sigmoid=not from_logits,
        )
        for name, (head, from_logits) in PROGRAMS.items()
        for mode in ("eager", "graph", "xla")
    ]
