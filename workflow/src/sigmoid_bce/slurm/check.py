"""Whether a cluster can ever run the jobs that a workflow plans. Asked before any submission."""

from __future__ import annotations

import difflib
import math
import re
import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from sigmoid_bce.jobs import locks
from sigmoid_bce.slurm import patches
from sigmoid_bce.slurm.commands import ClusterError, ask
from sigmoid_bce.slurm.sinfo import Nodes, nodes

PROGRAMS = ("sinfo", "sbatch", "squeue", "scancel")
OTHER_CLUSTER = ("cluster", "clusters", "slurm_cluster")
"""Resources that send a job to a cluster about which this one's `sinfo` says nothing."""


@dataclass(frozen=True)
class Request:
    """The resources that one submission asks for.

    Attributes
    ----------
    name : str
        The rule or group, for messages.
    partition, account : str
        Empty for the cluster's default.
    cpus, gpus : int
    mem_mb, runtime : int
        Memory in MB and time in minutes; 0 for the cluster's default.
    gpu_model : str
        Empty for any.
    gpus_allowed : int or None
        The most GPUs that the profile allows a submission. Snakemake would lower `gpus` to it
        without a word. None means no limit.
    last_mem_mb, last_runtime : int
        The memory and time of the last retry.
    unfit : str
        Why Snakemake's plugin cannot submit it; empty if it can.
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


class Need(NamedTuple):
    """An amount that a node must have: how to read both sides, and how to name it."""

    amount: Callable[[Request], int]
    has: Callable[[Nodes, Request], float]
    text: str
    unit: str = ""


def _gpus(kind: Nodes, request: Request) -> int:
    if request.gpu_model:
        return kind.gpus.get(request.gpu_model, 0)
    return sum(kind.gpus.values())


def _memory(kind: Nodes, _: Request) -> int:
    return kind.mem_mb


def _runtime(kind: Nodes, _: Request) -> float:
    return math.inf if kind.runtime is None else kind.runtime


LAST = "in the last retry (retries)"
NEEDS = (
    Need(lambda r: r.gpus, _gpus, "GPUs (gpu)"),
    Need(lambda r: r.mem_mb, _memory, "MB of memory (mem_mb)", " MB"),
    Need(lambda r: r.cpus, lambda kind, _: kind.cpus, "CPUs (threads)"),
    Need(lambda r: r.runtime, _runtime, "minutes (runtime)", " minutes"),
    Need(lambda r: r.last_mem_mb, _memory, f"MB of memory (mem_mb) {LAST}", " MB"),
    Need(lambda r: r.last_runtime, _runtime, f"minutes (runtime) {LAST}", " minutes"),
)


def _nearest(name: str, known: Iterable[str]) -> str:
    known = sorted(known)
    match = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return f"did you mean {match[0]!r}?" if match else f"there are {', '.join(known)}"


def _candidates(request: Request, cluster: list[Nodes]) -> list[Nodes]:
    """Return the nodes of the partitions to which a request goes."""
    if request.partition:
        return [kind for kind in cluster if kind.partition in request.partition.split(",")]
    return [kind for kind in cluster if kind.default] or cluster


def _missing_model(request: Request, candidates: list[Nodes]) -> tuple[str, str] | None:
    """Return the GPU model that no candidate has, and the models there are."""
    models = {model for kind in candidates for model in kind.gpus if model}
    if not (request.gpus and request.gpu_model) or request.gpu_model in models:
        return None
    there_are = f"there are {', '.join(sorted(models))}" if models else "sinfo -o %G names none"
    return f"GPU model {request.gpu_model!r} (gpu_model)", f"it; {there_are}"


def _missing_amount(request: Request, candidates: list[Nodes]) -> tuple[str, str] | None:
    """Return the first amount that no candidate has, and the most that one has."""
    for need in NEEDS:
        amount = need.amount(request)
        most = max(need.has(kind, request) for kind in candidates)
        if most < amount:
            text = need.text.replace("GPUs", "GPU") if amount == 1 else need.text
            return f"{amount} {text}", f"more than {most}{need.unit}" if most else "any"
        # one node must have everything at once
        candidates = [kind for kind in candidates if need.has(kind, request) >= amount]
    return None


def missing_resource(request: Request, cluster: list[Nodes]) -> str:
    """Return why no node can run a submission; an empty string if one can.

    Parameters
    ----------
    request : Request
    cluster : list of Nodes

    Returns
    -------
    str
        The resource, the most that a node has, and the key to set.

    Examples
    --------
    >>> from sigmoid_bce.slurm.sinfo import parse
    >>> cluster = parse("gpu*|up|64|256000|infinite|gpu:a100:4")
    >>> missing_resource(Request("train", gpus=8), cluster)
    "train asks for 8 GPUs (gpu): no node of partition 'gpu' has more than 4"
    >>> missing_resource(Request("train", gpus=1), cluster)
    ''
    """
    asks = f"{request.name} asks for"
    candidates = _candidates(request, cluster)
    if not candidates:
        known = {kind.partition for kind in cluster}
        nearest = _nearest(request.partition, known)
        return f"{asks} partition {request.partition!r} (slurm_partition): {nearest}"
    where = " of partition " + ", ".join(sorted({repr(kind.partition) for kind in candidates}))
    if not any(kind.up for kind in candidates):
        return f"{asks} a node{where}, which is down: see sinfo"
    if lack := _missing_model(request, candidates) or _missing_amount(request, candidates):
        wanted, has = lack
        return f"{asks} {wanted}: no node{where} has {has}"
    if request.gpus_allowed is not None and request.gpus > request.gpus_allowed:
        return (
            f"{asks} {request.gpus} GPUs (gpu), but the profile allows a submission "
            f"{request.gpus_allowed}: raise gpu under resources as well"
        )
    return f"{request.name}: {request.unfit}" if request.unfit else ""


def _wrong_account(account: str) -> str:
    """Return why an account cannot be used; "" if it can, or if the cluster keeps no accounts."""
    if not account:
        return ""
    show = ("sacctmgr", "-n", "-P", "show", "assoc", f"user={locks.user()}", "format=account")
    try:
        known = set(ask(*show).split())
    except ClusterError:  # without accounting, SLURM accepts any name
        return ""
    if not known or account.lower() in {name.lower() for name in known}:
        return ""
    return f"account {account!r} (slurm_account) is not one of yours: {_nearest(account, known)}"


def check(requests: Iterable[Request]) -> None:
    """Check that a cluster can run every submission.

    Parameters
    ----------
    requests : iterable of Request

    Raises
    ------
    ClusterError
        If there is no SLURM, it does not answer, or no node has the resources, one line a reason.
    """
    absent = [program for program in PROGRAMS if not shutil.which(program)]
    if absent:
        raise ClusterError(
            f"there is no SLURM here: {', '.join(absent)} not found on the PATH. Start on a login "
            "node of the cluster, or run on this machine, without this profile"
        )
    cluster = nodes()
    requests = list(requests)
    lines = [_wrong_account(account) for account in sorted({r.account for r in requests})]
    lines += [missing_resource(request, cluster) for request in requests]
    if any(lines):
        raise ClusterError("\n".join(dict.fromkeys(filter(None, lines))))


def keeps_accounts() -> bool:
    """Return whether the cluster keeps accounts, so that `sacct` can report the state of a job."""
    try:
        ask("sacct", "-n", "-X", "-o", "JobID")
    except ClusterError:
        return False
    return True


def _name(job: Any) -> str:
    """Return the name of a Snakemake job, or of a group of them, for messages."""
    if not job.is_group():
        return f"rule {job.name}"
    return f"group {job.groupid} ({', '.join(sorted(job.rules))})"


def _unfit(job: Any) -> str:
    """Return why Snakemake's plugin cannot submit a job. For a group it would never report it."""
    model = job.resources.get("gpu_model") or ""
    if not isinstance(model, str):
        return f"gpu_model is a number: write gpu_model: \"'{model}'\""
    if not re.fullmatch(r"[\w.]*", model, re.ASCII):
        return (
            f"GPU model {model!r} (gpu_model): Snakemake's plugin accepts only letters, digits, _ "
            "and . in a model. Ask for a feature of its nodes instead, constraint: <feature>; "
            "sinfo -o %f lists them"
        )
    return patches.refusal(job)


