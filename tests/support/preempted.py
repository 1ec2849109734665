"""A training that SLURM preempts in each of its ways, under a workflow that watches it."""

from contextlib import contextmanager
from itertools import pairwise

from sigmoid_bce.jobs.attempts import process as process_of
from sigmoid_bce.jobs.attempts import read_attempts
from sigmoid_bce.tracking.reconcile import note_ends
from support.checkout import snakemake
from support.slurm import GRACE
from support.submitted import STUDY, begin, cells, grid, results
from support.waits import ask, wait_until

CELLS = cells([0])
EPOCHS = 400
WAYS = (("REQUEUE", GRACE), ("CANCEL", 0), ("REQUEUE", 0))
"""PreemptMode and GraceTime, the first of which is long enough for a training to end by itself."""


def state(job):
    return ask("squeue", "-h", "-t", "all", "-j", job, "-o", "%T")


def processes(job):
    """Return the ids of SLURM's own processes of a job."""
    return ask("pgrep", "-f", rf"^slurmstepd: \[{job}\.", check=False)


@contextmanager
def preemption(mode, grace):
    """Let the jobs of partition `gpu` be preempted in another way."""
    partition = ("scontrol", "update", "PartitionName=gpu")
    ask(*partition, f"PreemptMode={mode}", f"GraceTime={grace}")
    try:
        yield
    finally:
        ask(*partition, "PreemptMode=REQUEUE", f"GraceTime={GRACE}")


def take_all_gpus(cluster, folder):
    """Submit a job of a second that preempts all jobs in partition `gpu`."""
    where = ("--parsable", "--chdir", str(folder), "--output", "/dev/null")
    what = ("--partition", "urgent", "--mem", "100", "--wrap", "sleep 1")
    return ask("sbatch", *where, "--nodes", str(len(cluster.nodes)), "--gres", "gpu:2", *what)


def start_now(job):
    """Start a job that SLURM has queued again; by itself it would wait two minutes."""
    wait_until(lambda: state(job) == "PENDING", "a job was not queued again")
    # SLURM's delay is for this: a late report of its end would end the job that began again
    wait_until(lambda: not processes(job), "a job that was queued again goes on")
    ask("scontrol", "update", f"JobId={job}", "StartTime=now")


def preempt_in_all_ways(cluster, tmp_path):
    """Preempt the trainings of a grid in all `WAYS`; return the attempts of each cell."""
    folder = grid(tmp_path / "grid", epochs=EPOCHS)
    process = begin(folder, "--until", "train")

    def records(cell):
        return read_attempts(folder / f"results/{STUDY}/train/{cell}")

    def in_training(number):
        """Return whether each cell has finished ten epochs in its attempt of this number."""
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
        for number, (mode, grace) in enumerate(WAYS, 1):
            wait_until(lambda n=number: in_training(n), f"no training in attempt {number}", 200)
            jobs = [records(cell)[-1]["slurm_job_id"] for cell in CELLS]
            with preemption(mode, grace):
                urgent = take_all_gpus(cluster, tmp_path)
                wait_until(lambda u=urgent: state(u) == "COMPLETED", "nothing was preempted")
        for job in jobs:
            start_now(job)
        assert process.wait(200) == 0, (folder / "snakemake.log").read_text()[-6000:]
    finally:
        process.kill()
        process.wait()
    there = grid(tmp_path / "here", epochs=EPOCHS)
    snakemake(there, "--until", "train", "--configfile", "grid.yaml")
    one, other = results(folder, STUDY, CELLS), results(there, STUDY, CELLS)
    assert set(one) == set(other)
    assert [name for name in one if one[name] != other[name]] == []
    note_ends(folder / f"results/{STUDY}")
    return [records(cell) for cell in CELLS]


def check_resumed(cells, last="preempted"):
    """Check that each attempt of each cell ended as SLURM preempted it, and was resumed.

    `last` is what is known of a job without a notice that is queued again.
    """
    for records in cells:
        assert [r["status"] for r in records] == ["KILLED"] * 3 + ["FINISHED"]
        assert [r["ended_by"] for r in records[:3]] == ["preempted", "preempted", last]
        first, second, third, fourth = (r["slurm_job_id"] for r in records)
        # two submissions were over; the third was queued again
        assert len({first, second, third}) == 3
        assert third == fourth
        for before, after in pairwise(records):
            assert after["previous"] == process_of(before)
            assert before["reason"] == f"{before['ended_by']} after epoch {after['resumed_from']}"
