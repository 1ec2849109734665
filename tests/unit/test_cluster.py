"""Requests compared with the nodes that sinfo lists, and the jobs that squeue lists."""

import os
import uuid
from types import SimpleNamespace

import pytest
from snakemake.iocontainers import ResourceList

from sigmoid_bce.jobs import locks
from sigmoid_bce.slurm import accounts
from sigmoid_bce.slurm.check import check, keeps_accounts, missing_resource
from sigmoid_bce.slurm.commands import ClusterError
from sigmoid_bce.slurm.queue import RUNS, leftover_jobs, refuse_leftovers
from sigmoid_bce.slurm.requests import Request, _unfit
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
    monkeypatch.setattr(locks, "supported", lambda folder: False)
    with pytest.raises(ClusterError, match="they may be those of a workflow that runs"):
        refuse_leftovers(tmp_path)


CONFIG = "ClusterName             = here\nAccountingStorageEnforce = associations,limits,qos\n"


def row(first, limits, **values):
    """Return a line of sacctmgr: some columns, then those of the limits."""
    return "|".join([*first, *(values.get(name, "") for name in limits)]) + "\\n"


SHARE = (*accounts.ASSOCIATION, *accounts.GROUP)
MINE = row(["physics", "physics", "", "", "normal,long"], SHARE, MaxTRES="gres/gpu=2")
MINE += row(["physics", "Physics-gpu", "gpu", "long", "long"], SHARE)
ABOVE = row(["root", ""], accounts.GROUP) + row(
    ["physics", "root"], accounts.GROUP, GrpTRES="cpu=64"
)
QUALITIES = row(["normal", ""], accounts.QOS)
QUALITIES += row(["long", "DenyOnLimit"], accounts.QOS, MaxWall="14-00:00:00")


@pytest.fixture
def programs(tmp_path, monkeypatch):
    """Programs that print what SLURM's programs print on a cluster with accounts."""
    answers = {
        "sacctmgr": f"case $* in *withassoc*) printf '{MINE}';; *assoc*) printf '{ABOVE}';; "
        f"*) printf '{QUALITIES}';; esac",
        "scontrol": f"case $* in *config*) printf '{CONFIG}';; *) echo "
        "'PartitionName=short AllowAccounts=ALL AllowQos=ALL Default=YES QoS=N/A';; esac",
        "sinfo": "echo 'short*|up|640|192000|infinite|gpu:4'",
        "sbatch": "",
        "squeue": "",
        "scancel": "",
    }
    for program, answer in answers.items():
        (tmp_path / program).write_text(f"#!/bin/sh\n{answer}\n")
        (tmp_path / program).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    return tmp_path


def refused(**asked):
    with pytest.raises(ClusterError) as caught:
        check([Request("rule train", **asked)])
    return str(caught.value)


def test_somebody_else_s_account(programs):
    check([Request("rule train", account="Physics")])
    assert refused(account="phsyics") == (
        "account 'phsyics' (slurm_account) is not one of yours: did you mean 'physics'?"
    )


def test_limits_as_slurm_prints_them(programs):
    """The user's share of an account, the account, and a QOS each have one."""
    assert refused(gpus=3) == (
        "rule train asks for 3 GPUs (gpu): your share of account 'physics' allows a job 2 (MaxTRES)"
    )
    assert refused(cpus=65) == (
        "rule train asks for 65 CPUs (threads): account 'physics' allows all jobs together 64 "
        "(GrpTRES)"
    )
    assert refused(runtime=20161, qos="long") == (
        "rule train asks for 20161 minutes (runtime): QOS 'long' allows a job 20160 (MaxWall)"
    )


def test_a_database_that_does_not_answer(programs):
    """SLURM goes on without its database, and so do we."""
    (programs / "sacctmgr").write_text("#!/bin/sh\nexit 1\n")
    check([Request("rule train", account="phsyics", gpus=3)])


def test_limits_that_are_not_enforced(programs):
    (programs / "scontrol").write_text("#!/bin/sh\necho ClusterName = here\n")
    check([Request("rule train", gpus=3)])


@pytest.mark.parametrize(
    ("says", "refused"),
    [
        ("allocation failure: Invalid qos specification", "Invalid qos specification"),
        (
            "sbatch: error: AssocMaxSubmitJobLimit\nallocation failure: Job violates policy",
            "AssocMaxSubmitJobLimit, Job violates policy. Jobs that are in the queue now count: "
            "start again when squeue shows fewer",
        ),
        # nodes that are down come back
        ("allocation failure: Requested node configuration is not available", ""),
    ],
)
def test_what_sbatch_would_not_take(programs, says, refused):
    (programs / "sbatch").write_text(f"#!/bin/sh\necho '{says}' >&2\nexit 1\n")
    asked = Request("rule train", command="sbatch --parsable")
    if refused:
        with pytest.raises(ClusterError) as caught:
            check([asked])
        assert str(caught.value) == f"rule train: sbatch will not take it: {refused}"
    else:
        check([asked])


@pytest.mark.parametrize(("answer", "keeps"), [("exit 0", True), ("exit 1", False)])
def test_a_cluster_keeps_accounts_or_not(answer, keeps, tmp_path, monkeypatch):
    (tmp_path / "sacct").write_text(f"#!/bin/sh\n{answer}\n")
    (tmp_path / "sacct").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert keeps_accounts() is keeps
