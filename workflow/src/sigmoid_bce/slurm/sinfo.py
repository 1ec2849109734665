"""The nodes of a SLURM cluster, read from the output of `sinfo`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from sigmoid_bce.slurm.commands import ask

FORMAT = "%P|%a|%c|%m|%l|%G"  # partition, state, CPUs, memory, time limit, GPUs


@dataclass(frozen=True)
class Nodes:
    """Nodes of one kind in one partition.

    Attributes
    ----------
    partition : str
    default : bool
        Whether jobs that name no partition go to this one.
    up : bool
        Whether the partition accepts jobs.
    cpus, mem_mb : int
        Of each node.
    runtime : int or None
        The time limit in minutes; None if there is none.
    gpus : mapping of int by str
        Number of GPUs on each node, by model.
    """

    partition: str
    default: bool
    up: bool
    cpus: int
    mem_mb: int
    runtime: int | None
    gpus: Mapping[str, int]


def minutes(limit: str) -> int | None:
    """Convert a time limit from SLURM's notation to minutes, rounded up; None means no limit.

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
    """Return the number of GPUs on a node by model; the model is "" where SLURM names none.

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


def parse(text: str) -> list[Nodes]:
    r"""Return the kinds of nodes in the output of `sinfo` in `FORMAT`.

    Examples
    --------
    >>> parse("cpu*|up|64|256000|1-00:00:00|(null)\n")[0].partition
    'cpu'
    """
    found = []
    for line in text.splitlines():
        partition, state, cpus, memory, limit, gres = line.strip().split("|")
        found.append(
            Nodes(
                partition=partition.rstrip("*"),
                default=partition.endswith("*"),
                up=state.startswith("up"),
                cpus=int(cpus.rstrip("+")),
                mem_mb=int(memory.rstrip("+")),
                runtime=minutes(limit),
                gpus=gpus(gres),
            )
        )
    return found


def nodes() -> list[Nodes]:
    """Return the kinds of nodes of this cluster, in all partitions.

    Raises
    ------
    ClusterError
        If `sinfo` fails.
    """
    return parse(ask("sinfo", "-h", "-a", "-e", "-o", FORMAT))
