"""The suite's last check finds a process that no test waits for, and ends it."""

import subprocess
import sys

import psutil
import pytest

from support import leftovers

ORPHAN = """
import subprocess
print(subprocess.Popen(["sleep", "600"], start_new_session=True, stdout=-3, cwd="/").pid)
"""


def test_an_orphan_in_a_session_of_its_own_is_found(monkeypatch):
    pid = int(subprocess.check_output([sys.executable, "-c", ORPHAN]))
    orphan = psutil.Process(pid)
    assert orphan in leftovers.leftovers()
    # others may still be in use
    monkeypatch.setattr(leftovers, "leftovers", lambda: [orphan])
    with pytest.raises(AssertionError, match=f"{pid}: sleep 600"):
        leftovers.check_none_is_left(patience=0)
    assert psutil.wait_procs([orphan], timeout=10)[1] == []
