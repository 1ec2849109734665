"""Every objective against its textbook formula in mpmath, and how it is judged."""

import ml_dtypes
import mpmath
import numpy as np
import pytest
from mpmath import log

from sigmoid_bce.numerics import names, objectives, reference
from sigmoid_bce.numerics.catalogue import DTYPES, Implementation
from sigmoid_bce.numerics.criteria import underflow
from sigmoid_bce.numerics.objectives import OBJECTIVES
from sigmoid_bce.numerics.search import Search
from sigmoid_bce.numerics.sweep import measure
from sigmoid_bce.numerics.thresholds import find

OTHERS = [name for name in OBJECTIVES if name != "bce"]


def sigmoid(x):
    return 1 / (1 + mpmath.exp(-x))


def softmax(x, y, k):
    outputs = [x, *[mpmath.mpf(0)] * (k - 1)]
    right = outputs[0] if y else outputs[1]
    return log(sum(mpmath.exp(value) for value in outputs)) - right


def focal(x, y):
    p = sigmoid(x) if y else sigmoid(-x)
    return -(0.25 if y else 0.75) * (1 - p) ** 2 * log(p)


TEXTBOOK = {
    "bce": lambda x, y: -log(sigmoid(x)) if y else -log(sigmoid(-x)),
    "weighted": lambda x, y: -4 * log(sigmoid(x)) if y else -log(sigmoid(-x)),
    "smoothing": lambda x, y: (
        -(0.9375 if y else 0.0625) * log(sigmoid(x)) - (0.0625 if y else 0.9375) * log(sigmoid(-x))
    ),
    "focal": focal,
    "softmax-2": lambda x, y: softmax(x, y, 2),
    "softmax-10": lambda x, y: softmax(x, y, 10),
    "siglip": lambda x, y: -log(sigmoid(x if y else -x)),
}
"""As papers write them, which some thousand bits of mpmath can afford."""


def exact(value):
    """Return a float of any precision in mpmath."""
    mantissa, exponent = np.frexp(np.longdouble(value))
    high = float(mantissa)
    with mpmath.workprec(200):
        whole = mpmath.mpf(high) + mpmath.mpf(float(mantissa - np.longdouble(high)))
        return mpmath.ldexp(whole, int(exponent))


def truth(objective, quantity, x, y):
    """Return the textbook's value, its derivative by a difference of 2**-1400."""
    with mpmath.workprec(6000):
        formula, step = TEXTBOOK[objective], mpmath.ldexp(1, -1400)
        if quantity == "loss":
            return formula(x, y)
        return (formula(x + step, y) - formula(x - step, y)) / (2 * step)


def nearer(one, other, value):
    """Return whether a float is nearer to a value than another one, without rounding."""
    with mpmath.workprec(9000):
        return abs(exact(one) - value) < abs(exact(other) - value)


def points(name):
    chance = np.random.default_rng(5)
    far = {"float16": 20, "bfloat16": 90, "float32": 100}.get(name, 300)
    ends = [0.0, 2.708, -2.708, 2.70805, -2.70805, 2.1972, -2.1972, far, -far, 1e-3, -1e-7]
    return np.concatenate([chance.uniform(-far, far, 6), chance.normal(0, 3, 8), ends])


@pytest.mark.parametrize("quantity", ["loss", "gradient"])
@pytest.mark.parametrize("name", DTYPES)
@pytest.mark.parametrize("objective", OBJECTIVES)
def test_no_float_is_nearer_to_the_textbook(objective, name, quantity):
    dtype = DTYPES[name]
    for label in (0.0, 1.0):
        x = points(name).astype(dtype)
        y = np.full(len(x), label, dtype)
        got = getattr(reference, quantity)(x, y, name, objective)
        wide = reference.unrounded(x, y, name, quantity, objective)
        assert got.dtype == dtype
        for a, value, unrounded in zip(x, got, wide, strict=True):
            want = truth(objective, quantity, exact(a), label)
            with mpmath.workprec(9000):
                error = abs(exact(value) - want)
                for towards in (np.inf, -np.inf):
                    other = np.nextafter(value, dtype.type(towards))
                    if np.isfinite(other.astype(np.float64)):
                        assert error <= abs(exact(other) - want), (a, label, value, other)
                # before it is rounded it is good to 58 bits, or rounded once
                assert abs(exact(unrounded) - want) <= abs(want) * mpmath.mpf(2) ** -58


@pytest.mark.parametrize("label", [0.0, 1.0])
@pytest.mark.parametrize("objective", OTHERS)
def test_every_value_of_bfloat16(objective, label):
    """Random points would miss the few values whose rounding is nearly a tie."""
    x = np.arange(65536, dtype=np.uint16).view(ml_dtypes.bfloat16)
    x = x[np.abs(np.nan_to_num(x.astype(np.float32), nan=np.inf)) <= 64]
    x = x[np.abs(x.astype(np.float32)) >= 2.0**-12][::3]
    y = np.full(len(x), label, x.dtype)
    for quantity in ("loss", "gradient"):
        got = getattr(reference, quantity)(x, y, "bfloat16", objective).astype(np.float64)
        want = getattr(reference, quantity)(x.astype("f8"), y.astype("f8"), "float64", objective)
        # float64 is right to 53 bits, so rounding it again errs at ties of 8 bits only
        again = want.astype(ml_dtypes.bfloat16).astype(np.float64)
        for i in np.flatnonzero(got != again):
            value = truth(objective, quantity, exact(x[i]), label)
            assert nearer(got[i], again[i], value)


