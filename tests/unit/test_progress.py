"""What a terminal shows while a workflow runs, and at its end."""

import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sigmoid_bce.jobs import progress
from sigmoid_bce.jobs.ending import links
from sigmoid_bce.jobs.progress import Durations, Progress, epochs, left

CELL = "dataset~d/model~{}/loss~logits/batch_size~{}/seed~{}"


def benchmark(folder, file, seconds):
    path = folder / "benchmarks" / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"s\th:m:s\n{seconds}\t0:00:01\n")
    return path


@pytest.mark.parametrize(
    ("file", "seconds"),
    [
        (f"train/{CELL.format('a', 1, 0)}.tsv", 10),  # its own
        (f"train/{CELL.format('a', 1, 7)}.tsv", 15),  # its other seeds
        (f"train/{CELL.format('a', 9, 7)}.tsv", 20),  # its network
        (f"train/{CELL.format('new', 1, 0)}.tsv", 30),  # its rule
        ("report.tsv", 5),
        ("sweep/torch.tsv", 70),  # another study
        ("other.tsv", None),
        ("damaged.tsv", None),
    ],
)
def test_the_nearest_earlier_job_tells_how_long_it_takes(file, seconds, tmp_path):
    study = tmp_path / "results/s"
    for (model, batch, seed), took in {
        ("a", 1, 0): 10, ("a", 1, 1): 20, ("a", 2, 0): 40, ("b", 1, 0): 500, ("b", 1, 1): 500,
    }.items():  # fmt: skip
        benchmark(study, f"train/{CELL.format(model, batch, seed)}.tsv", took)
    benchmark(study, "report.tsv", 5)
    benchmark(study, "damaged.tsv", "")
    benchmark(tmp_path / "results/other", "sweep/numpy.tsv", 70)
    (tmp_path / "results/other/benchmarks/broken.tsv").write_bytes(b"\xff")
    durations = Durations(study / "benchmarks")
    found = durations.of(study / "benchmarks" / file)
    assert found == (40 if "new" in file else seconds)


@given(
    st.lists(st.none() | st.floats(0, 1e5), max_size=9),
    st.lists(st.floats(0, 1e5), max_size=3),
    st.integers(0, 4),
)
def test_some_words_for_any_jobs(expected, spent, workers):
    text = left(expected, spent[: len(expected)], workers)
    assert text == progress.NO_EARLIER or "left" in text or text == "the last jobs end"


def test_epochs_are_those_of_the_last_attempt(tmp_path):
    assert epochs(tmp_path) == 0
    for number, text in {"2": "epoch\n1\n", "10": "epoch\n1\n2\n3\n4,half"}.items():
        (tmp_path / "attempts" / number).mkdir(parents=True)
        (tmp_path / "attempts" / number / "history.csv").write_text(text)
    assert epochs(tmp_path) == 3


def test_the_last_epoch_of_a_log_is_found(tmp_path):
    log = tmp_path / "learn.log"
    assert progress.last_epoch(log) == ""
    log.write_text("2 threads\n")
    assert progress.last_epoch(log) == ""
    log.write_text("".join(f"epoch {i}/300: 16 networks, mean\n" for i in range(300)) + "epoch 3")
    assert progress.last_epoch(log) == "299/300"


class Job(SimpleNamespace):
    """A job of Snakemake's, which is equal to itself only."""

    __hash__ = object.__hash__

    def __eq__(self, other):
        return self is other


def workflow(folder, running=0):
    """A workflow with some running trainings, a job that waits, and a target."""
    jobs = []
    for seed in range(running):
        cell = CELL.format("net", 4, seed)
        place = folder / "train" / cell
        (place / "attempts/1").mkdir(parents=True)
        (place / "attempts/1/history.csv").write_text("epoch\n" + "1\n" * seed)
        wildcards = SimpleNamespace(model="net", loss="logits", batch_size="4", seed=str(seed))
        jobs.append(
            Job(
                rule=SimpleNamespace(name="train"),
                output=[place / "history.parquet"],
                wildcards=wildcards,
                benchmark=benchmark(folder, f"train/{cell}.tsv", 100),
            )
        )
    waiting = [Job(benchmark=benchmark(folder, "report.tsv", 60)), Job(benchmark=None)]
    return SimpleNamespace(
        scheduler=SimpleNamespace(failed=(), running=jobs),
        dag=SimpleNamespace(needrun_jobs=lambda: [*jobs, *waiting]),
        executor_plugin=SimpleNamespace(name="local"),
        resource_settings=SimpleNamespace(cores=2),
    )


def test_a_line_names_trainings_epochs_and_time(tmp_path):
    line = Progress(workflow(tmp_path, 5), tmp_path, print).line()
    assert line == (
        "net logits batch 4 seed 0 begins; net logits batch 4 seed 1, epoch 1; "
        "net logits batch 4 seed 2, epoch 2; 2 more | about 5 min left, by earlier runs"
    )


def test_no_terminal_no_thread(tmp_path, monkeypatch):
    progress.start(workflow(tmp_path), tmp_path)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    quiet = SimpleNamespace(output_settings=SimpleNamespace(quiet={"all"}))
    progress.start(quiet, tmp_path)
    assert not any(isinstance(thread, Progress) for thread in threading.enumerate())


def test_the_thread_says_a_line_once_survives_errors_and_ends(tmp_path, monkeypatch):
    monkeypatch.setattr(progress, "FIRST", 0.01)
    monkeypatch.setattr(progress, "PERIOD", 0.01)
    said, looked = [], []
    thread = Progress(SimpleNamespace(), tmp_path, said.append)
    line = thread.line
    thread.line = lambda: looked.append(1) or line()

    def looks_twice():
        enough, end = len(looked) + 3, time.monotonic() + 60  # one may have begun before
        while len(looked) < enough and thread.is_alive() and time.monotonic() < end:
            time.sleep(0.01)
        return len(looked) >= enough

    thread.start()
    assert looks_twice()
    assert thread.is_alive()
    thread.workflow = workflow(tmp_path, 1)
    assert looks_twice()
    thread.stop()
    assert not thread.is_alive()
    assert len(said) == 1


def test_a_finished_run_ends_with_links(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "results/a b#1"
    (folder / "figures").mkdir(parents=True)
    (folder / "tracking").mkdir()
    (folder / "report.html").touch()
    base = f"{tmp_path.as_uri()}/results/a%20b%231"
    assert links("results/a b#1").splitlines() == [
        f"report    {base}/report.html",
        f"figures   {base}/figures",
        f"runs      python -m sigmoid_bce.tracking ui '{folder}'",
    ]
    (folder / "figures/explorer.html").touch()
    for file in ("Makefile", "my study.yaml"):
        Path(file).touch()
    found = links("results/a b#1", str(tmp_path / "my study.yaml")).splitlines()
    assert found[2:] == [
        f"explorer  {base}/figures/explorer.html",
        "runs      make ui CONFIG='my study.yaml'",
    ]
    assert links(tmp_path / "none") == ""
