"""JAX: optax's loss, the form with softplus, and the plain formula."""

import os
from typing import Any

from sigmoid_bce.numerics.catalogue import Implementation

TITLE = "JAX"
PACKAGES = ("jax", "jaxlib", "optax")
INSTEAD = "optax.sigmoid_binary_cross_entropy(x, y)"


def device_name(device: str) -> str:
    """Return the name of a device that is no CPU; raises if there is none."""
    import jax

    return str(jax.devices(device)[0].device_kind)


def implementations(device: str = "") -> list[Implementation]:
    """Return each loss, run operation by operation and jitted."""
    os.environ["JAX_ENABLE_X64"] = "1"
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
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

        run = jax.jit(function) if mode.startswith("jit") else function
        return lambda x, y: run(jax.device_put(x, place), jax.device_put(y, place))

    place = jax.devices(device or "cpu")[0]
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
    ] + layer(entry, jax, optax, bool(device))


def layer(entry: Any, jax: Any, optax: Any, wanted: bool) -> list[Implementation]:
    """Return the loss of a layer that passes the raw output on, where TF32 may act."""
    jnp = jax.numpy

    def loss(precision):
        def function(x, y):
            wide = jnp.broadcast_to(x[:, None], (len(x), 16))
            outputs = jnp.matmul(wide, jnp.eye(16, dtype=x.dtype), precision=precision)[:, 0]
            return optax.sigmoid_binary_cross_entropy(outputs, y)

        return function

    return [
        Implementation(
            "matmul, optax.sigmoid_binary_cross_entropy",
            entry(loss(precision), mode),
            mode=mode,
            formula="the raw output is a product of matrices; then as optax's loss",
            source="jax/_src/numpy/lax_numpy.py, 0.10",
        )
        for mode, precision in (
            {"jit": "highest", "jit, TF32": "tensorfloat32"}.items() if wanted else ()
        )
    ]
