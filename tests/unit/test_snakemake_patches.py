"""Patches of Snakemake: the names that they rely on exist, and without one the workflow goes on."""

import asyncio
import gc
import inspect
import re
import shlex
import signal
import sys
import threading
import time
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import snakemake_executor_plugin_slurm as plugin
from snakemake.cli import get_argument_parser
from snakemake.common import get_function_params
from snakemake.dag import DAG, ScriptProcessor
from snakemake.deployment.conda import CondaEnvFileSpec
from snakemake.exceptions import WorkflowError
from snakemake.jobs import GroupJob
from snakemake.modules import WorkflowModifier
from snakemake.resources import Resource
from snakemake.scheduling.job_scheduler import JobRateLimiter, JobScheduler
from snakemake.script import PythonScript
from snakemake.settings.types import MaxJobsPerTimespan

from sigmoid_bce.jobs import snakemake_patches as patches
from sigmoid_bce.planning import pins
from sigmoid_bce.slurm import patches as slurm_patches
from sigmoid_bce.upstream import findings
from support.checkout import ROOT

WORKFLOW_PATCHES = [
    patches.lift_rate_limit,
    patches.interrupt_at_any_time,
    patches.take_braces_in_paths,
    patches.find_scripts_in_git,
    patches.start_forks,
    patches.read_each_script_once,
    patches.know_how_resources_are_called,
    patches.look_for_outputs_in_outputs,
    slurm_patches.name_the_rule_of_a_group,
    slurm_patches.check_states_steadily,
    slurm_patches.run_groups_in_parallel,
    slurm_patches.ask_until_answered,
    slurm_patches.believe_the_queue,
    slurm_patches.use_nodes_again,
]


class Executor:
    run_uuid = "0"
    wait = True  # as long as Snakemake does not end

    def __init__(self):
        self._failed_nodes = {"node9"}

    async def sleep(self):
        await asyncio.sleep(60)


def workflow(limit="100/1s", executor="local"):
    """The parts of a workflow that patches touch, made of Snakemake's own classes."""
    limiter = JobRateLimiter(MaxJobsPerTimespan.parse_choice(limit))
    scheduler = SimpleNamespace(job_rate_limiter=limiter, _executor=Executor())
    return SimpleNamespace(
        scheduler=scheduler,
        executor_plugin=SimpleNamespace(
            name=executor, common_settings=replace(plugin.common_settings)
        ),
        remote_execution_settings=SimpleNamespace(seconds_between_status_checks=0.01),
        modifier=SimpleNamespace(is_main_snakefile=lambda: True),
    )


def test_the_pinned_releases_have_the_names():
    source = inspect.getsource(JobScheduler)
    assert "self.job_rate_limiter = " in source
    assert "self._open_jobs = threading.Semaphore(0)" in source
    assert "self._executor = executor_plugin.executor(" in source
    assert "signal.signal(signal.SIGTERM, self.exit_gracefully)" in source
    assert 'if user_kill == "graceful":' in source
    assert "jobs" in vars(GroupJob)
    assert callable(WorkflowModifier.is_main_snakefile)
    assert "self.run_uuid = " in inspect.getsource(plugin.Executor)
    assert inspect.iscoroutinefunction(plugin.Executor.sleep)
    assert "await self.sleep()" in inspect.getsource(plugin.Executor._wait_for_jobs)
    assert plugin.common_settings.pass_group_args is False


def test_the_defects_are_still_there():
    """When one of these fails, its patch can go."""
    assert "with self._lock:" in inspect.getsource(JobScheduler.exit_gracefully)
    assert not hasattr(GroupJob, "rule")
    assert "self.file.format(**wildcards)" in inspect.getsource(CondaEnvFileSpec.apply_wildcards)
    source = inspect.getsource(plugin.Executor)
    assert "script.get_source(" in inspect.getsource(ScriptProcessor.process_job)
    assert "sorted(" in inspect.getsource(DAG.check_directory_outputs)
    assert "inspect.signature(func)" in inspect.getsource(get_function_params)
    assert "job.rule.name" in source
    assert "self.next_seconds_between_status_checks + 10" in source
    assert "elif status in fail_stati:" in source  # "CANCELLED by 0" is not
    assert "if status_of_jobs is not None:" in source  # else all jobs are forgotten
    assert "self._failed_nodes.add(node)" in source
    assert "_failed_nodes.discard" not in source


