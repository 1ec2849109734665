"""Trainings that SLURM preempts in each of its ways, under a workflow that watches them."""

from contextlib import contextmanager
from itertools import pairwise

from sigmoid_bce.jobs.attempts import process as process_of
from support.slurm import GRACE
from support.waits import ask, wait_until
from support.watched import CELLS, state, watched

WAYS = (("REQUEUE", GRACE), ("CANCEL", 0), ("REQUEUE", 0))
"""PreemptMode and GraceTime, the first of which is long enough for a training to end by itself."""


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


def preempt_in_all_ways(cluster, tmp_path):
    """Preempt the trainings of a grid in all `WAYS`; return the attempts of each cell."""
    with watched(tmp_path) as trainings:
        for number, (mode, grace) in enumerate(WAYS, 1):
            jobs = trainings.in_attempt(number)
            with preemption(mode, grace):
                urgent = take_all_gpus(cluster, tmp_path)
                wait_until(
                    lambda u=urgent: state(u) == "COMPLETED", "nothing was preempted", 2 * GRACE
                )
        for job in jobs:
            cluster.start_now(job)
    return [trainings.records(cell) for cell in CELLS]


def check_resumed(cells, last=lambda record: "preempted"):
    """Check that each attempt of each cell ended as SLURM preempted it, and was resumed.

    `last` returns what is known of a job without a notice that is queued again.
    """
    for records in cells:
        assert [r["status"] for r in records] == ["KILLED"] * 3 + ["FINISHED"]
        causes = [r["ended_by"] for r in records[:3]]
        assert causes == ["preempted", "preempted", last(records[2])], records
        first, second, third, fourth = (r["slurm_job_id"] for r in records)
        # two submissions were over; the third was queued again
        assert len({first, second, third}) == 3
        assert third == fourth
        for before, after in pairwise(records):
            assert after["previous"] == process_of(before)
            why, epochs = before["reason"].split(" after epoch ")
            assert why == before["ended_by"]
            if "ended" in before:  # it had time for a checkpoint
                assert int(epochs) == after["resumed_from"]
            else:
                assert int(epochs) >= after["resumed_from"]
