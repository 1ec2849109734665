"""A grid of cells that runs through the profile for SLURM."""

import copy
import json
import os
import subprocess
import sys
from pathlib import Path

import yaml

from sigmoid_bce.study.cells import Cell
from support.checkout import SMOKE, checkout
from support.hostile import spoil

STUDY = "grid"
LOSSES = ("logits", "sigmoid_clipped")


def cells(seeds):
    return [Cell("digits", "tiny", loss, 16, seed) for loss in LOSSES for seed in seeds]


def grid(folder, seeds=(0,), epochs=None):
    """Return a checkout with the smoke study for some seeds, its profile set up for `cluster`."""
    checkout(folder)
    study = spoil(copy.deepcopy(SMOKE)) | {"study": STUDY}
    study["grid"]["seed"] = list(seeds)
    del study["numerics"]
    if epochs:
        study["models"]["tiny"]["max_epochs"] = study["training"]["patience"] = epochs
    (folder / "grid.yaml").write_text(yaml.safe_dump(study))
    file = folder / "workflow/profiles/slurm/config.yaml"
    profile = file.read_text()
    for name, value in (("default-resources", "cpu"), ("set-resources", "gpu")):
        before, after = profile.split(f"{name}:", 1)
        after = after.replace('slurm_partition: ""', f"slurm_partition: {value}", 1)
        profile = f"{before}{name}:{after}"
    file.write_text(profile)
    return folder


def changed(folder, **values):
    """Set keys of a folder's profile."""
    file = folder / "workflow/profiles/slurm/config.yaml"
    profile = yaml.safe_load(file.read_text())
    file.write_text(yaml.safe_dump({**profile, **values}))
    return folder


def begin(folder, *arguments, log="snakemake.log", **environment):
    """Start Snakemake with the profile for SLURM; its output goes to a file."""
    environment = {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"} | {
        name.upper(): str(value) for name, value in environment.items()
    }
    # under nohup, the tests ignore SIGHUP, and so would their children
    command = ["env", "--default-signal=HUP", sys.executable, "-m", "snakemake"]
    command += ["--configfile", "grid.yaml"]
    command += ["--workflow-profile", "workflow/profiles/slurm"]
    command += ["--slurm-init-seconds-before-status-checks", "1"]
    command += ["--seconds-between-status-checks", "2", *map(str, arguments)]
    with open(folder / log, "w") as out:
        return subprocess.Popen(
            command,
            cwd=folder,
            env={**os.environ, **environment},
            stdout=out,
            stderr=out,
        )


def run(folder, *arguments, status=0, limit=400, **environment):
    """Run Snakemake to its end, check its status, and return its output."""
    process = begin(folder, *arguments, **environment)
    try:
        process.wait(limit)
    finally:
        process.kill()
        process.wait()
    text = (folder / "snakemake.log").read_text()
    assert (process.returncode == 0) == (status == 0), text[-6000:]
    return text


def attempts(folder):
    """Return the records of all trainings."""
    return [
        json.loads(file.read_text())
        for file in folder.glob(f"results/{STUDY}/train/**/attempt.json")
    ]


def results(folder, study, cells):
    """Return the bytes of all results that do not depend on where they were computed."""
    root = folder / f"results/{study}"
    patterns = ["data/digits/*", "features/**/*.npy"]
    for cell in cells:
        patterns += [f"train/{cell}/*.h5", f"raw_outputs/{cell}/*", f"compare/{cell}/*"]
    files = {file for pattern in patterns for file in root.glob(pattern)}
    return {str(file.relative_to(root)): file.read_bytes() for file in sorted(files)}
