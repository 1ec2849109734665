"""The search finds known thresholds to the last bit."""

import numpy as np
import pytest

from sigmoid_bce.numerics import reference
from sigmoid_bce.numerics.catalogue import DTYPES, LENGTH, Implementation
from sigmoid_bce.numerics.search import SIDES, Search, Thresholds, sign
from sigmoid_bce.numerics.sweep import magnitudes, measure, spacing, table


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
    found = Search(Implementation("exact", exact), dtype, y, side).run()
    assert np.isnan(list(vars(found).values())).all(), found


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
@pytest.mark.parametrize("y", [0.0, 1.0])
@pytest.mark.parametrize("edge", [0.3, 5.7, 16.6])
def test_a_dead_flat_end(dtype, y, edge):
    edge = DTYPES[dtype].type(edge)
    s = sign(y, "wrong")
    clipped = broken(lambda x: s * x >= edge, (0.25, 0.0))
    found = Search(clipped, dtype, y, "wrong").run()
    for name in ("loss_flat", "gradient_zero", "loss_off", "loss_under", "gradient_off"):
        assert getattr(found, name) == float(edge), name
    assert found.loss_flat_value == 0.25
    assert np.isnan([found.loss_over, found.first_nan, found.first_inf]).all()
    correct = Search(clipped, dtype, y, "correct").run()
    assert np.isnan(list(vars(correct).values())).all()


@pytest.mark.parametrize(
    ("value", "name"), [((np.nan, 1), "first_nan"), ((1, np.inf), "first_inf")]
)
def test_an_island_between_two_points_of_the_grid(value, name):
    """It starts and ends between two neighbours of the sweep, and beyond it all is well."""
    low, high = np.float32(11.000061), np.float32(11.0095)
    island = broken(lambda x: (x >= low) & (x <= high), value)
    found = Search(island, "float32", 1.0, "correct").run()
    assert np.isnan(found.loss_flat)
    # no point of the sweep lies in the island; a bad point further out starts a dense look
    assert np.isnan(getattr(found, name))
    both = broken(lambda x: ((x >= low) & (x <= high)) | (x >= 11.5), value)
    assert getattr(Search(both, "float32", 1.0, "correct").run(), name) == float(low)


def test_one_sample_at_a_time():
    edge = np.float32(7.30001)
    loss = broken(lambda x: x <= -edge, (1.0, 0.0)).function
    slow = Implementation("slow", lambda x, y: (loss(x, y)[0], None), per_sample=True)
    found = Search(slow, "float32", 1.0, "wrong").run()
    assert found.loss_off == found.loss_flat == float(edge)
    assert np.isnan(found.gradient_zero)


def test_every_call_has_the_same_length():
    lengths = set()

    def function(x, y):
        lengths.add((len(x), len(y)))
        return exact(x, y)

    Search(Implementation("counted", function), "float32", 1.0, "wrong").run()
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
        np.testing.assert_array_equal(grid, steps)


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
    near = search.around(Thresholds(loss_flat=float(edge), loss_flat_value=3.0), count=2)
    assert len(near) == 5
    assert abs(near[2]) == edge
    np.testing.assert_array_equal(np.diff(near), np.spacing(edge))
    assert (np.sign(near) == sign(y, "wrong")).all()
