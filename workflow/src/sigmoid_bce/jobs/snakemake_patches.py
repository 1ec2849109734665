"""Every change to Snakemake at run time, one function each; `slurm.patches` changes its plugin.

Each function states its reason, its gain and the upstream issue. It first checks the names that it
relies on. If one is missing or has changed, a line on standard error says so and the workflow runs
without that patch. Only the workflow's own Snakefile applies patches: a workflow that uses it as a
module keeps its Snakemake as it is, unless this one could not be planned in it.
"""

from __future__ import annotations

import gc
import inspect
import os
import shlex
import sys
from _thread import start_new_thread
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any

from snakemake import common

from sigmoid_bce.jobs import forkserver
from sigmoid_bce.jobs.patching import Changed, named, patch, title

LITERAL = str.maketrans({"{": "{{", "}": "}}"})
"""Snakemake replaces names in braces, in each command."""

DEFAULT_LIMIT = (100, 1)
"""Snakemake's default of --max-jobs-per-timespan: 100 jobs in one second."""


def is_module(workflow: Any) -> bool:
    """Return whether another workflow uses the Snakefile as a module.

    Parameters
    ----------
    workflow : snakemake.workflow.Workflow
    """
    try:
        return not named(named(workflow, "modifier"), "is_main_snakefile", callable)()
    except Changed:  # the cautious answer: nothing is patched
        return True


def apply(workflow: Any) -> None:
    """Put in place what holds in every process of Snakemake: planning, local and on nodes.

    Parameters
    ----------
    workflow : snakemake.workflow.Workflow
    """
    collect_garbage_less_often()
    interrupt_at_any_time(workflow)
    escape_report(workflow)
    start_forks(workflow)
    read_each_script_once(workflow)
    know_how_resources_are_called(workflow)
    look_for_outputs_in_outputs(workflow)


def collect_garbage_less_often() -> None:
    """Collect garbage after more allocations than by default.

    Reason: thousands of jobs are no garbage, but each collection visits all of them.
    Gain: 6 % of the CPU of a dry run of 1,000 cells, and a growing share of larger ones.
    Upstream: docs/upstream/garbage-collection.md
    """
    gc.set_threshold(100_000, 50, 50)


def tell_parameters(function: Callable[..., Any], parameters: Mapping[str, Any]) -> None:
    """Tell Snakemake the parameters of an input function.

    Reason: Snakemake inspects the signature of each input function several times a job.
    Gain: 6 % of the CPU of a dry run of 1,000 cells.
    Upstream: no issue is needed; the function exists for this, but is not documented.

    Parameters
    ----------
    function : callable
        A function of this workflow.
    parameters : mapping
        As `inspect.signature` returns them.
    """
    # without this name, Snakemake inspects the signature, and only time is lost
    if tell := getattr(common, "overwrite_function_params", None):
        tell(function, parameters)


@patch("it uses more CPU than it needs to")
def lift_rate_limit(workflow: Any) -> None:
    """Lift the limit of 100 jobs a second, if jobs run here and nobody set another limit.

    Reason: while jobs wait for a core, each look at the queue schedules one more a second later.
    Gain: Snakemake's own CPU falls from 113 s to 39 s in a study of 300 short cells; about 3 % of
    all CPU, if a cell takes 8 s. It grows faster than the number of cells.
    Upstream: https://github.com/snakemake/snakemake/pull/3744, docs/upstream/rate-limit.md

    Parameters
    ----------
    workflow : snakemake.workflow.Workflow
        When it starts.
    """
    scheduler = named(workflow, "scheduler")
    limiter = named(scheduler, "job_rate_limiter")
    local = named(named(workflow, "executor_plugin"), "name") == "local"
    if limiter is None or not local:
        return
    if (named(limiter, "max_jobs"), named(limiter, "timespan")) == DEFAULT_LIMIT:
        scheduler.job_rate_limiter = None


@patch("a plan of thousands of cells takes longer")
def read_each_script_once(workflow: Any) -> None:
    """Look once whether the script of a rule is there, and not again for each of its jobs.

    Reason: a plan reads the script's file, and asks for its address, for every job.
    Gain: 15 % of the CPU of a dry run of 3,000 cells.
    Upstream: docs/upstream/planning.md

    Parameters
    ----------
    workflow : snakemake.workflow.Workflow
        Any; the patch is for all of them.
    """
    from snakemake import dag

    processor = named(dag, "ScriptProcessor", inspect.isclass)
    before = named(processor, "process_job", callable)
    seen = set()

    def process_job(self: Any, job: Any) -> None:
        # a path may have wildcards
        if "{" in str(job.rule.script) or job.rule not in seen:
            before(self, job)
            seen.add(job.rule)

    processor.process_job = process_job


