"""Run commands, measure them, and describe the machine."""

from __future__ import annotations

import ctypes
import importlib.metadata
import os
import platform
import re
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import psutil
import yaml

from sigmoid_bce.jobs import provenance
from sigmoid_bce.jobs.machine import instruction_sets

ROOT = Path(__file__).parents[1]
HERE = Path(__file__).parent
PACKAGES = (
    "tensorflow", "keras", "numpy", "pandas", "scikit-learn", "snakemake", "mlflow", "matplotlib"
)  # fmt: skip
HELD_BACK = (
    "OPENBLAS_CORETYPE", "OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS",
    "MKL_ENABLE_INSTRUCTIONS", "ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA", "TF_ENABLE_ONEDNN_OPTS",
)  # fmt: skip
"""Variables by which an environment chooses the kernels of some libraries, and not of others."""
KERNELS = "from sigmoid_bce.jobs.hardware import blas; print(', '.join(blas()))"
TICK = os.sysconf("SC_CLK_TCK")
PR_SET_CHILD_SUBREAPER = 36
STARTED: set[int] = set()  # by `run` in any thread; each call waits for its own
STARTING = threading.Lock()
LAST = 60.0  # seconds that what a command leaves behind may take to end


@dataclass
class Watched:
    """Seconds, CPU seconds and MB of a command; `own` excludes its child processes.

    The CPU seconds are those of all processes, also of jobs that are forks of a server.
    """

    wall: float
    cpu: float
    own_cpu: float
    own_mb: float


def environment(**more: str) -> dict[str, str]:
    """Return the environment of a run: this Python first on the path, no tracking server.

    Libraries choose their kernels by the processor, whatever `HELD_BACK` says.
    """
    left_out = ("MLFLOW_", "SNAKEMAKE_", *HELD_BACK)
    kept = {k: v for k, v in os.environ.items() if not k.startswith(left_out)}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return {**kept, "PATH": path, "MLFLOW_DISABLE_TELEMETRY": "true", **more}


def _children() -> set[int]:
    """Return the processes that this one waits for, without those that `run` has started."""
    with STARTING:
        return {child.pid for child in psutil.Process().children()} - STARTED


def _adopted(before: set[int]) -> float:
    """Wait for the processes that a command has left behind; return their CPU seconds."""
    cpu, end = 0.0, time.monotonic() + LAST
    # a server that ends leaves those that it has started
    while left := _children() - before:
        for process in left:
            ended, _, used = os.wait4(process, os.WNOHANG)
            cpu += used.ru_utime + used.ru_stime if ended else 0.0
        if time.monotonic() > end:
            break
        time.sleep(0.05)
    return cpu


def run(command: list, folder: Path, log: Path, **more: str) -> Watched:
    """Run a command and wait for it.

    Raises
    ------
    RuntimeError
        If the command fails. The message contains the end of its log.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    # the servers that jobs are forks of outlive the command: this process inherits them
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    before = _children()
    with open(log, "w") as out:
        start = time.perf_counter()
        with STARTING:
            process = subprocess.Popen(
                list(map(str, command)), cwd=folder, env=environment(**more),
                stdout=out, stderr=subprocess.STDOUT,
            )  # fmt: skip
            STARTED.add(process.pid)
        own_cpu = own_mb = 0.0
        try:
            while True:
                # only os.wait4 reports the CPU time of grandchildren that have ended
                ended, status, used = os.wait4(process.pid, os.WNOHANG)
                if ended:
                    break
                try:
                    stat = Path(f"/proc/{process.pid}/stat").read_text().rpartition(") ")[2].split()
                    own_cpu = (int(stat[11]) + int(stat[12])) / TICK
                    text = Path(f"/proc/{process.pid}/status").read_text()
                    peak = re.search(r"VmHWM:\s+(\d+)", text)
                    own_mb = max(own_mb, int(peak[1]) / 1024 if peak else 0)
                except OSError:  # not Linux, or the process has just ended
                    pass
                time.sleep(0.05)
        except BaseException:  # interrupted: leave no process behind
            process.terminate()
            process.wait()
            raise
        wall = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        tail = log.read_text(errors="replace")[-3000:]
        raise RuntimeError(f"{' '.join(map(str, command))}: status {process.returncode}\n{tail}")
    cpu = used.ru_utime + used.ru_stime + _adopted(before)
    return Watched(wall, cpu, own_cpu, own_mb)


def snakemake(folder: Path, *arguments, cores: int = 2, log: str = "snakemake.log") -> Watched:
    """Run this checkout's workflow in a folder that holds `config.yaml`."""
    command = [sys.executable, "-m", "snakemake", "--cores", cores, *arguments]
    command += ["--snakefile", ROOT / "Snakefile", "--directory", folder]
    command += ["--configfile", folder / "config.yaml"]
    return run(command, folder, folder / log)


def default_study() -> dict:
    """Return the default study's configuration."""
    return yaml.safe_load((ROOT / "config/config.yaml").read_text())


def new_folder(work: Path, name: str, config: dict) -> Path:
    """Make the folder of a run: its configuration, and a link to the shared downloads."""
    folder = work / name
    (folder / "results").mkdir(parents=True)
    downloads = ROOT / "results/downloads"
    downloads.mkdir(parents=True, exist_ok=True)
    (folder / "results/downloads").symlink_to(downloads)
    (folder / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False, width=10**6))
    return folder


def _first(pattern: str, file: str) -> str:
    try:
        found = re.search(pattern, Path(file).read_text(), re.M)
    except OSError:
        return ""
    return found[1] if found else ""


def machine() -> dict[str, str]:
    """Return the machine, the releases, the commit and the load of the machine."""
    cores = sorted(os.sched_getaffinity(0))
    memory = _first(r"MemTotal:\s+(\d+)", "/proc/meminfo")
    commit, dirty = provenance.version(Path(__file__).resolve())
    changes = {True: " and uncommitted changes", False: "", None: ""}[dirty]
    return {
        "processor": _first(r"^model name\s*:\s*(.*)", "/proc/cpuinfo") or platform.processor(),
        "cores": f"{len(cores)} of {os.cpu_count()}",
        "kernels": subprocess.check_output(
            [sys.executable, "-c", KERNELS], env=environment(), text=True
        ).strip(),
        "instruction sets": " ".join(instruction_sets()),
        "left out of the environment": " ".join(k for k in HELD_BACK if k in os.environ) or "none",
        "memory": f"{int(memory) / 2**20:.0f} GiB" if memory else "",
        "system": platform.platform(),
        "python": platform.python_version(),
        **{name: importlib.metadata.version(name) for name in PACKAGES},
        "commit": (commit or "unknown")[:7] + changes,
        "started": time.strftime("%Y-%m-%d %H:%M:%S %z"),
        "load at start": " ".join(f"{load:.2f}" for load in os.getloadavg()),
    }
