"""The search finds known thresholds to the last bit."""

import numpy as np
import pytest

from sigmoid_bce.numerics import reference
from sigmoid_bce.numerics.catalogue import DTYPES, LENGTH, Implementation
from sigmoid_bce.numerics.search import SIDES, Search, sign
from sigmoid_bce.numerics.sweep import Measured, magnitudes, measure, spacing, table
from sigmoid_bce.numerics.thresholds import Thresholds, around, find


def exact(x, y):
    name = next(name for name, dtype in DTYPES.items() if dtype == x.dtype)
    return reference.loss(x, y, name), reference.gradient(x, y, name)


def broken(where, value):
    """Return an exact implementation that returns another loss and gradient at some raw outputs."""

    def function(x, y):
        loss, gradient = exact(np.nan_to_num(x), y)
        bad = where(x.astype(np.longdouble))
        loss = np.where(bad, value[0], loss.astype(np.longdouble)).astype(x.dtype)
        gradient = np.where(bad, value[1], gradient.astype(np.longdouble)).astype(x.dtype)
        return loss, gradient

    return Implementation("broken", function)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
@pytest.mark.parametrize("y", [0.0, 1.0, 0.125, 0.875])
@pytest.mark.parametrize("side", SIDES)
def test_an_exact_implementation_has_none(dtype, y, side):
    found = find(Search(Implementation("exact", exact), dtype, y, side))
    assert np.isnan(list(vars(found).values())).all(), found


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
@pytest.mark.parametrize("y", [0.0, 1.0])
@pytest.mark.parametrize("edge", [0.3, 5.7, 16.6])
def test_a_dead_flat_end(dtype, y, edge):
    edge = DTYPES[dtype].type(edge)
    s = sign(y, "wrong")
    clipped = broken(lambda x: s * x >= edge, (0.25, 0.0))
    found = find(Search(clipped, dtype, y, "wrong"))
    for name in ("loss_flat", "gradient_zero", "loss_off", "loss_under", "gradient_off"):
        assert getattr(found, name) == float(edge), name
    assert found.loss_flat_value == 0.25
    assert np.isnan([found.loss_over, found.first_nan, found.first_inf]).all()
    correct = find(Search(clipped, dtype, y, "correct"))
    assert np.isnan(list(vars(correct).values())).all()


@pytest.mark.parametrize(
    ("value", "name"), [((np.nan, 1), "first_nan"), ((1, np.inf), "first_inf")]
)
def test_an_island_between_two_points_of_the_grid(value, name):
    """It starts and ends between two neighbours of the sweep, and beyond it all is well."""
    low, high = np.float32(11.000061), np.float32(11.0002)
    island = broken(lambda x: (x >= low) & (x <= high), value)
    found = find(Search(island, "float32", 1.0, "correct"))
    assert np.isnan(found.loss_flat)
    # no point of the sweep lies in the island; a bad point further out starts a dense look
    assert np.isnan(getattr(found, name))
    both = broken(lambda x: ((x >= low) & (x <= high)) | (x >= 11.5), value)
    assert getattr(find(Search(both, "float32", 1.0, "correct")), name) == float(low)


def test_one_sample_at_a_time():
    edge = np.float32(7.30001)
    loss = broken(lambda x: x <= -edge, (1.0, 0.0)).function
    slow = Implementation("slow", lambda x, y: (loss(x, y)[0], None), per_sample=True)
    found = find(Search(slow, "float32", 1.0, "wrong"))
    assert found.loss_off == found.loss_flat == float(edge)
    assert np.isnan(found.gradient_zero)


def of_probabilities(x, y):
    """Return the clipped loss of a metric: its noise crosses 1 % in steps of p."""
    p = (1 / (1 + np.exp(-x.astype(np.float64)))).astype(x.dtype)
    eps = np.finfo(x.dtype).eps
    q = np.clip(p, eps, 1 - eps)
    return -(y * np.log(q) + (1 - y) * np.log(1 - q)), None


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("y", [0.0, 1.0])
@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("per_sample", [False, True])
def test_no_float_before_a_threshold_is_bad(dtype, y, side, per_sample):
    metric = Implementation("metric", of_probabilities, per_sample=per_sample)
    search = Search(metric, dtype, y, side)
    found = find(search)
    kinds = {"loss_off": lambda m: m.off("loss"), "loss_over": Measured.over}
    kinds["loss_under"] = Measured.under
    for name, bad in kinds.items():
        place = np.array(getattr(found, name), dtype)
        far = np.nan_to_num(place, nan=10 if dtype == "float16" else 80)
        below = np.linspace(0, float(far), 100_000).astype(dtype)
        points = below[below < far]
        if np.isfinite(place):
            assert bad(measure(metric, search.sign * place[None], y)).all()
            bits = place.view(f"i{place.itemsize}")
            before = np.arange(max(bits - 20_000, 0), bits, dtype=bits.dtype).view(dtype)
            points = np.unique(np.concatenate([points, before]))
        at = bad(measure(metric, search.sign * points, y))
        assert not points[at].size, (name, place, points[at][:3])


@pytest.mark.parametrize(
    ("dtype", "bits"), [("float32", 24), ("float64", 24), ("float64", 53), ("longdouble", 64)]
)
def test_noise_is_found_where_it_first_exceeds_the_limit(dtype, bits):
    """A loss in multiples of u is off by 1 % first where 50 u / 1.01 is rounded to 50 u."""
    unit = DTYPES[dtype].type(2.0**-bits)

    def function(x, y):
        # the gradient changes at every float, the loss in steps
        return np.round(np.log1p(np.exp(-x)) / unit) * unit, -1 / (1 + np.exp(x))

    found = find(Search(Implementation("rounded", function), dtype, 1.0, "correct"))
    first = -np.log(np.expm1(50 / 1.01 * 2.0**-bits))
    assert found.loss_off == pytest.approx(first, rel=1e-6)


