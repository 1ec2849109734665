"""A folder that users share, or whose file system lacks locks or has another clock."""

import errno
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from sigmoid_bce.jobs import attempts, locks, places
from sigmoid_bce.jobs.files import check_dates, check_writable
from sigmoid_bce.jobs.logs import UserError

OTHER = 65534
CELL = "train/dataset~d/seed~0"


@pytest.fixture
def study(tmp_path):
    """A study's folder of another user's, with a cell, a table and a benchmark."""
    results = tmp_path / "results/s"
    for name in (f"{CELL}/run.json", "tables/cells.csv", "benchmarks/tables.tsv"):
        (results / name).parent.mkdir(parents=True)
        (results / name).touch()
    shared = Path(tempfile.gettempdir())
    for path in (tmp_path, *(p for p in tmp_path.parents if shared in p.parents)):
        path.chmod(0o755)
    return results


def python(code, *arguments):
    """Start Python with some code; frameworks of other tests make forks of this one unsafe."""
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)], stdout=subprocess.PIPE, text=True
    )


AS_OTHER = f"""
import os, sys
from pathlib import Path
from sigmoid_bce.jobs import places
from sigmoid_bce.jobs.files import check_writable
from sigmoid_bce.jobs.logs import UserError
os.setgroups([]), os.setgid({OTHER}), os.setuid({OTHER})
try:
    check_writable(Path(sys.argv[1]))
except UserError as error:
    print(error, end="")
"""


def opened(folder, mode):
    for path in (folder, *folder.rglob("*")):
        path.chmod(mode if path.is_dir() else mode & 0o666)


KEPT = {
    "the whole folder": (lambda s: None, "results/s cannot be written: Permission denied"),
    "a folder below": (lambda s: s.chmod(0o777), "results/s/"),
    "a cell": (
        lambda s: [opened(s, 0o777), (s / CELL).chmod(0o755)],
        f"results/s/{CELL} belongs to root, and nobody cannot replace what jobs wrote there: let",
    ),
    "files that only their owner may delete": (
        lambda s: [opened(s, 0o777), (s / "tables").chmod(0o1777)],
        "results/s/tables/cells.csv belongs to root, and nobody cannot replace",
    ),
    "a benchmark": (
        lambda s: [opened(s, 0o777), (s / "benchmarks/tables.tsv").chmod(0o644)],
        "results/s/benchmarks/tables.tsv belongs to root, and nobody cannot replace",
    ),
    "nothing": (lambda s: opened(s, 0o777), ""),
    "a result that can be deleted": (
        lambda s: [opened(s, 0o777), (s / "tables/cells.csv").chmod(0o400)],
        "",
    ),
}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes another user")
@pytest.mark.parametrize("kind", KEPT)
def test_what_another_user_keeps_is_named_before_a_job_starts(study, kind):
    do, told = KEPT[kind]
    do(study)
    other = python(AS_OTHER, study)
    error, _ = other.communicate()
    assert other.returncode == 0
    assert told in error if told else not error
    assert "\n" not in error
    check_writable(study)  # its owner


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives a file away")
def test_a_folder_of_one_user_is_not_searched(study, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: OTHER)
    monkeypatch.setattr(places, "_kept_from_me", lambda folder: [study])
    with pytest.raises(UserError):
        check_writable(study)
    os.chown(study, OTHER, OTHER)
    check_writable(study)


@pytest.fixture
def unlocked(monkeypatch):
    """File systems without locks, as Lustre is by default."""

    def refuse(*_):
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))

    monkeypatch.setattr(locks.fcntl, "flock", refuse)


def test_a_file_system_without_locks_is_told_of_once_at_the_start(tmp_path, unlocked):
    [line] = places.peculiarities(tmp_path / "results/s")
    assert "its file system has no locks: nothing keeps two workflows" in line


UNLOCKED_ATTEMPT = """
import errno, os, sys, time
from pathlib import Path
from sigmoid_bce.jobs import attempts, locks

def refuse(*_):
    raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))

locks.fcntl.flock = refuse
with attempts.Attempt("dataset~d/seed~0", Path(sys.argv[1])):
    print("begun", flush=True)
    time.sleep(60)
"""


@pytest.mark.usefixtures("unlocked")
@pytest.mark.parametrize(("ends", "status"), [(False, "RUNNING"), (True, "KILLED")])
def test_without_locks_an_attempt_of_this_machine_is_known_by_its_process(tmp_path, ends, status):
    folder = tmp_path / "s/train/dataset~d/seed~0"
    attempt = python(UNLOCKED_ATTEMPT, folder)
    try:
        assert "begun\n" in iter(attempt.stdout.readline, "")
        if ends:
            attempt.kill()
            attempt.wait()
        assert [r["status"] for r in attempts.read_attempts(folder)] == [status]
    finally:
        attempt.kill()
        attempt.communicate()


@pytest.mark.parametrize(("ahead", "words"), [(300, "300 s ahead of"), (-300, "300 s behind")])
def test_another_clock_of_the_file_system_is_told_and_no_obstacle(
    tmp_path, monkeypatch, ahead, words
):
    file, real = tmp_path / "table.csv", time.time
    file.touch()
    monkeypatch.setattr(time, "time", lambda: real() - ahead)
    [line] = places.peculiarities(tmp_path)
    assert words in line
    check_dates([file])
    os.utime(file, (real() + 3600,) * 2)
    with pytest.raises(UserError, match=r"dated 3[56]\d\d s ahead of the clock"):
        check_dates([file])
