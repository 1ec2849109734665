"""The reference against mpmath at 60 digits, in units of the last place, for every dtype."""

import ml_dtypes
import mpmath
import numpy as np
import pytest

from sigmoid_bce.numerics import reference

DTYPES = {
    "float16": np.float16,
    "bfloat16": ml_dtypes.bfloat16,
    "float32": np.float32,
    "float64": np.float64,
    "longdouble": np.longdouble,
}
REACH = {"float16": 25, "bfloat16": 110, "float32": 120, "float64": 760, "longdouble": 800}


def mpf(value):
    high = float(value)
    return mpmath.mpf(high) + mpmath.mpf(float(np.longdouble(value) - np.longdouble(high)))


def exact(kind, x, y):
    with mpmath.workprec(4000):
        x, y = mpf(x), mpf(y)
        if kind == "loss":
            return mpmath.log1p(mpmath.exp(-abs(x))) + (x * (1 - y) if x > 0 else -x * y)
        return 1 / (1 + mpmath.exp(-x)) - y


def points(dtype, name):
    rng = np.random.default_rng(7)
    reach = REACH[name]
    x = np.concatenate(
        [
            rng.uniform(-reach, reach, 150),
            rng.normal(0, 3, 100),
            [0.0, 1e-3, -1e-3, 16.6, -16.6, reach, -reach, 87.5, -87.5, 103.5, -103.9],
        ]
    ).astype(dtype)
    x = x[np.isfinite(x.astype(np.float64))]
    y = rng.choice([0, 1, 0, 1, 0.25, 0.9], x.size).astype(dtype)
    return x, y


@pytest.mark.parametrize("kind", ["loss", "gradient"])
@pytest.mark.parametrize("name", DTYPES)
def test_no_value_is_nearer_than_the_reference(kind, name):
    dtype = DTYPES[name]
    x, y = points(dtype, name)
    got = getattr(reference, kind)(x, y, name)
    assert got.dtype == np.dtype(dtype)
    for a, b, value in zip(x, y, got, strict=True):
        truth = exact(kind, a, b)
        error = abs(mpf(value) - truth)
        for neighbour in (np.inf, -np.inf):
            other = np.nextafter(value, dtype(neighbour))
            if np.isfinite(other.astype(np.float64)):
                assert error <= abs(mpf(other) - truth), (kind, name, a, b, value)


@pytest.mark.parametrize("label", [0.0, 1.0, 0.25])
@pytest.mark.parametrize(("name", "reach"), [("float16", 25), ("bfloat16", 100)])
def test_every_value_of_the_half_formats(name, reach, label):
    """Random points miss the few values whose rounding is nearly a tie."""
    dtype = DTYPES[name]
    x = np.arange(65536, dtype=np.uint16).view(dtype)
    x = x[np.abs(np.nan_to_num(x.astype(np.float32), nan=np.inf)) <= reach]
    y = np.full(x.shape, label, dtype)
    digits, tiny = (11, -24) if name == "float16" else (8, -133)
    for kind in ("loss", "gradient"):
        got = getattr(reference, kind)(x, y, name).astype(np.float64)
        want = []
        with mpmath.workprec(500):
            for value in x:
                v, lab = mpmath.mpf(float(value)), mpmath.mpf(label)
                tail = mpmath.exp(-abs(v))
                if kind == "loss":
                    truth = mpmath.log1p(tail) + (v * (1 - lab) if v > 0 else -v * lab)
                else:
                    truth = 1 / (1 + mpmath.exp(-v)) - lab
                step = max(mpmath.frexp(truth)[1] - digits, tiny)
                want.append(float(mpmath.ldexp(mpmath.nint(mpmath.ldexp(truth, -step)), step)))
        np.testing.assert_array_equal(got, want)


def test_subnormals_are_rounded_too():
    assert reference.loss(np.float32([103.0]), np.float32([1]), "float32")[0] > 0
    assert reference.loss(np.float32([104.0]), np.float32([1]), "float32")[0] == 0


@pytest.mark.parametrize(
    ("x", "y", "error", "message"),
    [
        ([np.nan], [1.0], ValueError, "nan or inf"),
        ([np.inf], [1.0], ValueError, "nan or inf"),
        ([0.0], [1.5], ValueError, "labels in"),
        ([0.0], [np.nan], ValueError, "labels in"),
        (np.zeros(0), np.zeros(0), ValueError, "empty"),
        ([0.0, 1.0], [1.0], ValueError, "same shape"),
        ([1], [1.0], TypeError, "floating-point"),
    ],
)
def test_bad_input_is_named(x, y, error, message):
    with pytest.raises(error, match=message):
        reference.loss(x, y, "float32")
    with pytest.raises(error, match=message):
        reference.gradient(x, y, "float32")


def test_unknown_dtype():
    with pytest.raises(TypeError, match="expected one of"):
        reference.loss([0.0], [1.0], "int8")