def test_the_limit_is_lifted_where_nobody_set_one(capsys):
    default = get_argument_parser().get_default("max_jobs_per_timespan")
    flow = workflow(default)
    patches.lift_rate_limit(flow)
    assert flow.scheduler.job_rate_limiter is None
    assert not capsys.readouterr().err


@pytest.mark.parametrize(
    ("limit", "executor"), [("2/1s", "local"), ("100/10s", "local"), ("100/1s", "slurm")]
)
def test_the_limit_stays_where_somebody_did_or_jobs_are_submitted(limit, executor):
    flow = workflow(limit, executor)
    patches.lift_rate_limit(flow)
    assert flow.scheduler.job_rate_limiter.max_jobs == int(limit.split("/")[0])


def test_a_signal_may_come_while_snakemake_holds_a_lock(handler):
    patches.interrupt_at_any_time(workflow())
    scheduler = object.__new__(JobScheduler)
    scheduler._lock, scheduler._open_jobs = threading.Lock(), threading.Semaphore(0)
    handler(scheduler.exit_gracefully)
    # the semaphore's own lock, and that of threads which are just starting
    with scheduler._lock, scheduler._open_jobs._cond, threading._active_limbo_lock:
        signal.raise_signal(signal.SIGTERM)
    assert scheduler._open_jobs.acquire(timeout=10)
    assert scheduler._user_kill == "graceful"


@pytest.fixture
def handler(monkeypatch):
    """Set the handler of SIGTERM for one test; Snakemake's own is put back, too."""
    monkeypatch.setattr(JobScheduler, "exit_gracefully", JobScheduler.exit_gracefully)
    before = signal.getsignal(signal.SIGTERM)
    yield lambda function: signal.signal(signal.SIGTERM, function)
    signal.signal(signal.SIGTERM, before)


@pytest.fixture
def as_before(monkeypatch):
    """Put Snakemake's own functions back after a test."""
    for owner, name in (
        (ScriptProcessor, "process_job"),
        (DAG, "check_directory_outputs"),
        (PythonScript, "execute_script"),
    ):
        monkeypatch.setattr(owner, name, getattr(owner, name))


def test_each_script_is_read_once(as_before, monkeypatch, tmp_path):
    def process_job(self, job):
        looked.append(job.rule.script)
        if not Path(job.rule.script).exists():
            raise WorkflowError("not accessible")

    monkeypatch.setattr(ScriptProcessor, "process_job", process_job)
    patches.read_each_script_once(workflow())
    looked = []

    def looks(script, times):
        rule = type("Rule", (), {"script": str(tmp_path / script)})()
        for _ in range(times):
            with nullcontext() if Path(rule.script).exists() else pytest.raises(WorkflowError):
                ScriptProcessor(None).process_job(SimpleNamespace(rule=rule))
        return looked.count(rule.script)

    for name in ("one.py", "of{n}.py"):
        (tmp_path / name).write_text("pass\n")
    assert looks("one.py", 3) == 1
    assert looks("of{n}.py", 2) == 2  # with wildcards, it may be another file for each job
    assert looks("lost.py", 2) == 2  # one that is missing is never remembered


def test_the_parameters_of_resources_are_as_python_tells_them(monkeypatch):
    told = {}
    monkeypatch.setattr(patches, "tell_parameters", lambda f, known: told.update({f: known}))
    patches.know_how_resources_are_called(workflow())
    resource = Resource("mem_mb", lambda wildcards, attempt: attempt * 7)
    bound = dict(inspect.signature(resource.evaluate).parameters)
    assert told == {Resource.evaluate: bound}


NESTED = {
    "two files": (["a/b", "a/bc"], False),
    "a file in a folder": (["a/b", "a/b/c"], True),
    "names between": (["a/b", "a/b-c", "a/b.c/d", "a/b/e/f"], True),
    "absolute": (["/a/b", "/a/b/c"], True),
    "up and down": (["a/b", "x/../a/b/c"], True),
    "absolute, apart": (["/a/b", "/a/c/d"], False),
}


@pytest.mark.parametrize(("files", "wrong"), NESTED.values(), ids=NESTED)
def test_outputs_in_outputs_are_found(files, wrong, as_before, monkeypatch):
    asked = []
    monkeypatch.setattr(DAG, "check_directory_outputs", asked.append)
    patches.look_for_outputs_in_outputs(workflow())
    jobs = [SimpleNamespace(output=[file]) for file in files]
    DAG.check_directory_outputs(SimpleNamespace(jobs=jobs))
    # Snakemake's own look is asked wherever it could find something
    assert bool(asked) or not wrong
    assert len(asked) == (wrong or files[0].startswith("/"))


