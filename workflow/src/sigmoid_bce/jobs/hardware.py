"""What a training computes with: its processor, its GPU, and the libraries that chose kernels."""

from __future__ import annotations

import platform
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sigmoid_bce.jobs.machine import Machine, instruction_sets, processor

DRIVER = Path("/proc/driver/nvidia/version")
LIMIT = 10.0  # seconds that a driver has for an answer


def blas() -> list[str]:
    """Return the BLAS libraries of this process: name, release and the kernels that each chose.

    Examples
    --------
    >>> all(len(library.split()) > 1 for library in blas())
    True
    """
    import numpy  # noqa: F401  loads its library
    from threadpoolctl import threadpool_info

    found = [
        " ".join(
            str(library.get(key) or "?") for key in ("internal_api", "version", "architecture")
        )
        for library in threadpool_info()
        if library["user_api"] == "blas"
    ]
    return sorted(set(found))


def _driver() -> str | None:
    """Return the release of the driver of NVIDIA's GPUs."""
    if DRIVER.exists() and (found := re.search(r"\s(\d+\.\d[\d.]*)\s", DRIVER.read_text())):
        return found[1]
    command = ("nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader")
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.split()[0] if done.returncode == 0 and done.stdout.split() else None


def described(gpu: str | None = None, build: Mapping[str, Any] | None = None) -> Machine:
    """Return the machine of this process.

    Parameters
    ----------
    gpu : str, optional
        The name of the GPU that it uses.
    build : mapping, optional
        What TensorFlow was built for: `cuda_version` and `cudnn_version`.

    Examples
    --------
    >>> described()["gpu"] is None
    True
    """
    # a processor that computes needs no driver
    build = (build or {}) if gpu else {}
    return {
        "processor": processor(),
        "instruction_sets": instruction_sets(),
        "blas": blas(),
        "libc": " ".join(platform.libc_ver()),
        "gpu": gpu,
        "driver": _driver() if gpu else None,
        "cuda": build.get("cuda_version"),
        "cudnn": build.get("cudnn_version"),
    }
