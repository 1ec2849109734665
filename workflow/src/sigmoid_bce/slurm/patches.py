"""Every change to Snakemake's SLURM plugin at run time, as `jobs.snakemake_patches` does."""

from __future__ import annotations

import asyncio
import inspect
import shlex
import sys
import time
from collections.abc import Callable
from dataclasses import is_dataclass
from typing import Any

from sigmoid_bce.jobs.patching import Changed, named, patch


@patch("an error in the submission of a group hides its reason")
def name_the_rule_of_a_group(workflow: Any) -> None:
    """Give a group of jobs the attribute `rule`.

    Reason: the plugin's report of a failed submission asks for it, and a group has none.
    Gain: no time; the user sees SLURM's reason instead of an AttributeError.
    Upstream: docs/upstream/group-submission-error.md

    Parameters
    ----------
    workflow : snakemake.workflow.Workflow
        Any; the patch is for all of them.
    """
    from snakemake import jobs

    group = named(jobs, "GroupJob", inspect.isclass)
    named(group, "jobs")
    if not hasattr(group, "rule"):
        group.rule = property(lambda self: next(iter(self.jobs)).rule)


@patch("the end of a long job is noticed up to three minutes later")
def check_states_steadily(workflow: Any) -> None:
    """Check the states of submissions at the interval of --seconds-between-status-checks.

    Reason: the plugin ignores the option. It waits ten seconds longer each time, up to 180, until
    some job ends.
    Gain: the end of a job of ten minutes is noticed at most 10 s late, not 110 s.
    Upstream: https://github.com/snakemake/snakemake-executor-plugin-slurm/issues/319

    Parameters
    ----------
    workflow : snakemake.workflow.Workflow
        When it starts on SLURM.
    """
    executor = named(named(workflow, "scheduler"), "_executor")
    named(executor, "sleep", inspect.iscoroutinefunction)
    settings = named(workflow, "remote_execution_settings")
    interval = named(settings, "seconds_between_status_checks")

    async def sleep() -> None:
        await asyncio.sleep(interval)

    executor.sleep = sleep


@patch("the jobs of a submission run one after the other")
def run_groups_in_parallel(workflow: Any) -> None:
    """Let the Snakemake inside a submission run as many jobs at once as the submission has CPUs.

    Reason: the plugin does not pass the arguments of a group to it.
    Gain: a group of short jobs on n CPUs ends n times sooner.
    Upstream: https://github.com/snakemake/snakemake-executor-plugin-slurm/issues/469

    Parameters
    ----------
    workflow : snakemake.workflow.Workflow
        When it starts on SLURM.
    """
    settings = named(named(workflow, "executor_plugin"), "common_settings", is_dataclass)
    named(settings, "pass_group_args", lambda value: isinstance(value, bool))
    settings.pass_group_args = True


@patch("a second start in this folder takes running jobs for an earlier run's")
def tell_run_name(workflow: Any, listener: Callable[[str], None]) -> None:
    """Tell a function the name that the plugin gives all jobs of this run in SLURM's queue.

    Reason: the plugin only logs it.
    Gain: no time; jobs of this run are told from those that an earlier run left in the queue.
    Upstream: docs/upstream/run-name.md

    Parameters
    ----------
    workflow : snakemake.workflow.Workflow
        When it starts on SLURM.
    listener : callable
    """
    executor = named(named(workflow, "scheduler"), "_executor")
    listener(named(executor, "run_uuid", lambda value: isinstance(value, str)))


@patch("jobs are awaited for ever if SLURM has not answered for a while")
def ask_until_answered(workflow: Any) -> None:
    """Ask for the states of jobs until SLURM answers.

    Reason: after --slurm-status-attempts queries without an answer, the plugin forgets its jobs. A
    database that is away refuses 50 queries within a second.
    Gain: no time; a workflow goes on when SLURM is back. One that is ended asks no more.
    Upstream: docs/upstream/forgotten-jobs.md

    Parameters
    ----------
    workflow : snakemake.workflow.Workflow
        When it starts on SLURM.
    """
    import snakemake_executor_plugin_slurm as plugin

    before = named(plugin, "query_job_status", inspect.iscoroutinefunction)
    settings = named(workflow, "remote_execution_settings")
    interval = named(settings, "seconds_between_status_checks")
    executor = named(named(workflow, "scheduler"), "_executor")
    named(executor, "wait", lambda value: isinstance(value, bool))

    async def query_job_status(command: str, logger: Any) -> tuple[dict[str, str], Any]:
        silent = False
        while (answer := await before(command, logger))[0] is None:
            if not executor.wait:  # Snakemake ends, and awaits the thread that asks
                return {}, 0.0
            if not silent:
                program = command.split()[0]
                logger.warning(f"{program} does not answer: the states of jobs are not known.")
            silent = True
            await asyncio.sleep(interval)
        if silent:
            logger.warning("SLURM answers again.")
        return answer

    plugin.query_job_status = query_job_status


ENDED = {
    "BOOT_FAIL", "CANCELLED", "DEADLINE", "FAILED", "NODE_FAIL", "OUT_OF_MEMORY", "PREEMPTED",
    "TIMEOUT",
}  # fmt: skip
"""States of a job that did not succeed, and that SLURM may have queued again."""
AGAIN = {"BOOT_FAIL", "NODE_FAIL", "PREEMPTED"}
"""Those after which a job may run again; after others, a controller has lost what it knew."""

QUEUED_AGAIN = 15.0
"""Seconds in which SLURM may queue such a job again; until then, the queue has it as ended too."""


