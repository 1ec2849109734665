# The study, its plan, and the names that every rule file uses; no rules.
import sys
from os import environ
from os.path import relpath
from pathlib import Path

from snakemake.exceptions import WorkflowError

WORKFLOW = (
    Path(workflow.current_basedir.get_path_or_uri(secret_free=True)).resolve().parent
)
# a checkout uses its own copy of the package, even if another one is installed
sys.path.insert(0, str(WORKFLOW / "src"))

from sigmoid_bce.jobs import forkserver, plugins, snakemake_patches
from sigmoid_bce.planning import data, digest, environment, locate, pins
from sigmoid_bce.planning.functions import growing, labels, literal
from sigmoid_bce.planning.inputs import TITLE, Plan, check_plugins
from sigmoid_bce.planning.sections import DOWNLOADS, plain, recorded, seen
from sigmoid_bce.slurm import plugin
from sigmoid_bce.slurm.commands import ClusterError
from sigmoid_bce.study.cells import PATTERN as CELL
from sigmoid_bce.study.cells import STAGES
from sigmoid_bce.study.base import ConfigError
from sigmoid_bce.study.parse import parse as parse_study
from sigmoid_bce.study.reading import check as check_files

try:
    pins.check("snakemake")
except pins.ReleaseError as error:
    raise WorkflowError(str(error)) from None

# a host workflow that uses this one as a module keeps its Snakemake and environment as they are
STANDALONE = not snakemake_patches.is_module(workflow)
environment.prepare(WORKFLOW / "src", STANDALONE)
if STANDALONE:
    snakemake_patches.apply(workflow, WORKFLOW)
    if environ.get("SLURM_JOB_ID") and not workflow.is_main_process:
        plugin.limit_to_allocation(workflow)

CONFIG = ", ".join(map(str, workflow.configfiles)) or "--config"
try:
    # relative paths are relative to the working directory, or to the configuration's folder
    FOLDERS = [Path(), *(Path(file).parent for file in workflow.configfiles)]
    if workflow.is_main_process and STANDALONE:
        check_files(workflow.configfiles)
    STUDY = locate.locate(parse_study(config, CONFIG), FOLDERS, DOWNLOADS, CONFIG)
    if workflow.is_main_process:
        check_plugins()
        data.check(STUDY, CONFIG)
except ConfigError as error:
    raise WorkflowError(f"the configuration has mistakes:\n{error}") from None
except plugins.PluginError as error:
    raise WorkflowError(str(error)) from None

environment.log_to(STUDY.tracking.uri, STANDALONE)

PLAN = Plan(
    STUDY,
    WORKFLOW,
    grouped=lambda: bool(workflow.group_settings.group_components),
    isolated="conda" in map(str, workflow.deployment_settings.deployment_method),
)
RESULTS = PLAN.results
LOGS = f"{RESULTS}/logs"
BENCHMARKS = f"{RESULTS}/benchmarks"


wildcard_constraints:
    dataset="[^/]+",
    model="[^/]+",
    loss="[^/]+",
    batch_size=r"\d+",
    seed=r"\d+",
    stage="|".join(STAGES),


def start_on_cluster():
    """Refuse to submit jobs that SLURM can never run, or that an earlier run has in the queue."""
    if workflow.executor_plugin.name == "slurm":
        try:
            pins.check("snakemake-executor-plugin-slurm")
            plugin.begin(workflow, WORKFLOW / "profiles/slurm")
        except (ClusterError, pins.ReleaseError) as error:
            raise WorkflowError(str(error)) from None


def warm_up():
    """Import the packages of this machine's jobs while the first of them runs."""
    local = (job.rule.script for job in workflow.dag.needrun_jobs() if job.is_local)
    names = sorted({Path(script).name for script in local if script})
    forkserver.warm(WORKFLOW / "scripts" / name for name in names)
