"""An attempt's files: each epoch when it ends, and the true status, however the attempt ends."""

import json
import math
import os
import signal
import subprocess
import sys
import time
from types import SimpleNamespace

import pandas as pd
import pytest

from sigmoid_bce.jobs import ends
from sigmoid_bce.jobs.attempts import (
    Attempt,
    process,
    read_attempts,
    read_history,
    start_digest,
    times,
)
from sigmoid_bce.jobs.notice import Interrupted, Notice
from sigmoid_bce.jobs.records import AttemptRecord
from sigmoid_bce.tracking.reconcile import note_ends

ORIGINAL = signal.signal
CELL = "dataset~d/model~m/loss~logits/batch_size~4/seed~0"
VALUES = [0.1 + 0.2, 5e-324, -0.0, 1 / 3, math.pi * 1e300, math.nan, math.inf, -math.inf]
TRAIN = """
import sys, time
from pathlib import Path
from sigmoid_bce.jobs.logs import logged_to
from sigmoid_bce.jobs.attempts import Attempt
cell = "dataset~d/model~m/loss~logits/batch_size~4/seed~0"
with logged_to(Path(sys.argv[1]) / "log"), Attempt(cell, Path(sys.argv[1]) / "s/train" / cell) as a:
    for epoch in range(1, 1000):
        a.note({"epoch": epoch, "loss": 1 / epoch, "seconds": 0.01})
        time.sleep(0.01)
        if sys.argv[2] == "fail" and epoch == 3:
            raise FloatingPointError("the training loss\\nis nan")
        if sys.argv[2] == "memory" and epoch == 3:
            bytearray(1 << 60)
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setattr(signal, "signal", lambda *_: None)  # this process keeps its own
    monkeypatch.setattr(ends, "_silent", set())  # it lasts as long as the process
    return tmp_path / "s" / "train" / CELL


def gives_no_answer(command, *, timeout, env, **_):
    """In place of `subprocess.run`: give a program up, but only once it has done what it notes."""
    assert timeout == ends.LIMIT
    with subprocess.Popen(command, env=env, stdout=subprocess.PIPE) as program:
        assert program.stdout.readline() == b"noted\n"
        program.kill()
    raise subprocess.TimeoutExpired(command, timeout)


SILENT = SimpleNamespace(run=gives_no_answer, TimeoutExpired=subprocess.TimeoutExpired)


def test_every_epoch_is_in_the_file_at_once_bit_for_bit(folder):
    rows = [{"epoch": i + 1, "loss": value, "seconds": 1.0} for i, value in enumerate(VALUES)]
    with Attempt(CELL, folder) as attempt:
        for i, row in enumerate(rows):
            attempt.note(row)
            seen = read_history(folder / "attempts/1/history.csv")
            assert len(seen) == i + 1
        [record] = read_attempts(folder)
        assert record["status"] == "RUNNING"
        assert record["study"] == "s"
    pd.testing.assert_frame_equal(seen, pd.DataFrame(rows), check_exact=True)
    assert seen["loss"].to_numpy().tobytes() == pd.DataFrame(rows)["loss"].to_numpy().tobytes()
    [record] = read_attempts(folder)
    assert (record["status"], record["reason"]) == ("FINISHED", None)


def test_a_cut_off_line_is_left_out(folder):
    with Attempt(CELL, folder) as attempt:
        attempt.note({"epoch": 1, "loss": 0.5, "seconds": 1.0})
    file = folder / "attempts/1/history.csv"
    file.write_text(file.read_text() + "2,0.2")
    assert list(read_history(file)["epoch"]) == [1]


def test_attempts_are_numbered_and_each_names_the_one_before(folder):
    for _ in range(3):
        with Attempt(CELL, folder) as attempt:
            attempt.note({"epoch": 1, "loss": 0.5, "seconds": 1.0})
    records = read_attempts(folder)
    assert [r["attempt"] for r in records] == [1, 2, 3]
    assert "previous" not in records[0]
    assert [r["previous"] for r in records[1:]] == [process(r) for r in records[:2]]
    assert [r.get("previous_sha256") for r in records] == [None, *map(start_digest, records[:2])]
    (folder / "attempts/1/attempt.json").write_text("{")
    assert [r["attempt"] for r in read_attempts(folder)] == [2, 3]


def killed(folder, **changes):
    """Write an attempt whose process is gone without a word; return what is read of it."""
    with Attempt(CELL, folder) as attempt:
        attempt.note({"epoch": 1, "loss": 0.5, "seconds": 1.0})
    file = folder / "attempts/1/attempt.json"
    record = {**json.loads(file.read_text()), **changes}
    for name in ("status", "reason", "ended"):
        del record[name]
    file.write_text(json.dumps(record))
    [found] = read_attempts(folder)
    return found["status"], found["ended_by"], found["reason"]


@pytest.mark.parametrize(
    ("changes", "cause", "reason"),
    [
        ({}, "killed", "killed after epoch 1"),
        ({"boot": "another"}, "node failure", "ended by a failure of its node after epoch 1"),
        ({"oom_kills": -1}, "memory", "out of memory after epoch 1"),
        ({"oom_kills": -1, "host": "elsewhere"}, "killed", "killed after epoch 1"),
        # a number that no SLURM knows, or no SLURM at all
        ({"slurm_job_id": "999999"}, "killed", "killed after epoch 1"),
    ],
)
def test_a_death_without_a_word_is_explained_by_the_kernel(folder, changes, cause, reason):
    assert killed(folder, **changes) == ("KILLED", cause, reason)


def test_slurm_s_log_tells_of_memory(folder):
    log = folder.parents[CELL.count("/") + 2] / "slurm/group_heads/17.log"
    log.parent.mkdir(parents=True)
    log.write_text("slurmstepd: error: Step 17.0 exceeded memory limit (900 > 400), being killed")
    assert killed(folder, slurm_job_id="17")[1] == "memory"


def test_slurm_s_log_of_another_job_tells_nothing(folder):
    log = folder.parents[CELL.count("/") + 2] / "slurm/group_heads/17.log"
    log.parent.mkdir(parents=True)
    log.write_text("slurmstepd: error: Step 17.0 exceeded memory limit (900 > 400), being killed")
    assert killed(folder, slurm_job_id="7")[1] == "killed"


SLURM = {
    # what sacct says of a job that was queued again, and of one that was cancelled by somebody
    "a first run": ("PREEMPTED|{0}|{1}\nCOMPLETED|{2}|{3}", "preempted"),
    "a second run": ("PREEMPTED|0|{0}\nNODE_FAIL|{0}|Unknown", "node failure"),
    "cancelled": ("CANCELLED by 0|{0}|{1}", "cancelled"),
    "time": ("TIMEOUT|{0}|{1}", "time limit"),
    "memory": ("OUT_OF_MEMORY|{0}|{1}", "memory"),
    "only the training died": ("COMPLETED|{0}|{1}", "killed"),
}


@pytest.mark.parametrize("case", SLURM)
def test_the_state_of_the_job_s_run_counts(folder, tmp_path, monkeypatch, case):
    lines, cause = SLURM[case]
    now = int(time.time())
    text = lines.format(now - 5, now + 50, now + 60, now + 90)
    (tmp_path / "sacct").write_text(f"#!/bin/sh\nprintf '%s\\n' '{text}'\n")
    (tmp_path / "sacct").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert killed(folder, slurm_job_id="17")[1] == cause


def test_a_slurm_that_gives_no_answer_is_asked_once(folder, tmp_path, monkeypatch):
    for name in ("sacct", "scontrol"):
        note = f"echo {name} >> {tmp_path}/asked"
        (tmp_path / name).write_text(f"#!/bin/sh\n{note}\necho noted\nexec sleep 60\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr(ends, "subprocess", SILENT)
    assert killed(folder, slurm_job_id="17")[1] == "killed"
    assert read_attempts(folder)[0]["ended_by"] == "killed"
    assert sorted((tmp_path / "asked").read_text().split()) == ["sacct", "scontrol"]


@pytest.mark.parametrize(
    ("shown", "cause"),
    [
        ("JobState=RUNNING PreemptTime=2026-01-01T00:00:00", "preempted"),
        ("JobState=CANCELLED PreemptTime=None", "cancelled"),
        ("JobState=TIMEOUT", "time limit"),
        ("JobState=RUNNING PreemptTime=None", "interrupted"),
    ],
)
def test_a_job_that_is_told_to_end_asks_why(tmp_path, monkeypatch, shown, cause):
    (tmp_path / "scontrol").write_text(f"#!/bin/sh\necho JobId=17 {shown}\n")
    (tmp_path / "scontrol").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("SLURM_JOB_ID", "17")
    monkeypatch.setattr(ends, "_silent", set())
    assert ends.of_notice() == cause


@pytest.mark.parametrize("accounts", [True, False])
def test_slurm_is_asked_after_the_end_is_written_and_again_if_it_was_silent(
    folder, tmp_path, monkeypatch, accounts
):
    record = folder / "attempts/1/attempt.json"
    silent = f"#!/bin/sh\ncp {record} {tmp_path}/seen.json\necho noted\nexec sleep 60\n"
    (tmp_path / "scontrol").write_text(silent)
    (tmp_path / "scontrol").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("SLURM_JOB_ID", "17")
    with monkeypatch.context() as patch:
        patch.setattr(ends, "subprocess", SILENT)
        with pytest.raises(Interrupted), Attempt(CELL, folder):
            raise Interrupted(signal.SIGTERM)
    for file in (tmp_path / "seen.json", record):
        assert json.loads(file.read_text())["ended_by"] == "interrupted"

    # the job has ended in its grace time, by itself: to SLURM it has failed
    now = int(time.time())
    job = f"JobState=FAILED PreemptTime={now} StartTime={now - 5} EndTime={now + 2}"
    (tmp_path / "scontrol").write_text(f"#!/bin/sh\necho JobId=17 {job}\n")
    if accounts:
        (tmp_path / "sacct").write_text(f"#!/bin/sh\necho 'FAILED|{now - 5}|{now + 2}'\n")
        (tmp_path / "sacct").chmod(0o755)
    ends._silent.clear()
    [line] = note_ends(folder.parents[CELL.count("/") + 1])
    assert line.endswith("KILLED, preempted before its first epoch")
    assert json.loads(record.read_text())["ended_by"] == "preempted"


CAUSES = {signal.SIGTERM: "interrupted", signal.SIGKILL: "killed", "fail": "failed"}
CAUSES |= {"memory": "memory", signal.SIGHUP: "interrupted"}


@pytest.mark.parametrize(
    ("how", "status", "reason", "code"),
    [
        (signal.SIGTERM, "KILLED", "interrupted after epoch", 143),
        (signal.SIGHUP, "KILLED", "interrupted after epoch", 129),  # a closed terminal
        (signal.SIGKILL, "KILLED", "killed after epoch", -9),
        ("fail", "FAILED", "is nan", 1),
        ("memory", "FAILED", "MemoryError", 1),
    ],
)
def test_the_end_is_told_truthfully(folder, tmp_path, how, status, reason, code):
    environment = {k: v for k, v in os.environ.items() if k != "MLFLOW_TRACKING_URI"}
    process = subprocess.Popen(
        [sys.executable, "-c", TRAIN, tmp_path, str(how)],
        env=environment,
        preexec_fn=lambda: ORIGINAL(signal.SIGHUP, signal.SIG_DFL),
    )
    file = folder / "attempts/1/history.csv"
    end = time.monotonic() + 60
    while not file.exists() or len(read_history(file)) < 3:
        assert time.monotonic() < end
        time.sleep(0.02)
    if isinstance(how, int):
        assert read_attempts(folder)[0]["status"] == "RUNNING"
        process.send_signal(how)
    assert process.wait(60) == code
    [record] = read_attempts(folder)
    assert record["status"] == status
    assert reason in record["reason"]
    assert record["ended_by"] == CAUSES[how]
    if status == "FAILED":  # as the log ends
        assert record["reason"] == (tmp_path / "log").read_text().splitlines()[-1]
        assert json.loads((folder / "attempts/1/attempt.json").read_text())["status"] == "FAILED"


def test_under_nohup_a_closed_terminal_ends_no_training(folder, tmp_path):
    command = ["nohup", sys.executable, "-c", TRAIN, tmp_path, "run"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    file = folder / "attempts/1/history.csv"
    end = time.monotonic() + 60
    while not file.exists() or len(read_history(file)) < 3:
        assert time.monotonic() < end
        time.sleep(0.02)
    process.send_signal(signal.SIGHUP)
    before = len(read_history(file))
    while len(read_history(file)) < before + 3:
        assert process.poll() is None
        time.sleep(0.02)
    process.terminate()
    assert process.wait(60) == 143


def test_times_do_not_depend_on_when_they_are_asked_for():
    seconds = [0.1, 0.2, 0.7]
    assert [times(5, seconds[: i + 1])[i] for i in range(3)] == times(5, seconds)


class Recorder:
    """A follower that notes its calls, and fails at one of them."""

    def __init__(self, fails=None):
        self.fails, self.calls = fails, []

    def __call__(self, record, rows):
        self.record, self.rows = record, rows
        return self._note("start") or self

    def wake(self):
        self._note("wake", len(self.rows))

    def close(self):
        record = self.record
        self._note("close", record["status"], record["reason"], record["ended"] > 0)

    def _note(self, call, *values):
        self.calls.append((call, *values))
        if call == self.fails:
            raise ConnectionError("the server is away")


def attempt_followed_by(follower, folder):
    with Attempt(CELL, folder, follower) as attempt:
        attempt.resume([{"epoch": 1, "loss": 0.5, "seconds": 1.0}])
        attempt.note({"epoch": 2, "loss": 0.25, "seconds": 1.0})


def test_a_follower_is_told_of_every_epoch_and_of_the_end(folder):
    follower = Recorder()
    attempt_followed_by(follower, folder)
    end = ("close", "FINISHED", None, True)
    assert follower.calls == [("start",), ("wake", 1), ("wake", 2), end]
    assert follower.record["resumed_from"] == 1


@pytest.mark.parametrize("call", ["start", "wake", "close"])
def test_no_error_of_a_follower_reaches_the_training(folder, capsys, call):
    follower = Recorder(fails=call)
    attempt_followed_by(follower, folder)
    [record] = read_attempts(folder)
    assert record["status"] == "FINISHED"
    assert len(read_history(folder / "attempts/1/history.csv")) == 2
    assert capsys.readouterr().out.count("live view: the server is away") == 1


def test_without_an_address_no_training_is_followed_and_mlflow_is_not_imported():
    code = (
        "import sys; from sigmoid_bce.jobs.attempts import Attempt; "
        "from sigmoid_bce.tracking import live; "
        "assert live.follower({}, []) is None; "
        "assert not {'mlflow', 'pandas', 'tensorflow'} & set(sys.modules), sys.modules"
    )
    environment = {k: v for k, v in os.environ.items() if k != "MLFLOW_TRACKING_URI"}
    subprocess.run([sys.executable, "-c", code], env=environment, check=True, timeout=60)


def test_a_start_is_what_no_later_step_changes(folder):
    with Attempt(CELL, folder) as attempt:
        before = start_digest(attempt.record)
        attempt.resume([{"epoch": 1, "loss": 0.5, "seconds": 1.0}])
        attempt.note({"epoch": 2, "loss": 0.25, "seconds": 1.0})
    file = folder / "attempts/1/attempt.json"
    record = json.loads(file.read_text())
    assert start_digest(record) == start_digest(read_attempts(folder)[0]) == before
    for name in ("status", "reason", "ended", "history_sha256"):
        del record[name]
    file.write_text(json.dumps(record))  # as if its process had been killed
    [found] = read_attempts(folder)
    assert (found["status"], start_digest(found)) == ("KILLED", before)
    assert start_digest({**record, "git_commit": "another"}) != before


@pytest.mark.parametrize("after", ["", "GPU-1a"])
@pytest.mark.parametrize("end", ["an epoch", "an end", "a resumption"])
def test_the_gpu_is_recorded_once_it_is_known(folder, monkeypatch, after, end):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    row = {"epoch": 1, "loss": 0.5, "seconds": 1.0}
    with Attempt(CELL, folder) as attempt:
        assert read_attempts(folder)[0]["cuda_visible_devices"] is None
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", after)
        if end == "an epoch":
            attempt.note(row)
        elif end == "a resumption":
            attempt.resume([row])
        found = read_attempts(folder)[0]["cuda_visible_devices"]
        assert found == (None if end == "an end" else after)
    assert read_attempts(folder)[0]["cuda_visible_devices"] == after


def test_an_attempt_records_where_it_runs(folder):
    with Attempt(CELL, folder):
        [record] = read_attempts(folder)
    assert record["pid"] == os.getpid()
    assert set(record["versions"]) == {"keras", "numpy", "pandas", "tensorflow"}
    assert set(record) - {"folder", "status"} <= set(AttemptRecord.__annotations__)


@pytest.mark.parametrize("second", [False, True])
def test_sigterm_in_a_library_that_makes_an_error_of_it_is_no_failure(folder, second):
    """TensorFlow asks for the largest value of a type in a bare `except`."""
    attempt = Attempt(CELL, folder).__enter__()
    notice = Notice()
    notice.signal = signal.SIGTERM
    with pytest.raises(SystemExit, match="143"):
        (notice._note if second else attempt._stop)(signal.SIGTERM, None)
    attempt.__exit__(TypeError, TypeError("no maximum"), None)
    [record] = read_attempts(folder)
    assert (record["status"], record["reason"]) == ("KILLED", "interrupted before its first epoch")
