"""Figures show the data that their titles name, whatever the order of any table's lines."""

import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot as plt

from sigmoid_bce.comparison import compare, summary
from sigmoid_bce.figures import registry, scatter
from sigmoid_bce.figures import stage as stages
from sigmoid_bce.figures.inputs import CellTables
from sigmoid_bce.study.cells import Cell
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


def points(axis, collection=None):
    """Return the points of one scatter of a panel, or of all, sorted."""
    parts = axis.collections if collection is None else [axis.collections[collection]]
    found = np.concatenate([np.asarray(part.get_offsets()) for part in parts])
    return found[np.lexsort(found.T)]


def expected(table):
    found = table[["bce_raw", "bce_sigmoid"]].to_numpy(np.float64).clip(scatter.LEAST)
    return found[np.lexsort(found.T)]


def assert_within_limits(axis):
    (low, high), (bottom, top) = axis.get_xlim(), axis.get_ylim()
    x, y = points(axis).T
    assert low <= x.min()
    assert x.max() <= high
    assert bottom <= y.min()
    assert y.max() <= top


@pytest.mark.parametrize(("name", "stage"), [("figure-4", "early"), ("figure-5", "full")])
def test_a_stage_figure_shows_the_training_images_of_its_stage(name, stage):
    figure, tables = registry.load("cell", name), cell_tables()
    assert f"{stage} stage" in figure.TITLE
    drawn = figure.draw(tables)
    train = tables.samples[stage].query("split == 'train'")
    assert drawn.get_suptitle() == f"data, network, seed 0, {stage} stage"
    assert [axis.get_xlabel() for axis in drawn.axes] == [
        "raw output",
        "sigmoid output",
        "BCE from the raw output",
    ]
    assert [axis.get_ylabel() for axis in drawn.axes] == [
        "samples",
        "samples",
        "BCE from the sigmoid output",
    ]
    for axis, column in zip(drawn.axes, ("raw_output", "sigmoid"), strict=False):
        low, high = axis.get_xlim()
        assert low <= train[column].min()
        assert train[column].max() <= high
        bars = [p.get_data() for p in axis.patches if p.get_label() in CLASSES]
        for label, bar in enumerate(bars):
            values = train.loc[train["label"] == label, column]
            np.testing.assert_array_equal(bar.values, np.histogram(values, bar.edges)[0])
            assert bar.values.sum() == len(values)
    legend = [text.get_text() for text in drawn.axes[0].get_legend().get_texts()]
    # the clip's name lies in the legend, where it hides no bar
    assert legend in ([*CLASSES], [*CLASSES, "clip"])
    for label in (0, 1):
        assert drawn.axes[2].collections[label].get_label() == CLASSES[label]
        np.testing.assert_allclose(
            points(drawn.axes[2], label), expected(train[train["label"] == label])
        )
    assert_within_limits(drawn.axes[2])
    clip = np.log1p(-1e-7) - np.log(1e-7)
    marked = sorted(line.get_xdata()[0] for line in drawn.axes[0].lines)
    np.testing.assert_allclose(marked, [-clip, clip])
    assert figure.values(tables)["raw_max"] == train["raw_output"].max()
    assert figure.values(tables)["wrong"] == ((train["raw_output"] > 0) != train["label"]).sum()


@pytest.mark.parametrize(("name", "sizes"), [("figure-6", [4]), ("batch-mean", SIZES)])
def test_a_batch_figure_shows_the_batches_of_the_full_stage(name, sizes):
    figure, tables = registry.load("cell", name), cell_tables()
    drawn = figure.draw(tables)
    assert drawn.get_suptitle().replace("\n", " ") == "data, network, seed 0, full stage"
    assert [axis.get_title() for axis in drawn.axes] == [f"batches of {size}" for size in sizes]
    for axis, size in zip(drawn.axes, sizes, strict=True):
        part = tables.batches["full"].query(f"batch_size == {size}")
        assert axis.get_xlabel() == "BCE from the raw output"
        assert axis.get_ylabel() == "BCE from the sigmoid output"
        np.testing.assert_allclose(points(axis), expected(part))
        assert_within_limits(axis)
    part = tables.batches["full"].query(f"batch_size == {sizes[0]}")
    found = figure.values(tables)
    assert (found["batch_size"], found["batches"]) == (sizes[0], len(part))
    assert found["with_clipped"] == (part["clipped"] > 0).sum()


@pytest.mark.parametrize("name", CELL_FIGURES)
def test_the_order_of_rows_changes_no_cell_figure(name):
    figure = registry.load("cell", name)
    first, second = cell_tables(), cell_tables(order=3)
    assert figure.values(first) == pytest.approx(figure.values(second))
    for one, other in zip(figure.draw(first).axes, figure.draw(second).axes, strict=True):
        assert one.get_title() == other.get_title()
        np.testing.assert_allclose(one.get_xlim(), other.get_xlim())
        np.testing.assert_allclose(one.get_ylim(), other.get_ylim())
        for a, b in zip(one.patches, other.patches, strict=True):
            np.testing.assert_array_equal(a.get_data().values, b.get_data().values)
        if one.collections:
            np.testing.assert_array_equal(points(one), points(other))


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
