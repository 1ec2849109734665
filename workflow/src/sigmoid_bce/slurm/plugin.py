"""A workflow on SLURM by way of Snakemake's plugin: its start, and a Snakemake inside a job."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sigmoid_bce.jobs import gpus
from sigmoid_bce.slurm import patches
from sigmoid_bce.slurm.check import check, keeps_accounts
from sigmoid_bce.slurm.queue import mark_running, refuse_leftovers
from sigmoid_bce.slurm.requests import requests

PR_SET_CHILD_SUBREAPER = 36


def begin(workflow: Any, profile: Path) -> None:
    """Check that a workflow may start on a cluster, and prepare Snakemake to watch its jobs.

    Parameters
    ----------
    workflow : snakemake.workflow.Workflow
    profile : Path
        The folder of the profile for SLURM.

    Raises
    ------
    ClusterError
        As `check` and `refuse_leftovers`.
    """
    check(requests(workflow))
    refuse_leftovers()
    patches.tell_run_name(workflow, mark_running)
    if keeps_accounts():
        patches.believe_the_queue(workflow)
    else:
        # the profile's `sacct` asks the queue for the states of jobs; nothing reports their usage
        os.environ["PATH"] = f"{profile / 'bin'}{os.pathsep}{os.environ['PATH']}"
        workflow.executor_settings.efficiency_report = False
    patches.ask_until_answered(workflow)
    patches.use_nodes_again(workflow)
    patches.name_the_rule_of_a_group(workflow)
    patches.check_states_steadily(workflow)
    patches.run_groups_in_parallel(workflow)


def allocated(environment: Mapping[str, str]) -> dict[str, int]:
    """Return the allocation of a SLURM job as resources of Snakemake.

    Examples
    --------
    >>> allocated({"SLURM_CPUS_PER_TASK": "4", "CUDA_VISIBLE_DEVICES": "0,1"})
    {'_cores': 4, 'gpu': 2}
    >>> allocated({"CUDA_VISIBLE_DEVICES": "NoDevFiles"})
    {'gpu': 0}
    """
    found = {"gpu": len(gpus.visible(environment.get("CUDA_VISIBLE_DEVICES", "")))}
    if cpus := environment.get("SLURM_CPUS_PER_TASK"):
        found = {"_cores": int(cpus), **found}
    return found


def limit_to_allocation(workflow: Any) -> None:
    """Limit a Snakemake process inside a SLURM job to the job's CPUs and GPUs.

    Snakemake does not tell it: it would run as many jobs at once as the node has CPUs.

    Parameters
    ----------
    workflow : snakemake.workflow.Workflow
    """
    for name, amount in allocated(os.environ).items():
        workflow.register_resource(name, amount)
    # without cgroups, SLURM shows all GPUs to a job that asked for none
    os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")
    # orphans such as the fork server stay in the job, and so share its memory limit and its end
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
