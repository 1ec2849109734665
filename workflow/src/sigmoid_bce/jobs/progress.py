"""Progress on a terminal: the epochs of running trainings, and the time left by earlier runs.

A thread tells it to Snakemake's logger, which puts it above its own display. It only reads files,
so that it sees the jobs of a cluster as well.
"""

from __future__ import annotations

import csv
import re
import sys
import threading
import time
from collections.abc import Iterable, Sequence
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Any

from sigmoid_bce.jobs.snakemake_patches import unfinished

FIRST, PERIOD = 3.0, 30.0
"""Seconds until the first line, and between two lines."""
MOST = 3
"""Trainings that a line names."""
SAMPLE = 25
"""Earlier jobs that an estimate looks at."""
TAIL = 4096
"""Bytes at the end of a log that are searched for an epoch."""
NO_EARLIER = "no earlier run to estimate the time left from"


def duration(seconds: float) -> str:
    """Return a time in words.

    Examples
    --------
    >>> duration(42), duration(700), duration(6000)
    ('42 s', '12 min', '1 h 40 min')
    """
    if seconds < 90:
        return f"{max(seconds, 1):.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"


def epochs(folder: Path) -> int:
    """Return how many epochs the last attempt at a cell has noted.

    Parameters
    ----------
    folder : Path
        The cell's folder, results/<study>/train/<cell>.
    """
    attempts = [int(one.name) for one in folder.glob("attempts/*") if one.name.isdigit()]
    if not attempts:
        return 0
    try:
        with open(folder / f"attempts/{max(attempts)}/history.csv", "rb") as file:
            # the first line has the names; a line that is being written has no end yet
            return max(sum(line.endswith(b"\n") for line in file) - 1, 0)
    except OSError:
        return 0


def last_epoch(log: Path) -> str:
    """Return the last epoch that a log names, and of how many; nothing if it names none.

    Parameters
    ----------
    log : Path
        Of a job that trains the networks of a learning cell.
    """
    try:
        with open(log, "rb") as file:
            file.seek(max(log.stat().st_size - TAIL, 0))
            told = re.findall(rb"^epoch (\d+/\d+):", file.read(), re.MULTILINE)
    except OSError:
        return ""
    return told[-1].decode() if told else ""


class Durations:
    """How long jobs took, by the benchmark files of this study and of others.

    Parameters
    ----------
    benchmarks : Path
        results/<study>/benchmarks.
    """

    def __init__(self, benchmarks: Path) -> None:
        self.benchmarks = benchmarks
        self._known: dict[Path, float] = {}

    def of(self, file: Path) -> float | None:
        """Return the seconds that a job is expected to take; None if nothing like it ever ran.

        Its own earlier run says it best; then the seeds of the same cell, then the cells of the
        same network, and so on up to its rule, and to the rule in other studies.

        Parameters
        ----------
        file : Path
            The job's benchmark file.
        """
        if file in self._known:
            return self._known[file]
        if not file.is_relative_to(self.benchmarks):
            return None
        inside = file.relative_to(self.benchmarks)
        places = [self.benchmarks / one for one in inside.parents if one.parts]
        others = self.benchmarks.parents[1].glob(f"*/benchmarks/{inside.parts[0]}")
        for place in [file, *places, *sorted(others)]:
            if place not in self._known:
                found = [place] if place.is_file() else islice(place.rglob("*.tsv"), SAMPLE)
                if seconds := [s for one in found if (s := _seconds(one)) is not None]:
                    self._known[place] = median(seconds)
            if place in self._known:
                return self._known[place]
        return None


def _seconds(file: Path) -> float | None:
    try:
        with open(file, newline="") as lines:
            return float(next(csv.DictReader(lines, delimiter="\t"))["s"])
    except (OSError, StopIteration, KeyError, ValueError, TypeError):
        return None


