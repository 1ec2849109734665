"""Whether a cluster can ever run the jobs that a workflow plans. Asked before any submission."""

from __future__ import annotations

import math
import shlex
import shutil
from collections.abc import Callable, Iterable
from typing import NamedTuple

from sigmoid_bce.slurm.accounts import Accounts
from sigmoid_bce.slurm.accounts import read as read_accounts
from sigmoid_bce.slurm.commands import ClusterError, NoAnswer, ask
from sigmoid_bce.slurm.limits import forbidden
from sigmoid_bce.slurm.requests import LAST, Request
from sigmoid_bce.slurm.sinfo import Nodes, nodes
from sigmoid_bce.slurm.words import counted, nearest

PROGRAMS = ("sinfo", "sbatch", "squeue", "scancel")
TRANSIENT = ("Requested node configuration is not available", "Requested nodes are busy",
             "Required node not available")  # fmt: skip
"""What `sbatch --test-only` says of nodes that are down; `sinfo` knows what they have."""
FULL_QUEUE = ". Jobs that are in the queue now count: start again when squeue shows fewer"


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


NEEDS = (
    Need(lambda r: r.gpus, _gpus, "GPUs (gpu)"),
    Need(lambda r: r.mem_mb, _memory, "MB of memory (mem_mb)", " MB"),
    Need(lambda r: r.cpus, lambda kind, _: kind.cpus, "CPUs (threads)"),
    Need(lambda r: r.runtime, _runtime, "minutes (runtime)", " minutes"),
    Need(lambda r: r.last_mem_mb, _memory, f"MB of memory (mem_mb) {LAST}", " MB"),
    Need(lambda r: r.last_runtime, _runtime, f"minutes (runtime) {LAST}", " minutes"),
)


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
            return counted(amount, need.text), f"more than {most}{need.unit}" if most else "any"
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
        there_is = nearest(request.partition, known)
        return f"{asks} partition {request.partition!r} (slurm_partition): {there_is}"
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


def _wrong_account(account: str, accounts: Accounts | None) -> str:
    """Return why an account cannot be used; "" if it can, or if the cluster keeps no accounts."""
    known = {row["Account"] for row in accounts.associations} if accounts else set()
    if not account or not known or account.lower() in {name.lower() for name in known}:
        return ""
    return f"account {account!r} (slurm_account) is not one of yours: {nearest(account, known)}"


def _refused(request: Request) -> str:
    """Return why `sbatch` would not take a submission; an empty string if it would."""
    if not request.command:
        return ""
    try:
        ask(*shlex.split(request.command), "--test-only", "--wrap", "true")
    except NoAnswer:
        return ""
    except ClusterError as error:
        if any(words in str(error) for words in TRANSIENT):
            return ""
        said = [line.rsplit(": ", 1)[-1] for line in str(error).splitlines() if line.strip()]
        # limits that it can never keep to are found before
        full = FULL_QUEUE if "SubmitJob" in str(error) else ""
        return f"{request.name}: sbatch will not take it: {', '.join(said)}{full}"
    return ""


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
    accounts = read_accounts()
    lines = [_wrong_account(one, accounts) for one in sorted({r.account for r in requests})]
    for request in requests:
        why = missing_resource(request, cluster)
        lines.append(why or (forbidden(request, accounts) if accounts else ""))
    # the last question: it is asked for each request by itself
    if not any(lines):
        lines = [_refused(request) for request in requests]
    if any(lines):
        raise ClusterError("\n".join(dict.fromkeys(filter(None, lines))))


def keeps_accounts() -> bool:
    """Return whether the cluster keeps accounts, so that `sacct` can report the state of a job."""
    try:
        ask("sacct", "-n", "-X", "-o", "JobID")
    except ClusterError:
        return False
    return True
