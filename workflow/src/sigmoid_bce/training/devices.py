"""Put TensorFlow on as many threads as the rule declared, and make it repeatable."""

from __future__ import annotations

import os
import subprocess
from importlib.metadata import version
from pathlib import Path
from socket import gethostname
from typing import Any

import keras
import tensorflow as tf


def set_up(threads: int, seed: int = 0) -> None:
    """Limit TensorFlow's threads and seed everything random.

    Parameters
    ----------
    threads : int
        Threads for the work inside an operation; operations run one after the other.
    seed : int
        Seed of initial weights and dropout masks.
    """
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    for gpu in tf.config.list_physical_devices("GPU"):
        tf.config.experimental.set_memory_growth(gpu, True)
    tf.config.experimental.enable_op_determinism()
    keras.utils.set_random_seed(seed)


def _git(*arguments: str) -> str | None:
    done = subprocess.run(
        ["git", *arguments], cwd=Path(__file__).parent, capture_output=True, text=True
    )
    return done.stdout.strip() if done.returncode == 0 else None


def provenance(threads: int) -> dict[str, Any]:
    """Return what a result depends on beside its cell.

    Returns
    -------
    dict
        versions, device, git_commit, git_dirty, host, threads, deterministic, slurm_job_id.
    """
    gpus = tf.config.list_physical_devices("GPU")
    details = [tf.config.experimental.get_device_details(gpu) for gpu in gpus]
    packages = ("tensorflow", "keras", "numpy", "pandas")
    return {
        "versions": {package: version(package) for package in packages},
        "device": ", ".join(d.get("device_name", "GPU") for d in details) or "CPU",
        "git_commit": _git("rev-parse", "HEAD"),
        "git_dirty": bool(_git("status", "--porcelain")),
        "host": gethostname(),
        "threads": threads,
        "deterministic": True,
        "slurm_job_id": os.environ.get("SLURM_JOB_ID"),
    }
