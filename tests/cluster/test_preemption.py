"""SLURM preempts a training with a notice, and starts it again later."""

from itertools import pairwise

from sigmoid_bce.jobs.attempts import read_attempts
from support.checkout import snakemake
from support.slurm import GRACE, ask, wait_until
from support.submitted import STUDY, begin, cells, grid, results

CELLS = cells([0])
EPOCHS = 300
CONFIG = ("--configfile", "grid.yaml")
URGENT = ("--partition", "urgent", "--gres", "gpu:2", "--mem", "100", "--wrap", "sleep 2")


def state(job):
    return ask("squeue", "-h", "-t", "all", "-j", job, "-o", "%T")


def processes(job):
    """Return the ids of SLURM's own processes of a job."""
    return ask("pgrep", "-f", rf"^slurmstepd: \[{job}\.", check=False)


def test_a_preempted_training_resumes(cluster, tmp_path):
    folder = grid(tmp_path / "grid", epochs=EPOCHS)
    process = begin(folder)

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
        wait_until(lambda: in_training(1), "no training began", 300)
        ask("sbatch", "--chdir", str(tmp_path), *URGENT)
        wait_until(lambda: in_training(2), "no training resumed after preemption", 300)
        jobs = [records(cell)[-1]["slurm_job_id"] for cell in CELLS]
        ask("scontrol", "requeue", ",".join(jobs))
        for job in jobs:  # by itself SLURM would wait two minutes
            wait_until(lambda job=job: state(job) == "PENDING", "a job was not queued again")
            # SLURM's delay is for this: a late report of its end would end the job that began again
            wait_until(lambda job=job: not processes(job), "a job that was queued again goes on")
            ask("scontrol", "update", f"JobId={job}", "StartTime=now")
        assert process.wait(300) == 0, (folder / "snakemake.log").read_text()[-6000:]
    finally:
        process.kill()
        process.wait()

    for cell in CELLS:
        first, second, third = records(cell)
        assert second["slurm_job_id"] == third["slurm_job_id"]
        assert [r["status"] for r in (first, second, third)] == ["KILLED", "KILLED", "FINISHED"]
        # each attempt resumed after the epoch in which the one before received its notice
        for before, after in pairwise((first, second, third)):
            assert before["reason"] == f"interrupted after epoch {after['resumed_from']}"
    there = grid(tmp_path / "here", epochs=EPOCHS)
    snakemake(there, "--until", "compare", *CONFIG)
    one, other = results(folder, STUDY, CELLS), results(there, STUDY, CELLS)
    assert set(one) == set(other)
    assert [name for name in one if one[name] != other[name]] == []


def test_a_cancelled_job_is_not_awaited(cluster, tmp_path):
    """Where preemption cancels jobs, Snakemake must submit them again."""
    folder = grid(tmp_path / "grid")
    partition = ("scontrol", "update", "PartitionName=gpu")
    ask(*partition, "PreemptMode=CANCEL", "GraceTime=0")
    try:
        ours = ["--parsable", "--job-name", "a-run-cancelled", "--partition", "gpu"]
        ours += ["--gres", "gpu:2", "--mem", "100", "--wrap", 'trap "" TERM; sleep 60']
        job = ask("sbatch", "--chdir", str(folder), *ours)
        wait_until(lambda: state(job) == "RUNNING", "the job did not start")
        ask("sbatch", "--chdir", str(folder), *URGENT)
        wait_until(lambda: state(job) == "PREEMPTED", "the job was not preempted")
    finally:
        ask(*partition, "PreemptMode=REQUEUE", f"GraceTime={GRACE}")
    command = ["sh", folder / "workflow/profiles/slurm/bin/sacct", "-X", "--noheader"]
    assert ask(*command, "--format=JobIdRaw,State", "--name", "a-run-cancelled") == f"{job}|FAILED"