def test_a_job_is_started_as_a_fork_or_as_snakemake_would(as_before, monkeypatch):
    patches.start_forks(workflow())
    monkeypatch.setenv("SIGMOID_BCE_FORKSERVER", "7")
    file = "a {b} c.py"
    outside = {"container_img": None, "conda_env": None, "env_modules": None}

    def started(source, **others):
        said = []
        keep = {"_execute_cmd": lambda command, **names: said.append((command, names))}
        PythonScript.execute_script(
            SimpleNamespace(source=source, **outside | others, **keep), file
        )
        ((command, names),) = said
        return shlex.split(command.format()) if "{py_exec}" not in command else names["py_exec"]

    command = started('forked("tables")\n')
    assert command[:3] == [sys.executable, "-I", "-S"]
    assert command[-1] == file
    assert started("import pandas") == sys.executable
    assert started('forked("tables")', container_img="an image") == "python"
    monkeypatch.delenv("SIGMOID_BCE_FORKSERVER")
    assert started('forked("tables")') == sys.executable


def test_a_group_has_a_rule():
    slurm_patches.name_the_rule_of_a_group(workflow())
    group = object.__new__(GroupJob)
    group._jobs = (SimpleNamespace(rule="train"),)
    try:
        assert group.rule == "train"
    finally:
        del GroupJob.rule


def test_states_are_checked_at_the_user_s_interval():
    flow = workflow()
    slurm_patches.check_states_steadily(flow)
    asyncio.run(asyncio.wait_for(flow.scheduler._executor.sleep(), timeout=5))


def test_groups_get_their_arguments():
    flow = workflow()
    slurm_patches.run_groups_in_parallel(flow)
    assert flow.executor_plugin.common_settings.pass_group_args is True


# what accounts say of a job, what the queue says of it, and what is believed
STATES = {
    "preempted": ("PREEMPTED", "PREEMPTED", "CANCELLED"),
    "preempted and forgotten": ("PREEMPTED", "", "CANCELLED"),
    "preempted and queued again": ("PREEMPTED", "PENDING", "PENDING"),
    "preempted and running again": ("PREEMPTED", "RUNNING", "RUNNING"),
    "cancelled": ("CANCELLED by 0", "CANCELLED", "CANCELLED"),
    "still ending": ("CANCELLED by 0", "COMPLETING", "COMPLETING"),
    "cancelled before the controller crashed": ("CANCELLED by 0", "RUNNING", "CANCELLED"),
    "queued again by its exit code": ("FAILED", "PENDING", "PENDING"),
    "running again after its node failed": ("NODE_FAIL", "RUNNING", "RUNNING"),
    "failed with its node": ("NODE_FAIL", "NODE_FAIL", "NODE_FAIL"),
    "queued again after its node failed": ("NODE_FAIL", "PENDING", "PENDING"),
    "out of time and forgotten": ("TIMEOUT", "", "TIMEOUT"),
    "no answer": ("TIMEOUT", None, "PENDING"),
    "completed": ("COMPLETED", None, "COMPLETED"),
}


@pytest.fixture
def queries(monkeypatch):
    """What the plugin asks SLURM, in order; `answers` says what SLURM answers to each program."""
    found = SimpleNamespace(asked=[], answers={})

    async def query_job_status(command, logger):
        program = command.split()[0]
        found.asked.append(command)
        answers = found.answers[program]
        return (answers.pop(0) if len(answers) > 1 else answers[0]), 0.5

    monkeypatch.setattr(plugin, "query_job_status", query_job_status)
    return found


def query(logger=None):
    states, seconds = asyncio.run(plugin.query_job_status("sacct --name 0", logger))
    assert seconds == 0.5
    return states


