"""JAX: optax's losses, the forms with softplus and log_sigmoid, and the plain formula."""

import os
from typing import Any

from sigmoid_bce.numerics.catalogue import Implementation
from sigmoid_bce.numerics.frameworks._labels import smoothed
from sigmoid_bce.numerics.names import BCE
from sigmoid_bce.numerics.objectives import BALANCE, FOCUS, WEIGHT

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
    losses: list[tuple[str, str, Any, str, str]] = [
        (
            BCE,
            "optax.sigmoid_binary_cross_entropy",
            optax.sigmoid_binary_cross_entropy,
            "-y log_sigmoid(x) - (1 - y) log_sigmoid(-x)",
            "optax/losses/_classification.py, 0.2.8",
        ),
        (
            BCE,
            "softplus(x) - x y",
            lambda x, y: jax.nn.softplus(x) - x * y,
            "logaddexp(x, 0) - x y",
            "jax/_src/nn/functions.py, 0.10",
        ),
        (
            BCE,
            "plain formula, from the sigmoid",
            plain,
            "-(y log p + (1 - y) log(1 - p))",
            "jax/_src/nn/functions.py, 0.10, for the sigmoid",
        ),
        *other_losses(jax, optax),
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


def other_losses(jax: Any, optax: Any) -> list[tuple[str, str, Any, str, str]]:
    """Return the other objectives' losses: objective, name, function, formula and source."""
    jnp = jax.numpy
    optax_source = "optax/losses/_classification.py, 0.2.8"
    bce = optax.sigmoid_binary_cross_entropy

    def outputs(x, classes):
        return jnp.pad(x[:, None], ((0, 0), (0, classes - 1)))

    def indices(y):
        return jnp.where(y > 0, 0, 1)

    def softmax_by_index(classes):
        loss = optax.softmax_cross_entropy_with_integer_labels
        return lambda x, y: loss(outputs(x, classes), indices(y))

    def softmax_one_hot(classes):
        def loss(x, y):
            hot = jax.nn.one_hot(indices(y), classes, dtype=x.dtype)
            return optax.softmax_cross_entropy(outputs(x, classes), hot)

        return loss

    return [
        (
            "weighted",
            "(1 + 3 y) optax.sigmoid_binary_cross_entropy",
            lambda x, y: (1 + (WEIGHT - 1) * y) * bce(x, y),
            "(1 + 3 y) (-y log_sigmoid(x) - (1 - y) log_sigmoid(-x))",
            optax_source,
        ),
        (
            "smoothing",
            "optax.sigmoid_binary_cross_entropy(x, 7 y / 8 + 1 / 16)",
            lambda x, y: bce(x, smoothed(y)),
            "-t log_sigmoid(x) - (1 - t) log_sigmoid(-x), t = 7 y / 8 + 1 / 16",
            optax_source,
        ),
        (
            "focal",
            "optax.sigmoid_focal_loss",
            lambda x, y: optax.sigmoid_focal_loss(x, y, alpha=BALANCE, gamma=FOCUS),
            "(-y log_sigmoid(x) - (1 - y) log_sigmoid(-x)) exp(2 log(1 - p_t)), "
            "times a for label 1, 1 - a for label 0",
            optax_source,
        ),
        (
            "siglip",
            "-log_sigmoid(z)",
            lambda x, y: -jax.nn.log_sigmoid((2 * y - 1) * x),
            "logaddexp(-z, 0), z = (2 y - 1) x",
            "jax/_src/nn/functions.py, 0.10",
        ),
        *(
            (f"softmax-{classes}", name, make(classes), formula, optax_source)
            for classes in (2, 10)
            for name, make, formula in (
                (
                    "optax.softmax_cross_entropy_with_integer_labels",
                    softmax_by_index,
                    "logsumexp(outputs) - output of the label",
                ),
                (
                    "optax.softmax_cross_entropy",
                    softmax_one_hot,
                    "-sum(y (s - log(sum(exp(s))))), s = outputs - max(outputs)",
                ),
            )
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
