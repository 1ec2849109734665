"""Locks: a second process waits, names the first, and takes or makes the result itself."""

import errno
import json
import os
import signal
import subprocess
import sys
import time

import pytest

from sigmoid_bce.jobs import locks
from sigmoid_bce.jobs.locks import hold

HOLD = """
import sys, time
from pathlib import Path
from sigmoid_bce.jobs.locks import hold
from sigmoid_bce.jobs.logs import logged_to
folder, identity = Path(sys.argv[1]), sys.argv[2]
with logged_to(folder / f"{identity}.log"):
    with hold(folder / ".lock", [folder / "result"], {"of": identity}) as needed:
        print("needed", needed, flush=True)
        while needed and not (folder / "go").exists():
            time.sleep(0.01)
        if needed:
            (folder / "result").write_text(identity)
"""


@pytest.fixture
def begin(tmp_path):
    some = []

    def begin(identity, log=None):
        command = [sys.executable, "-c", HOLD, str(tmp_path), identity]
        some.append(subprocess.Popen(command, stderr=subprocess.PIPE, text=True))
        return some[-1]

    yield begin
    for process in some:
        process.kill()
        process.communicate()


def said(file, text):
    end = time.monotonic() + 60
    while not file.exists() or text not in file.read_text():
        assert time.monotonic() < end, text
        time.sleep(0.01)


def test_the_second_waits_and_takes_what_the_first_made(tmp_path, begin):
    first = begin("one")
    said(tmp_path / "one.log", "needed True")
    second = begin("one")
    said(tmp_path / "one.log", f"waiting for process {first.pid} of ")
    record = json.loads((tmp_path / ".lock").read_text())
    assert {"pid", "user", "host", "since"} <= set(record)
    (tmp_path / "go").touch()
    assert (first.wait(60), second.wait(60)) == (0, 0)
    terminal = second.stderr.read()
    assert f"waiting for process {first.pid} of {record['user']} on {record['host']}" in terminal
    assert f"already made by process {first.pid}" in terminal
    assert "needed False" in (tmp_path / "one.log").read_text()


def test_the_second_takes_over_from_one_that_dies(tmp_path, begin):
    first = begin("one")
    said(tmp_path / "one.log", "needed True")
    second = begin("two")
    said(tmp_path / "two.log", "waiting for ")
    first.send_signal(signal.SIGKILL)
    said(tmp_path / "two.log", "needed True")
    (tmp_path / "go").touch()
    assert second.wait(60) == 0
    assert (tmp_path / "result").read_text() == "two"


def test_what_was_made_of_something_else_or_is_gone_is_made(tmp_path):
    def needed(identity):
        with hold(tmp_path / ".lock", [tmp_path / "result"], identity) as answer:
            (tmp_path / "result").touch()
            return answer

    part = tmp_path / ".4711.result"  # of a writer that was killed
    part.touch()
    assert needed({"of": 1})
    assert not part.exists()
    assert not needed({"of": 1})
    assert needed({"of": 2})
    (tmp_path / "result").unlink()
    assert needed({"of": 2})
    (tmp_path / ".lock").write_text("{")
    assert needed({"of": 2})


def test_blocks_exclude_each_other(tmp_path):
    """Ten processes add 1 to a file, twenty times each."""
    body = (
        "import sys; from pathlib import Path; from sigmoid_bce.jobs.locks import exclusive\n"
        "folder = Path(sys.argv[1])\n"
        "for _ in range(20):\n"
        "    with exclusive(folder / 'new/.lock'):\n"
        "        count = folder / 'count'\n"
        "        count.write_text(str(int(count.read_text()) + 1))\n"
    )
    (tmp_path / "count").write_text("0")
    command = [sys.executable, "-c", body, str(tmp_path)]
    several = [subprocess.Popen(command) for _ in range(10)]
    assert [process.wait(60) for process in several] == [0] * 10
    assert (tmp_path / "count").read_text() == "200"


def test_a_lock_is_held_as_long_as_its_process_lives(tmp_path, begin):
    assert not locks.held(tmp_path / ".lock")
    process = begin("one")
    said(tmp_path / "one.log", "needed True")
    assert locks.held(tmp_path / ".lock")
    process.kill()
    process.wait()
    assert not locks.held(tmp_path / ".lock")


def test_a_file_system_without_locks_is_no_obstacle(tmp_path, monkeypatch, capsys):
    def refuse(*_):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(locks.fcntl, "flock", refuse)
    with locks.exclusive(tmp_path / ".lock"):
        assert not locks.held(tmp_path / ".lock")
    with hold(tmp_path / ".lock", [tmp_path / "result"], {"of": 1}) as needed:
        assert needed
    line = f"{tmp_path / '.lock'}: its file system has no locks (No locks available)"
    assert capsys.readouterr().out.count(line) == 2


def test_another_user_s_lock_serves(tmp_path, monkeypatch):
    """It can be read, but not opened to be made or written."""
    (tmp_path / "lock").touch()
    real = os.open

    def of_another_user(path, flags, *mode):
        if flags & (os.O_CREAT | os.O_RDWR):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)
        return real(path, flags, *mode)

    monkeypatch.setattr(os, "open", of_another_user)
    with locks.exclusive(tmp_path / "lock"):
        assert locks.held(tmp_path / "lock")
    with pytest.raises(PermissionError):
        locks.open_shared(tmp_path / "not there")
