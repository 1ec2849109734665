"""The table of what a figure shows has every point of it, at the places that its axes name."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib import pyplot as plt

from sigmoid_bce.figures import drawn, style
from sigmoid_bce.figures.texts import plain
from support.hostile import NAME, UNPRINTABLE

FINITE = st.floats(-1e30, 1e30)


@pytest.fixture(autouse=True)
def _closed():
    yield
    plt.close("all")


def panel():
    style.use()
    return plt.subplots(layout="none")


def test_every_kind_of_artist_is_read():
    figure, axis = panel()
    axis.plot([1, 2], [3, np.nan], label="curve")
    axis.scatter([1, 2], [5, 6], label="points")
    axis.fill_between([1, 2, 3], [0, 1, 2], [4, 5, 6], label="_band")
    axis.stairs([7, 8], [0, 1, 2], label="bars")
    axis.bar([4], [2], width=2, bottom=1, label="_")
    axis.hlines(9, 1, 2, label="interval")
    axis.pcolormesh(np.array([[1.0, 2.0]]))
    axis.text(1.5, 2.5, "12 of 40")
    # lines across, shades, labels of curves, names of axes: no data
    axis.axhline(0)
    axis.axvspan(0, 1)
    axis.annotate("curve", (1, 1), (3, 3), textcoords="offset points")
    axis.plot([1, 2], [3, 4], label="_nolegend_")
    hidden = axis.plot([1, 2], [3, 4], label="hidden")
    hidden[0].set_visible(False)
    table = drawn.table(figure).fillna({"series": ""}).set_index("series")
    assert set(table.index) == {"curve", "points", "band", "bars", "interval", ""}

    def rows(series, *columns):
        return table.loc[[series], list(columns)].astype(float).to_numpy().tolist()

    assert rows("points", "x", "y") == [[1, 5], [2, 6]]
    assert rows("band", "x", "y", "y_to") == [[1, 0, 4], [2, 1, 5], [3, 2, 6]]
    assert rows("bars", "x", "x_to", "y") == [[0, 1, 7], [1, 2, 8]]
    assert rows("interval", "x", "x_to", "y", "y_to") == [[1, 2, 9, 9]]
    np.testing.assert_array_equal(rows("curve", "x", "y"), [[1, 3], [2, np.nan]])
    rest = table.loc[[""], ["x", "y", "value"]].values.tolist()
    assert [1.5, 2.5, "12 of 40"] in rest
    assert [0.5, 0.5, 1.0] in rest


def test_places_have_the_names_of_their_ticks():
    figure, axis = panel()
    axis.plot([-1.5, 0.25, 1], [1e-19, 1e-19, 10], "o", label="runs")
    axis.set(yscale="log", title="logits,\n3 runs", xlabel="cosine", ylabel="loss")
    axis.set_xticks([-1.5, 0, 1], ["none", "0", "1"])
    axis.set_yticks([1e-19, 10], ["0", "10¹"])
    axis.inset_axes([0.5, 0.5, 0.3, 0.3]).plot([7], [8], label="inside")
    table = drawn.table(figure)
    assert table["x"].tolist() == ["none", 0.25, 1, 7]
    # a logarithmic axis draws 0 somewhere; the table has 0
    assert table["y"].tolist() == [0, 0, 10, 8]
    assert table["panel"].tolist() == [1, 1, 1, 2]
    assert table["title"].tolist()[0] == "logits, 3 runs"
    assert table["y_axis"].tolist()[0] == "loss"


def test_panels_that_share_an_axis_share_its_label():
    style.use()
    figure, axes = plt.subplots(1, 2, sharey=True)
    figure.supxlabel("epoch")
    axes[0].set_ylabel("share of\nsamples")
    for axis in axes:
        axis.plot([1], [2])
    table = drawn.table(figure)
    assert table["y_axis"].tolist() == ["share of samples"] * 2
    assert table["x_axis"].tolist() == ["epoch"] * 2


@given(st.lists(st.tuples(FINITE, FINITE), min_size=1, max_size=20))
@settings(max_examples=20)
def test_the_numbers_of_a_curve_come_back(points):
    figure, axis = panel()
    axis.plot(*np.transpose(points), label="curve")
    table = drawn.table(figure)
    assert table[["x", "y"]].to_numpy().tolist() == [list(point) for point in points]
    plt.close(figure)


@pytest.mark.parametrize("name", [NAME, UNPRINTABLE, "=1+1", 'a, "b"', "nan", "007"])
def test_names_of_users_come_back(name, tmp_path):
    figure, axis = panel()
    axis.plot([1], [2], label=plain(name))
    files = [tmp_path / f"a.{kind}" for kind in ("svg", "png", "csv")]
    style.save(figure, *files)
    table = pd.read_csv(files[2], dtype=str, keep_default_na=False)
    assert table["series"].tolist() == [plain(name).strip("_ ")]


def test_a_figure_without_data_has_an_empty_table(tmp_path):
    figure, axis = panel()
    style.empty(axis, "No sample is on the wrong side.")
    style.save(figure, tmp_path / "a.svg", tmp_path / "a.png", tmp_path / "a.csv")
    assert pd.read_csv(tmp_path / "a.csv").empty
