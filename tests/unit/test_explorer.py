"""The explorer's data: what is kept of a sweep, and that the committed page is made of it."""

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sigmoid_bce.figures.explorer import samples
from sigmoid_bce.figures.explorer.page import as_json, parted, render
from sigmoid_bce.numerics.catalogue import DTYPES
from sigmoid_bce.numerics.tables import KEY, RECORD, read_thresholds
from support.checkout import ROOT

X = np.arange(-40, 40, 1 / 64)
DATA, PAGE = ROOT / "docs/explorer.json", ROOT / "docs/explorer.html"


def test_the_committed_page_is_that_of_the_committed_data():
    text = PAGE.read_text("utf-8")
    assert parted(text) == parted(render(DATA.read_text("utf-8")))
    assert PAGE.stat().st_size < 1_000_000
    for outside in ("src=", "@import", "url(http", "fetch(", "import("):
        assert outside not in text
    assert text.count("http://") == text.count("http://www.w3.org/2000/svg")
    assert "https://" not in text


def test_the_committed_thresholds_are_the_record():
    data, record = json.loads(DATA.read_text("utf-8")), read_thresholds(RECORD, None)
    assert as_json(data) == DATA.read_text("utf-8")
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