@pytest.mark.parametrize("case", STATES)
def test_the_queue_is_believed(queries, case, monkeypatch):
    said, queue, believed = STATES[case]
    known = None if queue is None else {"7": queue} if queue else {}
    queries.answers |= {"sacct": [{"7": said, "8": "RUNNING"}], "squeue": [known]}
    monkeypatch.setattr(slurm_patches, "QUEUED_AGAIN", 0.05)
    slurm_patches.believe_the_queue(workflow())
    if said in slurm_patches.AGAIN and believed in slurm_patches.ENDED:
        # SLURM may be about to queue it again
        assert query() == {"7": "PENDING", "8": "RUNNING"}
        queries.asked.clear()
        time.sleep(0.06)
    assert query() == {"7": believed, "8": "RUNNING"}
    # the queue is asked again until a job is over, and not after that
    over = believed in slurm_patches.ENDED
    assert query() == {"7": believed, "8": "RUNNING"}
    asked = [command.split()[0] for command in queries.asked]
    if said == "COMPLETED":
        assert asked == ["sacct"] * 2
    else:
        assert asked == ["sacct", "squeue", "sacct"] + ["squeue"] * (not over)
        assert queries.asked[1].endswith("--name 0")


def test_a_job_that_fails_with_its_node_once_more_is_queued_again_once_more(queries, monkeypatch):
    queue = ["PENDING", "PENDING", "NODE_FAIL", "PENDING"]
    queries.answers |= {"sacct": [{"7": "NODE_FAIL"}], "squeue": [{"7": s} for s in queue]}
    monkeypatch.setattr(slurm_patches, "QUEUED_AGAIN", 0.05)
    slurm_patches.believe_the_queue(workflow())
    for _ in queue:
        assert query() == {"7": "PENDING"}
        time.sleep(0.06)


def test_slurm_is_asked_until_it_answers(queries):
    """More often than --slurm-status-attempts, and without a word for each time."""
    said = []
    queries.answers["sacct"] = [*[None] * 60, {"7": "RUNNING"}]
    slurm_patches.believe_the_queue(workflow())
    slurm_patches.ask_until_answered(workflow())
    assert query(SimpleNamespace(warning=said.append)) == {"7": "RUNNING"}
    assert said == [
        "sacct does not answer: the states of jobs are not known.",
        "SLURM answers again.",
    ]


def test_a_workflow_that_ends_does_not_ask_for_ever(queries, monkeypatch):
    """Snakemake awaits the thread that asks, also while SLURM is silent."""
    flow, silent = workflow(), plugin.query_job_status
    queries.answers["sacct"] = [*[None] * 9, {}]

    async def query_job_status(command, logger):
        flow.scheduler._executor.wait = len(queries.asked) < 2  # it ends at the third question
        return await silent(command, logger)

    monkeypatch.setattr(plugin, "query_job_status", query_job_status)
    slurm_patches.ask_until_answered(flow)
    log = SimpleNamespace(warning=lambda text: None)
    assert asyncio.run(plugin.query_job_status("sacct", log)) == ({}, 0.0)
    assert len(queries.asked) == 3


def test_a_node_that_failed_is_used_again():
    flow = workflow()
    slurm_patches.use_nodes_again(flow)
    flow.scheduler._executor._failed_nodes.add("node1")
    # the user's own exclusions stay
    assert flow.scheduler._executor._failed_nodes == {"node9"}


@pytest.mark.parametrize("patch", WORKFLOW_PATCHES, ids=lambda patch: patch.__name__)
def test_without_its_name_a_patch_is_left_out_with_a_line(patch, capsys, monkeypatch):
    monkeypatch.delattr("snakemake.jobs.GroupJob")
    monkeypatch.delattr("snakemake.deployment.conda.CondaEnvFileSpec")
    monkeypatch.delattr("snakemake.sourcecache.LocalGitFile")
    monkeypatch.delattr("snakemake_executor_plugin_slurm.query_job_status")
    monkeypatch.delattr("snakemake.scheduling.job_scheduler.JobScheduler.exit_gracefully")
    monkeypatch.delattr("snakemake.script.PythonScript.execute_script")
    monkeypatch.delattr("snakemake.dag.ScriptProcessor")
    monkeypatch.delattr("snakemake.dag.DAG.check_directory_outputs")
    monkeypatch.delattr("snakemake.resources.Resource.evaluate")
    patch(SimpleNamespace())
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert re.match(r"snakemake 9\S+ is not patched \(.* has no [\w, ]+\): .*", lines[0])


