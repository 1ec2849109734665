"""Benchmarks write a table that later parts join; speed itself is not tested."""

import importlib
import json
import subprocess
import sys

import pandas as pd
import pytest

from sigmoid_bce.numerics import frameworks
from sigmoid_bce.numerics.catalogue import DTYPES
from sigmoid_bce.numerics.tables import KEY, RECORD, STATUS, THRESHOLDS, read_thresholds
from support.checkout import ROOT


def bench(out, *arguments):
    command = [sys.executable, ROOT / "benchmarks/run.py", "--out", out, *arguments]
    return subprocess.run(command, capture_output=True, text=True)


def test_a_part_joins_the_table(tmp_path):
    before = {"part": "jobs", "scale": 1, "minutes": 4, "machine": {"started": "2026-01-01"}}
    before["rows"] = [["this machine", "shell, nothing", 0.06, "s a job", "one core"]]
    (tmp_path / "jobs.json").write_text(json.dumps(before))
    done = bench(tmp_path, "throughput", "--scale", "0.01")
    assert done.returncode == 0, done.stderr[-3000:]
    record = json.loads((tmp_path / "throughput.json").read_text())
    described = {"processor", "cores", "memory", "tensorflow", "commit", "load at start"}
    assert described <= set(record["machine"])
    assert all(value > 0 for _, _, value, _, _ in record["rows"])
    table = pd.read_csv(tmp_path / "benchmarks.csv")
    assert len(table) == 1 + len(record["rows"])
    text = (tmp_path / "benchmarks.md").read_text()
    assert "## jobs\n" in text
    assert "## throughput **scaled to 0.01: a test, not a result**" in text
    for ending in ("svg", "png"):
        assert (tmp_path / f"benchmarks.{ending}").stat().st_size > 1000


def test_an_unknown_part_is_named(tmp_path):
    done = bench(tmp_path, "peer")
    assert done.returncode == 2
    assert "there is no part 'peer'" in done.stderr
    assert "peers" in done.stderr


# ---- old and nightly releases


@pytest.fixture
def releases(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    return importlib.import_module("releases")


def kept(folder, framework, version, **changes):
    """Write the tables of a release that was measured, as the record has them."""
    table = read_thresholds(RECORD).query("framework == @framework & dtype == 'float32'")
    table = table.assign(version=version, **changes)
    folder.mkdir(parents=True)
    table[THRESHOLDS].to_csv(folder / "thresholds.csv", index=False)
    status = table.drop_duplicates(KEY)[KEY].assign(status="measured", seconds=1)
    status.reindex(columns=STATUS).to_csv(folder / "implementations.csv", index=False)


def test_the_list_of_releases_is_long_and_complete(releases):
    names = [release.name for release in releases.RELEASES]
    assert len(set(names)) == len(names) >= 25
    for framework in ("torch", "tensorflow", "keras_tensorflow"):
        assert sum(name.startswith(f"{framework}-") for name in names) >= 4
    for release in (*releases.RELEASES, *releases.NIGHTLY):
        assert release.framework in frameworks.names()
        assert set(release.dtypes) <= set(DTYPES)


def test_releases_are_kept_and_one_that_fails_is_told(releases, tmp_path, capsys):
    kept(tmp_path / "scikit_learn-1.2.2", "scikit-learn", "1.2.2", loss_flat=9.0)
    given = ["--to", str(tmp_path), "--python", sys.executable, "--pip=--no-index"]
    wanted = ["scikit_learn-1.2.2", "numpy:no-such-package==1"]
    assert releases.main([*wanted, *given]) == 1
    said = capsys.readouterr().out
    assert "numpy-1: ERROR: No matching distribution found for no-such-package==1" in said
    assert "1 of 2 releases" in said
    table = read_thresholds(tmp_path / "releases.csv")
    assert set(table["version"]) == {"1.2.2"}
    # a later run of another release leaves it in the table
    kept(tmp_path / "numpy-9", "NumPy", "9")
    assert releases.main(["numpy:numpy==9", *given]) == 0
    assert set(read_thresholds(tmp_path / "releases.csv")["version"]) == {"1.2.2", "9"}
    assert not [file for file in tmp_path.iterdir() if file.name.startswith(".venv")]
    assert (tmp_path / "numpy-1.log").is_file()
    # what a nightly release changes, in words
    (line, *_) = releases.moved([tmp_path / "scikit_learn-1.2.2"])
    assert line.startswith("scikit-learn 1.2.2: worse: ")
    with pytest.raises(SystemExit):
        releases.main(["torch-0.0", *given])
    assert "there is no release 'torch-0.0'" in capsys.readouterr().err
