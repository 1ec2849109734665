"""What limits of accounts, QOS and partitions forbid for ever is refused in a line."""

import getpass
from dataclasses import replace
from typing import NamedTuple

import pytest

from sigmoid_bce.slurm.check import check
from sigmoid_bce.slurm.commands import ClusterError
from sigmoid_bce.slurm.requests import Request
from support.waits import ask, wait_until

USER = getpass.getuser()


class Case(NamedTuple):
    """A limit, a request that violates it, what SLURM says of such a job, and what we say.

    `fits` are changes of the request with which it may start; None if no request may.
    """

    where: str
    limit: str
    asked: dict
    reason: str
    line: str
    fits: dict | None


GPU = "2 GPUs (gpu): {} allows"
CPU = "4 CPUs (threads): {} allows"
FEWER, LESS, SHORT = {"gpus": 1}, {"cpus": 2}, {"runtime": 10}
PRODUCT = "60 CPUs (threads) times minutes (runtime): {} allows"
CASES = {
    "job": Case("qos", "MaxTRESPerJob=gres/gpu=1", {"gpus": 2},
                "QOSMaxGRESPerJob", f"{GPU} a job 1 (MaxTRES)", FEWER),
    "node": Case("qos", "MaxTRESPerNode=gres/gpu=1", {"gpus": 2},
                 "QOSMaxGRESPerNode", f"{GPU} a job on a node 1 (MaxTRESPerNode)", FEWER),
    "user": Case("qos", "MaxTRESPerUser=gres/gpu=1", {"gpus": 2},
                 "QOSMaxGRESPerUser", f"{GPU} a user 1 (MaxTRESPU)", FEWER),
    "group": Case("qos", "MaxTRESPerAccount=cpu=2", {"cpus": 4},
                  "MaxCpuPerAccount", f"{CPU} an account 2 (MaxTRESPA)", LESS),
    "all": Case("qos", "GrpTRES=cpu=2", {"cpus": 4},
                "QOSGrpCpuLimit", f"{CPU} all jobs together 2 (GrpTRES)", LESS),
    "least": Case("qos", "MinTRESPerJob=gres/gpu=1", {},
                  "QOSMinGRES", "0 GPUs (gpu): {} takes no job with less than 1 (MinTRES)", FEWER),
    "wall": Case("qos", "MaxWall=10", {"runtime": 20}, "QOSMaxWallDurationPerJobLimit",
                 "20 minutes (runtime): {} allows a job 10 (MaxWall)", SHORT),
    "times": Case("qos", "MaxTRESMins=cpu=30", {"cpus": 3, "runtime": 20},
                  "QOSMaxCpuMinutesPerJobLimit", f"{PRODUCT} a job 30 (MaxTRESMins)", SHORT),
    "none": Case("qos", "MaxJobsPerUser=0", {}, "QOSMaxJobsPerUserLimit",
                 "1 running job: {} allows a user 0 (MaxJobsPU)", None),
    "share": Case("user", "MaxTRES=mem=1G", {"mem_mb": 1025}, "AssocMaxMemPerJob",
                  "1025 MB of memory (mem_mb): your share of {} allows a job 1024 (MaxTRES)",
                  {"mem_mb": 1024}),
    "heir": Case("account", "MaxWall=1-00:00:00", {"runtime": 1441},
                 "AssocMaxWallDurationPerJobLimit",
                 "1441 minutes (runtime): your share of {} allows a job 1440 (MaxWall)", SHORT),
    "models": Case("account", "GrpTRES=gres/gpu=1", {"gpus": 2},
                   "AssocGrpGRES", f"{GPU} all jobs together 1 (GrpTRES)", FEWER),
    "parent": Case("parent", "GrpTRES=mem=500", {"mem_mb": 501}, "AssocGrpMemLimit",
                   "501 MB of memory (mem_mb): {} allows all jobs together 500 (GrpTRES)",
                   {"mem_mb": 500}),
    "running": Case("account", "GrpTRESRunMins=cpu=30", {"cpus": 3, "runtime": 20},
                    "AssocGrpCPURunMinutesLimit",
                    f"{PRODUCT} all jobs together 30 (GrpTRESRunMins)", SHORT),
    "budget": Case("account", "GrpTRESMins=cpu=0", {"runtime": 20}, "AssocGrpCPUMinutesLimit",
                   "20 CPUs (threads) times minutes (runtime): {} allows all jobs together 0 "
                   "(GrpTRESMins)", None),
    "idle": Case("account", "GrpJobs=0", {}, "AssocGrpJobsLimit",
                 "1 running job: {} allows all jobs together 0 (GrpJobs)", None),
    "closed": Case("partition", "AllowAccounts=cpus", {}, "account not permitted",
                   "account 'lab' (slurm_account): {} has AllowAccounts=cpus", None),
    "banned": Case("partition", "DenyAccounts=lab", {}, "account not permitted",
                   "account 'lab' (slurm_account): {} has DenyAccounts=lab", {"account": "cpus"}),
    "quality": Case("partition", "AllowQos=short", {}, "QOS not permitted",
                    "QOS 'normal' (qos): {} has AllowQos=short", {"qos": "short", "runtime": 5}),
    "refused": Case("partition", "DenyQos=normal", {}, "QOS not permitted",
                    "QOS 'normal' (qos): {} has DenyQos=normal", {"qos": "short", "runtime": 5}),
    "small": Case("partition", "MaxMemPerNode=200", {"mem_mb": 201}, "MaxMemPerLimit",
                  "201 MB of memory (mem_mb): {} allows a job 200 (MaxMemPerNode)",
                  {"mem_mb": 200}),
    "tenth": Case("partition", "QoS=short", {"runtime": 11}, "QOSMaxWallDurationPerJobLimit",
                  "11 minutes (runtime): QOS 'short' allows a job 10 (MaxWall)", SHORT),
}  # fmt: skip
NAMES = {"qos": "QOS '{}'", "user": "account '{}'", "account": "account '{}'",
         "parent": "account '{}s'", "partition": "partition '{}'"}  # fmt: skip