class Submission(NamedTuple):
    """A Snakemake job or group of jobs, and the most GPUs that one of its rules asks for."""

    job: Any
    gpus: int


def _submissions(dag: Any) -> list[Submission]:
    """Return the submissions that a Snakemake DAG plans."""
    found: dict[int, Submission] = {}
    for job in dag.needrun_jobs():
        if job.is_local:
            continue
        whole = dag.get_job_group(job) or job
        # the number as the rule or the profile has it: job.resources holds the lowered one
        raw = str(job.rule.resources["gpu"].raw) if "gpu" in job.rule.resources else ""
        gpus = int(raw) if raw.isdigit() else 0
        earlier = found.get(id(whole))
        found[id(whole)] = Submission(whole, max(gpus, earlier.gpus if earlier else 0))
    return list(found.values())


def _request(submission: Submission, gpus_allowed: int | None) -> Request:
    """Return the resources that a submission asks for in its first try and in its last."""
    job = submission.job
    asked = job.resources
    gpus = max(asked.get("gpu") or 0, submission.gpus)
    gpu_model = str(asked.get("gpu_model") or "")
    gres = asked.get("gres") or ""
    if gres.startswith("gpu"):
        gpu_model, _, number = gres.removeprefix("gpu:").rpartition(":")
        gpus, gpus_allowed = int(number) if number.isdigit() else 1, None
    first = Request(
        _name(job),
        partition=str(asked.get("slurm_partition") or ""),
        account=str(asked.get("slurm_account") or ""),
        cpus=asked.get("cpus_per_task") or job.threads,
        mem_mb=asked.get("mem_mb") or 0,
        runtime=asked.get("runtime") or 0,
        gpus=gpus,
        gpu_model=gpu_model,
        gpus_allowed=gpus_allowed,
        unfit=_unfit(job),
    )
    attempt, job.attempt = job.attempt, job.restart_times + 1
    mem_mb, runtime = (job.resources.get(key) or 0 for key in ("mem_mb", "runtime"))
    job.attempt = attempt
    return replace(first, last_mem_mb=mem_mb, last_runtime=runtime)


def requests(workflow: Any) -> list[Request]:
    """Return the distinct requests of the submissions that a Snakemake workflow plans.

    Parameters
    ----------
    workflow : snakemake.workflow.Workflow
    """
    limits = workflow.global_resources
    allowed = limits["gpu"].value if "gpu" in limits else None
    found = {
        _request(submission, allowed)
        for submission in _submissions(workflow.dag)
        if not any(submission.job.resources.get(name) for name in OTHER_CLUSTER)
    }
    return sorted(found, key=str)
