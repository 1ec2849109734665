"""A training whose job SLURM takes off its device, with a notice, and starts again later."""

from itertools import pairwise

from sigmoid_bce.jobs.attempts import read_attempts
from support.checkout import snakemake
from support.slurm import GRACE, order, wait_until
from support.submitted import STUDY, begin, cells, grid, results

CELLS = cells([0])
EPOCHS = 300
CONFIG = ("--configfile", "grid.yaml")
URGENT = ("--partition", "urgent", "--gres", "gpu:2", "--mem", "100", "--wrap", "sleep 2")


def state(job):
    return order("squeue", "-h", "-t", "all", "-j", job, "-o", "%T")


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
        order("sbatch", "--chdir", str(tmp_path), *URGENT)
        wait_until(lambda: in_training(2), "no training went on after preemption", 120)
        jobs = [records(cell)[-1]["slurm_job_id"] for cell in CELLS]
        order("scontrol", "requeue", ",".join(jobs))
        for job in jobs:  # SLURM would wait for two minutes
            wait_until(lambda job=job: state(job) == "PENDING", "a job was not queued again")
            order("scontrol", "update", f"JobId={job}", "StartTime=now")
        assert process.wait(300) == 0, (folder / "snakemake.log").read_text()[-6000:]
    finally:
        process.kill()
        process.wait()

    for cell in CELLS:
        first, second, third = records(cell)
        assert second["slurm_job_id"] == third["slurm_job_id"]
        assert [r["status"] for r in (first, second, third)] == ["KILLED", "KILLED", "FINISHED"]
        # each went on after the epoch in which it had its notice
        for before, after in pairwise((first, second, third)):
            assert before["reason"] == f"interrupted after epoch {after['resumed_from']}"
    there = grid(tmp_path / "here", epochs=EPOCHS)
    snakemake(there, "--until", "compare", *CONFIG)
    one, other = results(folder, STUDY, CELLS), results(there, STUDY, CELLS)
    assert set(one) == set(other)
    assert [name for name in one if one[name] != other[name]] == []


def test_what_is_not_queued_again_is_not_awaited(cluster, tmp_path):
    """Where preemption cancels, Snakemake must submit anew what it ended."""
    folder = grid(tmp_path / "grid")
    partition = ("scontrol", "update", "PartitionName=gpu")
    order(*partition, "PreemptMode=CANCEL", "GraceTime=0")
    try:
        ours = ["--parsable", "--job-name", "a-run-cancelled", "--partition", "gpu"]
        ours += ["--gres", "gpu:2", "--mem", "100", "--wrap", 'trap "" TERM; sleep 60']
        job = order("sbatch", "--chdir", str(folder), *ours)
        wait_until(lambda: state(job) == "RUNNING", "the job did not start")
        order("sbatch", "--chdir", str(folder), *URGENT)
        wait_until(lambda: state(job) == "PREEMPTED", "the job was not preempted")
    finally:
        order(*partition, "PreemptMode=REQUEUE", f"GraceTime={GRACE}")
    command = ["sh", folder / "workflow/profiles/slurm/bin/sacct", "-X", "--noheader"]
    assert (
        order(*command, "--format=JobIdRaw,State", "--name", "a-run-cancelled") == f"{job}|FAILED"
    )
