"""A SLURM cluster: whether it has what a workflow asks for, and what of an earlier run is in it.

`python -m sigmoid_bce.slurm.cluster list`, `await` or `cancel`: jobs of workflows in this folder.
"""

from __future__ import annotations

import ctypes
import difflib
import fcntl
import getpass
import math
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

PROGRAMS = ("sinfo", "sbatch", "squeue", "scancel")
PR_SET_CHILD_SUBREAPER = 36
LIMIT = 30  # seconds within which SLURM must answer
# as Snakemake's plugin names the jobs of a workflow
RUN = re.compile(r"(.+_)?[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
# a file a run, which its Snakemake holds locked; bin/sacct notes the ids of its jobs in it
RUNS = Path(".snakemake/slurm")


class ClusterError(Exception):
    """What the cluster lacks, or what is in the way: a line each."""


@dataclass(frozen=True)
class Request:
    """What one submission asks for: memory in MB, time in minutes; empty: the cluster's default.

    `gpus_allowed`: how many GPUs the profile lets it have; Snakemake would cut `gpus` down to that.
    `last_mem_mb`, `last_runtime`: what it asks for when it is tried for the last time.
    `unfit`: why Snakemake's plugin cannot submit it.
    """

    name: str
    partition: str = ""
    account: str = ""
    cpus: int = 1
    mem_mb: int = 0
    runtime: int = 0
    gpus: int = 0
    gpu_model: str = ""
    gpus_allowed: int | None = None
    last_mem_mb: int = 0
    last_runtime: int = 0
    unfit: str = ""


@dataclass(frozen=True)
class Nodes:
    """Nodes of a kind in a partition: memory in MB, time in minutes, None without a limit."""

    partition: str
    default: bool
    up: bool
    cpus: int
    mem_mb: int
    runtime: int | None
    gpus: Mapping[str, int]


def _ask(*command: str) -> str:
    """Return what a command of SLURM prints.

    Raises
    ------
    ClusterError
        If it fails or does not answer: with its own words.
    """
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT)
    except FileNotFoundError:
        raise ClusterError(f"{command[0]} is not on the PATH") from None
    except subprocess.TimeoutExpired:
        raise ClusterError(f"{command[0]} got no answer within {LIMIT} s") from None
    if done.returncode:
        raise ClusterError(f"{command[0]}: {done.stderr.strip() or 'failed'}")
    return done.stdout


def minutes(limit: str) -> int | None:
    """Return a time limit as SLURM writes it in minutes, None if there is none.

    Examples
    --------
    >>> minutes("1-02:30:00"), minutes("30:00"), minutes("infinite")
    (1590, 30, None)
    """
    if not limit[:1].isdigit():
        return None
    days, _, rest = limit.rpartition("-")
    parts = [int(part) for part in rest.split(":")]
    hours, mins, seconds = ([0] * (3 - len(parts)) + parts)[-3:]
    return int(days or 0) * 1440 + hours * 60 + mins + (seconds > 0)


def gpus(gres: str) -> dict[str, int]:
    """Return how many GPUs a node has of each model; the model is empty where none is named.

    Examples
    --------
    >>> gpus("gpu:a100:4(S:0-1),gpu:3090:2,shard:8"), gpus("gpu:2"), gpus("(null)")
    ({'a100': 4, '3090': 2}, {'': 2}, {})
    """
    found: dict[str, int] = {}
    for entry in re.sub(r"\([^)]*\)", "", gres).split(","):
        name, *model = entry.split(":")
        number = int(model.pop()) if model and model[-1].isdigit() else 1
        if name == "gpu":
            key = ":".join(model)
            found[key] = found.get(key, 0) + number
    return found


def nodes(text: str) -> list[Nodes]:
    r"""Return the kinds of nodes that `sinfo -h -a -e -o '%P|%a|%c|%m|%l|%G'` lists.

    Examples
    --------
    >>> nodes("cpu*|up|64|256000|1-00:00:00|(null)\n")[0].partition
    'cpu'
    """
    found = []
    for line in text.splitlines():
        partition, state, cpus, memory, limit, gres = line.strip().split("|")
        found.append(
            Nodes(
                partition.rstrip("*"),
                partition.endswith("*"),
                state.startswith("up"),
                int(cpus.rstrip("+")),
                int(memory.rstrip("+")),
                minutes(limit),
                gpus(gres),
            )
        )
    return found


