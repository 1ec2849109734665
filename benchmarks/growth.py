"""Measure how the workflow scales from 10 to 3,000 cells of digits.

For every size, two dry runs and a run with nothing to do are measured. The first dry run prints
every job. The second prints the number of jobs of each rule (`--quiet`), as Snakemake advises for
large workflows. The run with nothing to do uses empty files that Snakemake's `--touch` declares as
made. Complete runs are measured from the smallest size up, until the time limit.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from measured import ROOT, new_folder, run, snakemake
from studies import digits

SIZES = (10, 30, 100, 300, 1000, 3000)
# `--touch` sleeps 0.1 s a job otherwise
TOUCH = (
    "import sys; from snakemake.executors.touch import Executor; Executor.SLEEPING_TIME = 0; "
    "from snakemake.cli import main; main(sys.argv[1:])"
)


def size_of(folder: Path) -> float:
    """Return the size of all databases in a folder, in MB."""
    return sum(file.stat().st_size for file in folder.glob("mlflow.db*")) / 2**20


def touch(folder: Path, cores: int) -> None:
    """Create every output as an empty file, and let Snakemake record it as made."""
    summary = folder / "summary.txt"
    snakemake(folder, "--summary", log=summary.name)
    lines = [line.split("\t") for line in summary.read_text().splitlines() if "\t" in line]
    for name, *_ in lines[1:]:
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    command = [sys.executable, "-c", TOUCH, "--touch", "--quiet", "all", "--cores", cores]
    command += ["--snakefile", ROOT / "Snakefile", "--directory", folder]
    command += ["--configfile", folder / "config.yaml"]
    run(command, folder, folder / "touch.log")


def measure(given) -> list[tuple]:
    """Return the rows of this part."""
    sizes = [size for size in SIZES if size <= max(10, SIZES[-1] * given.scale)]
    rows, dry, nothing = [], {}, {}
    for size in sizes:
        name = f"{size:,} cells"
        given.say(f"{name}: plan")
        folder = new_folder(given.work, f"growth-{size}", digits(size))
        # in a dry run, `all` leaves out no more than the reasons
        plan = snakemake(folder, "--dry-run", "--quiet", "all", cores=given.cores, log="dry.log")
        counts = snakemake(folder, "--dry-run", "--quiet", cores=given.cores, log="quiet.log")
        given.say(f"{name}: nothing to do")
        touch(folder, given.cores)
        again = snakemake(folder, cores=given.cores, log="again.log")
        said = (folder / "again.log").read_text()
        assert "Nothing to be done" in said, f"{folder}: jobs were planned:\n{said[-3000:]}"
        dry[size], nothing[size] = plan.cpu, again.cpu
        wanted = (", wanted: 10", ", wanted: 10") if size == 3000 else ("", "")
        rows += [
            (name, "dry run", plan.wall, "s", f"{plan.cpu:.1f} s of CPU{wanted[0]}"),
            (name, "dry run, quiet", counts.wall, "s", f"{counts.cpu:.1f} s of CPU{wanted[0]}"),
            (name, "dry run, memory", plan.own_mb, "MB", "Snakemake's own process"),
            (name, "nothing to do", again.wall, "s", f"{again.cpu:.1f} s of CPU{wanted[1]}"),
            (name, "nothing to do, memory", again.own_mb, "MB", "Snakemake's own process"),
        ]
    for what, seconds in (("dry run", dry), ("nothing to do", nothing)):
        if {300, 3000} <= seconds.keys():
            ratio = seconds[3000] / seconds[300] / 10
            note = "CPU seconds; 1 is linear; wanted: at most 1.1"
            rows.append(("300 to 3,000 cells", f"{what}, growth", ratio, "ratio", note))
    return rows + whole_runs(given, sizes)


def whole_runs(given, sizes: list[int]) -> list[tuple]:
    """Run the studies from the smallest up until the limit; mark those that were not run."""
    end, rows, last = time.monotonic() + 60 * given.limit, [], None
    for size in sizes:
        name = f"{size:,} cells"
        expected = last[1] * size / last[0] if last else 30
        if time.monotonic() + expected > end:
            why = f"not run: needs about {expected / 60:.1f} min; the limit is {given.limit:g}"
            rows.append((name, "whole run", float("nan"), "s", why))
            continue
        given.say(f"{name}: whole run, about {expected:.0f} s")
        folder = new_folder(given.work, f"whole-{size}", digits(size))
        whole = snakemake(folder, cores=given.cores)
        last = size, whole.wall
        files = sum(len(names) for _, _, names in os.walk(folder / "results"))
        rows += [
            (name, "whole run", whole.wall, "s", f"{whole.wall / size:.2f} s a cell"),
            (name, "whole run, memory", whole.own_mb, "MB", "Snakemake's own process"),
            (name, "whole run, Snakemake's own", whole.own_cpu, "s of CPU", ""),
            (name, "database", size_of(folder), "MB", f"{files} files of results"),
        ]
    return rows
