"""A workflow that ends early says last what failed, why, and what is kept."""

from contextlib import suppress
from types import SimpleNamespace

import pytest

from sigmoid_bce.jobs.attempts import Attempt
from sigmoid_bce.jobs.ending import AGAIN, LINES, MOST, last_lines, summary


class Job(SimpleNamespace):
    def __str__(self):
        return self.rule.name

    __hash__ = object.__hash__


class Group(SimpleNamespace):
    __hash__ = object.__hash__


def job(name, log="", output=()):
    return Job(rule=SimpleNamespace(name=name), log=[str(log)] if log else [], output=output)


def flow(failed=(), running=()):
    return SimpleNamespace(scheduler=SimpleNamespace(failed=set(failed), running=set(running)))


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("one\ntook 1 s\nerror: no image\n", ["error: no image"]),
        ("error: early\nTraceback\ntook 1 s\nerror: late\n\nsecond\n", ["error: late", "second"]),
        ("\n".join("abcdefg"), list("cdefg")),
        ("x" * 10**5 + "\nerror: long\n", ["error: long"]),
        ("error: many\n" + "more\n" * 9, ["error: many", *["more"] * (LINES - 1)]),
        ("error: \tb\x1b[2J\n", ["error:  b\\x1b[2J"]),
        ("code: commit 0\none\n", ["one"]),
        ("", []),
    ],
)
def test_the_end_of_a_log(text, lines, tmp_path):
    (tmp_path / "log").write_text(text)
    assert last_lines(tmp_path / "log") == lines


def test_a_log_that_is_no_text_or_missing(tmp_path):
    (tmp_path / "log").write_bytes(b"error: caf\xe9\n")
    assert last_lines(tmp_path / "log") == ["error: caf\ufffd"]
    assert last_lines(tmp_path / "none") == last_lines(tmp_path) == []


def test_what_failed_is_listed(tmp_path):
    log = tmp_path / "train.log"
    log.write_text("took 1 s\nerror: the disk is full\n")
    group = Group(jobs=[job("compare", output=["b"])])
    assert summary(flow([job("train", log), group])).splitlines() == [
        "2 jobs failed:",
        "  compare: b",
        f"  train: {log}",
        "      error: the disk is full",
        AGAIN,
    ]
    many = summary(flow([job("train", f"{i}.log") for i in range(MOST + 3)])).splitlines()
    assert len(many) == MOST + 3
    assert many[-2] == "  and 3 more"


def test_what_was_interrupted_is_listed_without_its_log(tmp_path):
    folder = tmp_path / "results/s/train/dataset~d/model~m/loss~l/batch_size~4/seed~0"
    cell = str(folder.relative_to(tmp_path / "results/s/train"))
    with suppress(KeyboardInterrupt), Attempt(cell, folder) as attempt:
        attempt.note({"epoch": 1, "loss": 0.5})
        raise KeyboardInterrupt
    log = tmp_path / "train.log"
    log.write_text("many lines\n" * 1000)
    lines = summary(flow(running=[job("train", log, [str(folder / "run.json")])])).splitlines()
    assert lines == [
        "Interrupted while these jobs ran:",
        f"  train: {log}",
        "      interrupted after epoch 1",
        AGAIN,
    ]


def test_a_training_that_was_killed_is_listed_with_the_way_it_ended(tmp_path):
    folder = tmp_path / "results/s/train/dataset~d/model~m/loss~l/batch_size~4/seed~0"
    with suppress(KeyboardInterrupt), Attempt("a/b/c/d/e", folder) as attempt:
        attempt.note({"epoch": 1, "loss": 0.5})
        raise KeyboardInterrupt
    log = tmp_path / "train.log"
    log.write_text("code: commit 0\nepoch 1\n")
    lines = summary(flow([job("train", log, [str(folder / "run.json")])])).splitlines()
    assert lines[2:-1] == ["      epoch 1", "      interrupted after epoch 1"]


def test_another_snakemake_costs_the_list():
    assert summary(SimpleNamespace()) == AGAIN
