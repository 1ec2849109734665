"""Measure the overhead of a job: on this machine, and on a test SLURM, single and packed."""

from __future__ import annotations

import sys
from pathlib import Path

from measured import HERE, ROOT, new_folder, run, snakemake
from studies import digits

FEW, MANY, CELLS = 4, 24, 50
SNAKEFILE = """
import sys
sys.path.insert(0, {package!r})
from os import environ, getpid, pathsep
environ["PYTHONPATH"] = pathsep.join(filter(None, [{package!r}, environ.get("PYTHONPATH")]))
environ["SIGMOID_BCE_FORKSERVER"] = str(getpid())

rule all:
    input: expand("{{n}}.done", n=range(config["jobs"]))

rule one:
    output: touch("{{n}}.done")
    group: "packed"
    {body}
"""
BODIES = {
    "shell, nothing": 'shell: "true"',
    "script, nothing": 'script: "nothing.py"',
    "script, imports TensorFlow": 'script: "imports.py"',
    "script, forked with TensorFlow imported (ours)": 'script: "forked.py"',
}
SCRIPTS = {
    "nothing.py": "pass\n",
    "imports.py": "import keras, pandas\n",
    "forked.py": "from sigmoid_bce.jobs.forkserver import forked\n\nforked('networks')\n"
    "import keras, pandas\n",
}


def folder_of(work: Path, name: str, body: str) -> Path:
    """Write a workflow whose jobs do nothing, and return its folder."""
    folder = work / name
    folder.mkdir(parents=True)
    package = str(ROOT / "workflow/src")
    (folder / "Snakefile").write_text(SNAKEFILE.format(package=package, body=body))
    for file, text in SCRIPTS.items():
        (folder / file).write_text(text)
    return folder


def seconds(folder: Path, jobs: int, *arguments) -> float:
    """Return the seconds of a run of `jobs` jobs."""
    for file in folder.glob("*.done"):
        file.unlink()
    command = [sys.executable, "-m", "snakemake", "--workflow-profile", "none"]
    command += ["--config", f"jobs={jobs}", *arguments]
    return run(command, folder, folder / "snakemake.log").wall


def measure(given) -> list[tuple]:
    """Return the rows of this part."""
    rows = []
    many = max(FEW + 4, round(MANY * given.scale))
    for number, (name, body) in enumerate(BODIES.items()):
        given.say(name)
        folder = folder_of(given.work, f"jobs-{number}", body)
        few, more = (seconds(folder, jobs, "--cores", 1) for jobs in (FEW, many))
        note = f"({many} jobs - {FEW} jobs) / {many - FEW}, one core"
        rows.append(("this machine", name, (more - few) / (many - FEW), "s a job", note))
    return rows + on_slurm(given, many)


def on_slurm(given, many: int) -> list[tuple]:
    """Return the overhead of SLURM, where the tests' SLURM can be started."""
    sys.path.insert(0, str(HERE.parent / "tests"))
    try:
        import snakemake_executor_plugin_slurm  # noqa: F401

        from support import slurm
    except ImportError as error:
        return [("SLURM", "not measured", float("nan"), "s a job", str(error))]
    if why := slurm.missing():
        return [("SLURM", "not measured", float("nan"), "s a job", why)]
    with slurm.slurm(cpus=4):
        return [*nothing_on_slurm(given, many), *cells_on_slurm(given)]


def nothing_on_slurm(given, many: int) -> list[tuple]:
    """Return the overhead of SLURM for a job that does nothing, single and packed."""
    options = ["--executor", "slurm", "--jobs", 2, "--cores", 2, "--default-resources", "runtime=5"]
    options += ["slurm_partition=cpu", "slurm_account=test", "mem_mb=500"]
    options += ["--slurm-status-command", "squeue"]
    options += ["--slurm-init-seconds-before-status-checks", 1]
    rows, name = [], "script, nothing"
    for packed in (1, many):
        given.say(f"SLURM, {packed} jobs a submission")
        folder = folder_of(given.work, f"slurm-{packed}", BODIES[name])
        local = seconds(folder, many, "--cores", 2)
        taken = seconds(folder, many, *options, "--group-components", f"packed={packed}")
        note = f"{many} jobs, two at once; {local / many:.2f} s a job with the local executor"
        what = f"{name}: SLURM adds, {packed} a submission"
        rows.append(("SLURM", what, (taken - local) / many, "s a job", note))
    return rows


def cells_on_slurm(given) -> list[tuple]:
    """Return the overhead of SLURM for a packed cell of digits, with the workflow's profile."""
    cells = max(4, round(CELLS * given.scale) // 2 * 2)
    packed = ["networks", "comparison"]
    profile = ["--workflow-profile", ROOT / "workflow/profiles/slurm"]
    profile += ["--default-resources", "slurm_account=test", "slurm_partition=cpu"]
    profile += ["--group-components", *(f"{p}={cells}" for p in packed)]
    given.say(f"{cells} cells of digits on this machine")
    local = snakemake(new_folder(given.work, "cells-local", digits(cells)), cores=2).wall
    given.say(f"{cells} cells of digits on SLURM, {cells} a submission")
    taken = snakemake(new_folder(given.work, "cells-slurm", digits(cells)), *profile, cores=2).wall
    note = f"{cells} cells; {local / cells:.2f} s a cell on this machine; wanted: under 2"
    what = f"SLURM adds, cells packed by {cells}"
    return [("SLURM", what, (taken - local) / cells, "s a cell", note)]
