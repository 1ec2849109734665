"""What a script prints, where there is no room for it."""

import subprocess
import sys

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


def test_a_log_on_a_full_disk_costs_lines_not_work():
    assert run("pass").returncode == 0


def test_an_error_that_the_log_has_no_room_for_is_on_the_terminal():
    done = run("raise OSError('the disk is full')")
    assert done.returncode == 1
    assert done.stderr == "/dev/full cannot be written; error: the disk is full\n"