def _nearest(name: str, known: Iterable[str]) -> str:
    known = sorted(known)
    match = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return f"did you mean {match[0]!r}?" if match else f"there are {', '.join(known)}"


def lacking(request: Request, cluster: list[Nodes]) -> str:
    """Return what no node has of all that a submission asks for; nothing if one has it all.

    Parameters
    ----------
    request : Request
    cluster : list of Nodes

    Returns
    -------
    str
        What is asked for, what there is, and the key to set.

    Examples
    --------
    >>> cluster = nodes("gpu*|up|64|256000|infinite|gpu:a100:4")
    >>> lacking(Request("train", gpus=8), cluster)
    "train asks for 8 GPUs (gpu): no node of partition 'gpu' has more than 4"
    >>> lacking(Request("train", gpus=1), cluster)
    ''
    """
    asks, wanted = f"{request.name} asks for", request.partition
    if wanted:
        there = [kind for kind in cluster if kind.partition in wanted.split(",")]
    else:
        there = [kind for kind in cluster if kind.default] or cluster
    if not there:
        known = {kind.partition for kind in cluster}
        return f"{asks} partition {wanted!r} (slurm_partition): {_nearest(wanted, known)}"
    where = " of partition " + ", ".join(sorted({repr(kind.partition) for kind in there}))
    if not any(kind.up for kind in there):
        return f"{asks} a node{where}, which is down: see sinfo"

    def most(kind):
        return kind.gpus.get(request.gpu_model, 0) if request.gpu_model else sum(kind.gpus.values())

    models = {model for kind in there for model in kind.gpus if model}
    if request.gpus and request.gpu_model and request.gpu_model not in models:
        advice = f"there are {', '.join(sorted(models))}" if models else "sinfo -o %G names none"
        return f"{asks} GPU model {request.gpu_model!r} (gpu_model): none{where} is one; {advice}"

    def memory(kind):
        return kind.mem_mb

    def time_limit(kind):
        return math.inf if kind.runtime is None else kind.runtime

    last = " when it is tried for the last time (retries)"
    # what is left are those that have enough of all that was looked at before
    for amount, has, text, unit in (
        (request.gpus, most, f"{request.gpus} GPU{'s' * (request.gpus > 1)} (gpu)", ""),
        (request.mem_mb, memory, f"{request.mem_mb} MB of memory (mem_mb)", " MB"),
        (request.cpus, lambda kind: kind.cpus, f"{request.cpus} CPUs (threads)", ""),
        (request.runtime, time_limit, f"{request.runtime} minutes (runtime)", " minutes"),
        (request.last_mem_mb, memory, f"{request.last_mem_mb} MB (mem_mb){last}", " MB"),
        (
            request.last_runtime,
            time_limit,
            f"{request.last_runtime} minutes (runtime){last}",
            " minutes",
        ),
    ):
        enough = [kind for kind in there if has(kind) >= amount]
        if not enough:
            best = max(map(has, there))
            return (
                f"{asks} {text}: no node{where} has {f'more than {best}{unit}' if best else 'any'}"
            )
        there = enough
    if request.gpus_allowed is not None and request.gpus > request.gpus_allowed:
        return (
            f"{asks} {request.gpus} GPUs (gpu), and the profile lets a submission have "
            f"{request.gpus_allowed}: set gpu under resources as well"
        )
    return f"{request.name}: {request.unfit}" if request.unfit else ""


def _wrong_account(account: str) -> str:
    """Say what is wrong with an account; nothing if it is right, or nobody can tell."""
    if not account:
        return ""
    show = ("sacctmgr", "-n", "-P", "show", "assoc", f"user={getpass.getuser()}", "format=account")
    try:
        known = set(_ask(*show).split())
    except ClusterError:  # a cluster that keeps no accounts takes any
        return ""
    if not known or account.lower() in {name.lower() for name in known}:
        return ""
    return f"account {account!r} (slurm_account) is not one of yours: {_nearest(account, known)}"


def check(requests: Iterable[Request]) -> None:
    """Look whether a cluster can ever run what will be submitted to it.

    Parameters
    ----------
    requests : iterable of Request

    Raises
    ------
    ClusterError
        If there is no SLURM, it does not answer, or no node has what is asked for: a line each.
    """
    absent = [program for program in PROGRAMS if not shutil.which(program)]
    if absent:
        raise ClusterError(
            f"there is no SLURM here: {', '.join(absent)} not found on the PATH. Start on a login "
            "node of the cluster, or run on this machine, without this profile"
        )
    cluster = nodes(_ask("sinfo", "-h", "-a", "-e", "-o", "%P|%a|%c|%m|%l|%G"))
    requests = list(requests)
    lines = [_wrong_account(account) for account in sorted({r.account for r in requests})]
    lines += [lacking(request, cluster) for request in requests]
    if any(lines):
        raise ClusterError("\n".join(dict.fromkeys(filter(None, lines))))


