"""Laboratory figures show the numbers that their titles and axes name."""

import re

import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot as plt

from sigmoid_bce.figures import registry, style
from sigmoid_bce.figures.inputs import LaboratoryTables
from sigmoid_bce.figures.laboratory import conformance, figure_3
from sigmoid_bce.numerics import article, reference
from sigmoid_bce.numerics.tables import read_thresholds
from support.checkout import ROOT
from support.figures import quoted

X = np.float32(np.arange(-20, 20.1, 0.25))
PROGRAMS = (("Zeta", "slow", ""), ("alpha", "sum", "graph"), ("alpha", "sum", "eager"))


def loss(name, x, y):
    """Return a loss that is known, and another for each program."""
    exact = np.log1p(np.exp(-x)) if y else np.log1p(np.exp(x))
    return exact + PROGRAMS.index(name) * np.float32(0.01)


@pytest.fixture(autouse=True)
def _closed():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def laboratory(tmp_path_factory):
    """Return a function from the order of rows to the laboratory's tables."""
    folder = tmp_path_factory.mktemp("laboratory")
    rows = []
    for name in PROGRAMS:
        for y in (0.0, 1.0):
            table = pd.DataFrame({"x": X, "y": y, "loss": loss(name, X, y), "dtype": "float32"})
            keys = dict(zip(("framework", "implementation", "mode"), name, strict=True))
            exact = reference.loss(X, np.full_like(X, y), "float64")
            gradient = -1 / (1 + np.exp(X)) * (1 + PROGRAMS.index(name))
            numbers = {"loss_exact": exact, "gradient": gradient, "loss_ulp": np.abs(X)}
            rows.append(table.assign(**keys, **numbers))
    sweep = pd.concat([*rows, rows[0].assign(dtype="float64", loss=1e9, gradient=1e9)])
    curves = []
    for y in (1.0, 0.0):
        x = article.raw_outputs()
        for shift, curve in enumerate(article.CURVES):
            exact = reference.loss(x, np.full_like(x, y), "float64")
            curves.append(pd.DataFrame({"curve": curve, "y": y, "x": x, "loss": exact + shift}))
    parts = {
        "sweep": sweep.astype({"framework": "category"}),
        "curves": pd.concat(curves),
        "thresholds": pd.read_csv(ROOT / "tests/record/thresholds.csv"),
    }

    def tables(seed=None):
        files = {}
        for name, part in parts.items():
            table = part if seed is None else part.sample(frac=1, random_state=seed)
            files[name] = folder / f"{name}-{seed}"
            write = table.to_csv if name == "thresholds" else table.to_parquet
            write(files[name], index=False)
        return LaboratoryTables(files)

    return tables


def lines(axis):
    """Return the curves of a panel: label, points."""
    return [(line.get_label(), np.asarray(line.get_xydata(), float)) for line in axis.lines]


@pytest.mark.parametrize("name", ["figure-3", "gradient", "conformance", "ulp", "staircase"])
def test_the_order_of_rows_changes_no_laboratory_figure(laboratory, name):
    figure = registry.load("laboratory", name)
    first, second = laboratory(), laboratory(seed=5)
    assert figure.values(first) == pytest.approx(figure.values(second))
    assert quoted(name) <= set(figure.values(first))
    for one, other in zip(figure.draw(first).axes, figure.draw(second).axes, strict=True):
        assert one.get_title() == other.get_title()
        assert [t.get_text() for t in one.texts] == [t.get_text() for t in other.texts]
        for (label, a), (same, b) in zip(lines(one), lines(other), strict=True):
            assert label == same
            np.testing.assert_array_equal(a, b)


def test_the_gradients_are_those_of_label_1_by_framework(laboratory):
    drawn = registry.load("laboratory", "gradient").draw(laboratory())
    assert [axis.get_title() for axis in drawn.axes] == ["alpha", "Zeta"]
    for axis in drawn.axes:
        assert axis.get_xlabel() == "raw output x"
        assert axis.get_ylabel() == "|gradient|, label 1"
        assert axis.get_yscale() == "log"
    found = dict(lines(drawn.axes[0]))
    assert list(found) == ["sum, eager", "sum, graph"]
    for label, factor in (("sum, eager", 3), ("sum, graph", 2)):
        np.testing.assert_allclose(found[label][:, 0], X)
        np.testing.assert_allclose(found[label][:, 1], factor / (1 + np.exp(X)), rtol=1e-6)


