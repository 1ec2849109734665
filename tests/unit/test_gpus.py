"""Each process gets a GPU of its own, and the kernel frees it when the process dies."""

import os
import signal
import stat
import subprocess
import sys
import time
from itertools import pairwise

import pytest

from sigmoid_bce.jobs import gpus

HOLD = """
import os, sys, time
from pathlib import Path
from sigmoid_bce.jobs import gpus
gpus.LOCKS = Path(sys.argv[1])
name, taken = gpus.take(), time.time()
print(f"{name} {taken}", flush=True)
time.sleep(float(sys.argv[2]))
print(time.time(), flush=True)
"""


@pytest.fixture(autouse=True)
def machine(monkeypatch, tmp_path):
    """A machine without GPUs and scheduler, with a lock folder of its own."""
    for name in ("CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER", gpus.ALLOCATION):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(gpus, "LOCKS", tmp_path)
    monkeypatch.setattr(gpus, "PAUSE", 0.02)
    monkeypatch.setattr(gpus, "_held", None)
    yield
    gpus.give_back()


def driver(folder, text):
    program = folder / "nvidia-smi"
    program.write_text(f"#!/bin/sh\n/bin/cat <<'E'\n{text}\nE\n")
    program.chmod(0o755)


@pytest.fixture
def holder(tmp_path):
    """Start processes that take a GPU and hold it for some seconds."""
    started = []

    def start(seconds, visible="0,1", **environment):
        process = subprocess.Popen(
            [sys.executable, "-c", HOLD, str(tmp_path), str(seconds)],
            env={**os.environ, "CUDA_VISIBLE_DEVICES": visible, **environment},
            stdout=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def taken(process):
    """Wait until a process has a GPU; return the GPU and the time."""
    line = "waiting"
    while line.startswith("waiting"):
        line = process.stdout.readline()
    name, since = line.split()
    return name, float(since)


@pytest.mark.parametrize(
    ("visible", "names"),
    [
        ("0,1", ["0", "1"]),
        (" 3 , 1,1", ["3", "1"]),
        ("", []),
        ("-1", []),
        ("1,-1,2", ["1"]),
        ("NoDevFiles", []),
        ("GPU-8932f937,MIG-GPU-8932f937/1/0", ["GPU-8932f937", "MIG-GPU-8932f937/1/0"]),
    ],
)
def test_the_pool_is_what_cuda_would_see(visible, names, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert gpus.pool() == names


def test_the_pool_is_the_machine_s(tmp_path, monkeypatch):
    driver(tmp_path, "GPU 0: A (UUID: GPU-1a-2)\nGPU 1: B (UUID: GPU-3b)\n  MIG x: (UUID: MIG-4)")
    assert gpus.pool() == ["GPU-1a-2", "MIG-4"]
    monkeypatch.setenv(gpus.ALLOCATION, "7")  # it asked for none
    assert gpus.pool() == []


def test_one_gpu_of_several_names_has_one_lock(tmp_path, monkeypatch):
    driver(tmp_path, "GPU 0: A (UUID: GPU-1a)\nGPU 1: A (UUID: GPU-2b)")
    assert gpus._lock_names(["1", "GPU-2b", "GPU-2", "GPU-9"]) == ["GPU-2b"] * 3 + ["GPU-9"]
    monkeypatch.setenv(gpus.ALLOCATION, "7")
    assert gpus._lock_names(["1"]) == ["7-1"]


def test_without_gpu_none_is_taken(tmp_path):
    assert gpus.take() == ""
    assert os.environ["CUDA_VISIBLE_DEVICES"] == ""
    assert not list(tmp_path.iterdir())


def test_a_second_call_takes_no_second_gpu(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    assert gpus.take() == gpus.take() == "0" == os.environ["CUDA_VISIBLE_DEVICES"]


def test_never_two_on_one_gpu(holder):
    jobs = [holder(0.4) for _ in range(6)]
    held = {}
    for job in jobs:
        name, since = taken(job)
        held.setdefault(name, []).append((since, float(job.stdout.readline())))
    assert set(held) == {"0", "1"}
    for intervals in held.values():
        intervals.sort()
        for (_, end), (start, _) in pairwise(intervals):
            assert end <= start


def test_a_killed_holder_s_gpu_goes_to_the_one_that_waits(holder):
    jobs = {taken(job)[0]: job for job in (holder(60), holder(60))}
    assert set(jobs) == {"0", "1"}
    waiting = holder(0)
    assert waiting.stdout.readline() == (
        "waiting for a GPU: other processes hold 0, 1. With --resources gpu=2, Snakemake starts no "
        "more jobs than there are GPUs\n"
    )
    killed = time.time()
    jobs["1"].send_signal(signal.SIGKILL)
    name, since = taken(waiting)
    assert name == "1"
    assert killed < since < killed + 5


def test_allocations_do_not_wait_for_each_other(holder):
    jobs = [holder(60, visible="0", **{gpus.ALLOCATION: number}) for number in "12"]
    assert [taken(job)[0] for job in jobs] == ["0", "0"]


def test_locks_serve_every_user(tmp_path, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    old = os.umask(0o077)
    try:
        gpus.take()
    finally:
        os.umask(old)
    (file,) = tmp_path.iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o644


def test_a_link_in_place_of_a_lock_is_not_followed(tmp_path, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    (tmp_path / "sigmoid-bce-gpu-0.lock").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match=r"sigmoid-bce-gpu-0\.lock"):
        gpus.take()
    assert not (tmp_path / "elsewhere").exists()
