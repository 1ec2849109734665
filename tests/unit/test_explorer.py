"""The explorer's data: what is kept of a sweep, and that the committed page is made of it."""

import json
from functools import cache

import ml_dtypes
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from explorer import recorded
from sigmoid_bce.figures.explorer import samples
from sigmoid_bce.figures.explorer.curves import Curves, tables
from sigmoid_bce.figures.explorer.page import OPENED, as_json, parted, render
from sigmoid_bce.numerics import reference
from sigmoid_bce.numerics.catalogue import DTYPES
from sigmoid_bce.numerics.objectives import OBJECTIVES
from sigmoid_bce.numerics.sweep import QUANTITIES
from sigmoid_bce.numerics.tables import HARD, KEY, RECORD, read_thresholds
from support.checkout import ROOT

X = np.arange(-40, 40, 1 / 64)
PAGE = ROOT / "docs/explorer.html"


def committed():
    return parted(PAGE.read_text("utf-8"))[1]


def test_the_committed_page_is_that_of_its_data():
    text = PAGE.read_text("utf-8")
    assert parted(text) == parted(render(committed()))
    assert PAGE.stat().st_size < 1_000_000
    for outside in ("src=", "@import", "url(http", "fetch(", "import("):
        assert outside not in text
    assert text.count("http://") == text.count("http://www.w3.org/2000/svg")
    assert "https://" not in text


def test_the_committed_thresholds_are_the_record():
    data, record = json.loads(committed()), read_thresholds(RECORD, None)
    assert as_json(data).strip() == committed()
    assert len(data["rows"]) == len(record)
    index = record.assign(y=record["y"].astype(int)).set_index([*KEY, "y", "side"])
    for program, y, side, _, *values in data["rows"]:
        key = [data["programs"][program][name] for name in KEY]
        row = index.loc[(*key, y, ["correct", "wrong"][side])]
        numbers = [np.nan if value == "" else float(value) for value in values]
        # the record has nine digits
        np.testing.assert_allclose(numbers, row[data["shown"]].astype(float), 1e-7, err_msg=key)
    assert data["about"]["date"] == pd.read_csv(RECORD)["date"].max()


@given(
    st.lists(st.floats(-39, 39), min_size=1, max_size=6),
    st.lists(st.floats(0.1, 30), min_size=7, max_size=7),
)
def test_every_step_is_kept(places, heights):
    loss = np.array(heights)[np.searchsorted(np.sort(places), X)]
    table = pd.DataFrame({"x": X, "loss": loss, "gradient": np.nan})
    mask = samples.kept(table, [])
    line = np.interp(X, X[mask], loss[mask])
    # what is drawn is nowhere farther from the curve than a chart can show
    assert np.abs(line - loss).max() <= samples.DENSE.share * samples.UNIT["loss"] + 1e-9
    for i in np.flatnonzero(np.abs(np.diff(loss)) > 0.5):
        assert mask[i : i + 2].all()


def test_every_threshold_is_kept_with_the_sample_before_it():
    table = pd.DataFrame({"x": X, "loss": np.abs(X), "gradient": np.sign(X)})
    mask = samples.kept(table, [3.171875])
    for i in np.flatnonzero(np.abs(X) == 3.171875):
        assert mask[[i, int(i - np.sign(X[i]))]].all()
    assert not samples.kept(table.iloc[:0], [1.0]).size


@pytest.mark.parametrize("format", samples.FORMATS)
def test_floats_are_ordered_to_the_last_bit(format):
    bits = np.arange(0, 2**16, 7, dtype="u2") if format.endswith("16") else None
    if bits is None:
        bits = np.random.default_rng(0).integers(0, 2**32, 2000).astype("u4")
        bits = bits if format == "float32" else bits.astype("u8") << 32
    with np.errstate(invalid="ignore"):
        values = bits.view(DTYPES[format]).astype(float)
    values = values[~np.isnan(values)]
    numbers = samples.ordered(values, format)
    order = np.argsort(numbers, kind="stable")
    assert (np.diff(values[order]) >= 0).all()
    assert len(set(numbers)) == len(values)


@given(st.integers(-(2**64), 2**64))
def test_base_36(number):
    assert int(samples.base36(number), 36) == number


