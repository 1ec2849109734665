"""Formulas that people write in NumPy, and the article's in long double."""

import numpy as np

from sigmoid_bce.numerics import formulas
from sigmoid_bce.numerics.catalogue import Implementation

TITLE = "NumPy"
PACKAGES = ("numpy",)
INSTEAD = "np.logaddexp(0, (1 - 2 * y) * x)"


def _logaddexp(x, y):
    zero = x.dtype.type(0)
    return np.logaddexp(zero, x) - x * y, 1 / (1 + np.exp(-x)) - y


def _plain(x, y):
    p = 1 / (1 + np.exp(-x))
    loss = -(y * np.log(p) + (1 - y) * np.log(1 - p))  # sigmoid-bce: ignore
    # the chain rule, each factor computed
    return loss, ((1 - y) / (1 - p) - y / p) * (p * (1 - p))


def _stable(x, y):
    return formulas.loss_from_logits(x, y), formulas.gradient_from_logits(x, y)


def implementations() -> list[Implementation]:
    """Return the formulas, in every precision that NumPy has itself."""
    dtypes = ("float16", "float32", "float64", "longdouble")
    return [
        Implementation(
            "stable formula",
            _stable,
            dtypes,
            formula="max(x, 0) - x y + log1p(exp(-|x|))",
            source="tensorflow/python/ops/nn_impl.py, 2.21, in NumPy",
            gradient_by_hand=True,
        ),
        Implementation(
            "logaddexp(0, x) - x * y",
            _logaddexp,
            dtypes,
            formula="log(exp(0) + exp(x)) - x y; gradient 1 / (1 + exp(-x)) - y",
            source="numpy/_core/src/npymath, npy_logaddexp, 2.4",
            gradient_by_hand=True,
        ),
        Implementation(
            "plain formula, from the sigmoid",
            _plain,
            dtypes,
            formula="p = 1 / (1 + exp(-x)); -(y log p + (1 - y) log(1 - p))",
            source="the article's figure 3, its curve in extended precision (long double)",
            from_sigmoid=True,
            gradient_by_hand=True,
        ),
    ]