@patch("a plan of thousands of cells takes longer")
def know_how_resources_are_called(workflow: Any) -> None:
    """Tell Snakemake the parameters of its own function for resources.

    Reason: it inspects the function's signature, twice for each resource of each job.
    Gain: 6 % of the CPU of a dry run of 3,000 cells.
    Upstream: docs/upstream/planning.md

    Parameters
    ----------
    workflow : snakemake.workflow.Workflow
        Any; the patch is for all of them.
    """
    from snakemake import resources

    evaluate = named(named(resources, "Resource", inspect.isclass), "evaluate", callable)
    parameters = dict(inspect.signature(evaluate).parameters)
    if [kind.kind for kind in parameters.values()][2:] != [inspect.Parameter.VAR_KEYWORD]:
        raise Changed("Resource.evaluate takes other arguments")
    del parameters["self"]
    tell_parameters(evaluate, parameters)


@patch("a plan of thousands of cells takes longer")
def look_for_outputs_in_outputs(workflow: Any) -> None:
    """Look faster whether an output lies in another one, which would be a folder.

    Reason: Snakemake sorts objects for all paths, and splits each of them four times.
    Gain: 6 % of the CPU of a dry run of 3,000 cells.
    Upstream: docs/upstream/planning.md

    Parameters
    ----------
    workflow : snakemake.workflow.Workflow
        Any; the patch is for all of them.
    """
    from snakemake import dag

    graph = named(dag, "DAG", inspect.isclass)
    before = named(graph, "check_directory_outputs", callable)

    def check_directory_outputs(self: Any) -> None:
        outputs = {str(file) for job in self.jobs for file in job.output}
        folders: set[str] = set()
        for file in outputs:
            folder, slash, _ = file.rpartition("/")
            while slash and folder not in folders:
                folders.add(folder)
                folder, slash, _ = folder.rpartition("/")
        # Snakemake's own look names them; it also knows ./ and ../
        if outputs & folders or any(map(os.path.isabs, outputs)) or "./" in "".join(outputs):
            before(self)

    graph.check_directory_outputs = check_directory_outputs


@patch("SIGTERM may be obeyed only after a second signal")
def interrupt_at_any_time(workflow: Any) -> None:
    """Let SIGTERM end a workflow at any time.

    Reason: Snakemake's signal handler takes the scheduler's lock and that of its semaphore. If the
    signal arrives while the main thread holds one of them, the workflow waits for itself forever.
    Gain: no time; a job on a cluster that runs out of time always ends in order.
    Upstream: docs/upstream/sigterm-deadlock.md

    Parameters
    ----------
    workflow : snakemake.workflow.Workflow
        Any; the patch is for all of them. A Snakefile applies it when it is read, since the
        processes of jobs (`--no-hooks`) call no `onstart`.
    """
    from snakemake.scheduling import job_scheduler

    scheduler = named(job_scheduler, "JobScheduler", inspect.isclass)
    named(scheduler, "exit_gracefully", callable)
    names = named(scheduler, "__init__").__code__.co_names
    if missing := {"_user_kill", "_open_jobs"} - set(names):
        raise Changed(f"{title(scheduler)} has no {', '.join(sorted(missing))}")

    def exit_gracefully(self: Any, *_: Any) -> None:
        self._user_kill = "graceful"
        # a thread may wait for the semaphore's lock; Thread.start would take another lock
        start_new_thread(self._open_jobs.release, ())

    scheduler.exit_gracefully = exit_gracefully


