"""SLURM without accounts preempts a training, and starts it again later."""

from support.preempted import check_resumed, preempt_in_all_ways, preemption, take_all_gpus
from support.submitted import grid
from support.waits import ask, wait_until
from support.watched import state


def test_a_preempted_training_resumes(cluster, tmp_path):
    # a controller without accounts forgets why a job was queued again
    def last(record):
        return "interrupted" if "ended" in record else "killed"  # within KillWait

    check_resumed(preempt_in_all_ways(cluster, tmp_path), last)


def test_a_cancelled_job_is_not_awaited(cluster, tmp_path):
    """Where preemption cancels jobs, Snakemake must submit them again."""
    folder = grid(tmp_path / "grid")
    with preemption("CANCEL", 0):
        ours = ["--parsable", "--job-name", "a-run-cancelled", "--partition", "gpu"]
        ours += ["--gres", "gpu:2", "--mem", "100", "--wrap", 'trap "" TERM; sleep 60']
        job = ask("sbatch", "--chdir", str(folder), *ours)
        wait_until(lambda: state(job) == "RUNNING", "the job did not start")
        take_all_gpus(cluster, tmp_path)
        wait_until(lambda: state(job) == "PREEMPTED", "the job was not preempted")
    command = ["sh", folder / "workflow/profiles/slurm/bin/sacct", "-X", "--noheader"]
    assert ask(*command, "--format=JobIdRaw,State", "--name", "a-run-cancelled") == f"{job}|FAILED"