def request(name, **changes):
    """Return the request of a case, which goes where the limit is."""
    case = CASES[name]
    place = {"qos": {"qos": name}, "partition": {"partition": name}}
    where = place.get(case.where, {"account": name})
    common = {"account": "lab", "partition": "cpu", "mem_mb": 100, "runtime": 5}
    return Request("rule train", **{**common, **where, **case.asked, **changes})


def submit(asked):
    """Submit a job that makes a request, as Snakemake's plugin does; return its number."""
    command = ["sbatch", "--parsable", "--output", "/dev/null", "--chdir", "/"]
    command += ["-p", asked.partition, "-A", asked.account, "-c", asked.cpus, "-t", asked.runtime]
    command += ["--mem", asked.mem_mb, *(["--qos", asked.qos] if asked.qos else [])]
    command += ["--gres", f"gpu:{asked.gpus}"] if asked.gpus else []
    return ask(*map(str, command), "--wrap", "true")


def manage(*arguments):
    ask("sacctmgr", "-iQ", *arguments)


def of(where):
    return [name for name, case in CASES.items() if case.where == where]


@pytest.fixture(scope="module")
def limits(accounted):
    """An account, a QOS or a partition with the limit of each case."""
    qos, parents, partitions = of("qos"), [f"{name}s" for name in of("parent")], of("partition")
    accounts = [*of("user"), *of("account"), *of("parent")]
    for name in partitions:
        ask("scontrol", "create", f"PartitionName={name}", "Nodes=ALL", CASES[name].limit)
    for name in qos:
        manage("add", "qos", name, CASES[name].limit)
    for name in of("parent"):
        manage("add", "account", f"{name}s", CASES[name].limit)
        manage("add", "account", name, f"parent={name}s")
    for name in of("account"):
        manage("add", "account", name, CASES[name].limit)
    manage("add", "account", ",".join(of("user")))
    manage("add", "user", USER, f"account={','.join(accounts)}", "qos=normal,short")
    for name in of("user"):
        manage("modify", "user", USER, "where", f"account={name}", "set", CASES[name].limit)
    manage("modify", "user", USER, "set", f"qos+={','.join(qos)}")
    yield
    ask("scancel", "--user", USER)
    for name in partitions:
        ask("scontrol", "delete", f"PartitionName={name}")
    for some in (accounts, parents):
        manage("delete", "account", "where", f"name={','.join(some)}")
    manage("delete", "qos", "where", f"name={','.join(qos)}")


@pytest.fixture(scope="module")
def jobs(limits):
    """The number of a job that violates each limit, and of one that does not."""
    wrong = {name: submit(request(name)) for name in CASES}
    right = {name: submit(request(name, **c.fits)) for name, c in CASES.items() if c.fits}
    return wrong, right


