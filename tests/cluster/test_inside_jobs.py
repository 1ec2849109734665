"""A whole workflow inside a job of SLURM, which ends it with SIGTERM, and SIGKILL 30 s later."""

import os
import sys
import time
from pathlib import Path

import pytest

from support.checkout import snakemake
from support.kill_grid import alive
from support.submitted import STUDY, attempts, cells, grid
from support.waits import ask, wait_until

NOTICE = 25  # seconds in which everything must have ended
ARGUMENTS = ("--until", "train", "--configfile", "grid.yaml")


@pytest.fixture
def patient(cluster):
    """A SLURM with its default time between SIGTERM and SIGKILL."""
    conf = cluster.folder / "slurm.conf"
    text = conf.read_text()
    try:
        conf.write_text(text.replace("KillWait=2\n", "KillWait=30\n"))
        ask("scontrol", "reconfigure")
        assert "KillWait                = 30 sec" in ask("scontrol", "show", "config")
        yield cluster
    finally:
        conf.write_text(text)
        ask("scontrol", "reconfigure")


@pytest.mark.parametrize("launcher", ["exec", "srun"])
def test_a_cancelled_workflow_saves_and_ends_in_time(patient, tmp_path, launcher, monkeypatch):
    folder = grid(tmp_path / "grid", epochs=150)
    command = f"{launcher} {sys.executable} -m snakemake --cores 2 {' '.join(ARGUMENTS)}"
    where = ("--chdir", folder, "--output", folder / "job.log", "--export", "ALL")
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    monkeypatch.setenv("PATH", path)
    asked = ("--partition", "cpu", "--cpus-per-task", "2", "--mem", "8000")
    job = ask("sbatch", "--parsable", *map(str, where), *asked, "--wrap", command)

    def trained():
        files = folder.glob(f"results/{STUDY}/train/**/history.csv")
        lengths = [len(file.read_text().splitlines()) for file in files]
        return len(lengths) == len(cells([0])) and min(lengths) > 5

    wait_until(trained, lambda: (folder / "job.log").read_text()[-3000:], 200)
    start = time.monotonic()
    ask("scancel", job)
    wait_until(lambda: not alive(folder) and job not in patient.unfinished(), "it goes on")
    took = time.monotonic() - start
    assert took < NOTICE
    records = attempts(folder)
    assert [record["status"] for record in records] == ["KILLED"] * len(records)
    epochs = {record["cell"]: int(record["reason"].split()[-1]) for record in records}
    print(f"{launcher}: ended in {took:.1f} s")
    if launcher == "exec":
        return
    # it resumes where it was told to end
    snakemake(folder, "--unlock", *ARGUMENTS)
    snakemake(folder, *ARGUMENTS)
    again = [record for record in attempts(folder) if record["status"] == "FINISHED"]
    assert {record["cell"]: record["resumed_from"] for record in again} == epochs
