"""What the limits of accounts, QOS and partitions forbid for ever.

SLURM accepts such a job and leaves it in the queue. `sbatch --test-only` does not say so either.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from sigmoid_bce.slurm.accounts import Accounts, Row, amounts
from sigmoid_bce.slurm.requests import Request, tries
from sigmoid_bce.slurm.words import counted, nearest, number

NAMES = {"cpu": "CPUs (threads)", "mem": "MB of memory (mem_mb)", "gres/gpu": "GPUs (gpu)"}
"""SLURM's resources, as messages name them; others have SLURM's names."""


def _resources(request: Request) -> dict[str, float]:
    """Return the amount of each resource that a request asks for, where it is known."""
    found: dict[str, float] = {"cpu": request.cpus, "node": 1, "gres/gpu": request.gpus}
    if request.mem_mb:
        found["mem"] = request.mem_mb
    if request.gpu_model:
        found[f"gres/gpu:{request.gpu_model}"] = request.gpus
    return found


def _products(request: Request) -> dict[str, float]:
    return {name: amount * request.runtime for name, amount in _resources(request).items()}


def _used_up(amount: float, most: float) -> bool:
    """Return whether nothing was ever there; how much of a budget has been used is not known."""
    return amount > 0 and most == 0


class Measure(NamedTuple):
    """Something of a request: its amount by resource, "" if it is none, and its name."""

    amount: Callable[[Request], Mapping[str, float]]
    name: str


RESOURCES = Measure(_resources, "{}")
PRODUCTS = Measure(_products, "{} times minutes (runtime)")
TIME = Measure(lambda request: {"": request.runtime}, "minutes (runtime)")
RUNNING = Measure(lambda _: {"": 1}, "running jobs")
QUEUED = Measure(lambda request: {"": request.at_once}, "jobs in the queue at once (jobs)")


class Limit(NamedTuple):
    """A limit of an association or a QOS.

    Attributes
    ----------
    association, qos : str
        SLURM's name for it there; empty if there is none.
    measure : Measure
    says : str
        What its holder allows, for a message.
    violates : callable
        Whether an amount violates it.
    """

    association: str
    qos: str
    measure: Measure
    says: str
    violates: Callable[[float, float], bool] = operator.gt


TOGETHER = "allows all jobs together"
LIMITS = (
    Limit("MaxTRES", "MaxTRES", RESOURCES, "allows a job"),
    Limit("MaxTRESPerNode", "MaxTRESPerNode", RESOURCES, "allows a job on a node"),
    Limit("", "MaxTRESPU", RESOURCES, "allows a user"),
    Limit("", "MaxTRESPA", RESOURCES, "allows an account"),
    Limit("GrpTRES", "GrpTRES", RESOURCES, TOGETHER),
    Limit("", "MinTRES", RESOURCES, "takes no job with less than", operator.lt),
    Limit("MaxWall", "MaxWall", TIME, "allows a job"),
    Limit("GrpWall", "GrpWall", TIME, TOGETHER, _used_up),
    Limit("MaxTRESMins", "MaxTRESMins", PRODUCTS, "allows a job"),
    Limit("GrpTRESRunMins", "GrpTRESRunMins", PRODUCTS, TOGETHER),
    Limit("GrpTRESMins", "GrpTRESMins", PRODUCTS, TOGETHER, _used_up),
    Limit("MaxJobs", "MaxJobsPU", RUNNING, "allows a user"),
    Limit("", "MaxJobsPA", RUNNING, "allows an account"),
    Limit("GrpJobs", "GrpJobs", RUNNING, TOGETHER),
    Limit("MaxSubmit", "MaxSubmitPU", QUEUED, "allows a user"),
    Limit("", "MaxSubmitPA", QUEUED, "allows an account"),
    Limit("GrpSubmit", "GrpSubmit", QUEUED, TOGETHER),
)
"""What a job can violate by itself, whatever else runs."""


class Holder(NamedTuple):
    """An association or a QOS: how a message names it, and its limits."""

    name: str
    limits: Row
    is_qos: bool

    def key(self, limit: Limit) -> str:
        """Return its name for a limit."""
        return limit.qos if self.is_qos else limit.association


def _chains(accounts: Accounts, association: Row, qos: str, partition: Row) -> list[list[Holder]]:
    """Return what holds limits, in the order in which SLURM looks for each of them.

    Of a chain, the first that has the limit decides. The first chain ends at the user's
    association, with the limits that it inherits; each other one at an account above it.
    """
    names = [partition.get("QoS", ""), qos]
    if "OverPartQOS" in accounts.qos.get(qos, {}).get("Flags", ""):
        names.reverse()
    first = [
        Holder(f"QOS {name!r}", accounts.qos[name], True)
        for name in dict.fromkeys(names)
        if name in accounts.qos
    ]
    account = association["Account"]
    levels = [Holder(f"your share of account {account!r}", association, False)]
    levels += [Holder(f"account {r['Account']!r}", r, False) for r in accounts.lineage(account)]
    return [[*first, level] for level in levels]


def _violated(request: Request, chain: list[Holder]) -> Iterator[str]:
    """Yield a message for each limit of a chain that a request violates."""
    for limit in LIMITS:
        decides: dict[str, tuple[float, Holder]] = {}
        for holder in chain:
            for resource, most in amounts(holder.limits.get(holder.key(limit), "")).items():
                decides.setdefault(resource, (most, holder))
        amount = limit.measure.amount(request)
        for resource, (most, holder) in decides.items():
            if resource in amount and limit.violates(amount[resource], most):
                name = limit.measure.name.format(NAMES.get(resource, resource))
                yield (
                    f"{counted(amount[resource], name)}: {holder.name} {limit.says} "
                    f"{number(most)} ({holder.key(limit)})"
                )


def _refuses(request: Request, partition: Row, accounts: list[str], qos: str) -> str:
    """Return why a partition never starts a job of an account or QOS; an empty string if it does.

    `accounts` is the account, and those above it: an account that is allowed may stand for all
    below it.
    """
    account = f"account {accounts[0]!r} (slurm_account)"
    rights = {
        "AllowAccounts": (account, lambda names: not names & set(accounts)),
        "DenyAccounts": (account, lambda names: accounts[0] in names),
        "AllowQos": (f"QOS {qos!r} (qos)", lambda names: qos not in names),
        "DenyQos": (f"QOS {qos!r} (qos)", lambda names: qos in names),
    }
    where = f"partition {partition['PartitionName']!r}"
    listed = {key: partition[key] for key in rights if partition.get(key, "ALL") not in ("", "ALL")}
    for key, names in listed.items():
        what, refused = rights[key]
        # where SLURM has a list of those who may, it does not look at that of those who may not
        if key.replace("Deny", "Allow") in {*listed} - {key}:
            continue
        if refused(set(names.split(","))):
            return f"{what}: {where} has {key}={names}"
    most = partition.get("MaxMemPerNode", "")
    if most.isdigit() and request.mem_mb > int(most):
        return f"{request.mem_mb} {NAMES['mem']}: {where} allows a job {most} (MaxMemPerNode)"
    return ""


def _default(allowed: list[str]) -> str:
    """Return the QOS that SLURM takes if neither a job nor its association names one."""
    return allowed[0] if len(allowed) == 1 else "normal"


def _in_the_way(request: Request, accounts: Accounts, partition: Row) -> str:
    """Return what keeps a job out of a partition for ever; an empty string if nothing does."""
    association = accounts.association(request.account, partition["PartitionName"])
    if association is None or "associations" not in accounts.enforced:
        return ""
    allowed = association["QOS"].split(",")
    qos = request.qos or association["DefaultQOS"] or _default(allowed)
    account = association["Account"]
    if request.qos and "qos" in accounts.enforced and qos not in allowed:
        return f"QOS {qos!r} (qos), not one of account {account!r}: {nearest(qos, allowed)}"
    lineage = [row["Account"] for row in accounts.lineage(account)]
    if why := _refuses(request, partition, lineage or [account], qos):
        return why
    if "limits" not in accounts.enforced:
        return ""
    chains = _chains(accounts, association, qos, partition)
    return next((why for chain in chains for why in _violated(request, chain)), "")


def forbidden(request: Request, accounts: Accounts) -> str:
    """Return what forbids a submission for ever in each of its partitions; "" if nothing does.

    Parameters
    ----------
    request : Request
    accounts : Accounts

    Returns
    -------
    str
        The rule, the amount with its key, the limit with its name, and where it is set.
    """
    names = request.partition.split(",")
    partitions = [
        row
        for name, row in accounts.partitions.items()
        if (name in names if request.partition else row.get("Default") == "YES")
    ]
    for attempt, when in tries(request):
        found = [_in_the_way(attempt, accounts, partition) for partition in partitions]
        if found and all(found):
            what, has = found[0].split(": ", 1)
            return f"{request.name} asks for {what}{when}: {has}"
    return ""
