"""Snakemake's options and a host workflow's settings win over the workflow's own."""

import copy
import json
import os
import re
import subprocess
import sys

import pytest
import yaml

from support.checkout import SMOKE, checkout, snakemake

NAMES = [f"part-{number}" for number in range(4)]


@pytest.fixture
def folder(tmp_path):
    """A checkout with a study of four small data sets, each prepared by a job of a second."""
    folder = checkout(tmp_path / "checkout")
    config = copy.deepcopy(SMOKE)
    (digits,) = config["datasets"].values()
    config["datasets"] = dict.fromkeys(NAMES, digits)
    config["grid"]["dataset"] = NAMES
    (folder / "parts.yaml").write_text(yaml.safe_dump(config))
    return folder


def prepare(folder, *options):
    files = [f"results/smoke/data/{name}/images.npy" for name in NAMES]
    return snakemake(folder, *files, "--configfile", "parts.yaml", "--verbose", *options).stdout


def test_a_limit_on_jobs_is_obeyed_here(folder):
    text = prepare(folder, "--cores", "4", "--max-jobs-per-timespan", "2/15s")
    assert re.findall(r"Execute (\d) jobs", text) == ["2", "2"]


def test_without_a_limit_all_start_at_once(folder):
    text = prepare(folder, "--cores", "4")
    assert "Job rate limit reached" not in text
    assert "Execute 4 jobs" in text


def test_another_snakemake_is_refused_before_any_job(folder, tmp_path):
    release = tmp_path / "snakemake-9.28.3.dist-info"
    release.mkdir()
    (release / "METADATA").write_text("Metadata-Version: 2.1\nName: snakemake\nVersion: 9.28.3\n")
    done = snakemake(folder, check=False, PYTHONPATH=str(tmp_path))
    assert done.returncode != 0
    line = "snakemake 9.28.3 installed: this workflow needs snakemake>=9.27,<9.28 and was tested"
    assert line in done.stdout
    assert not (folder / "results").exists()


HOST = """
import gc, json, os, sys

def settings():
    return {"gc": gc.get_threshold(), "path": list(sys.path), "environment": dict(os.environ)}

BEFORE = settings()

configfile: "host.yaml"

rule own:
    output:
        "own.json",
    shell:
        "python -c 'import json, os; json.dump(dict(os.environ), open(\\"own.json\\", \\"w\\"))'"

module sigmoid_bce:
    snakefile:
        "checkout/workflow/Snakefile"
    config:
        config["sigmoid_bce"]

use rule * from sigmoid_bce as bce_*

onstart:
    scheduler = {
        "limiter": type(workflow.scheduler.job_rate_limiter).__name__,
        "handler": workflow.scheduler.exit_gracefully.__module__,
    }
    with open("seen.json", "w") as file:
        json.dump({"before": BEFORE, "after": settings(), "scheduler": scheduler}, file)
"""


def test_a_host_workflow_keeps_its_snakemake_and_environment(folder, tmp_path):
    config = yaml.safe_load((folder / "parts.yaml").read_text())
    config["tracking"] = {"uri": "http://127.0.0.1:9"}
    (tmp_path / "Snakefile").write_text(HOST)
    (tmp_path / "host.yaml").write_text(yaml.safe_dump({"sigmoid_bce": config}))
    images = f"results/smoke/data/{NAMES[0]}/images.npy"
    # as if the package were installed from this checkout
    source = {"PYTHONPATH": str(folder / "workflow/src")}
    done = snakemake(tmp_path, "own.json", images, **source)
    assert "tracking.uri: http://127.0.0.1:9 is not used" in done.stdout
    assert (tmp_path / images).exists()
    seen = json.loads((tmp_path / "seen.json").read_text())
    before, after = seen["before"], seen["after"]
    assert after["gc"] == before["gc"]
    assert [path for path in after["path"] if path in before["path"]] == before["path"]
    assert before["path"].count(source["PYTHONPATH"]) == 1
    changed = {
        key
        for key in before["environment"].keys() | after["environment"].keys()
        if before["environment"].get(key) != after["environment"].get(key)
    }
    assert changed == {"SIGMOID_BCE_FORKSERVER"}
    assert seen["scheduler"] == {
        "limiter": "JobRateLimiter",
        "handler": "snakemake.scheduling.job_scheduler",
    }
    own = json.loads((tmp_path / "own.json").read_text())
    assert own["PYTHONPATH"] == source["PYTHONPATH"]
    assert "MLFLOW_TRACKING_URI" not in own


def test_a_host_without_the_package_gives_it_to_jobs(folder, tmp_path):
    (tmp_path / "Snakefile").write_text(HOST)
    config = yaml.safe_load((folder / "parts.yaml").read_text())
    (tmp_path / "host.yaml").write_text(yaml.safe_dump({"sigmoid_bce": config}))
    snakemake(tmp_path, "own.json", PYTHONPATH="")
    own = json.loads((tmp_path / "own.json").read_text())
    assert own["PYTHONPATH"] == str(folder / "workflow/src")


PLANNED = """
import sys
from importlib import metadata
# the SLURM plugin, which brings pandas, is not part of the default installation
sys.modules["snakemake_executor_plugin_slurm"] = None
import pkgutil
found = pkgutil.iter_modules
pkgutil.iter_modules = lambda *a, **k: (m for m in found(*a, **k) if "plugin_slurm" not in m.name)
from snakemake.cli import main
try:
    main(sys.argv[1:])
finally:
    print("imported:", *sorted(sys.modules))
"""


def test_planning_imports_no_heavy_package(folder):
    done = subprocess.run(
        [sys.executable, "-c", PLANNED, "--dry-run", "--quiet", "all", "--cores", "1"],
        cwd=folder,
        capture_output=True,
        text=True,
        env=dict(os.environ),
        timeout=300,
    )
    imported = done.stdout.rpartition("imported: ")[2].split()
    assert "sigmoid_bce.planning.inputs" in imported, done.stdout[-3000:] + done.stderr[-3000:]
    heavy = {"pandas", "pyarrow", "tensorflow", "keras", "mlflow", "matplotlib", "scipy", "sklearn"}
    assert not heavy & set(imported)
    # of this package: no module of a job
    rooms = {name.split(".")[1] for name in imported if name.startswith("sigmoid_bce.")}
    assert not {"training", "models", "comparison", "tracking", "verdicts"} & rooms
    assert "sigmoid_bce.numerics.catalogue" not in imported
