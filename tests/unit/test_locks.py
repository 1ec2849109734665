"""One process at a time: another waits, says for whom, and finds what was made, or makes it."""

import json
import signal
import subprocess
import sys
import time

import pytest

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
    assert f"taken as made by process {first.pid}" in terminal
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
