"""One GPU for each process that runs a network. Snakemake counts GPUs but assigns none."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from pathlib import Path

from sigmoid_bce.jobs import locks

LOCKS = Path("/tmp")
"""Folder of a machine's locks. TMPDIR would not do: it may differ from user to user."""

ALLOCATION = "SLURM_JOB_ID"
PAUSE, REMINDER = 0.2, 60  # seconds between tries, and between messages about waiting
UUID = r"(?:GPU|MIG)-[\w/-]+"

_held: int | None = None


def _listed() -> list[tuple[str, str]]:
    """Return number and UUID of the machine's GPUs, as nvidia-smi lists them."""
    program = shutil.which("nvidia-smi")
    if not program:
        return []
    try:
        done = subprocess.run([program, "-L"], capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired) as error:
        print(f"{program}: {error}", flush=True)
        return []
    return _parsed(done.stdout if done.returncode == 0 else "")


def _parsed(text: str) -> list[tuple[str, str]]:
    r"""Return number and UUID of each GPU; for a partitioned one (MIG), those of its parts.

    Examples
    --------
    >>> _parsed("GPU 0: NVIDIA A100 (UUID: GPU-1a)\nGPU 1: NVIDIA A100 (UUID: GPU-2b)\n")
    [('0', 'GPU-1a'), ('1', 'GPU-2b')]
    >>> _parsed("GPU 0: A100 (UUID: GPU-1a)\n  MIG 1g.5gb  Device 0: (UUID: MIG-3c)\n")
    [('', 'MIG-3c')]
    """
    found: list[tuple[str, str]] = []
    for line in text.splitlines():
        whole = re.match(rf"GPU (\d+): .*\(UUID: ({UUID})\)", line)
        part = re.match(rf" +MIG .*\(UUID: ({UUID})\)", line)
        if whole:
            found.append((whole[1], whole[2]))
        elif part:
            if found and found[-1][0]:  # a partitioned GPU cannot be used as a whole
                found.pop()
            found.append(("", part[1]))
    return found


def visible(names: str) -> list[str]:
    """Return the GPUs that CUDA sees for a value of CUDA_VISIBLE_DEVICES.

    Parameters
    ----------
    names : str

    Examples
    --------
    >>> visible("1,GPU-2b,-1,0")
    ['1', 'GPU-2b']
    """
    found = []
    for name in names.split(","):
        if not re.fullmatch(rf"\d+|{UUID}", name.strip()):  # CUDA stops at the first invalid name
            break
        found.append(name.strip())
    return list(dict.fromkeys(found))


def pool() -> list[str]:
    """Return the GPUs from which this process may take one, as CUDA_VISIBLE_DEVICES names them.

    These are the GPUs in CUDA_VISIBLE_DEVICES if the user or a scheduler has set it, otherwise all
    GPUs of the machine. A scheduler's job without the variable has none.
    """
    names = os.environ.get("CUDA_VISIBLE_DEVICES")
    if names is not None:
        return visible(names)
    if ALLOCATION in os.environ:
        return []
    # where nvidia-smi lists nothing, the device files give the number of GPUs
    files = [f for f in Path("/dev").glob("nvidia*") if re.fullmatch(r"nvidia\d+", f.name)]
    return [uuid for _, uuid in _listed()] or [str(i) for i in range(len(files))]


def _lock_names(names: list[str]) -> list[str]:
    """Return a name for each GPU that is unique on the machine, whatever its name in this job."""
    if allocation := os.environ.get(ALLOCATION):
        # a job has its GPUs to itself, and they may be numbered from 0 in every job
        return [f"{allocation}-{name}" for name in names]
    listed = _listed()
    full = []
    for name in names:
        same = [uuid for number, uuid in listed if name == number or uuid.startswith(name)]
        full.append(same[0] if len(same) == 1 else name)
    return full


def _lock(name: str) -> int | None:
    """Return the open, locked file of a GPU; None if a living process holds it."""
    file = locks.open_shared(LOCKS / f"sigmoid-bce-gpu-{name.replace('/', '_')}.lock")
    if os.fstat(file).st_uid == os.getuid():
        os.fchmod(file, 0o644)  # other users must be able to open it, whatever this one's umask
    if locks.acquire(file, wait=False):
        return file
    os.close(file)
    return None


def take() -> str:
    """Take a free GPU until this process ends, however it ends; wait if there is none.

    Call it before CUDA starts, so that CUDA sees that one GPU. A second call returns the same GPU.

    Returns
    -------
    str
        The GPU, as CUDA_VISIBLE_DEVICES names it; "" if there is none on this machine, or none
        visible.

    Raises
    ------
    OSError
        If the lock's file of a GPU in `LOCKS` cannot be opened.
    """
    global _held
    if _held is not None:
        return os.environ["CUDA_VISIBLE_DEVICES"]
    names = pool()
    if not names:
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
        return ""
    locks = dict(zip(names, _lock_names(names), strict=True))
    said = -float("inf")
    while True:
        for name, lock in locks.items():
            if (_held := _lock(lock)) is not None:
                # the order in which nvidia-smi numbers GPUs
                os.environ.setdefault("CUDA_DEVICE_ORDER", "PCI_BUS_ID")
                os.environ["CUDA_VISIBLE_DEVICES"] = name
                return name
        if time.monotonic() - said > REMINDER:
            said = time.monotonic()
            print(
                f"waiting for a GPU: other processes hold {', '.join(names)}. With --resources "
                f"gpu={len(names)}, Snakemake starts no more jobs than there are GPUs",
                flush=True,
            )
        time.sleep(PAUSE)


def give_back() -> None:
    """Release this process's GPU, which it does not use, to other processes."""
    global _held
    if _held is not None:
        os.close(_held)
    _held = None
