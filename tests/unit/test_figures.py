"""Figures show the data that their titles name, whatever the order of any table's lines."""

import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot as plt

from sigmoid_bce.comparison import compare, summary
from sigmoid_bce.figures import batch_mean, raw_outputs, registry, scatter, style
from sigmoid_bce.figures import stage as stages
from sigmoid_bce.figures.inputs import CellTables
from sigmoid_bce.numerics import article
from sigmoid_bce.study.cells import Cell
from support import looks
from support.checkout import ROOT
from support.figures import quoted

CLASSES = ("intact", "defective")
SIZES = [1, 4, 20]
SPREAD = {"early": 2, "full": 12}
CELL_FIGURES = ("figure-4", "figure-5", "figure-6", "batch-mean")


@pytest.fixture(autouse=True)
def _closed():
    yield
    plt.close("all")


def samples(stage):
    """Return a comparison of 400 images, a fifth of them for validation."""
    rng = np.random.default_rng(len(stage))
    label = rng.integers(0, 2, 400)
    x = np.float32(rng.normal(SPREAD[stage] * (2 * label - 1), SPREAD[stage]))
    # one image that is badly misclassified, one whose exact loss is below every float32
    x[:2], label[:2] = (-60, 120), 1
    raw = pd.DataFrame({"sample_id": np.arange(400), "label": label, "raw_output": x})
    split = np.where(np.arange(400) % 5 == 4, "validation", "train")
    return compare.samples(raw).assign(split=split)


def cell_tables(order=None):
    tables = {stage: samples(stage) for stage in SPREAD}
    batches = {
        stage: compare.batches(table[table["split"] == "train"], SIZES, 0)
        for stage, table in tables.items()
    }
    if order is not None:
        tables, batches = (
            {stage: table.sample(frac=1, random_state=order) for stage, table in part.items()}
            for part in (tables, batches)
        )
    return CellTables("data, network, seed 0", CLASSES, tables, batches, SIZES, 4)


def points(axis, collection):
    return np.asarray(axis.collections[collection].get_offsets())


def assert_drawn(points, table, limits):
    """Check that each point is a sample, and each sample a point, as exactly as can be seen."""
    drawn, there = np.log10(points), np.log10(losses(table))
    assert (len(drawn) > 0) == (len(there) > 0)
    if not len(drawn):
        return
    step = np.diff(np.log10(limits))[0] / scatter.STEPS
    distance = np.abs(drawn[:, None] - there[None]).max(axis=-1)
    assert distance.min(axis=0).max() <= step
    assert distance.min(axis=1).max() <= step


def losses(table):
    return table[["bce_raw", "bce_sigmoid"]].to_numpy(np.float64).clip(scatter.LEAST)


def assert_equal_scales(axis, table):
    limits = axis.get_xlim()
    assert axis.get_ylim() == limits
    assert axis.get_box_aspect() == 1
    assert limits[0] <= losses(table).min()
    assert losses(table).max() <= limits[1]


@pytest.mark.parametrize(("name", "stage"), [("figure-4", "early"), ("figure-5", "full")])
def test_a_stage_figure_shows_both_splits_of_its_stage(name, stage):
    figure, tables = registry.load("cell", name), cell_tables()
    assert f"{stage} stage" in figure.TITLE
    drawn = figure.draw(tables)
    assert drawn.get_suptitle() == f"data, network, seed 0, {stage} stage"
    for row, (split, said) in enumerate({"train": "training", "validation": "validation"}.items()):
        part = tables.samples[stage].query(f"split == '{split}'")
        raw, sigmoid, both = drawn.axes[3 * row : 3 * row + 3]
        names = [f"{said} samples, {name}" for name in CLASSES]
        for axis, column in ((raw, "raw_output"), (sigmoid, "sigmoid")):
            assert axis.get_ylabel() == f"{said} samples"
            low, high = axis.get_xlim()
            assert low <= part[column].min()
            assert part[column].max() <= high
            bars = {p.get_label(): p.get_data() for p in axis.patches}
            for label, name in enumerate(names):
                values = part.loc[part["label"] == label, column]
                counts = np.nan_to_num(bars[name].values)
                np.testing.assert_array_equal(counts, np.histogram(values, bars[name].edges)[0])
                assert counts.sum() == len(values)
        for label in (0, 1):
            assert both.collections[label].get_label() == names[label]
            assert_drawn(points(both, label), part[part["label"] == label], both.get_xlim())
        assert_equal_scales(both, part)
        clip = np.log1p(-1e-7) - np.log(1e-7)
        marked = sorted(line.get_xdata()[0] for line in raw.lines)
        np.testing.assert_allclose(marked, [-clip, clip])
    legends = [text.get_text() for one in drawn.legends for text in one.get_texts()]
    assert legends[:2] == list(CLASSES)
    assert any("clip" in text for text in legends)


