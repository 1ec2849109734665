"""Keras 3 on JAX: compiled models, differentiated by JAX."""

from __future__ import annotations

from sigmoid_bce.numerics.catalogue import Implementation
from sigmoid_bce.numerics.frameworks._keras import OTHERS, PLAIN, PROGRAMS, compiled, formula
from sigmoid_bce.numerics.surroundings import keras_on

TITLE = "Keras on JAX"
PACKAGES = ("keras", "jax", "jaxlib")
INSTEAD = "Dense(1) with keras.losses.BinaryCrossentropy(from_logits=True)"
FORMULAS = {
    True: "max(x, 0) - x y + log1p(exp(-|x|))",
    False: "p clipped to [1e-7, 1 - 1e-7]; -(y log p + (1 - y) log(1 - p)); logits not recovered",
}
CAUSES = {
    True: ("the loss of float64 outputs is computed in float32", "loss, float64"),
    False: (
        "where p is the upper end of the clip, the clip halves the gradient",
        "gradient_off, float32, label 0, wrong side",
    ),
}
"""Why a loss goes wrong and what that explains, by from_logits."""


def implementations() -> list[Implementation]:
    """Return each program, run operation by operation and jitted."""
    keras = keras_on("jax")
    import jax
    from jax import numpy as jnp

    jax.config.update("jax_enable_x64", True)

    def entry(make, one, mode):
        made = {}

        def program(dtype):
            model = make(dtype)

            def loss(x, y, w):
                outputs = model(x, training=False)
                weights = {"sample_weight": w} if one.objective == "weighted" else {}
                return model.compute_loss(x=x, y=y, y_pred=outputs, **weights).reshape(-1)

            def step(x, y, w):
                losses, back = jax.vjp(lambda x: loss(x, y, w), x)
                return losses, back(jnp.ones_like(losses))[0].reshape(-1)

            return jax.jit(step) if mode == "jit" else step

        def function(x, y):
            if x.dtype.name not in made:
                made[x.dtype.name] = program(x.dtype.name)
            given = x[:, None], one.targets(y), one.weights(y)
            return made[x.dtype.name](*map(jnp.asarray, given))

        return function

    half = ("float16", "bfloat16")
    return [
        Implementation(
            name,
            entry(lambda dtype, h=head, f=from_logits: compiled(keras, h, dtype, f), PLAIN, mode),
            half if head == "float32" else (*half, "float32", "float64"),
            mode,
            FORMULAS[from_logits],
            "keras/src/backend/jax/nn.py, binary_crossentropy, 3.15",
            from_sigmoid=not from_logits,
            cause=CAUSES[from_logits][0],
            cause_of=CAUSES[from_logits][1],
        )
        for name, (head, from_logits) in PROGRAMS.items()
        if head != "reshape"
        for mode in ("eager", "jit")
    ] + [
        Implementation(
            one.name,
            entry(lambda dtype, o=one: o.compiled(keras, dtype), one, mode),
            (*half, "float32", "float64"),
            mode,
            formula(one, FORMULAS),
            f"keras/src/losses/losses.py, {one.loss}, 3.15",
            from_sigmoid=not one.from_logits,
            objective=one.objective,
        )
        for one in OTHERS
        for mode in ("eager", "jit")
    ]
