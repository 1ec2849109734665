"""Requests compared with the nodes that sinfo lists, and the jobs that squeue lists."""

import os
import uuid
from types import SimpleNamespace

import pytest
from snakemake.iocontainers import ResourceList

from sigmoid_bce.jobs import locks
from sigmoid_bce.slurm.check import Request, _unfit, check, keeps_accounts, missing_resource
from sigmoid_bce.slurm.commands import ClusterError
from sigmoid_bce.slurm.queue import RUNS, leftover_jobs, refuse_leftovers
from sigmoid_bce.slurm.sinfo import parse

CLUSTER = parse(
    "short*|up|64|192000|4:00:00|(null)\n"
    "long|up|64|192000|14-00:00:00|(null)\n"
    "gpu|up|32|128000|2-00:00:00|gpu:v100:2(S:0-1)\n"
    "gpu|up|96|1024000|2-00:00:00|gpu:nvidia_a100-sxm4-80gb:8(S:0-3),shard:16\n"
    "old|down|8|32000|infinite|gpu:4\n"
    "cheap|up|8|32000|infinite|gpu:3090:4(S:0,1)\n"
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
        # each amount exists, but not on the same node
        (
            {"partition": "gpu", "gpus": 2, "gpu_model": "v100", "mem_mb": 500_000},
            "500000 MB of memory (mem_mb): no node of partition 'gpu' has more than 128000 MB",
        ),
        (
            {"partition": "gpu", "gpus": 1, "gpu_model": "a100"},
            "GPU model 'a100' (gpu_model): no node of partition 'gpu' has it; there are "
            "nvidia_a100-sxm4-80gb, v100",
        ),
        ({"partition": "cheap", "gpus": 4, "gpu_model": "3090"}, ""),
        (
            {"partition": "cheap", "gpus": 8},
            "8 GPUs (gpu): no node of partition 'cheap' has more than 4",
        ),
        (
            {"runtime": 100, "last_runtime": 300},
            "300 minutes (runtime) in the last retry (retries): no node of "
            "partition 'short' has more than 240 minutes",
        ),
        (
            {"partition": "cheap", "last_mem_mb": 48000},
            "48000 MB of memory (mem_mb) in the last retry (retries): no node of "
            "partition 'cheap' has more than 32000 MB",
        ),
        ({"partition": "old"}, "a node of partition 'old', which is down: see sinfo"),
        ({"partition": "lnog"}, "partition 'lnog' (slurm_partition): did you mean 'long'?"),
    ],
)
def test_missing_resources(asked, line):
    line = line and f"rule train asks for {line}"
    assert missing_resource(Request("rule train", **asked), CLUSTER) == line


@pytest.mark.parametrize(
    ("resources", "part"),
    [
        ({"gpu": 1, "gpu_model": "a100"}, ""),
        (
            {"gpu": 1, "gpu_model": "nvidia_a100-sxm4-80gb"},
            "(gpu_model): Snakemake's plugin accepts",
        ),
        ({"gpu": 1, "gpu_model": 3090}, """write gpu_model: "'3090'\""""),
        ({"gpu": 1, "gpu_model": "3090"}, ""),
        ({"slurm_extra": "--qos=high"}, "slurm_extra"),
        ({"slurm_extra": "--exclusive"}, ""),
        ({"gres": "gpu:a100-80:1"}, "Invalid GRES format"),
    ],
)
def test_requests_that_the_plugin_cannot_submit(resources, part):
    job = SimpleNamespace(resources=ResourceList(fromdict=resources))
    assert part in _unfit(job)
    assert bool(part) == bool(_unfit(job))


def test_jobs_of_a_living_run_are_left_alone(tmp_path, monkeypatch):
    runs = [str(uuid.uuid4()) for _ in range(3)]
    lines = [f"{i}|RUNNING|{run}|{tmp_path}" for i, run in enumerate(runs)]
    (tmp_path / "squeue").write_text("#!/bin/sh\necho '" + "\n".join(lines) + "'\n")
    (tmp_path / "squeue").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    (tmp_path / RUNS).mkdir(parents=True)
    (tmp_path / RUNS / runs[1]).touch()
    with open(tmp_path / RUNS / runs[0], "w") as file:
        locks.acquire(file)
        assert [job.id for job in leftover_jobs(tmp_path)] == ["1", "2"]
    assert [job.id for job in leftover_jobs(tmp_path)] == ["0", "1", "2"]
    with pytest.raises(ClusterError, match=r"still in the queue: 0 \(RUNNING\), 1 \(RUNNING\), 2"):
        refuse_leftovers(tmp_path)


def test_somebody_else_s_account(tmp_path, monkeypatch):
    """The programs print the output that SLURM's documentation shows for accounts."""
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


@pytest.mark.parametrize(("answer", "keeps"), [("exit 0", True), ("exit 1", False)])
def test_a_cluster_keeps_accounts_or_not(answer, keeps, tmp_path, monkeypatch):
    (tmp_path / "sacct").write_text(f"#!/bin/sh\n{answer}\n")
    (tmp_path / "sacct").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert keeps_accounts() is keeps
