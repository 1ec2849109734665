"""Reports about frameworks: each reproduction gives what its text says, and the text is whole."""

import ast
import math
import os
import re
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from sigmoid_bce.commands import main
from sigmoid_bce.jobs.machine import processor
from sigmoid_bce.jobs.releases import installed
from sigmoid_bce.numerics.thresholds import COLUMNS
from sigmoid_bce.upstream import effect, findings
from sigmoid_bce.upstream.text import EXAMPLE, text
from support import reproductions
from support.checkout import ROOT

FINDINGS = {name: findings.load(name) for name in findings.names()}
MODULES = {"mlx[cpu]": "mlx", "paddlepaddle": "paddle", "scikit-learn": "sklearn"}
"""The modules of distributions that have another name."""
TOGETHER = (
    ("torch-bce-with-logits",),
    (
        "keras-softmax-bce",
        "keras-mixed-precision",
        "tensorflow-graph-gradient",
        "tensorflow-weighted-loss",
        "litert-log-sigmoid",
    ),
    ("keras-float64",),
    ("keras-numpy-from-logits",),
    ("xgboost-logloss",),
    ("sklearn-half-binomial",),
)
"""The findings about frameworks that CI installs, by process; the others run in `make soak`."""


def test_there_are_twelve_and_each_is_run_somewhere():
    assert len(FINDINGS) >= 12
    here = [name for names in TOGETHER for name in names]
    assert set(here) <= set(FINDINGS)
    assert len(here) == len(set(here))


@pytest.mark.parametrize("names", TOGETHER, ids=lambda names: names[0])
def test_reproductions_print_what_the_text_says(names):
    wanted = {pin.split("[")[0] for name in names for pin in FINDINGS[name].packages}
    if missing := [package for package in wanted if not installed(package)]:
        assert not os.environ.get("SIGMOID_BCE_CI"), missing
        pytest.skip(f"{', '.join(missing)} not installed")
    found = reproductions.run(names)
    for name in names:
        measured = FINDINGS[name].measured
        for package, release in measured["releases"].items():
            assert installed(package).split("+")[0] == release, "run benchmarks/upstream.py again"
        exact = measured["processor"] == processor()
        assert reproductions.near(found[name], measured["output"], exact), found[name]


@pytest.mark.parametrize("finding", FINDINGS.values(), ids=FINDINGS)
def test_a_report_is_whole(finding):
    assert len(finding.reproduction.splitlines()) <= findings.LINES
    tree = list(ast.walk(ast.parse(finding.reproduction)))
    imported = {alias.name for node in tree if isinstance(node, ast.Import) for alias in node.names}
    imported |= {node.module for node in tree if isinstance(node, ast.ImportFrom)}
    roots = {name.split(".")[0] for name in imported} - set(sys.stdlib_module_names)
    assert roots <= {MODULES.get(package, package) for package in finding.packages} | {"numpy"}
    for part in ("title", "summary", "cause", "fix", "form"):
        assert getattr(finding, part), part
    assert finding.source
    assert set(finding.known) <= set(findings.threads().index)
    # expected values are right: the column of x, then that of the exact one
    head, *rows = reproductions.cells(finding.measured["output"])
    of = head.index("x")
    expected = next(i for i, name in enumerate(head) if "expected" in name)
    for row in rows if "loss" in head[expected] or "L(x, 1)" in head else ():
        x, value = float(row[of]), float(row[expected])
        assert value == pytest.approx(max(-x, 0) + math.log1p(math.exp(-abs(x))), rel=6e-3)
    assert len({row[0] for row in rows}) >= 2 or "float32 only" in finding.summary
    assert all(len(row) == len(head) for row in rows)
    assert [cost["dtype"] for cost in finding.measured["costs"]] == finding.cost.dtypes
    assert all(cost["now"] > 0 and cost["new"] > 0 for cost in finding.measured["costs"])


@pytest.mark.parametrize(
    ("name", "source"),
    [
        (name, source)
        for name, finding in FINDINGS.items()
        for source in finding.source
        if source.package
    ],
    ids=lambda value: getattr(value, "file", value),
)
def test_a_cause_is_at_its_line(name, source):
    release = FINDINGS[name].measured["releases"][source.package]
    if (installed(source.package) or "").split("+")[0] != release:
        pytest.skip(f"{source.package} {release} not installed")
    package = source.file.split("/")[0]
    folder = Path(next(iter(find_spec(package).submodule_search_locations))).parent
    assert (folder / source.file).read_text().splitlines()[source.line - 1].strip() == source.text