def test_the_errors_are_the_largest_within_each_unit(laboratory):
    drawn = registry.load("laboratory", "ulp").draw(laboratory())
    axis = drawn.axes[1]
    assert (axis.get_title(), axis.get_ylabel()) == ("Zeta", "error of the loss, ulp")
    label, found = lines(axis)[0]
    assert label == "slow"
    # x from 2.5 to 3.5 is rounded to 3, with halves to even
    assert found[found[:, 0] == 3, 1] == 3.25
    assert found[found[:, 0] == 4, 1] == 4.5


def test_the_staircase_shows_both_labels(laboratory):
    drawn = registry.load("laboratory", "staircase").draw(laboratory())
    assert [axis.get_title() for axis in drawn.axes] == ["label 1", "label 0"]
    for axis, y in zip(drawn.axes, (1, 0), strict=True):
        found = dict(lines(axis))
        x, exact = found["exact"].T
        np.testing.assert_array_equal(x, X[X >= 13.5][: len(x)])
        np.testing.assert_allclose(exact, np.log1p(np.exp(-x if y else x)), rtol=1e-6)
        assert x.max() == 18


def test_the_map_shows_the_recorded_thresholds(laboratory):
    tables = laboratory(seed=7)
    drawn = registry.load("laboratory", "conformance").draw(tables)
    axis = drawn.axes[0]
    thresholds = read_thresholds(ROOT / "tests/record/thresholds.csv")
    hard = thresholds[thresholds["y"].isin([0, 1])]
    least = conformance.first_wrong(hard)
    rows = [label.get_text() for label in axis.get_yticklabels()]
    assert rows == sorted(rows, key=str.casefold)
    columns = [label.get_text() for label in axis.get_xticklabels()]
    assert columns == ["0 right", "0 wrong", "1 right", "1 wrong"] * len(conformance.DTYPES)
    numbers = {text.get_position(): text.get_text() for text in axis.texts}
    seen = 0
    for i, row in hard.iterrows():
        mode = f" [{row['mode']}]" if row["mode"] else ""
        name = f"{row['framework']}: {row['implementation'][:60]}{mode}"
        side = {"correct": "right", "wrong": "wrong"}[row["side"]]
        column = 4 * conformance.DTYPES.index(row["dtype"])
        column += columns.index(f"{row['y']:.0f} {side}")
        text = numbers.get((column + 0.5, rows.index(name) + 0.5))
        assert text == (f"{least[i]:.3g}" if np.isfinite(least[i]) else None)
        seen += text is not None
    assert seen == len(axis.texts) - len(conformance.DTYPES) > 100


def test_figure_1_shows_the_formulas():
    first = registry.load("laboratory", "figure-1").draw(LaboratoryTables({}))
    for axis in first.axes:
        assert axis.get_ylabel() == f"{axis.get_ylabel().split('(')[0]}({axis.get_xlabel()})"
    (_, sigmoid), (_, logit) = (lines(axis)[0] for axis in first.axes)
    np.testing.assert_allclose(sigmoid[:, 1], 1 / (1 + np.exp(-sigmoid[:, 0])))
    np.testing.assert_allclose(1 / (1 + np.exp(-logit[:, 1])), logit[:, 0])


def test_figure_3_shows_the_label_and_the_range_of_each_title(laboratory):
    tables = laboratory()
    drawn = registry.load("laboratory", "figure-3").draw(tables)
    titles = [axis.get_title() for axis in drawn.axes]
    assert titles == [f"label {y}: {name}" for y in (1, 0) for name in figure_3.PANELS]
    for axis in drawn.axes:
        y, name = re.match(r"label (\d): (.*)", axis.get_title()).groups()
        assert axis.get_xlim() == figure_3.PANELS[name]
        found = dict(lines(axis))
        assert list(found) == list(article.CURVES)
        for shift, curve in enumerate(article.CURVES):
            x, losses = found[curve].T
            low, high = axis.get_xlim()
            assert (x.min(), x.max()) == (low, high)
            exact = reference.loss(np.float32(x), np.full(len(x), float(y), "f4"), "float64")
            np.testing.assert_allclose(losses, exact + shift, rtol=1e-12)


def test_both_files_of_a_figure_are_the_same_every_time(tmp_path):
    for run in ("a", "b"):
        figure = registry.load("laboratory", "figure-1").draw(LaboratoryTables({}))
        style.save(figure, tmp_path / f"{run}.svg", tmp_path / f"{run}.png")
    for suffix in ("svg", "png"):
        assert (tmp_path / f"a.{suffix}").read_bytes() == (tmp_path / f"b.{suffix}").read_bytes()
