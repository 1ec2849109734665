"""Laboratory figures show the numbers that their titles and axes name."""

import itertools
import re

import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot as plt

from sigmoid_bce.figures import drawn as shown
from sigmoid_bce.figures import hero, registry, style, sweeps
from sigmoid_bce.figures.inputs import LaboratoryTables
from sigmoid_bce.figures.laboratory import conformance, figure_3
from sigmoid_bce.numerics import article, reference
from sigmoid_bce.numerics.criteria import underflow
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
            numbers["gradient_exact"] = -1 / (1 + np.exp(X))
            rows.append(table.assign(**keys, **numbers))
    sweep = pd.concat([*rows, rows[0].assign(dtype="float64", loss=1e9, gradient=1e9)])
    curves = []
    for y in (1.0, 0.0):
        x = article.raw_outputs()
        for shift, curve in enumerate(article.CURVES):
            exact = reference.loss(x, np.full_like(x, y), "float64")
            curves.append(pd.DataFrame({"curve": curve, "y": y, "x": x, "loss": exact + shift}))
    parts = {
        "sweep": sweep.assign(objective="bce").astype({"framework": "category"}),
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
        assert axis.get_yscale() == "symlog"
        assert axis.get_yticks()[0] == axis.get_ylim()[0] == 0
    assert drawn.axes[0].get_ylabel() == "|gradient|, label 1"
    found = dict(lines(drawn.axes[0]))
    assert list(found) == ["sum (eager)", "sum (graph)", "exact"]
    for label, factor in (("sum (eager)", 3), ("sum (graph)", 2), ("exact", 1)):
        np.testing.assert_allclose(found[label][:, 0], X)
        np.testing.assert_allclose(found[label][:, 1], factor / (1 + np.exp(X)), rtol=1e-6)


def test_the_errors_are_the_largest_within_each_unit(laboratory):
    drawn = registry.load("laboratory", "ulp").draw(laboratory())
    axis = drawn.axes[1]
    assert axis.get_title() == "Zeta"
    assert drawn.axes[0].get_ylabel() == "error of the loss, ulp"
    label, found = lines(axis)[0]
    assert label == "slow"
    # x from 2.5 to 3.5 is rounded to 3, with halves to even
    assert found[found[:, 0] == 3, 1] == 3.25
    assert found[found[:, 0] == 4, 1] == 4.5


def test_the_staircase_shows_both_labels(laboratory):
    drawn = registry.load("laboratory", "staircase").draw(laboratory())
    titles = [axis.get_title().split(",")[0] for axis in drawn.axes]
    assert titles == ["label 1", "label 0"]
    for axis, y in zip(drawn.axes, (1, 0), strict=True):
        found = dict(lines(axis))
        x, exact = found["exact"].T
        np.testing.assert_array_equal(x, X[X >= 13.5][: len(x)])
        np.testing.assert_allclose(exact, np.log1p(np.exp(-x if y else x)), rtol=1e-6)
        assert x.max() == 18
    # a program has one look in both panels, and no other one has it
    seen = [
        {line.get_label(): (line.get_color(), line._unscaled_dash_pattern, line.get_marker())
         for line in axis.lines if line.get_label() != "exact"}
        for axis in drawn.axes
    ]  # fmt: skip
    shared = seen[0].keys() & seen[1].keys()
    assert shared
    assert {name: seen[0][name] for name in shared} == {name: seen[1][name] for name in shared}
    leads = {
        name.split(" in one: ")[-1].split(" (")[0]: str(look) for name, look in seen[1].items()
    }
    assert len(set(leads.values())) == len(leads)
    assert len({str(look) for look in seen[0].values()}) == len(seen[0]) == len(PROGRAMS)


def test_an_implementation_has_one_colour_in_all_figures(laboratory):
    tables, colours = laboratory(), {}
    for figure in ("gradient", "ulp", "staircase"):
        for axis in registry.load("laboratory", figure).draw(tables).axes:
            for line in axis.lines:
                for name in {name for _, name, _ in PROGRAMS if name in line.get_label()}:
                    colours.setdefault(name, set()).add(line.get_color())
    assert {name: len(some) for name, some in colours.items()} == {"slow": 1, "sum": 1}
    # also where a figure leaves programs out
    every = pd.DataFrame({"framework": "f", "implementation": [*"abcdefg"]})
    looks = sweeps.Looks(every)
    assert looks.of("1", "c")["color"] == looks.of("2", "c")["color"] != looks.of("2", "d")["color"]


def test_curves_that_are_equal_are_one_and_what_is_not_seen_is_said():
    parts = [(("a", mode), pd.DataFrame({"x": [1, 2], "loss": [1, 2]})) for mode in ("e", "g")]
    parts += [(("b", ""), pd.DataFrame({"x": [1, 2], "loss": [1, np.inf]}))]
    found = sweeps.distinct(parts, "loss", 3)
    assert [sweeps.named(curve.programs) for curve in found] == ["2 in one: a (e, g)", "b"]
    assert [sweeps.remark(c.points, "loss", (0, 1.5)) for c in found] == [
        " (up to 2, beyond the axis)",
        " (inf from x = 2)",
    ]


def test_the_map_shows_the_recorded_thresholds(laboratory):
    tables = laboratory(seed=7)
    thresholds = read_thresholds(ROOT / "tests/record/thresholds.csv")
    hard = thresholds[thresholds["y"].isin([0, 1])]
    lines = conformance.rows(tables.thresholds)
    # every program in every mode is in one line, and every one of its cells is right
    for (framework, name, mode), part in hard.groupby(["framework", "implementation", "mode"]):
        (line,) = (
            one
            for one in lines
            if one.framework == framework
            and (one.name == name if not mode else one.name.startswith(f"{name}: "))
            and f", {mode}," in f", {one.name[len(name) + 2 :]},"
        )
        for (side, dtype), some in part.groupby(["side", "dtype"]):
            harm, x = line.cells[side, dtype]
            least = conformance.first_wrong(some).min()
            assert np.isfinite(x) == np.isfinite(least) == (harm < len(conformance.HARMS))
            if np.isfinite(x):
                places = list(conformance.HARMS[harm].places)
                assert x == pytest.approx(some[places].min(axis=None), rel=0.006)
                worse = [place for one in conformance.HARMS[:harm] for place in one.places]
                limit = underflow(dtype, "bce") if side == "correct" else np.inf
                assert not (worse and some[worse].min(axis=None) < limit)
    # frameworks are together
    frameworks = [line.framework for line in lines]
    assert len(dict.fromkeys(frameworks)) == sum(
        one != other for one, other in zip(["", *frameworks], frameworks, strict=False)
    )
    # within a framework, the worst on the wrong side comes first
    for one, other in itertools.pairwise(lines):
        if one.framework == other.framework:
            assert conformance._consequence(one) <= conformance._consequence(other)


@pytest.mark.parametrize("number", [1, 5, 100])
def test_the_map_has_headings_and_cuts_nothing_at_any_number_of_rows(laboratory, number):
    table = laboratory().thresholds
    one = table[table["framework"] == "PyTorch"]
    one = one[one["implementation"] == one["implementation"].iloc[0]].query("mode == 'eager'")
    many = [
        one.assign(framework=f"framework {i // 9}", implementation=f"a loss with a name, {i}" * 3)
        for i in range(number)
    ]

    class Tables:
        thresholds = pd.concat(many)

    drawn = conformance.draw(Tables())
    (axis,) = drawn.axes
    texts = [text.get_text() for text in axis.texts]
    blocks = -(-number // 9)
    assert texts.count(conformance.HEADINGS["float32"]) == 2 * blocks
    assert sum(text.startswith("framework ") for text in texts) == blocks
    assert {"never", "not measured"} <= set(texts)
    joined = " ".join(texts).replace("\n", " ")
    assert all(f"name, {i}" in joined for i in range(number))
    table = shown.table(drawn)
    assert len(table) == table.drop_duplicates(["framework", "program", "side", "dtype"]).shape[0]
    assert table["program"].nunique() == number
    bottom, top = axis.get_ylim()
    assert all(bottom < text.get_position()[1] < top for text in axis.texts)


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
    titles = [axis.get_title().replace("\n", " ") for axis in drawn.axes]
    assert titles == [f"label {y}, {name}" for y in (1, 0) for name in figure_3.PANELS]
    for axis, title in zip(drawn.axes, titles, strict=True):
        y, name = re.match(r"label (\d), (.*)", title).groups()
        ends = figure_3.PANELS[name] if y == "1" else [-x for x in figure_3.PANELS[name]]
        assert axis.get_xlim() == tuple(sorted(ends))
        found = dict(lines(axis))
        said = " ".join(text.get_text() for text in axis.get_legend().get_texts())
        for shift, curve in enumerate(article.CURVES):
            assert curve in said.replace("\n", " ")
            if curve in found:  # another curve stands for those that look the same
                x, losses = found[curve].T
                exact = reference.loss(np.float32(x), np.full(len(x), float(y), "f4"), "float64")
                np.testing.assert_allclose(losses, exact + shift, rtol=1e-12)


def test_the_first_figure_of_the_readme_shows_where_the_clip_stops(laboratory):
    curves = laboratory().curves
    clipped = curves["curve"] == article.HISTORIC
    loss = curves["loss"].where(~clipped, np.minimum(np.maximum(-curves["x"], 0), 16.125))
    (axis,) = hero.draw(curves.assign(loss=loss)).axes
    assert axis.patches[0].get_x() == pytest.approx(16.0, abs=0.2)
    assert "stops at 16.1" in " ".join(text.get_text() for text in axis.texts)


def test_both_files_of_a_figure_are_the_same_every_time(tmp_path):
    for run in ("a", "b"):
        figure = registry.load("laboratory", "figure-1").draw(LaboratoryTables({}))
        style.save(figure, tmp_path / f"{run}.svg", tmp_path / f"{run}.png")
    for suffix in ("svg", "png"):
        assert (tmp_path / f"a.{suffix}").read_bytes() == (tmp_path / f"b.{suffix}").read_bytes()