@dataclass(frozen=True)
class Job:
    """A job in the queue, of a workflow that has ended."""

    id: str
    state: str


def _lives(run: Path) -> bool:
    """Tell whether a run's Snakemake holds its file."""
    try:
        with open(run) as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:  # there is no file, or its file system has no locks
        return False
    return False


def earlier(folder: str | Path = ".") -> list[Job]:
    """Return the jobs in the queue of workflows in a folder whose Snakemake has ended."""
    folder = Path(folder).resolve()
    jobs = []
    for line in _ask("squeue", "-h", "-u", getpass.getuser(), "-o", "%i|%T|%j|%Z").splitlines():
        number, state, name, where = line.strip().split("|", 3)
        ours = RUN.fullmatch(name) and Path(where).resolve() == folder
        if ours and not _lives(folder / RUNS / name):
            jobs.append(Job(number, state))
    return jobs


def none_left(folder: str | Path = ".") -> None:
    """Refuse to begin while an earlier run's jobs are in the queue: their work would be done twice.

    Raises
    ------
    ClusterError
        With the jobs, and what to do about them.
    """
    if jobs := earlier(folder):
        shown = ", ".join(f"{job.id} ({job.state})" for job in jobs[:10])
        more = f" and {len(jobs) - 10} more" if len(jobs) > 10 else ""
        raise ClusterError(
            f"jobs of an earlier run in this folder are still in the queue: {shown}{more}. Their "
            "work would be done twice. End them with `make cluster-cancel`, or let them end with "
            "`make cluster-await`, then start again"
        )


def keeps_accounts() -> bool:
    """Tell whether sacct can say what became of a job."""
    try:
        _ask("sacct", "-n", "-X", "-o", "JobID")
    except ClusterError:
        return False
    return True


def _called(job: Any) -> str:
    """Return what to call a job, or a group of them, of a Snakemake DAG."""
    if not job.is_group():
        return f"rule {job.name}"
    return f"group {job.groupid} ({', '.join(sorted(job.rules))})"


def _unfit(job: Any) -> str:
    """Return why Snakemake's plugin cannot submit a job; of a group it would never say so."""
    from snakemake_executor_plugin_slurm.utils import set_gres_string
    from snakemake_executor_plugin_slurm.validation import validate_slurm_extra
    from snakemake_interface_common.exceptions import WorkflowError

    model = job.resources.get("gpu_model") or ""
    if not isinstance(model, str):
        return f"gpu_model is a number: write gpu_model: \"'{model}'\""
    if not re.fullmatch(r"[\w.]*", model, re.ASCII):
        return (
            f"GPU model {model!r} (gpu_model): Snakemake's plugin takes letters, digits, _ and . "
            "only. Ask for a feature of its nodes instead, constraint: <as sinfo -o %f names it>"
        )
    try:
        set_gres_string(job)
        validate_slurm_extra(job)
    except WorkflowError as error:
        return str(error)
    return ""


def requests(workflow: Any) -> list[Request]:
    """Return what the jobs that a Snakemake workflow plans ask a cluster for, once a kind.

    Parameters
    ----------
    workflow : snakemake.workflow.Workflow
    """
    dag, limits = workflow.dag, workflow.global_resources
    allowed = limits["gpu"].value if "gpu" in limits else None
    found: dict[int, Any] = {}
    written: dict[int, int] = {}  # GPUs as the rule or the profile has them, not cut down
    for job in dag.needrun_jobs():
        if not job.is_local:
            whole = dag.get_job_group(job) or job
            found[id(whole)] = whole
            raw = job.rule.resources["gpu"].raw if "gpu" in job.rule.resources else 0
            number = int(raw) if str(raw).isdigit() else 0
            written[id(whole)] = max(written.get(id(whole), 0), number)
    kinds = set()
    for key, job in found.items():
        asked = job.resources
        if any(asked.get(name) for name in ("cluster", "clusters", "slurm_cluster")):
            continue  # of another cluster than the one that sinfo tells of
        gres = asked.get("gres") or ""
        model, _, number = gres.removeprefix("gpu:").rpartition(":")
        by_gres = gres.startswith("gpu")
        first = Request(
            _called(job),
            str(asked.get("slurm_partition") or ""),
            str(asked.get("slurm_account") or ""),
            asked.get("cpus_per_task") or job.threads,
            asked.get("mem_mb") or 0,
            asked.get("runtime") or 0,
            int(number if number.isdigit() else 1)
            if by_gres
            else max(asked.get("gpu") or 0, written[key]),
            model if by_gres else str(asked.get("gpu_model") or ""),
            None if by_gres else allowed,
            unfit=_unfit(job),
        )
        attempt, job.attempt = job.attempt, job.restart_times + 1
        last = job.resources.get("mem_mb") or 0, job.resources.get("runtime") or 0
        job.attempt = attempt
        kinds.add(replace(first, last_mem_mb=last[0], last_runtime=last[1]))
    return sorted(kinds, key=str)