def left(expected: Sequence[float | None], spent: Sequence[float], workers: int) -> str:
    """Return the time left in words.

    Parameters
    ----------
    expected : sequence of float or None
        Seconds of each job that is not done, the running ones first.
    spent : sequence of float
        Seconds that the running ones have run.
    workers : int
        Number of jobs at a time.

    Examples
    --------
    >>> left([60.0, 600.0, None], [50.0], 2)
    'at least 10 min left, by earlier runs; 1 job never ran'
    >>> left([None, None, 60.0], [], 2)
    'no earlier run to estimate the time left from'
    >>> left([], [], 2)
    'the last jobs end'
    """
    if not expected:
        return "the last jobs end"
    done = [*spent, *[0.0] * (len(expected) - len(spent))]
    rest = [max(e - s, 0.0) for e, s in zip(expected, done, strict=True) if e is not None]
    unknown = len(expected) - len(rest)
    if unknown > len(rest):
        return NO_EARLIER
    time_left = duration(max(sum(rest) / max(workers, 1), *rest))
    if not unknown:
        return f"about {time_left} left, by earlier runs"
    jobs = f"{unknown} job{'s' * (unknown > 1)}"
    return f"at least {time_left} left, by earlier runs; {jobs} never ran"


def _training(job: Any) -> str:
    """Return a running training and its epoch."""
    wildcards = job.wildcards
    named = getattr(wildcards, "precision", "").replace("/precision~", " ")
    name = f"{wildcards.model} {wildcards.loss} batch {wildcards.batch_size}{named}"
    if job.rule.name == "train":
        name += f" seed {wildcards.seed}"
        done = str(epochs(Path(job.output[0]).parent) or "")
    else:
        name += ", all seeds"
        done = last_epoch(Path(job.log[0]))
    return f"{name}, epoch {done}" if done else f"{name} begins"


def trainings(jobs: Iterable[Any]) -> str:
    """Return the running trainings with their epochs, in a line.

    Parameters
    ----------
    jobs : iterable of snakemake.jobs.Job
    """
    running = sorted((job for job in jobs if job.rule.name in ("train", "learn")), key=str)
    named = [_training(job) for job in running[:MOST]]
    more = [f"{len(running) - MOST} more"] if len(running) > MOST else []
    return "; ".join(named + more)


class Progress(threading.Thread):
    """The thread that tells the progress of a workflow.

    Parameters
    ----------
    workflow : snakemake.workflow.Workflow
        When it starts.
    results : Path
        The study's folder.
    say : callable
        Takes a line.
    """

    def __init__(self, workflow: Any, results: Path, say: Any) -> None:
        super().__init__(name="progress", daemon=True)
        self.workflow, self.say = workflow, say
        self.benchmarks = results / "benchmarks"
        self._since: dict[Any, float] = {}
        self._stop_now = threading.Event()

    def line(self) -> str:
        """Return what there is to say."""
        now, (_, running) = time.monotonic(), unfinished(self.workflow)
        self._since = {job: self._since.get(job, now) for job in running}
        waiting = [job for job in self.workflow.dag.needrun_jobs() if job not in self._since]
        durations = Durations(self.benchmarks)  # with those of jobs that have ended meanwhile
        # a target is no work, and has no benchmark
        jobs = [job for job in [*running, *waiting] if job.benchmark]
        expected = [durations.of(Path(job.benchmark)) for job in jobs]
        spent = [now - self._since[job] for job in jobs if job in self._since]
        local = self.workflow.executor_plugin.name == "local"
        workers = self.workflow.resource_settings.cores if local else None
        told = left(expected, spent, workers or len(running))
        return " | ".join(filter(None, [trainings(running), told]))

    def run(self) -> None:
        """Say a line now and then, if it is another one."""
        last, pause = "", FIRST
        while not self._stop_now.wait(pause):
            pause = PERIOD
            try:
                line = self.line()
            except Exception:  # the scheduler changed its jobs meanwhile, or Snakemake itself did
                continue
            if line != last:
                self.say(last := line)

    def stop(self) -> None:
        """End the thread."""
        self._stop_now.set()
        self.join(5)


_shown: list[Progress] = []


def start(workflow: Any, results: Path) -> None:
    """Show the progress of a workflow, if a person looks at a terminal.

    Parameters
    ----------
    workflow : snakemake.workflow.Workflow
        When it starts.
    results : Path
        The study's folder.
    """
    from snakemake.logging import logger

    quiet = getattr(getattr(workflow, "output_settings", None), "quiet", None)
    if not sys.stderr.isatty() or quiet:
        return
    _shown.append(Progress(workflow, Path(results), logger.info))
    _shown[-1].start()


def end() -> None:
    """End what `start` began."""
    while _shown:
        _shown.pop().stop()
