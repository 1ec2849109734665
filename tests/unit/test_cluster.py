"""What a cluster has, from what sinfo prints, against what is asked for."""

import os

import pytest

from sigmoid_bce.cluster import ClusterError, Request, check, lacking, nodes

CLUSTER = nodes(
    "short*|up|64|192000|4:00:00|(null)\n"
    "long|up|64|192000|14-00:00:00|(null)\n"
    "gpu|up|32|128000|2-00:00:00|gpu:v100:2(S:0-1)\n"
    "gpu|up|96|1024000|2-00:00:00|gpu:nvidia_a100-sxm4-80gb:8(S:0-3),shard:16\n"
    "old|down|8|32000|infinite|gpu:4\n"
)


@pytest.mark.parametrize(
    ("asked", "line"),
    [
        ({}, ""),
        ({"runtime": 240}, ""),
        (
            {"runtime": 241},
            "241 minutes (runtime): no node of partition 'short' has more than 240 minutes",
        ),
        ({"runtime": 720, "partition": "short,long"}, ""),
        ({"gpus": 1}, "1 GPU (gpu): no node of partition 'short' has any"),
        ({"partition": "gpu", "gpus": 8, "cpus": 64, "mem_mb": 500_000}, ""),
        ({"partition": "gpu", "gpus": 2, "gpu_model": "v100"}, ""),
        (
            {"partition": "gpu", "gpus": 3, "gpu_model": "v100"},
            "3 GPUs (gpu): no node of partition 'gpu' has more than 2",
        ),
        # each is to be had, but not on one node
        (
            {"partition": "gpu", "gpus": 2, "gpu_model": "v100", "mem_mb": 500_000},
            "500000 MB of memory (mem_mb): no node of partition 'gpu' has more than 128000 MB",
        ),
        (
            {"partition": "gpu", "gpus": 1, "gpu_model": "a100"},
            "GPU model 'a100' (gpu_model): none of partition 'gpu' is one; there are "
            "nvidia_a100-sxm4-80gb, v100",
        ),
        ({"partition": "old"}, "a node of partition 'old', which is down: see sinfo"),
        ({"partition": "lnog"}, "partition 'lnog' (slurm_partition): did you mean 'long'?"),
    ],
)
def test_what_is_lacking(asked, line):
    line = line and f"rule train asks for {line}"
    assert lacking(Request("rule train", **asked), CLUSTER) == line


def test_an_account_of_somebody_else(tmp_path, monkeypatch):
    """The programs print what a cluster with accounts was documented to print."""
    answers = {
        "sacctmgr": "physics\nphysics-gpu\n",
        "sinfo": "short*|up|64|192000|4:00:00|(null)\n",
        "sbatch": "",
        "squeue": "",
        "scancel": "",
    }
    for program, answer in answers.items():
        (tmp_path / program).write_text(f"#!/bin/sh\nprintf %s '{answer}'\n")
        (tmp_path / program).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    check([Request("rule train", account="Physics")])
    with pytest.raises(ClusterError) as caught:
        check([Request("rule train", account="phsyics")])
    assert str(caught.value) == (
        "account 'phsyics' (slurm_account) is not one of yours: did you mean 'physics'?"
    )
