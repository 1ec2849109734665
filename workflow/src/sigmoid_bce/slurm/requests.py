"""What the submissions of a workflow ask SLURM for."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from sigmoid_bce.slurm import patches

OTHER_CLUSTER = ("cluster", "clusters", "slurm_cluster")
"""Resources that send a job to a cluster about which this one's `sinfo` says nothing."""

LAST = "in the last retry (retries)"


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
    qos : str
        Empty for the default one of its account.
    at_once : int
        How many such submissions may be in the queue at the same time.
    command : str
        With which the plugin submits it; empty if it is not known.
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
    qos: str = ""
    at_once: int = 1
    command: str = ""


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


def _request(submission: Submission, gpus_allowed: int | None, settings: Any) -> Request:
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
        # the plugin takes the first of several
        account=(re.split(r"[,\s]+", str(asked.get("slurm_account") or "").strip()))[0],
        qos=str(getattr(settings, "qos", None) or asked.get("qos") or ""),
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
    command = patches.submission(job, first.account, first.partition, settings)
    return replace(first, last_mem_mb=mem_mb, last_runtime=runtime, command=command)


def tries(request: Request) -> Iterator[tuple[Request, str]]:
    """Yield a request and that of its last retry, each with a text that says which it is.

    Parameters
    ----------
    request : Request

    Examples
    --------
    >>> [when for _, when in tries(Request("rule train", mem_mb=100, last_mem_mb=300))]
    ['', ' in the last retry (retries)']
    """
    yield request, ""
    mem_mb, runtime = request.last_mem_mb, request.last_runtime
    last = replace(request, mem_mb=mem_mb or request.mem_mb, runtime=runtime or request.runtime)
    if last != request:
        yield last, f" {LAST}"


def requests(workflow: Any) -> list[Request]:
    """Return the distinct requests of the submissions that a Snakemake workflow plans.

    Parameters
    ----------
    workflow : snakemake.workflow.Workflow
    """
    limits = workflow.global_resources
    allowed = limits["gpu"].value if "gpu" in limits else None
    settings = getattr(workflow, "executor_settings", None)
    most = getattr(workflow.resource_settings, "nodes", None) or math.inf
    found = Counter(
        _request(submission, allowed, settings)
        for submission in _submissions(workflow.dag)
        if not any(submission.job.resources.get(name) for name in OTHER_CLUSTER)
    )
    planned = [replace(one, at_once=int(min(number, most))) for one, number in found.items()]
    return sorted(planned, key=str)
