"""Checkouts of the project in folders of their own, with Snakemake running in them."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]
SMOKE = yaml.safe_load((ROOT / "config/studies/smoke.yaml").read_text())
LEARNING = SMOKE.pop("learning")
"""A section that studies of their own data sets and networks cannot have."""
DEFAULT = yaml.safe_load((ROOT / "config/config.yaml").read_text())


def snakemake(folder, *arguments, check=True, seconds=900, **environment):
    """Run Snakemake in a folder; return it with its output in one string."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        [sys.executable, "-m", "snakemake", "--cores", "2", *map(str, arguments)],
        cwd=folder,
        env={**os.environ, "PATH": path, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=seconds,
    )
    assert not check or done.returncode == 0, done.stdout[-6000:]
    return done


def checkout(folder):
    """Copy the files of a clone to a folder, without results."""
    for name in ("workflow", "config", "envs"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "Snakefile", folder)
    (folder / "profiles").symlink_to("workflow/profiles")
    return folder