def test_a_focal_tie_far_away_is_decided_by_the_tail():
    """3/4 of an odd multiple of an ulp is half way between two floats; the loss is just below."""
    x = np.nextafter(np.float64(600.0), np.inf) + 2 * np.spacing(600.0)
    want = truth("focal", "loss", exact(x), 0.0)
    got = reference.loss([x], [0], "float64", "focal")[0]
    for other in (np.nextafter(got, 0), np.nextafter(got, np.inf)):
        assert nearer(got, other, want)


def test_names_are_those_of_the_formulas():
    assert list(OBJECTIVES) == list(names.TITLES)
    assert list(DTYPES) == list(names.DTYPES)
    assert names.TITLES["weighted"].endswith(f"pos_weight {objectives.WEIGHT}")
    assert names.TITLES["smoothing"].endswith(f"1/{1 / objectives.SMOOTHING:g}")
    focus = f"gamma {objectives.FOCUS}, alpha 1/{1 / objectives.BALANCE:g}"
    assert names.TITLES["focal"].endswith(focus)


def test_other_objectives_take_no_soft_labels():
    with pytest.raises(ValueError, match="expected labels 0 or 1 for focal loss, gamma 2"):
        reference.loss([0.0], [0.5], "float32", "focal")
    with pytest.raises(ValueError, match=r"expected one of bce, weighted, .*; found 'hinge'"):
        reference.gradient([0.0], [1.0], "float32", "hinge")
    with pytest.raises(ValueError, match="it: objective: expected one of bce"):
        Implementation("it", lambda x, y: (x, None), objective="hinge")


@pytest.mark.parametrize("name", ["float16", "float32", "float64"])
@pytest.mark.parametrize("objective", OBJECTIVES)
def test_where_right_predictions_become_subnormal(objective, name):
    limit, smallest = underflow(name, objective), float(ml_dtypes.finfo(DTYPES[name]).tiny)

    def least(x):
        return min(
            float(abs(reference.unrounded([sign * x], [y], "float64", quantity, objective)[0]))
            for quantity in ("loss", "gradient")
            for sign, y in ((1, 1), (-1, 0))
        )

    if np.isinf(limit):
        assert least(700.0) > 0.01
    else:
        assert least(limit + 0.3) < smallest < least(limit - 0.3)


def rounded(objective, **changes):
    """Return an implementation with the reference's values, in part replaced by functions of x."""

    def function(x, y):
        name = next(n for n, d in DTYPES.items() if d == x.dtype)
        values = []
        for quantity in ("loss", "gradient"):
            value = getattr(reference, quantity)(x, y, name, objective).astype(np.float64)
            values.append(changes.get(quantity, lambda x, y, value: value)(x, y, value))
        return tuple(values)

    return Implementation("it", function, objective=objective)


@pytest.mark.parametrize("name", ["bfloat16", "float32"])
@pytest.mark.parametrize("objective", OTHERS)
def test_the_rounded_truth_never_goes_wrong(objective, name):
    for label in (0.0, 1.0):
        for side in ("correct", "wrong"):
            found = find(Search(rounded(objective), name, label, side))
            flat = found.loss_flat, found.gradient_zero_first, found.first_nan, found.first_inf
            assert np.isnan([found.loss_off, found.gradient_off, *flat]).all(), found


@pytest.mark.parametrize("objective", OTHERS)
def test_a_clip_is_found_in_every_objective(objective):
    clipped = rounded(
        objective,
        gradient=lambda x, y, value: np.where(np.abs(x.astype("f8")) > 9, 0, value),
        loss=lambda x, y, value: np.where(np.abs(x.astype("f8")) > 9, 1.02, 1) * value,
    )
    for label in (0.0, 1.0):
        found = find(Search(clipped, "float32", label, "wrong"))
        edge = float(np.nextafter(np.float32(9), np.float32(10)))
        assert found.loss_off == found.loss_over == found.gradient_zero == edge
        assert found.gradient_off == found.gradient_zero_first == edge


@pytest.mark.parametrize("label", [0.0, 1.0])
def test_terms_that_cancel_are_judged_by_their_own_ulps(label):
    """Near its zero, a difference p - y has few digits, and nothing is wrong with it."""

    def difference(x, y):
        p = 1 / (1 + np.exp(-x))
        smooth = y * np.float32(0.875) + np.float32(0.0625)
        return reference.loss(x, y, "float32", "smoothing"), p - smooth

    simple = Implementation("p - y", difference, objective="smoothing")
    near = np.float32(2.70805) * (1 if label else -1)
    points = near + np.arange(-2000, 2000, dtype=np.float32) * np.spacing(near)
    found = measure(simple, points, label)
    share = np.abs(found.value["gradient"] / found.truth("gradient") - 1)
    assert share.max() > 0.01
    assert not found.off("gradient").any()
    assert not found.dead().any()
    moved = Implementation(
        "p - y - 0.01",
        lambda x, y: (difference(x, y)[0], difference(x, y)[1] - np.float32(0.01)),
        objective="smoothing",
    )
    assert measure(moved, points, label).off("gradient").all()
