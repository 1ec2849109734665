"""Rings of tests that are too long for every change. CONTRIBUTING.md has their durations."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import mpmath
import numpy as np
import pandas as pd
import pytest

import check
from sigmoid_bce.numerics import frameworks, reference
from support.checkout import ROOT, checkout, snakemake
from support.fuzz import fuzz


def run(command, folder, minutes, **environment):
    """Run a command to its good end; return what it printed."""
    done = subprocess.run(
        list(map(str, command)),
        cwd=folder,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=minutes * 60,
    )
    assert done.returncode == 0, done.stdout[-6000:]
    return done.stdout


@pytest.mark.parametrize("seed", range(1, 16))
def test_kills(seed, record_property):
    """Five random kills a seed: no byte is lost."""
    command = [sys.executable, "-m", "pytest", "-q", "tests/faults/test_kills.py"]
    said = run(command, ROOT, 15, SIGMOID_BCE_KILLS=str(seed))
    record_property("said", said.strip().splitlines()[-1])


def test_generated_data(record_property):
    """Folders, tables, archives, 1,000 each: no label changes, no damage is a traceback."""
    command = [sys.executable, "-m", "pytest", "-q", "tests/unit/test_labels.py"]
    command += ["tests/unit/test_archives.py", "-k", "generated or one_line"]
    said = run(command, ROOT, 30, SIGMOID_BCE_EXAMPLES="1000")
    record_property("said", said.strip().splitlines()[-1])


def test_error_rates_of_verdicts(record_property):
    """Families of runs without a difference, or with the margin's: at most 5 % false alarms."""
    command = [sys.executable, "-m", "pytest", "-q", "tests/unit/test_learning_tables.py"]
    said = run([*command, "-k", "error_rates"], ROOT, 30, SIGMOID_BCE_EXAMPLES="5000")
    record_property("said", said.strip().splitlines()[-1])


def test_a_thousand_configurations(tmp_path):
    """Generated configurations: each is a study, or its mistakes are a line each."""
    fuzz(1000, tmp_path)


def test_kill_grid(record_property):
    """A grid of 200 cells of a second, killed at random: one run a cell, no byte is lost."""
    command = [sys.executable, "-m", "pytest", "-q", "tests/faults/test_kill_grid.py"]
    said = run(command, ROOT, 60, SIGMOID_BCE_GRID="200")
    record_property("said", said.strip().splitlines()[-1])


def test_random_faults_on_slurm(record_property):
    """A grid of 200 cells through SLURM, whose jobs, nodes, daemons and Snakemake end at random."""
    command = [sys.executable, "-m", "pytest", "-q", "tests/cluster/test_random_faults.py"]
    said = run(command, ROOT, 120, SIGMOID_BCE_CLUSTER_GRID="200", SIGMOID_BCE_CI="1")
    record_property("said", said.strip().splitlines()[-1])


@pytest.mark.parametrize("kind", ["loss", "gradient"])
def test_a_million_values(kind, record_property):
    """The reference against mpmath at a million raw outputs: no value is off by one ulp."""
    rng = np.random.default_rng(11)
    x = rng.uniform(-110, 110, 1_000_000).astype(np.float32)
    y = rng.choice([0, 1, 0.25, 0.9], x.size).astype(np.float32)
    got = getattr(reference, kind)(x, y, "float32")
    wrong = 0
    with mpmath.workprec(200):
        for a, b, value in zip(x.tolist(), y.tolist(), got, strict=True):
            a, b = mpmath.mpf(a), mpmath.mpf(b)
            if kind == "loss":
                truth = mpmath.log1p(mpmath.exp(-abs(a))) + max(a, 0) - a * b
            else:
                truth = 1 / (1 + mpmath.exp(-a)) - b
            half = float(np.spacing(np.abs(value))) / 2
            # float32 has half the bits of float64, which holds the distance to a half exactly
            wrong += abs(float(mpmath.mpf(float(value)) - truth)) > half
    record_property("said", f"{wrong} of {x.size:,} {kind} values are not the nearest float32")
    assert wrong == 0


@pytest.mark.parametrize("name", frameworks.names())
def test_no_float_goes_wrong_before_the_record_says_so(name, record_property):
    """20,000 floats before each threshold and 100,000 even points below it."""
    said = run([sys.executable, "-m", "support.scan", name], ROOT / "tests", 60)
    record_property("said", said.strip().splitlines()[-1])
    assert "earlier:" not in said, said[-6000:]


@pytest.mark.parametrize("study", ["config/config.yaml", "config/studies/article-offline.yaml"])
def test_a_whole_study(study, tmp_path, record_property):
    """A study at full size: nothing is left to be done, and documents quote its numbers."""
    folder = checkout(tmp_path)
    arguments = ("--configfile", study, "--quiet", "rules", "progress")
    run([sys.executable, "-m", "snakemake", "--cores", "all", *arguments], folder, 120)
    again = snakemake(folder, "--configfile", study, "--dry-run")
    assert "Nothing to be done" in again.stdout
    (results,) = (folder / "results").glob("*/report.html")
    cells = pd.read_csv(results.with_name("tables") / "cells.csv")
    assert np.isfinite(cells.select_dtypes("number")).all(axis=None)
    assert check.outside(folder / "results") == []
    record_property("said", f"{len(cells)} rows of cells.csv, report {results.stat().st_size} B")


def test_growth(tmp_path, record_property):
    """Plans of 10 to 3,000 cells grow no faster than their number."""
    command = [sys.executable, "benchmarks/run.py", "growth", "--limit", "0", "--out", tmp_path]
    run(command, ROOT, 40)
    rows = json.loads((tmp_path / "growth.json").read_text())["rows"]
    walls = {row[0]: round(row[2]) for row in rows if row[1] == "dry run"}
    (growth,) = (row[2] for row in rows if row[1] == "dry run, growth")
    record_property("said", f"seconds of dry runs: {walls}, growth {growth:.2f}, 1 is linear")
    assert growth < 1.2


def pythons():
    """Return the Pythons of this machine that the project supports."""
    found = [name for minor in (11, 12, 13) if (name := shutil.which(f"python3.{minor}"))]
    # a version manager has names for Pythons that it does not run
    return [p for p in found if not subprocess.run([p, "-V"], capture_output=True).returncode]


@pytest.mark.parametrize("python", pythons(), ids=lambda path: Path(path).name)
def test_python(python, tmp_path, record_property):
    """A fresh clone installs and passes the unit tests with every supported Python here."""
    run(["git", "clone", "--quiet", ROOT, tmp_path / "clone"], tmp_path, 5)
    run(["make", "install", f"PYTHON={python}"], tmp_path / "clone", 30)
    command = [".venv/bin/python", "-m", "pytest", "-q", "tests/unit"]
    said = run(command, tmp_path / "clone", 30)
    record_property("said", re.findall(r"\d+ passed.*", said)[-1])
