"""Follow README's two commands in a fresh clone, with a new environment: minutes and disk.

Package indexes and downloads are those of this machine. Frameworks that tests can measure are
installed before `make test`, as in CI, so that no test is skipped.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from measured import ROOT, run

COMMANDS = {"make run": (["make", "run"],), "make test": (["make", "frameworks"], ["make", "test"])}
"""What README says, and the commands behind it, in this order."""


def outside() -> str:
    """Return the path to programs without the environment that runs the benchmarks."""
    own = Path(sys.executable).parent
    return os.pathsep.join(
        part for part in os.environ["PATH"].split(os.pathsep) if Path(part) != own
    )


def disk(folder: Path) -> float:
    """Return the GB of the files below a folder."""
    files = {
        file.stat().st_ino: file.stat().st_blocks
        for file in folder.rglob("*")
        if not file.is_symlink()
    }
    return 512 * sum(files.values()) / 1e9


def measure(given) -> list[tuple]:
    """Return the rows of this part."""
    clone = given.work / "clone"
    run(["git", "clone", "--quiet", ROOT, clone], given.work, given.work / "clone.log")
    rows: list[tuple] = []
    for name, commands in COMMANDS.items():
        given.say(name)
        start = time.perf_counter()
        for number, command in enumerate(commands):
            log = given.work / f"{name.replace(' ', '-')}-{number}.log"
            run(command, clone, log, PATH=outside(), PYTHONPATH="", VIRTUAL_ENV="")
        minutes = (time.perf_counter() - start) / 60
        rows += [
            (name, "minutes in all", minutes, "min", f"{given.cores} cores, installation included"),
            (name, "disk", disk(clone), "GB", "environment, downloads and results, after it"),
        ]
    return rows
