"""Where a job runs, and with which code and packages."""

from __future__ import annotations

import hashlib
import os
import subprocess
from pathlib import Path
from socket import gethostname

from sigmoid_bce.jobs.records import Circumstances
from sigmoid_bce.jobs.releases import releases

PACKAGES = ("tensorflow", "keras", "numpy", "pandas")
"""Packages whose releases an attempt's record names, whether its result depends on them or not."""

ROOT = Path(__file__).parents[4]


def _git(*arguments: str) -> str | None:
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True)
    return done.stdout.strip() if done.returncode == 0 else None


def circumstances() -> Circumstances:
    """Return the host, the process, the commit and the packages of this job.

    Examples
    --------
    >>> circumstances()["pid"] == os.getpid()
    True
    """
    lock = ROOT / "envs" / "requirements.lock"
    return {
        "host": gethostname(),
        "pid": os.getpid(),
        "slurm_job_id": os.environ.get("SLURM_JOB_ID"),
        "cuda_visible_devices": os.environ.get("CUDA_VISIBLE_DEVICES"),
        "git_commit": _git("rev-parse", "HEAD"),
        "git_dirty": bool(_git("status", "--porcelain")),
        "lock_sha256": hashlib.sha256(lock.read_bytes()).hexdigest() if lock.exists() else None,
        "versions": releases(*PACKAGES),
    }
