"""JAX: optax's losses, the forms with softplus, and the plain formula."""

import os
from typing import Any

from sigmoid_bce.numerics.catalogue import Implementation
from sigmoid_bce.numerics.frameworks._labels import smoothed
from sigmoid_bce.numerics.objectives import BALANCE, FOCUS, WEIGHT

TITLE = "JAX"
PACKAGES = ("jax", "jaxlib", "optax")
INSTEAD = "optax.sigmoid_binary_cross_entropy(x, y)"
LOGITS = "-y log_sigmoid(x) - (1 - y) log_sigmoid(-x)"
OPTAX = "optax/losses/_classification.py, 0.2.8"
JAX = "jax/_src/nn/functions.py, 0.10"


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
            "bce",
            "optax.sigmoid_binary_cross_entropy",
            optax.sigmoid_binary_cross_entropy,
            LOGITS,
            OPTAX,
        ),
        (
            "bce",
            "softplus(x) - x y",
            lambda x, y: jax.nn.softplus(x) - x * y,
            "logaddexp(x, 0) - x y",
            JAX,
        ),
        (
            "bce",
            "plain formula, from the sigmoid",
            plain,
            "-(y log p + (1 - y) log(1 - p))",
            f"{JAX}, for the sigmoid",
        ),
        *others(jax, optax),
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
            objective=objective,
        )
        for objective, name, loss, formula, source in losses
        for mode in ("eager", "jit")
    ] + layer(entry, jax, optax, bool(device))


def others(jax: Any, optax: Any) -> list[tuple[str, str, Any, str, str]]:
    """Return objective, name, function, formula and source of the other losses."""
    jnp, bce = jax.numpy, optax.sigmoid_binary_cross_entropy

    def outputs(x, classes):
        return jnp.stack([x, *[jnp.zeros_like(x)] * (classes - 1)], axis=1)

    def targets(y, classes):
        return jnp.stack([y, 1 - y, *[jnp.zeros_like(y)] * (classes - 2)], axis=1)

    return [
        (
            "weighted",
            "optax.sigmoid_binary_cross_entropy times weights",
            lambda x, y: (1 + (WEIGHT - 1) * y) * bce(x, y),
            f"(1 + 3 y) times {LOGITS}",
            OPTAX,
        ),
        (
            "smoothing",
            "optax.sigmoid_binary_cross_entropy of smoothed labels",
            lambda x, y: bce(x, smoothed(y)),
            f"{LOGITS}, y smoothed",
            OPTAX,
        ),
        (
            "focal",
            "optax.sigmoid_focal_loss",
            lambda x, y: optax.sigmoid_focal_loss(x, y, alpha=BALANCE, gamma=FOCUS),
            f"a exp(2 log(1 - t)) times {LOGITS}, log(1 - t) by logsumexp",
            OPTAX,
        ),
        *(
            loss
            for k in (2, 10)
            for loss in (
                (
                    f"softmax-{k}",
                    "optax.softmax_cross_entropy",
                    lambda x, y, k=k: optax.softmax_cross_entropy(outputs(x, k), targets(y, k)),
                    "-sum(y log_softmax(x))",
                    OPTAX,
                ),
                (
                    f"softmax-{k}",
                    "optax.softmax_cross_entropy_with_integer_labels",
                    lambda x, y, k=k: optax.softmax_cross_entropy_with_integer_labels(
                        outputs(x, k), (1 - y).astype(int)
                    ),
                    "logsumexp(x - m) - (x - m) of the right class, m the largest x",
                    OPTAX,
                ),
            )
        ),
        (
            "siglip",
            "-log_sigmoid((2 y - 1) x)",
            lambda x, y: -jax.nn.log_sigmoid((2 * y - 1) * x),
            "softplus(-z), z = (2 y - 1) x",
            JAX,
        ),
    ]


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