def test_gradients_that_are_dead_here_and_there():
    """As eager Keras in bfloat16: dead and living floats alternate before all are dead."""

    def function(x, y):
        loss, gradient = exact(np.nan_to_num(x), y)
        bits = x.view(np.int16)
        dead = (x <= -8) | ((x <= -4) & (bits % 4 == 0))
        return loss, np.where(dead, x.dtype.type(0), gradient)

    for dtype in ("bfloat16", "float16"):
        found = find(Search(Implementation("noisy", function), dtype, 1.0, "wrong"))
        assert found.gradient_zero_first == 4
        assert found.gradient_zero == 8
        assert found.gradient_zero_share == 0.25
        assert found.gradient_off == 4


def test_a_jump_and_the_worst_factor():
    """As BCELoss, whose logarithm of 0 is -100."""
    edge = np.float32(16.635532)

    def function(x, y):
        loss, _ = exact(np.nan_to_num(x), y)
        return np.where(x >= edge, x.dtype.type(100), loss), None

    found = find(Search(Implementation("clamped", function), "float32", 0.0, "wrong"))
    assert found.loss_jump == found.loss_off == found.loss_over == float(edge)
    assert found.loss_jump_value == found.loss_flat_value == 100
    assert found.loss_worst == pytest.approx(float(edge), rel=1e-3)
    assert found.loss_worst_ratio == pytest.approx(100 / edge, rel=1e-3)
    smooth = find(Search(Implementation("exact", exact), "float32", 0.0, "wrong"))
    assert np.isnan([smooth.loss_jump, smooth.loss_worst]).all()


def test_a_kink_at_zero_is_seen():
    """As a weighted loss of relu and abs: the gradient at 0 itself is 1 in place of 1/2."""

    def function(x, y):
        loss, gradient = exact(np.nan_to_num(x), y)
        return loss, np.where(x == 0, x.dtype.type(1), gradient)

    for dtype in ("float32", "float64", "bfloat16"):
        found = find(Search(Implementation("kinked", function), dtype, 0.0, "correct"))
        assert found.gradient_off == 0


def test_every_call_has_the_same_length():
    lengths = set()

    def function(x, y):
        lengths.add((len(x), len(y)))
        return exact(x, y)

    find(Search(Implementation("counted", function), "float32", 1.0, "wrong"))
    assert lengths == {(LENGTH, LENGTH)}


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_sweep_ends_beyond_underflow_and_has_no_point_twice(dtype):
    grid = magnitudes(dtype)
    assert grid[0] == 0
    assert (np.diff(grid.astype(np.longdouble)) > 0).all()
    x = grid[-1:]
    assert reference.loss(x, np.ones_like(x), dtype)[0] == 0
    if dtype == "float32":
        steps = np.arange(0, 120 + 1 / 64, 1 / 64)
        assert np.isin(steps, grid).all()
        assert (grid[~np.isin(grid, steps)] < 1 / 64).all()


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_spacing_is_numpy_s(dtype):
    values = np.array([1e-7, 0.1, 0.5, 1, 1.5, 3, 1000], dtype)
    np.testing.assert_array_equal(
        spacing(values.astype(np.float64), np.dtype(dtype)), np.spacing(values).astype(np.float64)
    )


def test_errors_in_ulps():
    one_off = Implementation(
        "one off", lambda x, y: tuple(np.nextafter(exact(x, y), x.dtype.type(9)))
    )
    x = np.linspace(-10, 10, 1001).astype(np.float32)
    found = measure(one_off, x, 1.0)
    for quantity in ("loss", "gradient"):
        assert (found.ulp(quantity) >= 0.5).all()
        # the distance to the neighbour doubles at a power of two
        assert (found.ulp(quantity) <= 2.5).all()
        assert not found.off(quantity).any()


@pytest.mark.parametrize("gradient", [True, False])
def test_columns_of_a_sweep(gradient):
    one = Implementation(
        "exact", lambda x, y: (exact(x, y)[0], exact(x, y)[1] if gradient else None)
    )
    rows = table(measure(one, np.float32([-1, 0, 120]), 1.0))
    assert list(rows.columns) == [
        *("x", "loss", "gradient", "loss_exact", "gradient_exact", "loss_ulp", "gradient_ulp")
    ]
    assert rows["loss_ulp"].le(0.5).all()
    assert rows["gradient_ulp"].le(0.5).all() if gradient else rows["gradient_ulp"].isna().all()
    assert rows["gradient_exact"].notna().all()


def test_too_large_and_too_small():
    double = Implementation("double", lambda x, y: (2 * exact(x, y)[0], None))
    none = Implementation("none", lambda x, y: (0 * exact(x, y)[0], None))
    x = np.float32([-3, 0, 3])
    for one, over in ((double, True), (none, False)):
        found = measure(one, x, 1.0)
        assert found.off("loss").all()
        assert (found.over() == over).all()
        assert (found.under() != over).all()


@pytest.mark.parametrize("y", [0.0, 1.0])
def test_neighbours_of_thresholds(y):
    edge = np.float32(16.6)
    search = Search(broken(lambda x: x >= edge, (0.25, 0.0)), "float32", y, "wrong")
    near = around(search, Thresholds(loss_flat=float(edge), loss_flat_value=3.0), count=2)
    assert len(near) == 5
    assert abs(near[2]) == edge
    np.testing.assert_array_equal(np.diff(near), np.spacing(edge))
    assert (np.sign(near) == sign(y, "wrong")).all()
