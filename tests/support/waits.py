"""Commands and conditions, with limits of time."""

import subprocess
import time

LIMIT = 60  # seconds until a step counts as failed


def ask(*command, limit=LIMIT, check=True):
    """Return the output of a command; without `check`, an empty string if it fails."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=limit)
    except subprocess.TimeoutExpired:
        if check:
            raise
        return ""
    assert done.returncode == 0 or not check, f"{' '.join(map(str, command))}: {done.stderr}"
    return done.stdout.strip() if done.returncode == 0 else ""


def wait_until(ready, what, limit=LIMIT):
    end = time.monotonic() + limit
    while not ready():
        assert time.monotonic() < end, what() if callable(what) else what
        time.sleep(0.1)