def words(axis):
    return " ".join(" ".join(text.get_text() for text in axis.texts).split())


LOST = {
    "nobody": ([3, -3], "no sample on the wrong side", "Every sample is on the correct side."),
    "nobody clipped": ([-3, 3], "no sample on the wrong side of the clip", "3.05 → 3.05"),
    "one": ([-20, -3], "1 sample on the wrong side of the clip", "20.00 → 16.12, gradient 0"),
    "both": ([-20, 1000], "2 samples on the wrong side of the clip", "1000.00 → 15.94, gradient 0"),
}


@pytest.mark.parametrize("case", LOST)
def test_who_is_on_the_wrong_side_and_what_is_lost(case):
    x, said, listed = LOST[case]
    raw = pd.DataFrame({"sample_id": [0, 1], "label": [1, 0], "raw_output": np.float32(x)})
    table = compare.samples(raw)
    figure = stages.draw(table, ("no", "yes"), "title")
    panel, words_of = figure.axes[3:5]
    assert words(panel) == said
    assert listed in words(words_of)
    # of each label: losses from the sigmoid output, lines, exact losses
    drawn = [len(points(panel, i)) + len(points(panel, i + 3)) for i in (0, 2)]
    assert drawn == [int((table["bce_exact"] > 1).sum()), int(table["dead"].sum())]


def test_a_class_that_is_missing_and_all_others_are_named():
    raw = pd.DataFrame({"sample_id": range(3), "label": 1, "raw_output": np.float32([1, 2, 3])})
    figure = stages.draw(compare.samples(raw), ("cat", "dog"), "title")
    assert figure.legends[0].get_texts()[0].get_text() == "cat: none"
    assert CellTables("", ["other", "dog"], {}, {}, [4], 4).classes == ["not dog", "dog"]


@pytest.mark.parametrize("most", [1, 25, 26, 99, 1000, 10**7])
def test_counts_are_whole_and_a_single_sample_is_seen(most):
    _, axis = plt.subplots()
    stages.histogram(axis, np.arange(3), np.array([[1, most], [0, 0]]), CLASSES)
    axis.figure.canvas.draw()
    texts = [text.get_text() for text in axis.get_yticklabels()]
    ticks = [float(text.replace(",", "")) for text in texts]
    assert texts[0] == "0"
    assert all(tick == round(tick) for tick in ticks)
    assert 2 <= len(ticks) <= 10
    assert len(axis.yaxis.get_minorticklocs()) == 0
    low, one = axis.transAxes.inverted().transform(axis.transData.transform([(0, 0), (0, 1)]))[:, 1]
    assert one - low > 0.03
    assert axis.get_ylim()[1] >= most


@pytest.mark.parametrize(("name", "sizes"), [("figure-6", [4]), ("batch-mean", SIZES)])
def test_a_batch_figure_shows_the_batches_of_the_full_stage(name, sizes):
    figure, tables = registry.load("cell", name), cell_tables()
    drawn = figure.draw(tables)
    *panels, errors = drawn.axes
    assert drawn.get_suptitle().replace("\n", " ") == "data, network, seed 0, full stage"
    for axis, size in zip(panels, sizes, strict=True):
        part = tables.batches["full"].query(f"batch_size == {size}")
        assert axis.get_title() == f"{len(part)} batches of {size}"
        for held in (0, 1):
            some = part[(part["clipped"] > 0) == bool(held)]
            assert_drawn(points(axis, held), some, axis.get_xlim())
        assert_equal_scales(axis, part)
    assert [text.get_text() for text in errors.get_xticklabels()] == [str(size) for size in SIZES]
    batches = tables.batches["full"]
    clouds = [i for i, one in enumerate(errors.collections) if "clipped" in one.get_label()]
    found = np.concatenate([points(errors, i)[:, 1] for i in clouds])
    relative = batch_mean.relative_percent(batches, "bce_sigmoid")
    assert found.max() == relative.max()
    low, high = errors.get_ylim()
    assert low <= found.min()
    assert found.max() <= high
    part = batches.query(f"batch_size == {sizes[0]}")
    said = figure.values(tables)
    assert (said["batch_size"], said["batches"]) == (sizes[0], f"{len(part)} batches")
    assert said["with_clipped"] == (part["clipped"] > 0).sum()