@pytest.mark.parametrize("finding", FINDINGS.values(), ids=FINDINGS)
def test_the_committed_effect_is_that_of_the_example(finding):
    found = effect.effect(finding, ROOT / EXAMPLE)
    kept = dict(finding.measured["effect"])
    rows, others = found.pop("rows"), kept.pop("rows")
    again = "run benchmarks/upstream.py and make readme again"
    known = {name: value for name, value in kept.items() if value is not None}
    assert found.keys() == kept.keys()
    assert {name: found[name] for name in known} == pytest.approx(known, rel=1e-6), again
    assert len(rows) == len(others)
    for row, other in zip(rows, others, strict=True):
        change = row.pop("change"), other["change"]
        assert change[0] == pytest.approx(change[1], rel=1e-3, abs=1e-15), again
        assert row == {key: other[key] for key in row}, again


@pytest.mark.parametrize("finding", FINDINGS.values(), ids=FINDINGS)
def test_words_quote_thresholds(finding):
    """A number after "from", in a title or a summary, is a threshold of the finding's programs."""
    places = effect.thresholds(finding)[list(COLUMNS)].to_numpy(float)
    for said in re.findall(
        r"\b[Ff]rom (?:a margin of )?-?(\d+(?:\.\d+)?)", f"{finding.title} {finding.summary}"
    ):
        half = 0.5 * 10 ** -len(said.partition(".")[2])
        assert (np.abs(np.abs(places) - float(said)) <= half + 1e-9).any(), said


def test_an_effect_is_counted(tmp_path):
    """Samples at either side of each threshold, by hand."""
    finding = FINDINGS["xgboost-logloss"]
    table = effect.thresholds(finding).set_index(["y", "side"])
    flat = table.loc[(0, "wrong"), "loss_flat"]
    file = tmp_path / "outputs.csv"
    x = [np.nextafter(np.float32(flat), np.float32(way)) for way in (0, 99)] + [flat + 5, -2, -60]
    pd.DataFrame({"label": 0, "raw_output": np.float32(x)}).to_csv(file, index=False)
    found = effect.effect(finding, file)
    assert (found["samples"], found["mistakes"]) == (5, 3)
    (row,) = found["rows"]
    assert row["loss constant"][1] == 2
    assert row["gradient exactly 0"] is None
    value = table.loc[(0, "wrong"), "loss_flat_value"]
    true = np.logaddexp(0, np.float64(np.float32(x[1:3]))).sum()
    right = table.loc[(0, "correct"), ["loss_flat", "loss_flat_value"]]
    assert row["change"] == pytest.approx((2 * value - true) / 5, abs=1e-6), right


def test_the_command_lists_reports_and_names_the_nearest(tmp_path):
    run = CliRunner().invoke
    listed = run(main, ["upstream"])
    assert listed.exit_code == 0
    assert [line.split()[0] for line in listed.output.splitlines()] == findings.names()
    for wrong, near in [
        ("torch-bce", "torch-bce-with-logits"),
        ("xgbost-logloss", "xgboost-logloss"),
        ("Keras-Softmax", "keras-softmax-bce"),
    ]:
        found = run(main, ["upstream", wrong])
        assert found.exit_code == 2
        assert found.stderr.count("\n") == 1
        assert near in found.stderr
    assert "expected one of" in run(main, ["upstream", "zzz"]).stderr


def test_a_report_has_the_effect_on_a_given_file(tmp_path):
    file = tmp_path / "outputs.csv"
    file.write_text("label,raw_output\n0,20.5\n1,3\n0,-3\n")
    found = CliRunner().invoke(main, ["upstream", "keras-softmax-bce", str(file)])
    assert found.exit_code == 0
    assert "`outputs.csv`: 3 samples, 1 misclassified" in found.output
    true = np.logaddexp(0, [20.5, -3, -3]).mean()
    told = re.search(r"true mean loss ([\d.]+), computed ([\d.]+)\.", found.output)
    assert float(told[1]) == pytest.approx(true, rel=1e-3)
    assert float(told[2]) == pytest.approx((true + np.log(2)) / 2, rel=1e-3)
    assert EXAMPLE not in found.output
    plain = CliRunner().invoke(main, ["upstream", "keras-softmax-bce"])
    assert plain.output == text(FINDINGS["keras-softmax-bce"])


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "empty"),
        ("label,raw_output\n0,0.5\n1,0.2\n", "probabilities"),
        ("label,score\n0,5\n", "raw_output"),
        ("label,raw_output\n0,nan\n", "finite"),
    ],
)
def test_a_bad_file_is_one_line(tmp_path, content, said):
    file = tmp_path / "outputs.csv"
    file.write_text(content)
    found = CliRunner().invoke(main, ["upstream", "xgboost-logloss", str(file)])
    assert found.exit_code == 2
    assert found.stderr.count("\n") == 1
    assert said in found.stderr