def test_losses_and_labels_share_exact_values_where_they_are_the_same():
    found = tables()
    shared = {(o, y) for (o, y), table in found.items() if table == found["bce", 0.0]}
    assert shared == {
        *((o, y) for o in ("bce", "siglip", "softmax-2") for y in HARD),
        ("weighted", 0.0),
    }
    alone = ["weighted", "focal", "softmax-10"]
    assert [found[o, 0.0] != found[o, 1.0] for o in alone] == [True] * 3
    assert found["smoothing", 0.0] == found["smoothing", 1.0]
    # what shares a table has the same numbers, to the last bit, in every precision
    for dtype in samples.FORMATS:
        x = np.arange(-110, 110, 1 / 4).astype(DTYPES[dtype])
        by = {}
        for (objective, y), table in found.items():
            sign = 1 if y == 0 else -1
            at, labels = x * sign + x.dtype.type(0), np.full(len(x), y, x.dtype)
            values = [
                reference.loss(at, labels, dtype, objective).astype(float),
                reference.gradient(at, labels, dtype, objective).astype(float) * sign,
            ]
            np.testing.assert_array_equal(by.setdefault(table, values), values)


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_every_loss_keeps_thresholds_and_what_a_chart_shows(objective):
    x, labels = X.astype(np.float32), np.zeros(len(X), np.float32)
    exact = {q: getattr(reference, q)(x, labels, "float32", objective) for q in QUANTITIES}
    exact = {q: values.astype(float) for q, values in exact.items()}
    step = np.where(X > 5.3, 0.5, 1.0)
    table = pd.DataFrame({"x": X, **{q: values * step for q, values in exact.items()}})
    table = table.assign(**{f"{q}_exact": values for q, values in exact.items()})
    mask = samples.chosen(table, np.array([3.171875]), objective)
    for i in np.flatnonzero(np.abs(X) == 3.171875):
        assert mask[[i, int(i - np.sign(X[i]))]].all()
    jump = np.flatnonzero(np.diff(step))[0]
    assert mask[jump : jump + 2].all()
    for quantity in QUANTITIES:
        line = np.interp(X, X[mask], table[quantity][mask])
        # charts are as high as the largest gradient
        height = samples.UNIT[quantity] * np.abs(exact["gradient"]).max()
        far = np.abs(line - table[quantity]).max() / height
        assert far <= (samples.DENSE if objective == "bce" else samples.SPARSE).share * 1.0001


def test_nine_hundred_programs_fit_into_a_megabyte():
    """A page of four times the programs of the record, none with a curve of another."""
    random = np.random.default_rng(0)
    curves, programs = Curves(), []
    x = np.arange(-120, 120, 1 / 8)
    for number in range(900):
        objective, dtype = list(OBJECTIVES)[number % 7], samples.FORMATS[number % 4]
        at = np.unique(x.astype(DTYPES[dtype]))
        for y in HARD:
            table = exact_table(at.tobytes(), dtype, y, objective)
            # as good programs do, one value in ten is the next float
            for quantity in QUANTITIES:
                other = 1 + float(ml_dtypes.finfo(at.dtype).eps) * (random.random(len(at)) < 0.1)
                values = (table[quantity] * other).to_numpy().astype(at.dtype).astype(float)
                table = table.assign(**{quantity: values})
            kept = table[samples.chosen(table, np.array([]), objective)]
            programs.append(curves.add(kept, objective, dtype, y))
    assert len(set(programs)) > 1700
    data = {"points": curves.points(), "curves": curves.encoded(), "rows": [[*range(13)]] * 3600}
    page = render(as_json(data))
    assert len(page.encode()) < 1_000_000
    assert json.loads(parted(page)[1])["curves"] == curves.encoded()


@cache
def exact_table(content, dtype, y, objective):
    at = np.frombuffer(content, DTYPES[dtype])
    labels, columns = np.full(len(at), y, at.dtype), {"x": at.astype(float)}
    for quantity in QUANTITIES:
        values = getattr(reference, quantity)(at, labels, dtype, objective).astype(float)
        columns |= {quantity: values, f"{quantity}_exact": values}
    return pd.DataFrame(columns)


def test_packed_data_come_back():
    data = as_json({"a": ["</script>", "é", "\u2028"], "b": {}})
    page = render(data)
    assert parted(page)[1] == data.strip()
    assert "</script>" not in page.split(OPENED)[1].split("</script>")[0]
    assert parted("<p>no data</p>") == ("<p>no data</p>", "")


def test_the_record_is_looked_up_by_loss():
    """A program of two losses has two rows in the record, and each keeps its own thresholds."""
    record = read_thresholds(RECORD).head(4)
    both = pd.concat([record, record.assign(objective="focal", loss_off=1.5)], ignore_index=True)
    table = both.assign(loss_off=2.5)
    found, differ = recorded(table, both)
    assert differ == 8
    pd.testing.assert_series_equal(found["loss_off"], both["loss_off"])
