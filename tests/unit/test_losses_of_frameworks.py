"""Programs of losses other than binary cross-entropy: each is right where nothing is extreme."""

import importlib.util

import numpy as np
import pytest

from sigmoid_bce.numerics import catalogue
from sigmoid_bce.numerics.objectives import OBJECTIVES

# PaddlePaddle warns where a compiler's cache is missing, and while it compiles
pytestmark = pytest.mark.filterwarnings("default::UserWarning")

SOFTMAX = {"softmax-2", "softmax-10"}
OTHERS = {
    "jax": {"weighted", "smoothing", "focal", "siglip", *SOFTMAX},
    "mlx": {"weighted", "smoothing", "siglip", *SOFTMAX},
    "paddle": {"weighted", "smoothing", "focal", "siglip", *SOFTMAX},
    "xgboost": SOFTMAX,
    "lightgbm": SOFTMAX,
    "catboost": SOFTMAX,
}
"""The losses that each framework has programs of, besides binary cross-entropy."""
WRONG_AT_ZERO = ("binary_cross_entropy_with_logits", "sigmoid_focal_loss")
"""PaddlePaddle takes the gradients of max(x, 0) and |x| at 0 for 0 and 1."""


@pytest.mark.parametrize("name", OTHERS)
def test_other_losses_are_right_near_zero(name):
    if importlib.util.find_spec(name) is None:
        pytest.skip(f"{name} is not installed")
    entries = [e for e in catalogue.module(name).implementations() if e.objective != "bce"]
    assert {entry.objective for entry in entries} == OTHERS[name]
    for entry in entries:
        dtype = next(dtype for dtype in ("float32", "float64") if dtype in entry.dtypes)
        x = np.linspace(-4, 4, 33).astype(dtype)
        if name == "paddle" and entry.name.startswith(WRONG_AT_ZERO):
            x = x[x != 0]
        objective, wide = OBJECTIVES[entry.objective], x.astype(np.longdouble)
        for y in (0.0, 1.0):
            found, label = entry(x, y), np.full(len(x), y, np.longdouble)
            for values, formula in zip(found, (objective.loss, objective.gradient), strict=True):
                if values is not None:
                    right = formula.wide(wide, label)[0]
                    np.testing.assert_allclose(values, right, 0.01, 1e-4, err_msg=entry.name)


@pytest.mark.parametrize("name", OTHERS)
def test_other_losses_name_formula_and_source_and_no_program_twice(name):
    if importlib.util.find_spec(name) is None:
        pytest.skip(f"{name} is not installed")
    entries = catalogue.module(name).implementations()
    assert all(entry.formula and entry.source for entry in entries)
    assert len({(e.name, e.objective, e.mode) for e in entries}) == len(entries)
