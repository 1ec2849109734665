"""Keras 2, by its last package, tf_keras: compiled models, differentiated by gradient tape."""

from __future__ import annotations

from sigmoid_bce.numerics.catalogue import Implementation
from sigmoid_bce.numerics.frameworks._keras import OTHERS, PLAIN, PROGRAMS, compiled, formula
from sigmoid_bce.numerics.surroundings import keras_on

TITLE = "Keras 2"
PACKAGES = ("tf_keras", "tensorflow")
INSTEAD = "Dense(1) with tf_keras.losses.BinaryCrossentropy(from_logits=True)"
LOGITS = "max(x, 0) - x y + log1p(exp(-|x|))"
CLIP = "p clipped; -(y log(p + 1e-7) + (1 - y) log(1 - p + 1e-7))"
FORMULAS = {True: LOGITS, False: f"{LOGITS} where the logits are found, else {CLIP}"}


def implementations() -> list[Implementation]:
    """Return each program in each mode."""
    tf_keras = keras_on("tensorflow", "tf_keras")
    import tensorflow as tf

    def entry(make, one, mode):
        made = {}

        def program(dtype):
            model = make(dtype)

            def step(x, y, w):
                weights = {"sample_weight": w} if one.objective == "weighted" else {}
                with tf.GradientTape() as tape:
                    tape.watch(x)
                    loss = model.loss(y, model(x, training=False), **weights)
                return tf.reshape(loss, [-1]), tf.reshape(tape.gradient(loss, x), [-1])

            return step if mode == "eager" else tf.function(step, jit_compile=mode == "xla")

        def function(x, y):
            if x.dtype.name not in made:
                made[x.dtype.name] = program(x.dtype.name)
            given = x[:, None], one.targets(y), one.weights(y)
            return made[x.dtype.name](*map(tf.constant, given))

        return function

    half = ("float16", "bfloat16")
    return [
        Implementation(
            name,
            entry(
                lambda dtype, h=head, f=from_logits: compiled(tf_keras, h, dtype, f), PLAIN, mode
            ),
            half if head == "float32" else (*half, "float32", "float64"),
            mode,
            FORMULAS[from_logits],
            "tf_keras/src/backend.py, binary_crossentropy and _get_logits, 2.21",
            from_sigmoid=not from_logits,
        )
        for name, (head, from_logits) in PROGRAMS.items()
        for mode in ("eager", "graph", "xla")
    ] + [
        Implementation(
            one.name,
            entry(lambda dtype, o=one: o.compiled(tf_keras, dtype), one, mode),
            (*half, "float32", "float64"),
            mode,
            formula(one, FORMULAS, own_sigmoid=False),
            f"tf_keras/src/losses.py, {one.loss}, 2.21",
            from_sigmoid=not one.from_logits,
            objective=one.objective,
        )
        for one in OTHERS
        for mode in ("eager", "graph", "xla")
    ]