def begin(workflow: Any, profile: Path) -> None:
    """Make sure that a workflow may begin on a cluster; with the means to watch its jobs there.

    Parameters
    ----------
    workflow : snakemake.workflow.Workflow
    profile : Path
        The folder of the profile for SLURM.

    Raises
    ------
    ClusterError
        As `check` and `none_left`.
    """
    from snakemake.jobs import GroupJob

    check(requests(workflow))
    none_left()
    executor = workflow.scheduler._executor
    RUNS.mkdir(parents=True, exist_ok=True)
    for past in RUNS.iterdir():
        if not _lives(past):
            past.unlink(missing_ok=True)
    run = os.open(RUNS / executor.run_uuid, os.O_CREAT | os.O_RDWR)  # until this process ends
    with suppress(OSError):  # a file system without locks
        fcntl.flock(run, fcntl.LOCK_EX)
    # the plugin's report of what goes wrong with a submission asks a group for its rule
    GroupJob.rule = property(lambda group: next(iter(group.jobs)).rule)
    if not keeps_accounts():
        # the profile's `sacct` tells the states of jobs; nobody tells what they used
        os.environ["PATH"] = f"{profile / 'bin'}{os.pathsep}{os.environ['PATH']}"
        workflow.executor_settings.efficiency_report = False
    # the plugin looks ten seconds later each time, and sees the end of a long job a minute late
    pause = workflow.remote_execution_settings.seconds_between_status_checks
    type(executor).next_seconds_between_status_checks = property(
        lambda self: pause, lambda *_: None
    )
    # else the cells of a submission get a Snakemake each, one after the other
    workflow.executor_plugin.common_settings.pass_group_args = True


def allocated(environment: Mapping[str, str]) -> dict[str, int]:
    """Return what a job of SLURM has for itself, as resources of Snakemake.

    Examples
    --------
    >>> allocated({"SLURM_CPUS_PER_TASK": "4", "CUDA_VISIBLE_DEVICES": "0,1"})
    {'_cores': 4, 'gpu': 2}
    """
    devices = environment.get("CUDA_VISIBLE_DEVICES", "")
    found = {"gpu": len(devices.split(",")) if devices else 0}
    if cpus := environment.get("SLURM_CPUS_PER_TASK"):
        found = {"_cores": int(cpus), **found}
    return found


def settle(workflow: Any) -> None:
    """Keep a Snakemake process in a job of SLURM to what the job has.

    Snakemake itself does not tell it: it would run as many jobs at once as the node has CPUs.

    Parameters
    ----------
    workflow : snakemake.workflow.Workflow
    """
    for name, amount in allocated(os.environ).items():
        workflow.register_resource(name, amount)
    # to a job that asked for no GPU, SLURM without cgroups shows them all
    os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")
    # orphans, such as the fork server, stay below it: the job's memory and end are theirs
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def main(command: str) -> int:
    """Do what the command line says; return the exit status."""
    if command not in ("list", "await", "cancel"):
        print("usage: python -m sigmoid_bce.slurm.cluster list|await|cancel", file=sys.stderr)
        return 2
    try:
        jobs = earlier()
        if command == "cancel" and jobs:
            _ask("scancel", *(job.id for job in jobs))
        shown = None
        while jobs:
            if jobs != shown:
                print(", ".join(f"{job.id} ({job.state})" for job in jobs), flush=True)
            if command == "list":
                return 0
            shown = jobs
            time.sleep(1 if command == "cancel" else 5)
            jobs = earlier()
    except ClusterError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print("no job of a workflow in this folder is in the queue")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:2] or [""]))
