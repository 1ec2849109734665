"""JAX: optax's loss, the form with softplus, and the plain formula."""

import os

from sigmoid_bce.numerics.catalogue import Implementation

TITLE = "JAX"
PACKAGES = ("jax", "jaxlib", "optax")
INSTEAD = "optax.sigmoid_binary_cross_entropy(x, y)"


def implementations() -> list[Implementation]:
    """Return each loss, run operation by operation and jitted."""
    os.environ["JAX_ENABLE_X64"] = "1"
    import jax
    import optax
    from jax import numpy as jnp

    def plain(x, y):
        p = jax.nn.sigmoid(x)
        return -(y * jnp.log(p) + (1 - y) * jnp.log(1 - p))  # sigmoid-bce: ignore

    def entry(loss, mode):
        def function(x, y):
            losses, back = jax.vjp(lambda x: loss(x, y), x)
            return losses, back(jnp.ones_like(losses))[0]

        run = jax.jit(function) if mode == "jit" else function
        return lambda x, y: run(jnp.asarray(x), jnp.asarray(y))

    losses = [
        (
            "optax.sigmoid_binary_cross_entropy",
            optax.sigmoid_binary_cross_entropy,
            "-y log_sigmoid(x) - (1 - y) log_sigmoid(-x)",
            "optax/losses/_classification.py, 0.2.8",
        ),
        (
            "softplus(x) - x y",
            lambda x, y: jax.nn.softplus(x) - x * y,
            "logaddexp(x, 0) - x y",
            "jax/_src/nn/functions.py, 0.10",
        ),
        (
            "plain formula, from the sigmoid",
            plain,
            "-(y log p + (1 - y) log(1 - p))",
            "jax/_src/nn/functions.py, 0.10, for the sigmoid",
        ),
    ]
    return [
        Implementation(
            name,
            entry(loss, mode),
            ("float16", "bfloat16", "float32", "float64"),
            mode,
            formula,
            source,
            from_sigmoid=loss is plain,
        )
        for name, loss, formula, source in losses
        for mode in ("eager", "jit")
    ]