@pytest.fixture(scope="module")
def lines(limits):
    """What is said of the request of each case."""
    with pytest.raises(ClusterError) as caught:
        check([replace(request(name), name=name) for name in CASES])
    return dict(line.split(" asks for ", 1) for line in str(caught.value).splitlines())


def said(job):
    return ask("squeue", "-h", "-t", "all", "-j", job, "-o", "%T %r")


@pytest.mark.parametrize("name", CASES)
def test_a_limit_is_refused_before_submission(jobs, lines, name):
    """SLURM itself accepts such a job, and leaves it in the queue."""
    case, (wrong, _) = CASES[name], jobs
    wait_until(lambda: case.reason in said(wrong[name]), lambda: said(wrong[name]), 20)
    assert said(wrong[name]).startswith("PENDING")
    assert lines[name] == case.line.format(NAMES[case.where].format(name))


def test_requests_at_the_limits_are_not(jobs):
    """And such jobs run."""
    _, right = jobs
    check([request(name, **CASES[name].fits) for name in right])
    for job in right.values():
        wait_until(lambda j=job: said(j).startswith("COMPLETED"), lambda j=job: said(j), 30)


def test_limits_meet_the_last_retry(limits):
    """The first try may start, but its retry would wait for ever."""
    with pytest.raises(ClusterError) as caught:
        check([replace(request("wall"), runtime=5, last_runtime=15)])
    assert str(caught.value) == (
        "rule train asks for 15 minutes (runtime) in the last retry (retries): QOS 'wall' allows "
        "a job 10 (MaxWall)"
    )


def test_a_list_of_those_who_may_decides_alone(limits):
    """SLURM then does not look at the list of those who may not."""
    ask("scontrol", "create", "PartitionName=both", "Nodes=ALL", "AllowAccounts=lab",
        "DenyAccounts=lab")  # fmt: skip
    try:
        asked = Request("rule train", account="lab", partition="both", mem_mb=100, runtime=5)
        check([asked])
        job = submit(asked)
        wait_until(lambda: said(job).startswith("COMPLETED"), lambda: said(job), 20)
    finally:
        ask("scontrol", "delete", "PartitionName=both")


def test_one_of_several_partitions_is_enough(limits):
    check([replace(request("closed"), partition="closed,cpu")])


@pytest.mark.parametrize(
    ("name", "more", "changes"),
    [
        ("models", "GrpTRES=gres/gpu=2", {}),
        ("tenth", "MaxWall=30 Flags=OverPartQOS", {"runtime": 20}),
    ],
)
def test_the_limit_of_a_qos_may_take_the_place_of_another(limits, name, more, changes):
    """Of an association's, and with this flag of a partition's."""
    manage("modify", "qos", "times", "set", *more.split())
    asked = request(name, qos="times", **changes)
    check([asked])
    job = submit(asked)
    wait_until(lambda: said(job).startswith("COMPLETED"), lambda: said(job), 20)


def test_a_qos_that_is_not_given(limits):
    with pytest.raises(ClusterError) as caught:
        check([Request("rule train", account="cpus", qos="wal")])
    assert str(caught.value) == (
        "rule train asks for QOS 'wal' (qos), not one of account 'cpus': did you mean 'wall'?"
    )


def test_more_jobs_at_once_than_a_user_may_queue(limits):
    manage("modify", "qos", "wall", "set", "MaxSubmitJobsPerUser=2")
    two = replace(request("wall"), runtime=5, at_once=2)
    check([two])
    with pytest.raises(ClusterError) as caught:
        check([replace(two, at_once=3)])
    assert str(caught.value) == (
        "rule train asks for 3 jobs in the queue at once (jobs): QOS 'wall' allows a user 2 "
        "(MaxSubmitPU)"
    )
    manage("modify", "qos", "wall", "set", "MaxSubmitJobsPerUser=-1")


def test_a_queue_that_is_full_now(limits):
    manage("add", "qos", "full", "MaxSubmitJobsPerUser=1")
    manage("modify", "user", USER, "where", "account=lab", "set", "qos+=full")
    command = "sbatch --output /dev/null --chdir / -p cpu -A lab --qos full -t 5 --mem 100"
    asked = request("wall", qos="full", runtime=5, command=command)
    check([asked])
    job = ask(*command.split(), "--parsable", "--hold", "--wrap", "true")
    full = r"QOSMaxSubmitJobPerUserLimit, .* in the queue now count: start again when squeue shows"
    with pytest.raises(ClusterError, match=full):
        check([asked])
    ask("scancel", job)
    check([asked])
    manage("delete", "qos", "where", "name=full")
