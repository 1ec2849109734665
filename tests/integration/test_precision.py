"""A precision is added to a finished study: jobs, bytes, tables, figures, report, MLflow."""

import json
import re
import shutil

import numpy as np
import pandas as pd
import pytest
import yaml
from ml_dtypes import bfloat16
from mlflow import MlflowClient

from sigmoid_bce.study.cells import STAGES, Cell
from sigmoid_bce.tracking import views
from sigmoid_bce.tracking.reconcile import cells_with_attempts
from sigmoid_bce.tracking.runs import group_key
from support.checkout import SMOKE, checkout, snakemake
from support.export import runs

HALF = "mixed_bfloat16"
SINGLE = Cell("digits", "tiny", "logits", 16, 0)
BFLOAT16 = Cell("digits", "tiny", "logits", 16, 0, precision=HALF)
CONFIG = ("--configfile", "study.yaml")
TABLES = ("cells", "models", "batches")


def state(folder, cell):
    """Return a cell's history without seconds, and the bytes of its other results."""
    results = folder / "results/smoke"
    history = pd.read_parquet(results / f"train/{cell}/history.parquet").drop(columns="seconds")
    names = [f"train/{cell}/{stage}.weights.h5" for stage in STAGES]
    names += [
        f"{part}/{cell}/{stage}.parquet" for part in ("raw_outputs", "compare") for stage in STAGES
    ]
    return history.to_csv(), [(results / name).read_bytes() for name in names]


def planned(folder, *arguments):
    """Return each planned job of a cell: its rule and the cell."""
    said = snakemake(folder, *CONFIG, "--dry-run", *arguments).stdout
    found = re.findall(r"^rule (\w+):$.*?^    output: (\S+)", said, re.MULTILINE | re.DOTALL)
    return {(rule, Cell.parse(path)) for rule, path in found if "seed~" in path}


def tables(folder):
    return {name: pd.read_csv(folder / f"results/smoke/tables/{name}.csv") for name in TABLES}


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """A folder in which the study has run before and after; what it had before, and what ran."""
    folder = checkout(tmp_path_factory.mktemp("precision") / "checkout")
    config = {key: SMOKE[key] for key in ("study", "datasets", "grid", "training", "comparison")}
    config["models"] = {"tiny": SMOKE["models"]["tiny"]}
    config["grid"] = {**config["grid"], "loss": ["logits"]}
    (folder / "study.yaml").write_text(yaml.safe_dump(config))
    snakemake(folder, *CONFIG)
    before = state(folder, SINGLE), tables(folder)
    config["grid"]["precision"] = ["float32", HALF]
    (folder / "study.yaml").write_text(yaml.safe_dump(config))
    jobs = planned(folder)
    snakemake(folder, *CONFIG)
    return folder, before, jobs


def test_only_the_new_cell_is_made(study):
    folder, (single, _), jobs = study
    assert jobs == {(rule, BFLOAT16) for rule in ("train", "raw_outputs", "compare", "figure_cell")}
    assert state(folder, SINGLE) == single
    assert state(folder, BFLOAT16) != single
    assert set(cells_with_attempts(folder / "results/smoke")) == {SINGLE, BFLOAT16}
    for cell in (SINGLE, BFLOAT16):
        run = json.loads((folder / f"results/smoke/train/{cell}/run.json").read_text())
        assert (run["cell"], run["training"]["precision"]) == (str(cell), cell.precision)
    # a target with paths of its own
    assert planned(folder, "--", "verdicts") == {("verdict", SINGLE), ("verdict", BFLOAT16)}


def test_the_same_cell_twice_has_the_same_bytes(study):
    folder, _, _ = study
    first = state(folder, BFLOAT16)
    copy = shutil.copytree(folder, folder.parent / "again", symlinks=True)
    for part in ("train", "raw_outputs", "compare"):
        shutil.rmtree(copy / f"results/smoke/{part}/{BFLOAT16}")
    snakemake(copy, *CONFIG, "--", f"results/smoke/compare/{BFLOAT16}/full.parquet")
    assert state(copy, BFLOAT16) == first


def test_raw_outputs_have_more_digits_than_half_precision(study):
    folder, _, _ = study
    raw = pd.read_parquet(folder / f"results/smoke/raw_outputs/{BFLOAT16}/full.parquet")
    outputs = raw["raw_output"].to_numpy()
    assert outputs.dtype == np.float32
    assert (outputs != outputs.astype(bfloat16)).any()


@pytest.mark.parametrize("name", TABLES)
def test_tables_tell_precisions_apart(study, name):
    folder, (_, before), _ = study
    after = tables(folder)[name]
    assert "precision" not in before[name]
    single = after[after["precision"] == "float32"].drop(columns="precision")
    pd.testing.assert_frame_equal(single.reset_index(drop=True), before[name])
    assert after["precision"].value_counts().to_dict() == dict.fromkeys(
        ("float32", HALF), len(before[name])
    )
    page = (folder / f"results/smoke/tables/{name}.html").read_text()
    assert HALF in page.replace("<wbr>", "")


def test_figures_and_report_name_the_precision(study):
    folder, _, _ = study
    for cell, named in ((SINGLE, False), (BFLOAT16, True)):
        svg = (folder / f"results/smoke/figures/{cell}/figure-5.svg").read_text()
        assert (HALF in svg) == named
    report = (folder / "results/smoke/report.html").read_text()
    for precision in ("float32", HALF):
        assert f'"batch size": "16", "precision": "{precision}", "seed": "0"' in report


def test_runs_of_mlflow_tell_precisions_apart(study):
    folder, _, _ = study
    client = MlflowClient(f"sqlite:///{folder / 'mlflow.db'}")
    found = runs(client, "smoke")
    by_key = {
        run.data.tags[kind]: run
        for run in found
        for kind in ("cell", "group")
        if kind in run.data.tags
    }
    for cell, name in (
        (SINGLE, "tiny logits batch 16"),
        (BFLOAT16, f"tiny logits batch 16 {HALF}"),
    ):
        run, group = by_key[str(cell)], by_key[group_key(cell)]
        assert run.info.run_name == f"{name} seed 0"
        assert group.info.run_name == f"{name}, all seeds"
        assert run.data.tags["mlflow.parentRunId"] == group.info.run_id
        assert run.data.params["precision"] == group.data.params["precision"] == cell.precision
        assert group.data.metrics["n"] == 1
        assert "full/val_accuracy" in run.data.metrics
    tags = client.get_experiment_by_name("smoke").tags
    assert f'`grid.precision` | `["float32", "{HALF}"]`' in tags["mlflow.note.content"]
    column = "params.`precision`"
    for view in ("all-cells", "seeds"):
        assert tags[f"mlflow.sharedViewState.{view}"] == views.envelope(view, precisions=True)
        assert views.state(view, precisions=True)["columnOrder"][-1] == column
        assert column not in views.state(view)["columnOrder"]
