"""The jobs of a finished run, and how long they would take on another number of cores.

Snakemake's metadata say when each job began and ended and which files it read; its log has the
priorities. The simulation starts the ready job of the highest priority whenever a core is free, as
the greedy scheduler does, and counts each job's seconds as they were.
"""

from __future__ import annotations

import base64
import heapq
import json
import re
from dataclasses import dataclass
from functools import cached_property
from itertools import count
from pathlib import Path

JOB = re.compile(r"^(?:local)?rule \w+:\n((?:    .*\n)+)", re.M)


@dataclass(frozen=True)
class Job:
    """A job that has run: its name, seconds, priority, and the jobs that it waited for."""

    name: str
    seconds: float
    priority: float
    after: frozenset[str]

    @property
    def rule(self) -> str:
        """The rule, or the part of the workflow that several rules share."""
        return self.name.split("/")[0].removesuffix(".log")


def _records(folder: Path) -> dict[str, dict]:
    """Return Snakemake's record of each file that a job made, by the file's name."""
    found = {}
    for file in (folder / ".snakemake/metadata").rglob("*"):
        if file.is_file():
            # long names are split into folders, whose names begin with @
            name = "".join(p.removeprefix("@") for p in file.parts[len(folder.parts) + 2 :])
            found[base64.urlsafe_b64decode(name).decode()] = json.loads(file.read_text())
    return found


def _priorities(log: Path) -> dict[str, float]:
    """Return the priority of each job that has one, by the job's log."""
    found = {}
    for (block,) in (match.groups() for match in JOB.finditer(log.read_text())):
        lines = dict(re.findall(r"^    (log|priority): (\S+)", block, re.M))
        if "log" in lines:
            found[lines["log"]] = float(lines.get("priority", 0))
    return found


def jobs(folder: Path) -> list[Job]:
    """Return the jobs of a finished run.

    Parameters
    ----------
    folder : Path
        Where Snakemake ran, with `snakemake.log`.
    """
    records, priorities = _records(folder), _priorities(folder / "snakemake.log")
    logs = {file: record["log"][0] for file, record in records.items()}
    seconds = {r["log"][0]: r["endtime"] - r["starttime"] for r in records.values()}
    after: dict[str, set[str]] = {log: set() for log in seconds}
    for record in records.values():
        after[record["log"][0]] |= {logs[file] for file in record["input"] if file in logs}
    return [
        Job(log.split("/logs/")[-1], seconds[log], priorities.get(log, 0.0),
            frozenset(other.split("/logs/")[-1] for other in after[log]))
        for log in seconds
    ]  # fmt: skip


class Schedule:
    """The jobs of a run on a number of cores."""

    def __init__(self, found: list[Job]) -> None:
        self.jobs = {job.name: job for job in found}

    @cached_property
    def chain(self) -> list[Job]:
        """The jobs that take longest, each of which waits for the one before."""
        best: dict[str, tuple[float, str]] = {}

        def until(name: str) -> float:
            if name not in best:
                ends = max(((until(o), o) for o in self.jobs[name].after), default=(0.0, ""))
                best[name] = ends[0] + self.jobs[name].seconds, ends[1]
            return best[name][0]

        name, found = max(self.jobs, key=until), []
        while name:
            found.append(self.jobs[name])
            name = best[name][1]
        return found[::-1]

    def wall(self, cores: int) -> float:
        """Return the seconds that all jobs take on some cores."""
        waits = {name: set(job.after) for name, job in self.jobs.items()}
        ready = [(-self.jobs[n].priority, i, n) for i, n in enumerate(waits) if not waits[n]]
        heapq.heapify(ready)
        number, now, running = count(len(waits)), 0.0, []
        while ready or running:
            while ready and len(running) < cores:
                _, _, name = heapq.heappop(ready)
                heapq.heappush(running, (now + self.jobs[name].seconds, next(number), name))
            now, _, ended = heapq.heappop(running)
            for name in (name for name, others in waits.items() if ended in others):
                waits[name].discard(ended)
                if not waits[name]:
                    heapq.heappush(ready, (-self.jobs[name].priority, next(number), name))
        return now
