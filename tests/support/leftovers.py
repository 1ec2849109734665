"""The processes that the tests have started, however far from them."""

import os
import time

import psutil

MARK = "SIGMOID_BCE_TESTS"
PATIENCE = 30  # seconds in which processes may end by themselves


def mark():
    """Mark this process's environment; whatever it starts inherits the mark."""
    os.environ[MARK] = f"{os.getpid()}-{time.time_ns()}"


def _ours(process):
    try:
        if process.status() == psutil.STATUS_ZOMBIE:
            return False
        # Python's own helper ends with this process
        helper = "multiprocessing.resource_tracker" in " ".join(process.cmdline())
        return not helper and process.environ().get(MARK) == os.environ[MARK]
    except psutil.Error:
        return False


def leftovers():
    """Return the living processes with the mark, but for this one."""
    return [p for p in psutil.process_iter() if p.pid != os.getpid() and _ours(p)]


def check_none_is_left(patience=PATIENCE):
    """Fail with a line for each process that does not end; kill it, so that it disturbs nobody."""
    end = time.monotonic() + patience
    while (left := leftovers()) and time.monotonic() < end:
        time.sleep(0.2)
    lines = []
    for process in left:
        try:
            lines.append(f"{process.pid}: {' '.join(process.cmdline())[:300]}")
            process.kill()
        except psutil.NoSuchProcess:
            continue
    assert not lines, "\n".join(["the tests have left processes behind:", *lines])
