"""SLURM without accounts preempts a training, and starts it again later."""

from itertools import pairwise

from support.preempted import preempt_in_all_ways, preemption, state, take_all_gpus
from support.submitted import grid
from support.waits import ask, wait_until


def test_a_preempted_training_resumes(cluster, tmp_path):
    for records in preempt_in_all_ways(cluster, tmp_path):
        print([(r["slurm_job_id"], r["status"], r.get("reason"), r.get("resumed_from")) for r in records])
        assert [r["status"] for r in records] == ["KILLED"] * 3 + ["FINISHED"]
        first, second, third, fourth = (r["slurm_job_id"] for r in records)
        # two submissions were over; the third was queued again
        assert len({first, second, third}) == 3
        assert third == fourth
        for before, after in pairwise(records):
            assert before["reason"] == f"interrupted after epoch {after['resumed_from']}"
