"""Errors in a user's module: one line that names file and line."""

import random
import signal
import subprocess
import sys

import pytest

from sigmoid_bce.jobs.attempts import read_attempts
from sigmoid_bce.jobs.notice import Interrupted
from sigmoid_bce.models.own_code import NetworkError, function, of_user

IMPORT = "import neighbour\ndef build():\n    return neighbour.width\n"
CASES = {
    "exit": (
        "import sys\n\nsys.exit('no GPU here')",
        "",
        "mod.py, line 3: it ended .*no GPU here$",
    ),
    "exit 0": ("raise SystemExit", "", "mod.py, line 1: it ended the process: no message$"),
    "exit status": ("exit(3)", "", "mod.py, line 1: it ended the process: 3$"),
    "syntax": (IMPORT, "\ndef f(:\n    pass", "neighbour.py, line 2: SyntaxError: invalid syntax$"),
    "indent": (IMPORT, "def f():\npass", "neighbour.py, line 2: IndentationError: expected an ind"),
    "bytes": (IMPORT, "x = '\0'", "Error: source code string cannot contain null bytes"),
    "encoding": (IMPORT, "x = '\udcff'", r"neighbour.py, line 1: SyntaxError: \(unicode error\)"),
    "import": (IMPORT, "import no_such", "neighbour.py, line 1: ModuleNotFoundError: No module n"),
    "raises": (IMPORT, "1 / 0", "neighbour.py, line 1: ZeroDivisionError: division by zero$"),
    "no text": ("class E(Exception):\n    __str__ = 3\nraise E", "", "mod.py, line 3: E: $"),
    "two lines": ("raise ValueError('one\\n  two')", "", "line 1: ValueError: one two$"),
    "base": ("class E(BaseException): pass\nraise E('ended')", "", "line 2: E: ended$"),
    "absent": ("bild = 3", "", "AttributeError: module 'mod' has no attribute 'build'$"),
    "no function": ("build = 3", "", "build: it is of type int, expected a function"),
}


def load(folder, text, neighbour="", name="mod"):
    (folder / f"{name}.py").write_text(text)
    (folder / "neighbour.py").write_bytes(neighbour.encode(errors="surrogateescape"))
    return function(f"{name}:build", folder / f"{name}.py", folder)


@pytest.fixture(autouse=True)
def _modules(monkeypatch):
    monkeypatch.setattr(sys, "path", [*sys.path])
    yield
    sys.modules.pop("neighbour", None)


@pytest.mark.parametrize("case", CASES)
def test_an_error_is_one_line(case, tmp_path):
    text, neighbour, message = CASES[case]
    with pytest.raises(NetworkError, match=message) as caught:
        load(tmp_path, text, neighbour)
    assert str(caught.value).startswith(f"{tmp_path}/mod.py: build: ")
    assert "\n" not in str(caught.value)


def test_a_neighbour_called_like_a_module_in_use(tmp_path):
    (tmp_path / "statistics.py").write_text("WIDTH = 3")
    import statistics  # noqa: F401

    hidden = "statistics.py beside it is hidden by a module of this name in use: rename it$"
    with pytest.raises(NetworkError, match=f"ImportError: cannot import name 'WIDTH'.*; {hidden}"):
        load(tmp_path, "from statistics import WIDTH")
    with pytest.raises(NetworkError, match=f"has no attribute 'WIDTH'; {hidden}"):
        load(tmp_path, "import statistics\nstatistics.WIDTH")
    with pytest.raises(NetworkError, match="is called 'json' too: rename the file"):
        load(tmp_path, "def build(): pass", name="json")


def test_a_seed_of_the_module_does_not_count(tmp_path):
    state = random.getstate()
    load(tmp_path, "import keras\nkeras.utils.set_random_seed(1)\ndef build(): pass")
    assert random.getstate() == state


@pytest.mark.parametrize("signalled", [KeyboardInterrupt, lambda: Interrupted(signal.SIGTERM)])
def test_a_signal_is_no_error_of_the_user(signalled):
    with pytest.raises((KeyboardInterrupt, Interrupted)), of_user("nets.py: build", "."):
        raise signalled()


JOB = """
import os, sys
from sigmoid_bce.jobs.attempts import Attempt
from sigmoid_bce.jobs.logs import UserError, logged_to
from sigmoid_bce.jobs.notice import Interrupted

for name, error in zip("abcd", (
    SystemExit("no GPU"), SystemExit(0), UserError("nets.py: wrong"), Interrupted(15)
)):
    terminal = os.dup(1), os.dup(2)
    try:
        with logged_to(f"{name}.log"), Attempt("cell", f"study/train/{name}"):
            raise error
    except SystemExit as end:
        os.dup2(terminal[0], 1), os.dup2(terminal[1], 2)
        print(end.code)
"""


def test_the_end_of_a_job_is_noted_as_what_it_is(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", JOB], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["1", "1", "1", "143"]
    ends = {
        "a": ("FAILED", "error: sys.exit('no GPU') ended the job"),
        "b": ("FAILED", "error: sys.exit(0) ended the job"),
        "c": ("FAILED", "error: nets.py: wrong"),
        "d": ("KILLED", "interrupted before its first epoch"),
    }
    for name, (status, reason) in ends.items():
        (record,) = read_attempts(tmp_path / "study/train" / name)
        assert (record["status"], record["reason"]) == (status, reason)
        log = (tmp_path / f"{name}.log").read_text()
        assert log.strip().endswith(reason) == (status == "FAILED")
        assert ("Traceback" in log) == (name in "ab")
