"""Benchmarks write a table that later parts join; speed itself is not tested."""

import json
import subprocess
import sys

import pandas as pd

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