@pytest.mark.parametrize("name", CELL_FIGURES)
def test_the_order_of_rows_changes_no_cell_figure(name):
    figure = registry.load("cell", name)
    first, second = cell_tables(), cell_tables(order=3)
    assert figure.values(first) == figure.values(second)
    for one, other in zip(figure.draw(first).axes, figure.draw(second).axes, strict=True):
        assert one.get_title() == other.get_title()
        np.testing.assert_allclose(one.get_xlim(), other.get_xlim())
        np.testing.assert_allclose(one.get_ylim(), other.get_ylim())
        for a, b in zip(one.patches, other.patches, strict=True):
            if hasattr(a, "get_data"):
                np.testing.assert_array_equal(a.get_data().values, b.get_data().values)
        for i, _ in enumerate(one.collections):
            if hasattr(one.collections[i], "get_segments"):
                continue
            np.testing.assert_array_equal(points(one, i), points(other, i))


SCRIPT = """
import json, os, runpy, sys
from types import SimpleNamespace

class Files(SimpleNamespace):
    __getitem__ = SimpleNamespace.__getattribute__

for folder in sys.argv[2:]:
    os.chdir(folder)
    parts = {name: Files(**part) for name, part in json.load(open("job.json")).items()}
    runpy.run_path(sys.argv[1], {"snakemake": SimpleNamespace(**parts, log=["log"])})
"""


def prepare(folder, names):
    """Write the tables and the job of rule figure_cell, with its outputs in a given order."""
    tables, given = cell_tables(), {"samples": [], "raw": [], "batches": []}
    folder.mkdir()
    for name in SPREAD:
        for key, part in (
            ("samples", tables.samples[name].drop(columns="split")),
            ("raw", tables.samples[name][["sample_id", "split"]]),
            ("batches", tables.batches[name]),
        ):
            given[key].append(f"{name}.{key}.parquet")
            part.to_parquet(folder / given[key][-1])
    (folder / "summary.json").write_text(json.dumps({"classes": CLASSES}))
    parts = {
        "input": {**given, "summary": "summary.json"},
        "output": {"svg": [f"{name}.svg" for name in names], "values": "values.rst"},
        "params": {
            "title": "data, network, seed 0",
            "stages": list(SPREAD),
            "batch_sizes": SIZES,
            "figure_batch_size": 4,
        },
    }
    (folder / "job.json").write_text(json.dumps(parts))


def test_swapped_outputs_give_the_same_files(tmp_path):
    one, other = tmp_path / "one", tmp_path / "other"
    prepare(one, CELL_FIGURES)
    prepare(other, CELL_FIGURES[::-1])
    script = ROOT / "workflow/scripts/figure_cell.py"
    subprocess.run([sys.executable, "-c", SCRIPT, script, one, other], check=True)
    for name in CELL_FIGURES:
        for suffix in ("svg", "png"):
            file = f"{name}.{suffix}"
            assert (one / file).read_bytes() == (other / file).read_bytes()
        stage = "early" if name == "figure-4" else "full"
        assert f"{stage} stage</text>" in (one / f"{name}.svg").read_text()
    values = [sorted((folder / "values.rst").read_text().splitlines()) for folder in (one, other)]
    assert values[0] == values[1]


@pytest.mark.parametrize("name", CELL_FIGURES)
def test_a_cell_caption_quotes_its_own_figure(name):
    prefix = registry.module_name(name)
    found = registry.load("cell", name).values(cell_tables())
    assert quoted(name)
    assert quoted(name) <= {f"{prefix}_{key}" for key in found}


def test_captions_of_tables_quote_what_is_measured():
    cell = Cell("data", "network", "logits", 4, 0)
    tables = cell_tables()
    rows, batches = [], []
    for name, table in tables.samples.items():
        rows += summary.stage_rows(cell, name, 3, 0, table[["split"]], table)
        renamed = tables.batches[name].rename(columns={"batch_size": "compared_batch_size"})
        batches.append(renamed.assign(**vars(cell), stage=name))
    cells = pd.DataFrame(rows)
    models, sizes = summary.by_model(cells), summary.by_batch_size(pd.concat(batches))
    data = {"classes": CLASSES, **dict.fromkeys(summary.IN_CAPTIONS, 0)}
    found = set(summary.values(summary.of_datasets({"data": data}), cells, models, sizes))
    for caption in ("cells", "models", "batches"):
        assert quoted(f"tables/{caption}") <= found


