"""Benchmarks write a table that later parts join; speed itself is not tested."""

import importlib
import json
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

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


@pytest.fixture
def imported(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    return importlib.import_module


def test_the_studies_of_benchmarks_can_be_planned(imported, tmp_path):
    studies, measured = imported("studies"), imported("measured")
    default = measured.default_study()
    made = {
        "digits": (studies.digits(4), 4),
        "four": (studies.four_cells(), 4),
        "short": (studies.short_cells(), 100),
        "shrunk": (studies.shrink(default, 0.05), 2),
    }
    for name, (config, cells) in made.items():
        folder = measured.new_folder(tmp_path, name, config)
        measured.snakemake(folder, "--dry-run", "--quiet", "rules")
        text = (folder / "snakemake.log").read_text()
        assert re.search(rf"^train +{cells}$", text, re.M), text[-3000:]
        for rule, section in (("learn", "learning"), ("sweep", "numerics")):
            assert bool(re.search(rf"^{rule} +\d", text, re.M)) == (section in config)


def test_the_cpu_of_a_command_is_also_that_of_what_it_leaves_behind(imported, tmp_path):
    busy = "import time; end = time.process_time() + 0.7\nwhile time.process_time() < end: pass"
    leaves = "import subprocess, sys; subprocess.Popen([sys.executable, '-c', sys.argv[1]])"
    command = [sys.executable, "-c", leaves, busy]
    used = imported("measured").run(command, tmp_path, tmp_path / "log")
    assert used.cpu > 0.7 > used.own_cpu


def test_commands_side_by_side_are_each_waited_for(imported, tmp_path):
    """One that ends does not take the end of another for that of what it left behind."""
    run = imported("measured").run

    def sleep(number):
        return run(["sleep", f"0.{number % 4}"], tmp_path, tmp_path / f"{number}.log").wall

    with ThreadPoolExecutor(4) as pool:
        assert all(wall < 30 for wall in pool.map(sleep, range(32)))


def test_a_schedule_starts_what_is_urgent_and_finds_the_longest_chain(imported):
    schedule = imported("schedule")
    jobs = {  # seconds, priority, and the jobs before it
        "data": (1, 9, ()),
        "slow": (10, 5, ("data",)),
        "fast": (4, 1, ("data",)),
        "other": (4, 2, ()),
        "table": (2, 0, ("slow", "fast")),
    }
    made = [schedule.Job(name, s, p, frozenset(a)) for name, (s, p, a) in jobs.items()]
    found = schedule.Schedule(made)
    assert [job.name for job in found.chain] == ["data", "slow", "table"]
    assert [found.wall(cores) for cores in (1, 2, 9)] == [21, 13, 13]
    # one core is busy with `slow`; the other does `other` and then `fast`
    late = [*made[:1], *made[2:], schedule.Job("slow", 10, 0, frozenset({"data"}))]
    assert schedule.Schedule(late).wall(2) == 16


def test_a_schedule_is_read_from_a_run(imported, smoke):
    schedule = imported("schedule")
    (smoke / "snakemake.log").touch()
    found = {job.name: job for job in schedule.jobs(smoke)}
    assert all(job.seconds > 0 for job in found.values())
    cell = "dataset~digits/model~tiny/loss~logits/batch_size~16/seed~0.log"
    assert f"train/{cell}" in found[f"raw_outputs/{cell}"].after
    chain = schedule.Schedule(list(found.values())).chain
    assert not chain[0].after
    assert chain[-1].rule == "track_study"


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
