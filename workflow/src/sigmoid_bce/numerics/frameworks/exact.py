"""The correctly rounded values themselves: the results of a perfect implementation."""

import numpy as np

from sigmoid_bce.numerics import reference
from sigmoid_bce.numerics.arrays import Array, Float64Array
from sigmoid_bce.numerics.catalogue import DTYPES, Implementation

TITLE = "exact"
PACKAGES = ("mpmath",)
INSTEAD = ""


def _function(x: Array, y: Array) -> tuple[Float64Array, Float64Array]:
    name = next(name for name, dtype in DTYPES.items() if dtype == x.dtype)
    limit, finite = x.astype(np.float64), np.isfinite(x)
    x = np.where(finite, x, 0).astype(x.dtype)
    p = np.where(limit > 0, 1.0, np.where(limit < 0, 0.0, np.nan))
    missed = np.abs(p - y)  # nan where x is
    loss = np.where(missed == 0, 0, missed * np.inf)
    return (
        np.where(finite, reference.loss(x, y, name).astype(np.float64), loss),
        np.where(finite, reference.gradient(x, y, name).astype(np.float64), p - y),
    )


def implementations() -> list[Implementation]:
    """Return the only implementation."""
    return [
        Implementation(
            "correctly rounded",
            _function,
            ("float16", "bfloat16", "float32", "float64"),
            formula="max(x, 0) - x y + log(1 + exp(-|x|)), rounded once",
            source="sigmoid_bce.numerics.reference",
        )
    ]