@patch("each job takes 0.15 s of CPU more to start")
def start_forks(workflow: Any) -> None:
    """Start the process of a job that is forked without Snakemake's modules.

    Reason: before a script's first line, its process imports Snakemake. The fork has done so.
    Gain: 0.15 s of CPU a job, of 0.18 s. In a study of 24 short cells, the CPU of Snakemake and of
    the processes that it starts falls from 20 s to 9 s.
    Upstream: no issue is needed; without these names, a script asks for its fork by itself.

    Parameters
    ----------
    workflow : snakemake.workflow.Workflow
        Any; the patch is for all of them, and for scripts that start with `forked`.
    """
    from snakemake import script

    python = named(script, "PythonScript", inspect.isclass)
    before = named(python, "execute_script", callable)
    if missing := {"_execute_cmd", "executable"} - set(before.__code__.co_names):
        raise Changed(f"{title(python)}.execute_script has no {', '.join(sorted(missing))}")

    def execute_script(self: Any, fname: str, edit: bool = False) -> None:
        isolated = self.container_img, self.conda_env, self.env_modules
        command = [] if any(isolated) else forkserver.command(self.source)
        if not command:
            return before(self, fname, edit)
        self._execute_cmd(shlex.join([sys.executable, *command, fname]).translate(LITERAL))

    python.execute_script = execute_script


@patch("a project in a folder with braces in its name does not run")
def take_braces_in_paths(workflow: Any, folder: str = "") -> None:
    """Let the path of a workflow have braces, of one that is used as a module as well.

    Reason: Snakemake takes them in the path of a rule's conda environment for wildcards.
    Gain: no time; such a project runs.
    Upstream: docs/upstream/braces-in-paths.md

    Parameters
    ----------
    workflow : snakemake.workflow.Workflow
        Any; the patch is for all of them.
    folder : str
        The folder of this workflow's environments, none of which has a wildcard.
    """
    from snakemake.deployment import conda

    spec = named(conda, "CondaEnvFileSpec", inspect.isclass)
    before = named(spec, "apply_wildcards", callable)

    def apply_wildcards(self: Any, wildcards: Any) -> Any:
        return self if str(self.file).startswith(folder) else before(self, wildcards)

    spec.apply_wildcards = apply_wildcards


@patch("add --rerun-triggers mtime params input software-env")
def find_scripts_in_git(workflow: Any) -> None:
    """Let Snakemake plan rules with scripts that it reads from a local git repository.

    Reason: with its default triggers, it joins the script's path to the rule's folder as an object
    that the class of such files does not take, and ends in a TypeError.
    Gain: no time; `gitfile(...)` works without a profile.
    Upstream: docs/upstream/gitfile-script.md

    Parameters
    ----------
    workflow : snakemake.workflow.Workflow
        Any; the patch is for all of them.
    """
    from snakemake import sourcecache

    git = named(sourcecache, "LocalGitFile", inspect.isclass)
    join = named(git, "join", callable)
    git.join = lambda self, path: join(self, getattr(path, "path", path))


@patch("a name with </script> in it is run as code by a browser that shows the report")
def escape_report(workflow: Any) -> None:
    """Let Snakemake's report hold texts of users as texts.

    Reason: the report writes JSON into <script> elements, where </script> in a param ends one.
    Gain: no time; a class that is named like code does not run in the reader's browser.
    Upstream: docs/upstream/report-script.md

    Parameters
    ----------
    workflow : snakemake.workflow.Workflow
        Any; the patch is for all reports.
    """
    from snakemake.report import html_reporter

    data = named(html_reporter, "data")
    for name in ("categories", "results", "rules"):
        render = named(data, f"render_{name}", callable)
        setattr(data, f"render_{name}", _without_markup(render))


def _without_markup(render: Callable[..., str]) -> Callable[..., str]:
    """Return a function whose JSON holds no <, the same values otherwise."""

    @wraps(render)
    def escaped(*args: Any, **kwargs: Any) -> str:
        return render(*args, **kwargs).replace("<", "\\u003c")

    return escaped


def unfinished(workflow: Any) -> tuple[list[Any], list[Any]]:
    """Return the jobs of a workflow that failed, and those that ran when it was interrupted.

    Reason: Snakemake tells a hook that something failed, and not what.
    Gain: no time; a workflow ends with the list of what failed.
    Upstream: no issue is needed; without these names, the list is empty.

    Parameters
    ----------
    workflow : snakemake.workflow.Workflow
        At its end.
    """
    scheduler = getattr(workflow, "scheduler", None)
    parts = [getattr(scheduler, name, ()) for name in ("failed", "running")]
    # a group of jobs is no job, but holds some
    jobs = [[job for part in found for job in getattr(part, "jobs", [part])] for found in parts]
    return jobs[0], jobs[1]