@pytest.mark.parametrize("patch", WORKFLOW_PATCHES, ids=lambda patch: patch.__name__)
def test_without_its_module_a_patch_is_left_out_with_a_line(patch, capsys, monkeypatch):
    for name in (
        *("jobs", "deployment.conda", "sourcecache", "scheduling.job_scheduler", "script", "dag"),
        *("resources", "rules", "workflow"),
    ):
        monkeypatch.setitem(sys.modules, f"snakemake.{name}", None)
        monkeypatch.delattr(f"snakemake.{name}", raising=False)
    monkeypatch.setitem(sys.modules, "snakemake_executor_plugin_slurm", None)
    patch(SimpleNamespace())
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert re.match(r"snakemake 9\S+ is not patched \(.+\): .*", lines[0])


@pytest.mark.parametrize("what", ["refusal", "submission"])
def test_without_the_plugin_s_modules_slurm_is_not_asked(what, capsys, monkeypatch):
    for name in ("utils", "submit_string", "validation"):
        monkeypatch.setitem(sys.modules, f"snakemake_executor_plugin_slurm.{name}", None)
        monkeypatch.delattr(f"snakemake_executor_plugin_slurm.{name}", raising=False)
    given = {"refusal": (None,), "submission": (None, "", "", None)}[what]
    assert getattr(slurm_patches, what)(*given) == ""
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_a_name_with_another_meaning_is_left_alone(capsys, monkeypatch):
    monkeypatch.setattr(JobScheduler, "__init__", lambda self: None)
    before = JobScheduler.exit_gracefully
    patches.interrupt_at_any_time(workflow())
    assert JobScheduler.exit_gracefully is before
    assert "has no _open_jobs, _user_kill" in capsys.readouterr().err


def test_a_run_s_name_is_told_or_a_line_says_why_not(capsys):
    told = []
    slurm_patches.tell_run_name(workflow(), told.append)
    assert told == ["0"]
    slurm_patches.tell_run_name(SimpleNamespace(scheduler=SimpleNamespace()), told.append)
    assert told == ["0"]
    assert "_executor" in capsys.readouterr().err


def test_a_module_is_told_from_a_workflow_of_its_own():
    flow = workflow()
    assert not patches.is_module(flow)
    flow.modifier.is_main_snakefile = lambda: False
    assert patches.is_module(flow)
    # nothing is patched where that cannot be seen
    assert patches.is_module(SimpleNamespace())


def test_garbage_is_collected_less_often():
    before = gc.get_threshold()
    try:
        patches.collect_garbage_less_often()
        assert gc.get_threshold()[0] > before[0]
    finally:
        gc.set_threshold(*before)


def test_every_patch_states_reason_gain_and_issue():
    source = inspect.getsource(patches) + inspect.getsource(slurm_patches)
    modules = (patches, slurm_patches)
    functions = [f for m in modules for f in vars(m).values() if inspect.isfunction(f)]
    documented = [f for f in functions if f.__doc__ and "Reason:" in f.__doc__]
    assert set(WORKFLOW_PATCHES) <= set(documented)
    for function in documented:
        assert re.search(r"Gain: (.*\d|no time|a group)", function.__doc__), function
        assert "Upstream:" in function.__doc__
    for path in re.findall(r"docs/upstream/[\w-]+\.md", source):
        assert (ROOT / path).is_file(), path


@pytest.mark.parametrize("found", ["9.26.0", "9.28.0", "10.0.0", None])
def test_another_release_is_one_line(found, monkeypatch):
    monkeypatch.setattr(pins, "installed", lambda package: found)
    with pytest.raises(pins.ReleaseError) as caught:
        pins.check("snakemake")
    line = str(caught.value)
    assert "\n" not in line
    assert "needs snakemake>=9.27,<9.28 and was tested with 9.27.1" in line


@pytest.mark.parametrize("option", ["--lint", "--rulegraph"])
def test_another_release_may_look_at_the_workflow(option, monkeypatch):
    monkeypatch.setattr(pins, "installed", lambda package: "9.17.3")
    monkeypatch.setattr("sys.argv", ["snakemake", option])
    pins.check("snakemake")


def test_upstream_notes_name_a_release():
    # reports about frameworks name their own releases
    notes = [n for n in (ROOT / "docs/upstream").glob("*.md") if n.stem not in findings.names()]
    assert notes
    for note in notes:
        assert re.search(r"9\.27\.1|2\.8\.0|3\.17\.2", note.read_text()), note


def test_the_plugin_s_own_checks_are_left_out_with_a_line(capsys, monkeypatch):
    monkeypatch.delattr("snakemake_executor_plugin_slurm.utils.set_gres_string")
    assert slurm_patches.refusal(None) == ""
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert "set_gres_string" in lines[0]
