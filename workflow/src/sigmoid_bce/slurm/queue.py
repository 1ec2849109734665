"""Jobs that an earlier workflow in this folder left in SLURM's queue.

`python -m sigmoid_bce.slurm.queue list`, `await` or `cancel`.
"""

from __future__ import annotations

import os
import re
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from sigmoid_bce.jobs import locks
from sigmoid_bce.slurm.commands import ClusterError, ask

RUN = re.compile(r"(.+_)?[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
"""The name that Snakemake's plugin gives all jobs of a workflow."""

RUNS = Path(".snakemake/slurm")
"""One file a workflow. Its Snakemake holds it locked, and bin/sacct notes job ids in it."""

POLL = {"await": 5.0, "cancel": 1.0}  # seconds between looks at the queue


@dataclass(frozen=True)
class Job:
    """A job in the queue whose workflow has ended."""

    id: str
    state: str

    def __str__(self) -> str:
        return f"{self.id} ({self.state})"


def mark_running(run: str) -> None:
    """Mark a workflow as running until this process ends; remove the marks of those that ended.

    Parameters
    ----------
    run : str
        The name that the plugin gives its jobs.
    """
    RUNS.mkdir(parents=True, exist_ok=True)
    for past in RUNS.iterdir():
        if locks.held(past) is False:  # None: the file system has no locks
            past.unlink(missing_ok=True)
    # never closed: the kernel releases the lock when the process ends
    locks.acquire(os.open(RUNS / run, os.O_CREAT | os.O_RDWR, 0o666))


def leftover_jobs(folder: str | Path = ".") -> list[Job]:
    """Return the user's jobs in the queue whose workflow ran in a folder and has ended.

    Raises
    ------
    ClusterError
        If SLURM does not answer.
    """
    folder = Path(folder).resolve()
    jobs = []
    for line in ask("squeue", "-h", "-u", locks.user(), "-o", "%i|%T|%j|%Z").splitlines():
        number, state, name, place = line.strip().split("|", 3)
        ours = RUN.fullmatch(name) and Path(place).resolve() == folder
        if ours and not locks.held(folder / RUNS / name):
            jobs.append(Job(number, state))
    return jobs


def refuse_leftovers(folder: str | Path = ".") -> None:
    """Raise if an earlier workflow's jobs are in the queue: a new one would repeat their work.

    Raises
    ------
    ClusterError
        With the jobs, and the commands that cancel or await them.
    """
    if jobs := leftover_jobs(folder):
        shown = ", ".join(map(str, jobs[:10]))
        more = f" and {len(jobs) - 10} more" if len(jobs) > 10 else ""
        if not locks.supported(Path(folder)):
            more += " (its file system has no locks: they may be those of a workflow that runs)"
        raise ClusterError(
            f"jobs of an earlier run in this folder are still in the queue: {shown}{more}. A new "
            "run would repeat their work. Cancel them with `make cluster-cancel`, or wait for "
            "them with `make cluster-await`, then start again"
        )


def _until_gone(command: str) -> None:
    """List the jobs that are left over; with `await` or `cancel`, until there are none."""
    jobs = leftover_jobs()
    if command == "cancel" and jobs:
        ask("scancel", *(job.id for job in jobs))
    shown: list[Job] = []
    while jobs:
        if jobs != shown:
            print(", ".join(map(str, jobs)), flush=True)
        if command not in POLL:
            return
        shown = jobs
        time.sleep(POLL[command])
        jobs = leftover_jobs()
    print("no job of a workflow in this folder is in the queue")


def main(*arguments: str) -> int:
    """Run the command line; return the exit status.

    Examples
    --------
    >>> main("nonsense")
    2
    """
    if arguments not in {("list",), ("await",), ("cancel",)}:
        print("usage: python -m sigmoid_bce.slurm.queue list|await|cancel", file=sys.stderr)
        return 2
    try:
        _until_gone(*arguments)
    except ClusterError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
