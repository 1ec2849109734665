"""A training whose job SLURM takes off its device, with a notice, and starts again later."""

import subprocess
import sys

from conftest import snakemake
from slurm import wait_until
from submitted import STUDY, begin, cells, grid, results

from sigmoid_bce.training.attempts import read_attempts

CELLS = cells([0])
EPOCHS = 300
CONFIG = ("--configfile", "grid.yaml")


def ask(*command):
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_a_training_goes_on_where_slurm_ended_it(cluster, tmp_path):
    folder = grid(tmp_path / "grid", epochs=EPOCHS)
    process = begin(folder)

    def records(cell):
        return read_attempts(folder / f"results/{STUDY}/train/{cell}")

    def in_training(number):
        """Tell whether each cell is in its so many-eth attempt, and has ended epochs in it."""
        assert process.poll() is None, (folder / "snakemake.log").read_text()[-3000:]
        for cell in CELLS:
            some = records(cell)
            history = some[-1]["folder"] / "history.csv" if some else None
            if len(some) < number or not history.exists():
                return False
            if len(history.read_text().splitlines()) < some[-1].get("resumed_from", 0) + 10:
                return False
        return True

    try:
        wait_until(lambda: in_training(1), "no training began", 120)
        urgent = ["--partition", "urgent", "--gres", "gpu:2", "--mem", "100", "--wrap", "sleep 2"]
        ask("sbatch", "--chdir", str(tmp_path), *urgent)
        wait_until(lambda: in_training(2), "no training went on after preemption", 120)
        jobs = [records(cell)[-1]["slurm_job_id"] for cell in CELLS]
        ask("scontrol", "requeue", ",".join(map(str, jobs)))
        assert process.wait(300) == 0, (folder / "snakemake.log").read_text()[-6000:]
    finally:
        process.kill()
        process.wait()

    for cell in CELLS:
        first, second, third = records(cell)
        assert [r["status"] for r in (first, second, third)] == []
    there = grid(tmp_path / "here", epochs=EPOCHS)
    snakemake(there, "--until", "compare", *CONFIG)
    one, other = results(folder, STUDY, CELLS), results(there, STUDY, CELLS)
    assert set(one) == set(other)
    assert [name for name in one if one[name] != other[name]] == []
