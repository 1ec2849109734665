"""A GPU for each process that runs a network: Snakemake counts GPUs, but hands out none."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import subprocess
import time
from contextlib import suppress
from pathlib import Path

LOCKS = Path("/tmp")
"""Where the locks of a machine are: not TMPDIR, which may differ from user to user."""

ALLOCATION = "SLURM_JOB_ID"
PAUSE, REMINDER = 0.2, 60  # seconds between looks at the locks, and between words about it
UUID = r"(?:GPU|MIG)-[\w/-]+"

_held: int | None = None


def _listed() -> list[tuple[str, str]]:
    """Return number and UUID of the machine's GPUs, as the driver's own program lists them."""
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
    r"""Return number and UUID of each GPU; of one that is partitioned (MIG), those of its parts.

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
            if found and found[-1][0]:  # a GPU that has parts is not to be had as a whole
                found.pop()
            found.append(("", part[1]))
    return found


def pool() -> list[str]:
    """Return the GPUs that this process may take one of, as CUDA_VISIBLE_DEVICES names them.

    These are what CUDA_VISIBLE_DEVICES says if it is set, by the user or by a scheduler; else all
    of the machine. A scheduler's job without it has none.
    """
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        names = []
        for name in (part.strip() for part in visible.split(",")):
            if not re.fullmatch(rf"\d+|{UUID}", name):  # CUDA sees none beyond it
                break
            names.append(name)
        return list(dict.fromkeys(names))
    if ALLOCATION in os.environ:
        return []
    # a machine whose driver tells nothing more has its device files
    files = [f for f in Path("/dev").glob("nvidia*") if re.fullmatch(r"nvidia\d+", f.name)]
    return [uuid for _, uuid in _listed()] or [str(i) for i in range(len(files))]


def _lock_names(names: list[str]) -> list[str]:
    """Return what tells each GPU from every other of the machine, whatever it is called here."""
    if allocation := os.environ.get(ALLOCATION):
        # its GPUs are its own, and may be numbered from 0 in every allocation
        return [f"{allocation}-{name}" for name in names]
    listed = _listed()
    full = []
    for name in names:
        same = [uuid for number, uuid in listed if name == number or uuid.startswith(name)]
        full.append(same[0] if len(same) == 1 else name)
    return full


def _lock(name: str) -> int | None:
    """Return the open, locked file of a GPU, or None if a living process has it."""
    path = LOCKS / f"sigmoid-bce-gpu-{name.replace('/', '_')}.lock"
    # another user's file must not be opened to be created (fs.protected_regular)
    for flags in (os.O_RDONLY, os.O_RDWR | os.O_CREAT | os.O_EXCL, os.O_RDONLY):
        with suppress(FileNotFoundError, FileExistsError):
            file = os.open(path, flags | os.O_NOFOLLOW, 0o644)
            break
    else:
        raise FileNotFoundError(f"{path} comes and goes")
    if os.fstat(file).st_uid == os.getuid():
        os.fchmod(file, 0o644)  # for every user, whatever this one's umask
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(file)
        return None
    return file


def take() -> str:
    """Take a free GPU for this process, until it ends in whatever way; wait if there is none.

    To be called before CUDA starts: it sees that one GPU. A second call returns the same one.

    Returns
    -------
    str
        As CUDA_VISIBLE_DEVICES names it; "" on a machine without, or where none is to be seen.

    Raises
    ------
    OSError
        If a file in `LOCKS` that stands for a GPU cannot be opened.
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
                # numbers mean what nvidia-smi shows
                os.environ.setdefault("CUDA_DEVICE_ORDER", "PCI_BUS_ID")
                os.environ["CUDA_VISIBLE_DEVICES"] = name
                return name
        if time.monotonic() - said > REMINDER:
            said = time.monotonic()
            print(
                f"waiting for a GPU: {', '.join(names)} taken by other processes; --resources "
                f"gpu={len(names)} starts no more jobs at a time than there are GPUs",
                flush=True,
            )
        time.sleep(PAUSE)


def give_back() -> None:
    """Let another process take the GPU that this one has, and does not use."""
    global _held
    if _held is not None:
        os.close(_held)
    _held = None