def test_swapped_columns_keep_the_clip_with_the_raw_outputs(monkeypatch):
    raw = pd.DataFrame(
        {"sample_id": range(4), "label": [0, 1] * 2, "raw_output": [-30, -1, 1, 30.0]}
    )
    monkeypatch.setattr(stages, "COLUMNS", dict(reversed(stages.COLUMNS.items())))
    figure = stages.draw(compare.samples(raw), ("no", "yes"), "title")
    clips = {axis.get_xlabel(): len(axis.lines) for axis in figure.axes[:2]}
    plt.close(figure)
    assert clips == {"raw output": 2, "sigmoid output": 0}


def test_figure_2_shows_every_error_or_counts_it():
    figure = registry.load("laboratory", "figure-2")
    found, limits, errors = figure.draw(None), figure.values(None), figure.errors()
    assert quoted("figure-2") <= set(limits)
    for axis in found.axes:
        marks = {line.get_label(): line.get_xdata()[0] for line in axis.lines}
        assert marks["off by 1 %"] == limits["off"]
        assert marks["sigmoid is 1"] == limits["one"]
    x = np.arange(0.25, 18, figure.STEP, dtype=np.float32)
    _, logit = article.round_trip(x)
    finite = np.isfinite(logit)
    error = (np.abs(logit - x) / x)[finite]
    curve = next(line for line in found.axes[0].lines if "logit" in line.get_label())
    there = finite & (x >= 12)
    drawn = np.interp(x[there], curve.get_xdata(), curve.get_ydata())
    # between the corners of two steps the line rises over one float32 of the grid
    assert (np.abs(drawn - logit[there]) > 1e-5).mean() < 0.02
    assert errors["greatest"].max() == error.max()
    assert errors["greatest"][0] == error[:512].max()
    assert (errors["low"] > 0).all()
    zero = found.axes[2].patches[0].get_data()
    np.testing.assert_allclose(zero.values[0], 100 * (error[:512] == 0).mean())
    # the last bin is not full
    full = zero.values[:-1] * (figure.WIDTH / figure.STEP) / 100
    assert full.sum() == (error == 0).sum()
    assert limits["zero_percent"] == zero.values.max()


def raw(values, labels, dtype="float32"):
    x = np.array(values, dtype)
    return pd.DataFrame({"sample_id": np.arange(len(x)), "label": labels, "raw_output": x})


ODD = {
    "one sample": raw([3.0], 1),
    "one sample, lost": raw([-300.0], 1),
    "one class": raw(np.linspace(-3, 9, 90), 1),
    "at zero": raw(np.zeros(50), np.arange(50) % 2),
    "all clipped": raw(np.repeat([60.0, -70.0], 40), np.repeat([1, 0], 40)),
    "all lost, far away": raw(np.repeat([1e5, -1e6], 40), np.repeat([0, 1], 40)),
    "float64": raw(np.linspace(-40, 40, 99), np.arange(99) % 2, "float64"),
}


@pytest.mark.parametrize("case", ODD)
def test_odd_networks_can_be_read(case):
    table = compare.samples(ODD[case])
    assert looks.faults(stages.draw(table, ("label 0", "label 1"), case)) == []
    batches = compare.batches(table, [size for size in (1, 4, 20) if size <= len(table)], 0)
    sizes = sorted(batches["batch_size"].unique())
    assert looks.faults(batch_mean.draw(batches, sizes[:1], case, sizes)) == []


@pytest.mark.parametrize("names", [["one"], ["cat", "W" * 90, *"abcd"]])
def test_labels_and_maps_can_be_read(names):
    edges, counts = np.linspace(-40, 40, 61), np.ones((2, 60))
    shown = [style.plain(name) for name in names]
    figure = raw_outputs.by_label(shown, [(edges, counts)] * len(names), "samples", "W" * 90)
    assert looks.faults(figure) == []
    pixels = compare.samples(raw(np.linspace(-40, 40, 60), np.arange(60) % 2))
    for shape in ((6, 10), (60, 1), (1, 60)):
        assert looks.faults(raw_outputs.as_map(pixels, shape, "W" * 90)) == []