@patch("a cancelled job is awaited for ever, and one that SLURM queues again is submitted twice")
def believe_the_queue(workflow: Any) -> None:
    """Take a job for failed only if SLURM's queue does not have it as waiting or running.

    Reason: accounts show the end of a job's last run for some seconds after SLURM has queued it
    again. For PREEMPTED the plugin waits, although the job may be over. It also waits if accounts
    name who cancelled a job, "CANCELLED by 0".
    Gain: no time; a job that is over is submitted again, and no other.
    Upstream: docs/upstream/preempted-jobs.md, docs/upstream/cancelled-jobs.md

    Parameters
    ----------
    workflow : snakemake.workflow.Workflow
        When it starts on SLURM.
    """
    import snakemake_executor_plugin_slurm as plugin

    before = named(plugin, "query_job_status", inspect.iscoroutinefunction)
    run = named(named(named(workflow, "scheduler"), "_executor"), "run_uuid")
    # of all clusters, as the plugin asks sacct
    queue = f"squeue --clusters all --states all --noheader --format %i|%T --name {run}"
    settled: set[str] = set()
    since: dict[str, float] = {}

    async def query_job_status(command: str, logger: Any) -> tuple[dict[str, str] | None, Any]:
        states, seconds = await before(command, logger)
        states = states and {job: state.split()[0] for job, state in states.items() if state}
        over = {job: state for job, state in (states or {}).items() if state in ENDED}
        known: dict[str, str] | None = {}
        if over.keys() - settled:
            known = (await before(queue, logger))[0]
        for job, state in over.items():
            # the controller knows best; if it does not answer, the job waits for the next query
            now = "PENDING" if known is None else known.get(job, state)
            lost = now == "RUNNING" and state not in AGAIN
            if now not in ENDED:
                since.pop(job, None)  # it may fail once more
            elif state in AGAIN:
                first = since.setdefault(job, time.monotonic())
                now = "PENDING" if time.monotonic() - first < QUEUED_AGAIN else now
            if job in settled or now in ENDED or lost:
                settled.add(job)
                now = "CANCELLED" if state == "PREEMPTED" else state
            states[job] = now
        return states, seconds

    plugin.query_job_status = query_job_status


@patch("a node that has failed once gets no more jobs, and in the end no node is left")
def use_nodes_again(workflow: Any) -> None:
    """Submit jobs to all nodes, also to those that have failed.

    Reason: the plugin excludes a node whose failure has ended a job from all later submissions,
    and SLURM refuses a job that excludes all nodes. SLURM itself uses no node that is down.
    Gain: no time; a workflow of days does not run out of nodes.
    Upstream: docs/upstream/failed-nodes.md

    Parameters
    ----------
    workflow : snakemake.workflow.Workflow
        When it starts on SLURM.
    """

    class Forgotten(set[str]):
        def add(self, _: str) -> None:
            pass

    executor = named(named(workflow, "scheduler"), "_executor")
    # those that the user excludes, so far
    excluded = named(executor, "_failed_nodes", lambda value: isinstance(value, set))
    executor._failed_nodes = Forgotten(excluded)


def refusal(job: Any) -> str:
    """Return the plugin's reason not to submit a job or a group; an empty string if it has none.

    Reason: the plugin checks a job only when it submits it, and reports no reason for a group.
    Gain: no time; mistakes in `gres` and `slurm_extra` are reported before the first submission.
    Upstream: docs/upstream/group-submission-error.md

    Parameters
    ----------
    job : snakemake.jobs.Job or snakemake.jobs.GroupJob
    """
    try:
        from snakemake_executor_plugin_slurm import utils, validation
        from snakemake_interface_common.exceptions import WorkflowError

        checks = [
            named(utils, "set_gres_string", callable),
            named(validation, "validate_slurm_extra", callable),
        ]
    except (Changed, ImportError) as changed:
        print(f"the SLURM plugin's own checks are left out ({changed})", file=sys.stderr)
        return ""
    try:
        for check in checks:
            check(job)
    except WorkflowError as error:
        return str(error)
    return ""


def submission(job: Any, account: str, partition: str, settings: Any) -> str:
    """Return the command by which the plugin submits a job; an empty string if it cannot be told.

    Reason: the plugin builds it only when it submits the job.
    Gain: no time; what SLURM refuses is reported before the first submission.
    Upstream: no issue is needed; without these names, SLURM is not asked in advance.

    Parameters
    ----------
    job : snakemake.jobs.Job or snakemake.jobs.GroupJob
    account, partition : str
        Empty for the cluster's default.
    settings : snakemake_executor_plugin_slurm.ExecutorSettings
    """
    params = {
        "run_uuid": "test",
        "slurm_logfile": "/dev/null",
        "comment_str": "",
        "account": f"-A {shlex.quote(account)}" if account else "",
        "partition": f"-p {shlex.quote(partition)}" if partition else "",
        "workdir": "",
    }
    try:
        from snakemake_executor_plugin_slurm import submit_string, utils
        from snakemake_interface_common.exceptions import WorkflowError

        command = named(submit_string, "get_submit_command", callable)
        gres = named(utils, "set_gres_string", callable)
    except (Changed, ImportError) as changed:
        print(f"SLURM is not asked in advance ({changed})", file=sys.stderr)
        return ""
    try:
        return f"{command(job, params, settings=settings)}{gres(job)}"
    except (WorkflowError, AttributeError, TypeError):
        return ""
