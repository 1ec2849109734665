# The study, its plan, and the names that every rule file uses; no rules.
import json
from os import environ
from os.path import dirname, relpath

from sigmoid_bce.jobs import forkserver, plugins, progress, snakemake_patches
from sigmoid_bce.planning import data, digest, environment, locate
from sigmoid_bce.planning.chapters import aligned, chapters, labels_of, title_of
from sigmoid_bce.planning.functions import growing, literal
from sigmoid_bce.planning.inputs import Plan, check_plugins
from sigmoid_bce.planning.sections import DOWNLOADS, plain, recorded, seen
from sigmoid_bce.slurm import plugin
from sigmoid_bce.slurm.commands import ClusterError
from sigmoid_bce.study.cells import PATTERN as CELL
from sigmoid_bce.study.cells import PARTS, STAGES
from sigmoid_bce.study.base import ConfigError
from sigmoid_bce.study.parse import parse as parse_study
from sigmoid_bce.study.reading import check as check_files

# a host workflow that uses this one as a module keeps its Snakemake and environment as they are
STANDALONE = not snakemake_patches.is_module(workflow)
environment.prepare(SOURCE, STANDALONE)
if isinstance(HERE, LocalGitFile):
    snakemake_patches.find_scripts_in_git(workflow)
# as Snakemake names the folder of a rule's environment, in a git repository too
ENVIRONMENTS = dirname(str(HERE.join("../../envs/any.yaml")))
if "{" in ENVIRONMENTS:
    snakemake_patches.take_braces_in_paths(workflow, ENVIRONMENTS)
if STANDALONE:
    snakemake_patches.apply(workflow)
    if environ.get("SLURM_JOB_ID") and not workflow.is_main_process:
        plugin.limit_to_allocation(workflow)

CONFIG = ", ".join(map(str, workflow.configfiles)) or "--config"
DOWNLOADED = hosting.placed(workflow, DOWNLOADS)
try:
    # relative paths are relative to the working directory, or to the configuration's folder
    FOLDERS = [Path(), *(Path(file).parent for file in workflow.configfiles)]
    if workflow.is_main_process and STANDALONE:
        check_files(workflow.configfiles)
    STUDY = locate.locate(parse_study(config, CONFIG), FOLDERS, DOWNLOADED, CONFIG)
    if workflow.is_main_process:
        check_plugins()
        data.check(STUDY, CONFIG)
except ConfigError as error:
    raise WorkflowError(f"the configuration has mistakes:\n{error}") from None
except plugins.PluginError as error:
    raise WorkflowError(str(error)) from None

environment.log_to(STUDY.tracking.uri, STANDALONE)


def script_of(rule):
    """Return the script of a rule: the file beside the rules, or a copy of what git has."""
    if BESIDE:
        return WORKFLOW / f"scripts/{rule}.py"
    return hosting.copied(workflow.source_path(f"../scripts/{rule}.py"), f"{rule}.py")


PLAN = Plan(
    STUDY,
    script_of,
    downloaded=DOWNLOADED,
    grouped=lambda: bool(workflow.group_settings.group_components),
    isolated=ISOLATED,
)
RESULTS = PLAN.results
LOGS = f"{RESULTS}/logs"
CHAPTERS = chapters(STUDY)
BENCHMARKS = f"{RESULTS}/benchmarks"
# where the study's files lie: Snakemake puts a module's prefix before the paths of rules, and no others
FOLDER = hosting.placed(workflow, RESULTS)
# the report is made by this Snakefile, or by one that uses it as a module: a resource and not a param, so
# that a project that was moved makes no report again
SNAKEFILE = WORKFLOW / "Snakefile" if BESIDE else HERE.join("../Snakefile")
PLACES = {RESULTS: FOLDER, DOWNLOADS: DOWNLOADED}
HOST = {}
if not (BESIDE and STANDALONE):
    HOST = {"host": literal(json.dumps(hosting.snakefile(SNAKEFILE, PLACES)))}


wildcard_constraints:
    dataset="[^/]+",
    model="[^/]+",
    loss="[^/]+",
    batch_size=r"\d+",
    precision=PARTS,
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
    jobs = (job for job in workflow.dag.needrun_jobs() if job.is_local)
    # a host workflow has rules of its own
    ours = {job.rule.script for job in jobs if job.rule.basedir == HERE}
    forkserver.warm(script_of(Path(name).stem) for name in sorted(ours - {None}))
