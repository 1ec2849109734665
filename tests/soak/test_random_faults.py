"""Grids of cells through a real SLURM, under random faults."""

import os
import subprocess
import sys

import pytest

from support.checkout import ROOT
from support.slurm import missing


@pytest.mark.parametrize("cells", [20, 200])
def test_random_faults_on_slurm(cells, record_property):
    """Jobs, nodes, daemons and Snakemake end at random: each cell has one run, no byte is lost."""
    assert not missing(accounts=True), missing(accounts=True)
    command = [sys.executable, "-m", "pytest", "-q", "-rP", "tests/cluster/random_faults.py"]
    done = subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, "SIGMOID_BCE_CLUSTER_GRID": str(cells)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=2 * 60 * 60,
    )
    assert done.returncode == 0, done.stdout[-6000:]
    said = [line for line in done.stdout.splitlines() if "FINISHED" in line]
    record_property("said", said[-1])
