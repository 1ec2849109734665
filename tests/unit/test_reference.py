"""The reference against mpmath, for every precision."""

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
    """Random points would miss the few values whose rounding is nearly a tie."""
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
        (["1.0"], [1.0], TypeError, "floating-point"),
        ([1j], [1.0], TypeError, "floating-point"),
        ([1e39], [1.0], ValueError, "nan or inf"),
    ],
)
def test_bad_input_is_named(x, y, error, message):
    with pytest.raises(error, match=message):
        reference.loss(x, y, "float32")
    with pytest.raises(error, match=message):
        reference.gradient(x, y, "float32")


@pytest.mark.parametrize("y", [[0, 1], [False, True], np.array([0, 1], np.uint8)])
def test_labels_may_be_integers_or_booleans(y):
    for function in (reference.loss, reference.gradient):
        same = function([2.0, 2.0], [0.0, 1.0], "float32")
        np.testing.assert_array_equal(function([2.0, 2.0], y, "float32"), same)
    with pytest.raises(TypeError, match="y: expected numbers, found <U1"):
        reference.loss([2.0], ["1"], "float32")


def test_unknown_dtype():
    with pytest.raises(TypeError, match="expected one of"):
        reference.loss([0.0], [1.0], "int8")


@pytest.mark.parametrize(
    ("name", "x", "y", "want"),
    [
        # ties, which the tail exp(-x) decides although it is tiny
        ("float32", 2.0**100 * (2**23 + 1), 0.25, 2.0**100 * (3 * (2**23 + 1) + 1) / 4),
        ("float64", 2.0**900 * (2**52 + 1), 0.25, 2.0**900 * ((3 * (2**52 + 1) + 1) // 4)),
        ("longdouble", np.longdouble("1e4000"), 0.0, np.longdouble("1e4000")),
        ("longdouble", np.longdouble("1e4000"), 1.0, 0.0),
        ("longdouble", np.longdouble("-1e12"), 0.25, np.longdouble("2.5e11")),
    ],
)
def test_huge_raw_outputs_where_the_rounding_is_in_doubt(name, x, y, want):
    x, y = np.array([x], DTYPES[name]), np.array([y], DTYPES[name])
    assert reference.loss(x, y, name)[0] == want
    assert reference.gradient(x, y, name)[0] == (x[0] > 0) - y[0]


def test_long_double_is_read_to_its_last_bit():
    """In double precision, y = 1/2 + 2**-64 would become 1/2, and x = 2**-16400 would become 0."""
    half, tiny = np.longdouble(0.5), np.longdouble(2) ** -64
    x = np.array([0, np.longdouble(2) ** -16400], np.longdouble)
    got = reference.gradient(x, np.array([half + tiny, half]), "longdouble")
    assert got.tolist() == [-tiny, x[1] / 4]
    odd = np.array([np.longdouble(2) ** 63 + 1])
    assert reference.loss(odd, np.zeros_like(odd), "longdouble")[0] == odd[0]


def test_arrays_without_dimensions():
    for name in DTYPES:
        x, y = np.array(0.0, DTYPES[name]), np.array(1.0, DTYPES[name])
        assert reference.gradient(x, y, name).shape == reference.loss(x, y, name).shape == ()
        assert float(reference.gradient(x, y, name)) == -0.5


@pytest.mark.parametrize("function", ["exp", "log1p"])
def test_the_c_library_keeps_to_half_of_what_the_bound_assumes(function):
    rng = np.random.default_rng(3)
    x = rng.uniform(-11000, 0, 2000) if function == "exp" else np.exp(rng.uniform(-700, 0, 2000))
    x = np.concatenate([x, rng.uniform(-1 if function == "exp" else 0, 1, 2000)])
    x = x.astype(np.longdouble)
    allowed = {"exp": 1, "log1p": 2}[function]
    bits = np.finfo(np.longdouble).nmant
    for a, got in zip(x, getattr(np, function)(x), strict=True):
        with mpmath.workprec(300):
            truth = getattr(mpmath, function)(mpf(a))
            unit = mpmath.ldexp(1, mpmath.frexp(truth)[1] - 1 - bits)
            assert abs(mpf_any(got) - truth) <= allowed * unit


def mpf_any(value):
    """Return a long double exactly, also beyond the range of double."""
    mantissa, exponent = np.frexp(value)
    return mpmath.ldexp(mpf(mantissa), int(exponent))


@pytest.mark.parametrize("quantity", ["loss", "gradient"])
@pytest.mark.parametrize("name", ["float32", "float64"])
def test_the_wide_value_is_within_its_bound(quantity, name):
    x, y = points(DTYPES[name], name)
    got = reference.unrounded(x, y, name, quantity)
    assert got.dtype == np.longdouble
    for a, b, value in zip(x, y, got, strict=True):
        truth = exact(quantity, a, b)
        with mpmath.workprec(4000):
            scale = truth
            if quantity == "gradient":
                p = 1 / (1 + mpmath.exp(-mpf(a)))
                scale = (1 - mpf(b)) * p + mpf(b) * (1 - p)
            assert abs(mpf_any(value) - truth) <= abs(scale) * mpmath.mpf(2) ** -60


@pytest.mark.parametrize("x", [1e-30, -1e-30, 1e-100, 3e-300])
def test_terms_that_cancel_leave_x(x):
    got = reference.gradient([x], [0.5], "float64")[0]
    assert got == x / 4


def test_a_tail_decides_a_tie():
    """The large term lies half way between two floats, and the loss just above it."""
    for dtype, x in (("float32", 40.0), ("float64", 90.0), ("longdouble", 3000.0)):
        eps = float(np.finfo(DTYPES[dtype]).eps)
        y = np.asarray([2.0**-30]).astype(DTYPES[dtype])
        a = np.asarray([x]).astype(DTYPES[dtype])
        got = reference.loss(a, y, dtype)[0]
        with mpmath.workprec(20000):
            truth = mpf(a[0]) * (1 - mpf(y[0])) + mpmath.log1p(mpmath.exp(-mpf(a[0])))
            assert abs(mpf_any(got) - truth) <= truth * mpmath.mpf(eps) / 2


def test_far_tails_of_long_double():
    x = np.array([11000, -11000, 11300, 11390], np.longdouble)
    got = reference.loss(x, np.ones(4, np.longdouble), "longdouble")
    for a, value in zip(x, got, strict=True):
        with mpmath.workprec(40000):
            truth = mpmath.log1p(mpmath.exp(-abs(mpf(a)))) + (0 if a > 0 else abs(mpf(a)))
            exponent = max(mpmath.frexp(truth)[1] - 1, -16382) - np.finfo(np.longdouble).nmant
            assert abs(mpf_any(value) - truth) <= mpmath.ldexp(1, exponent) / 2


@pytest.mark.parametrize("quantity", ["loss", "gradient"])
def test_fallbacks_are_few_and_counted(quantity):
    x = np.linspace(-100, 100, 20001)
    y = np.ones_like(x)
    shares = {name: reference.fallback_share(x, y, name, quantity) for name in DTYPES}
    assert shares["longdouble"] == 1
    assert max(shares[name] for name in ("float16", "bfloat16", "float32")) < 0.01
    assert shares["float64"] < 0.1
