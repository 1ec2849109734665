"""Why an attempt ended: from the signal, the error, SLURM's state or the kernel's counters."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from socket import gethostname
from typing import TypedDict

from sigmoid_bce.jobs.records import AttemptRecord, Cause, End

LIMIT = 5.0  # seconds that SLURM has for an answer: a job that was told to end has little time
TAIL = 65536  # bytes that are read of a submission's log

STATES: Mapping[str, Cause] = {
    "PREEMPTED": "preempted",
    "CANCELLED": "cancelled",
    "REVOKED": "cancelled",
    "TIMEOUT": "time limit",
    "DEADLINE": "time limit",
    "OUT_OF_MEMORY": "memory",
    "NODE_FAIL": "node failure",
    "BOOT_FAIL": "node failure",
}
"""SLURM's states of a job that did not end by itself."""

WORDS: Mapping[Cause, str] = {
    "interrupted": "interrupted",
    "killed": "killed",
    "memory": "out of memory",
    "preempted": "preempted",
    "cancelled": "cancelled",
    "time limit": "ended by its time limit",
    "node failure": "ended by a failure of its node",
}
"""What a reason says, before the epoch."""

_silent: set[str] = set()
"""Programs of SLURM that gave no answer in time: there may be hundreds of attempts to ask about."""

NO_MEMORY = re.compile(rb"exceeded memory limit|exceeded job memory limit|oom[-_ ]?kill", re.I)
"""SLURM's words in a submission's log; without cgroups its state does not say it."""

BOOT = Path("/proc/sys/kernel/random/boot_id")
OOM_COUNTERS = ("/sys/fs/cgroup/memory.events", "/sys/fs/cgroup/memory/memory.oom_control")
"""Of control groups, in their second and first version; else the kernel's own counter is read."""


class Kernel(TypedDict):
    """The start of a machine, and how often its kernel has ended a process for lack of memory."""

    boot: str | None
    oom_kills: int | None


def kernel() -> Kernel:
    """Return the state of this machine's kernel; None for what it does not tell.

    Examples
    --------
    >>> kernel() == kernel()
    True
    """
    boot = BOOT.read_text().strip() if BOOT.exists() else None
    for name in (*OOM_COUNTERS, "/proc/vmstat"):
        file = Path(name)
        text = file.read_text() if file.exists() else ""
        if found := re.search(r"^oom_kill (\d+)$", text, re.MULTILINE):
            return {"boot": boot, "oom_kills": int(found[1])}
    return {"boot": boot, "oom_kills": None}


def outside(cause: Cause, epochs: int | None) -> End:
    """Return the end of an attempt that was ended from outside.

    Parameters
    ----------
    cause : str
    epochs : int or None
        The number of epochs that it finished; None if that is unknown.

    Examples
    --------
    >>> outside("preempted", 3)["reason"], outside("killed", 0)["reason"]
    ('preempted after epoch 3', 'killed before its first epoch')
    """
    when = f"after epoch {epochs}" if epochs else "before its first epoch"
    when = "after an unknown epoch" if epochs is None else when
    return {"status": "KILLED", "reason": f"{WORDS[cause]} {when}", "ended_by": cause}


def of_error(kind: type[BaseException]) -> Cause:
    """Return why an attempt ended with an error: for lack of memory, or it failed.

    Examples
    --------
    >>> of_error(MemoryError), of_error(ValueError)
    ('memory', 'failed')
    """
    names = {parent.__name__ for parent in kind.__mro__}
    # TensorFlow's error has a name only here, where it is not imported
    return "memory" if names & {"MemoryError", "ResourceExhaustedError"} else "failed"


def of_notice() -> Cause:
    """Return why this process was told to end: SLURM's reason in its jobs, else it was interrupted.

    Examples
    --------
    >>> of_notice() if "SLURM_JOB_ID" not in os.environ else "interrupted"
    'interrupted'
    """
    job = os.environ.get("SLURM_JOB_ID")
    return (STATES.get(_state(_shown(job))) if job else None) or "interrupted"


def of_death(record: AttemptRecord, results: Path) -> Cause:
    """Return why a process died that noted nothing.

    Parameters
    ----------
    record : AttemptRecord
        Of an attempt without a status whose process is gone.
    results : Path
        The study's folder; SLURM's logs are beside it.
    """
    job = record.get("slurm_job_id")  # a damaged record may lack it
    if job and (cause := _ended(job, record["started"] / 1000) or _logged(job, results)):
        return cause
    now = kernel()
    if record["host"] == gethostname() and record.get("boot"):
        if record["boot"] != now["boot"]:
            return "node failure"
        if (now["oom_kills"] or 0) > (record["oom_kills"] or 0):
            return "memory"
    return "killed"


def told_later(record: AttemptRecord) -> Cause | None:
    """Return why SLURM interrupted an attempt, if it did not say so at that moment.

    A job that is cancelled, or that is queued again at once, has no such state while it ends.

    Parameters
    ----------
    record : AttemptRecord
        Of an attempt that has ended.
    """
    job = record.get("slurm_job_id")
    if not job or record.get("ended_by") != "interrupted":
        return None
    return _ended(job, record["started"] / 1000)


def _slurm(*command: str) -> str:
    """Return what SLURM answers; nothing if it does not, or there is none."""
    if command[0] in _silent:
        return ""
    try:
        done = subprocess.run(
            command,
            env={**os.environ, "SLURM_TIME_FORMAT": "%s"},  # seconds since 1970
            capture_output=True,
            text=True,
            timeout=LIMIT,
        )
    except subprocess.TimeoutExpired:
        _silent.add(command[0])
        return ""
    except OSError:
        return ""
    return done.stdout if done.returncode == 0 else ""


def _shown(job: str) -> dict[str, str]:
    """Return what the controller knows of a job."""
    return dict(re.findall(r"(\w+)=(\S*)", _slurm("scontrol", "--oneliner", "show", "job", job)))


def _state(shown: Mapping[str, str]) -> str:
    """Return a job's state, PREEMPTED from its grace time on: SLURM says RUNNING or FAILED then."""
    preempted = shown.get("PreemptTime", "None") not in ("None", "Unknown")
    return "PREEMPTED" if preempted else shown.get("JobState", "")


def _runs(job: str) -> Iterator[tuple[str, str, str]]:
    """Yield state, start and end of each run of a job: a job that is queued again has several."""
    fields = ("--format", "State,Start,End", "--parsable2", "--noheader")
    for line in _slurm("sacct", "-X", "--duplicates", "--jobs", job, *fields).splitlines():
        state, start, end = line.split("|")
        yield state.split()[0], start, end  # CANCELLED by 0
    # a cluster without accounts
    if "JobState" in (shown := _shown(job)):
        yield _state(shown), shown.get("StartTime", ""), shown.get("EndTime", "")


def _ended(job: str, started: float) -> Cause | None:
    """Return why the run of a job ended during which an attempt started."""
    for state, start, end in _runs(job):
        if not start.isdigit() or int(start) > started + 1:
            continue
        over = end.isdigit() and int(end) < int(started)
        # accounts call a job FAILED that ends in its grace time: the controller knows more
        if not over and (cause := STATES.get(state)):
            return cause
    return None


def _logged(job: str, results: Path) -> Cause | None:
    """Return whether SLURM's log of a submission says that it had too little memory."""
    for file in results.parent.glob(f"slurm/**/{job}.log"):
        try:
            with open(file, "rb") as log:
                log.seek(max(0, file.stat().st_size - TAIL))
                if NO_MEMORY.search(log.read()):
                    return "memory"
        except OSError:  # another user's, or removed just now
            continue
    return None
