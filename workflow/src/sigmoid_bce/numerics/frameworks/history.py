"""Formulas of releases that can no longer be installed, in NumPy, with their derivatives."""

import numpy as np
from numpy.typing import NDArray

from sigmoid_bce.numerics import formulas
from sigmoid_bce.numerics.arrays import Float
from sigmoid_bce.numerics.catalogue import Implementation

TITLE = "history"
PACKAGES = ("numpy",)
INSTEAD = ""
DTYPES = ("float32", "float64")
EPSILON = formulas.EPSILON


Pair = tuple[NDArray[Float], NDArray[Float]]


def _clipped(x: NDArray[Float]) -> Pair[Float]:
    """Return the clipped sigmoid and its derivative."""
    p = formulas.sigmoid(x)
    low, high = x.dtype.type(EPSILON), x.dtype.type(1 - EPSILON)
    inside = (p >= low) & (p <= high)
    return np.clip(p, low, high), np.where(inside, p * (1 - p), 0).astype(x.dtype)


def keras_2_2(x: NDArray[Float], y: NDArray[Float]) -> Pair[Float]:
    """Return the article's formula: clip, return to the logit, take the stable form."""
    p, slope = _clipped(x)
    logit = np.log(p / (1 - p))
    gradient = formulas.gradient_from_logits(logit, y) / (p * (1 - p)) * slope
    return formulas.loss_from_logits(logit, y), gradient


def tf_keras_1_14(x: NDArray[Float], y: NDArray[Float]) -> Pair[Float]:
    """Return the formula with epsilon in the clip and again in the logarithms."""
    p, slope = _clipped(x)
    epsilon = x.dtype.type(EPSILON)
    loss = -(y * np.log(p + epsilon) + (1 - y) * np.log(1 - p + epsilon))  # sigmoid-bce: ignore
    return loss, ((1 - y) / (1 - p + epsilon) - y / (p + epsilon)) * slope


def torch_before_the_clamp(x: NDArray[Float], y: NDArray[Float]) -> Pair[Float]:
    """Return BCELoss with epsilon in the logarithms, as in THNN."""
    p = formulas.sigmoid(x)
    epsilon = x.dtype.type(1e-12)
    loss = -(y * np.log(p + epsilon) + (1 - y) * np.log(1 - p + epsilon))  # sigmoid-bce: ignore
    return loss, (p - y) / ((1 - p + epsilon) * (p + epsilon)) * (p * (1 - p))


def implementations() -> list[Implementation]:
    """Return the formulas, oldest first."""
    entries = [
        (
            "Keras 0.3 to 2.2.5, tf.keras in TensorFlow 1.4 to 1.13",
            keras_2_2,
            "p clipped to [1e-7, 1 - 1e-7]; x' = log(p / (1 - p)); stable form of x'",
            "keras/backend/tensorflow_backend.py, 2.2.4: the article's",
        ),
        (
            "tf.keras in TensorFlow 1.14 to 2.1",
            tf_keras_1_14,
            "p clipped; -(y log(p + 1e-7) + (1 - y) log(1 - p + 1e-7))",
            "tensorflow/python/keras/backend.py, 2.1, for an output whose logits are lost",
        ),
        (
            "PyTorch BCELoss before the clamp at -100",
            torch_before_the_clamp,
            "-(y log(p + 1e-12) + (1 - y) log(1 - p + 1e-12))",
            "aten/src/THNN/generic/BCECriterion.c, 1.0",
        ),
    ]
    return [
        Implementation(
            name,
            function,
            DTYPES,
            formula=formula,
            source=source,
            from_sigmoid=True,
            gradient_by_hand=True,
        )
        for name, function, formula, source in entries
    ]
