"""Two trainings of many short epochs, under a workflow that watches their jobs in SLURM."""

from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from subprocess import Popen
from tempfile import TemporaryDirectory

from sigmoid_bce.jobs.attempts import read_attempts
from sigmoid_bce.tracking.reconcile import note_ends
from support.checkout import snakemake
from support.submitted import STUDY, begin, cells, changed, grid, results
from support.waits import ask, wait_until

CELLS = cells([0])
EPOCHS = 400


def state(job):
    """Return a job's state; an empty string if the controller does not answer just now."""
    return ask("squeue", "-h", "-t", "all", "-j", job, "-o", "%T", check=False)


@cache
def undisturbed():
    """Return the results of the same trainings on this machine."""
    with TemporaryDirectory() as place:
        there = grid(Path(place) / "grid", epochs=EPOCHS)
        snakemake(there, "--until", "train", "--configfile", "grid.yaml")
        return results(there, STUDY, CELLS)


@dataclass
class Trainings:
    """The trainings of a folder, whose Snakemake is a process of the tests."""

    folder: Path
    process: Popen

    def log(self):
        return (self.folder / "snakemake.log").read_text()[-6000:]

    def records(self, cell):
        return read_attempts(self.folder / f"results/{STUDY}/train/{cell}")

    def _trains(self, cell, number):
        """Return whether a cell has finished ten epochs in its attempt of a number."""
        assert self.process.poll() is None, self.log()
        some = self.records(cell)
        history = some[-1]["folder"] / "history.csv" if some else None
        if len(some) < number or not history.exists():
            return False
        return len(history.read_text().splitlines()) >= some[-1].get("resumed_from", 0) + 10

    def in_attempt(self, number):
        """Wait until each cell trains in its attempt of this number; return the jobs of both."""
        for cell in CELLS:
            wait_until(lambda c=cell: self._trains(c, number), f"no attempt {number}", 200)
        return [self.records(cell)[-1]["slurm_job_id"] for cell in CELLS]


@contextmanager
def watched(tmp_path, **asked):
    """Start the trainings; at the end, await the workflow and check that no byte is another.

    `asked` are more resources of a training.
    """
    folder = grid(tmp_path / "grid", epochs=EPOCHS)
    resources = {"train": {"gpu": 1, "slurm_partition": "gpu", **asked}}
    changed(folder, **{"set-resources": resources})
    process = begin(folder, "--until", "train")
    trainings = Trainings(folder, process)
    try:
        yield trainings
        assert process.wait(200) == 0, trainings.log()
    finally:
        process.kill()
        process.wait()
    one, other = results(folder, STUDY, CELLS), undisturbed()
    assert set(one) == set(other)
    assert [name for name in one if one[name] != other[name]] == []
    note_ends(folder / f"results/{STUDY}")
