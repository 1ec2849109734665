"""Logs on a full disk."""

import subprocess
import sys

from sigmoid_bce.jobs.logs import UserError, announce, told

PRINT = """
from sigmoid_bce.jobs.logs import logged_to
with logged_to("/dev/full"):
    print("a line")
    {}
"""


def run(last):
    return subprocess.run(
        [sys.executable, "-c", PRINT.format(last)], capture_output=True, text=True, check=False
    )


def test_a_full_disk_costs_log_lines_only():
    assert run("pass").returncode == 0


def test_an_error_without_room_in_the_log_is_on_the_terminal():
    done = run("raise OSError('the disk is full')")
    assert done.returncode == 1
    assert done.stderr == "/dev/full cannot be written; error: OSError: the disk is full\n"


def test_no_sign_that_a_terminal_obeys_is_printed(capsys):
    assert told(UserError("a\x1b[2J.jpg\nb\x07")) == "error: a\\x1b[2J.jpg\nb\\x07"
    announce("a\x1b[2J.jpg\nb")
    assert capsys.readouterr().out == "a\\x1b[2J.jpg\\nb\n"
