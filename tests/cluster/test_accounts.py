"""SLURM with accounts, two nodes and GPUs of two models: slurmdbd and a MariaDB."""

import pytest

from sigmoid_bce.slurm.check import check, keeps_accounts
from sigmoid_bce.slurm.commands import ClusterError
from sigmoid_bce.slurm.requests import Request
from support.preempted import check_resumed, preempt_in_all_ways


def test_a_preempted_training_resumes(accounted, tmp_path):
    """By itself the plugin would await a job that preemption has cancelled for ever."""
    assert keeps_accounts()
    check_resumed(preempt_in_all_ways(accounted, tmp_path))


@pytest.mark.parametrize(
    ("asked", "line"),
    [
        (
            {"account": "other"},
            "account 'other' (slurm_account) is not one of yours: there are cpus, lab, root",
        ),
        (
            {"account": "lap"},
            "account 'lap' (slurm_account) is not one of yours: did you mean 'lab'?",
        ),
        (
            {"partition": "gpu", "gpus": 1, "gpu_model": "third"},
            "rule train asks for GPU model 'third' (gpu_model): no node of partition 'gpu' has it; "
            "there are fake, other",
        ),
        (
            {"partition": "gpu", "gpus": 3, "gpu_model": "other"},
            "rule train asks for 3 GPUs (gpu): no node of partition 'gpu' has more than 2",
        ),
    ],
)
def test_a_request_that_cannot_be_met_is_refused_in_a_line(accounted, asked, line):
    with pytest.raises(ClusterError) as caught:
        check([Request("rule train", **asked), Request("rule compare")])
    assert str(caught.value) == line


def test_a_request_that_can_be_met(accounted):
    check([Request("rule train", "gpu", "lab", gpus=2, gpu_model="other"), Request("rule compare")])
