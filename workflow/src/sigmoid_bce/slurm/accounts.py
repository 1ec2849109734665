"""The accounts, QOS and partitions of a SLURM cluster, read from `sacctmgr` and `scontrol`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sigmoid_bce.jobs import locks
from sigmoid_bce.slurm.commands import ClusterError, ask
from sigmoid_bce.slurm.sinfo import minutes

Row = Mapping[str, str]
"""The columns of a line, by SLURM's names for them."""

UNITS = "KMGTP"
ASSOCIATION = ("MaxTRES", "MaxTRESPerNode", "MaxTRESMins", "MaxWall", "MaxJobs", "MaxSubmit")
"""Limits of a user's association, which has the ones that it inherits too."""
GROUP = (
    "GrpTRES", "GrpTRESMins", "GrpTRESRunMins", "GrpWall", "GrpJobs", "GrpSubmit",
)  # fmt: skip
"""Limits of all jobs of an association and those below it; nothing inherits them."""
QOS = (
    *GROUP, "MaxTRES", "MaxTRESPerNode", "MaxTRESPU", "MaxTRESPA", "MinTRES", "MaxTRESMins",
    "MaxWall", "MaxJobsPU", "MaxJobsPA", "MaxSubmitPU", "MaxSubmitPA",
)  # fmt: skip
"""Limits of a quality of service."""


@dataclass(frozen=True)
class Accounts:
    """What a cluster's database says about a user.

    Attributes
    ----------
    enforced : frozenset of str
        What SLURM enforces: `associations`, `limits`, `qos`.
    associations : list of Row
        Of the user, one for each account, or for each account and partition.
    accounts, qos, partitions : mapping of Row by str
        By name.
    """

    enforced: frozenset[str]
    associations: list[Row]
    accounts: Mapping[str, Row]
    qos: Mapping[str, Row]
    partitions: Mapping[str, Row]

    def association(self, account: str, partition: str) -> Row | None:
        """Return the association of a job in an account, or in the default one if it names none."""
        of = account or next((row["DefaultAccount"] for row in self.associations), "")
        rows = {
            row["Partition"]: row
            for row in self.associations
            if row["Account"].lower() == of.lower()
        }
        return rows.get(partition) or rows.get("")

    def lineage(self, account: str) -> list[Row]:
        """Return an account and those above it, the nearest first."""
        found: list[Row] = []
        row = self.accounts.get(account.lower())
        while row and row not in found:
            found.append(row)
            row = self.accounts.get(row["ParentName"].lower())
        return found


def amounts(text: str) -> dict[str, float]:
    """Return a limit as an amount by resource; a time or a number of jobs has no resource's name.

    Memory is in MB, times are in minutes. Nothing is returned for a limit that is not set.

    Examples
    --------
    >>> amounts("cpu=8,mem=4G,gres/gpu:a100=1"), amounts("1-00:30:00"), amounts("5"), amounts("")
    ({'cpu': 8.0, 'mem': 4096.0, 'gres/gpu:a100': 1.0}, {'': 1470}, {'': 5.0}, {})
    """
    if "=" in text:
        pairs = (entry.rsplit("=", 1) for entry in text.split(","))
        return {name: _amount(value) for name, value in pairs}
    if ":" in text:
        limit = minutes(text)
        return {} if limit is None else {"": limit}
    return {"": float(text)} if text.isdigit() else {}


def _amount(value: str) -> float:
    if value[-1:] in tuple(UNITS):
        return float(value[:-1]) * 1024.0 ** (UNITS.index(value[-1]) - 1)
    return float(value)


def _rows(columns: Iterable[str], *command: str) -> list[Row]:
    """Return the lines that `sacctmgr show` prints."""
    columns = list(columns)
    text = ask("sacctmgr", "-n", "-P", "show", *command, f"format={','.join(columns)}")
    lines = (line.split("|") for line in text.splitlines())
    return [dict(zip(columns, line, strict=True)) for line in lines if len(line) == len(columns)]


def _partitions() -> dict[str, Row]:
    lines = ask("scontrol", "--oneliner", "show", "partition").splitlines()
    rows = (dict(re.findall(r"(\w+)=(\S*)", line)) for line in lines)
    return {row["PartitionName"]: row for row in rows if "PartitionName" in row}


def read() -> Accounts | None:
    """Return what this cluster's database says about this user; None if it has no such database.

    It is no error if the database does not answer: SLURM takes jobs without it.
    """
    try:
        settings = dict(re.findall(r"^(\w+)\s*= (.*)$", ask("scontrol", "show", "config"), re.M))
        where = f"cluster={settings['ClusterName']}"
        identity = ("DefaultAccount", "Account", "Partition", "DefaultQOS", "QOS")
        user = ("user", locks.user(), "withassoc", where)
        mine = _rows((*identity, *ASSOCIATION, *GROUP), *user)
        accounts = _rows(("Account", "ParentName", *GROUP), "assoc", "user=", where)
        qos = _rows(("Name", "Flags", *QOS), "qos")
        partitions = _partitions()
    except (ClusterError, KeyError):
        return None
    return Accounts(
        frozenset(settings.get("AccountingStorageEnforce", "").split(",")),
        [row for row in mine if row["Account"]],
        {row["Account"].lower(): row for row in accounts},
        {row["Name"]: row for row in qos},
        partitions,
    )
