"""A grid on SLURM whose jobs, nodes, daemons and Snakemake end at random moments."""

import os
import random
import signal
import subprocess
import sys
import time
from contextlib import suppress

from sigmoid_bce.study.cells import Cell
from support import accounting, kill_grid
from support.checkout import snakemake
from support.kill_grid import alive, check_runs, digests, prepare, running
from support.submitted import begin, changed
from support.waits import ask, wait_until
from support.watched import state

SEED = int(os.environ.get("SIGMOID_BCE_KILLS", "0"))  # of the faults, their order and moments
SIZE = int(os.environ.get("SIGMOID_BCE_CLUSTER_GRID", "20"))  # cells
CELLS = kill_grid.cells(SIZE)
# some seconds a cell: a grid must not end before the faults have happened
LONG = {"epochs": 600, "patience": 600}
LIMIT = 150  # seconds in which something must go on
ROUNDS = ((signal.SIGKILL, "cancel"), (signal.SIGTERM, "await"), (signal.SIGHUP, "await"))
"""How Snakemake ends, and what is done about the jobs that it leaves."""
PROFILE = {
    "group-components": [f"networks={min(SIZE // 4, 10)}"],
    # each fault costs one of a whole submission
    "retries": 2 + SIZE // 10,
    "default-resources": {"slurm_partition": "cpu"},
    "set-resources": {"train": {"gpu": 1, "slurm_partition": "gpu", "mem_mb": 2500}},
}


class Faults:
    """What may happen to a job that runs: each method is a fault."""

    def __init__(self, cluster, folder, chance):
        self.cluster, self.folder, self.chance = cluster, folder, chance
        self.happened = []

    def victim(self):
        """Return the record of a training that runs, if there is one."""
        some = running(self.folder, CELLS)
        return self.chance.choice(some) if some else None

    def process(self, victim):
        with suppress(ProcessLookupError):
            os.kill(victim["pid"], self.chance.choice((signal.SIGKILL, signal.SIGTERM)))

    def job_cancelled(self, victim):
        ask("scancel", victim["slurm_job_id"])

    def job_queued_again(self, victim):
        job = victim["slurm_job_id"]
        # it may have ended just now
        if not subprocess.run(["scontrol", "requeue", job], capture_output=True).returncode:
            self.cluster.start_now(job)

    def controller(self, _):
        # SIGKILL may let it forget a job's end; test_faults and test_outages have that
        self.cluster.kill("slurmctld", signal.SIGTERM)
        time.sleep(self.chance.random() * 3)
        self.cluster.start_slurmctld()

    def database(self, _):
        self.cluster.kill("slurmdbd")
        time.sleep(self.chance.random() * 8)
        accounting.start_slurmdbd(self.cluster)

    def daemon_of_a_node(self, victim):
        node = self.node(victim) or "node1"
        self.cluster.kill(node)
        self.cluster.start_slurmd(node)

    def node(self, victim):
        return ask(
            "squeue", "-h", "-t", "RUNNING", "-j", victim["slurm_job_id"], "-o", "%N", check=False
        )

    def dead_node(self, victim):
        """A node loses power, and its jobs are queued again; after that it is back."""
        node = self.node(victim)
        jobs = node and ask("squeue", "-h", "-t", "RUNNING", "-w", node, "-o", "%i").split()
        if not jobs:
            return
        self.cluster.crash(node, *jobs)
        wait_until(lambda: "RUNNING" not in map(state, jobs), "no failure of a node was noticed")
        self.cluster.start_slurmd(node)
        for job in jobs:
            if state(job) == "PENDING":
                self.cluster.start_now(job)


# the death of a node takes SLURM half a minute; test_outages has one
KINDS = [
    Faults.process, Faults.job_cancelled, Faults.job_queued_again, Faults.controller,
    Faults.database, Faults.daemon_of_a_node, *([Faults.dead_node] if SIZE > 20 else []),
]  # fmt: skip


def end(process, how, cluster, folder):
    """End Snakemake; if it awaits its jobs, it must not outlive them by a minute."""
    process.send_signal(how)
    if how == signal.SIGTERM:
        shown = ("squeue", "-o", "%i %T %r %S %N")
        wait_until(lambda: not cluster.unfinished(), lambda: ask(*shown), LIMIT)
        process.wait(60)
        wait_until(lambda: not alive(folder), lambda: f"left: {alive(folder)}")
    process.wait(LIMIT)


def queue(folder, command):
    """Cancel or await what an ended Snakemake has left."""
    program = [sys.executable, "-m", "sigmoid_bce.slurm.queue", command]
    done = subprocess.run(program, cwd=folder, capture_output=True, text=True, timeout=LIMIT)
    assert done.returncode == 0, done.stderr


def test_random_faults_in_a_grid(accounted, tmp_path):
    chance, folder = (
        random.Random(SEED),
        prepare(tmp_path / "grid", "grid.yaml", SIZE, **LONG),
    )
    changed(folder, **PROFILE)
    faults, kinds = Faults(accounted, folder, chance), []
    for number, (how, cure) in enumerate(ROUNDS * (1 + SIZE // 100), 1):
        process = begin(folder, "--until", "train", log=f"{number}.log")
        share = kill_grid.done(folder) + SIZE // 5 // (1 + SIZE // 100)

        def ended(process=process):
            return process.poll() is not None

        hits = 0
        while (kill_grid.done(folder) < share or hits < 2) and not ended():
            wait_until(lambda: faults.victim() or ended(), "no training", LIMIT)
            time.sleep(chance.random() * 2)
            if victim := faults.victim():
                kinds = kinds or chance.sample(KINDS, len(KINDS))
                fault = kinds.pop()
                print(f"{time.strftime('%X')} {fault.__name__}", flush=True)
                fault(faults, victim)
                faults.happened.append(fault.__name__)
                hits += 1
        print(f"{time.strftime('%X')} {how.name}, {kill_grid.done(folder)} cells", flush=True)
        end(process, how, accounted, folder)
        begin(folder, "--unlock", log="unlock.log").wait(LIMIT)
        queue(folder, cure)
    process = begin(folder, "--until", "train", log="last.log")
    assert process.wait(LIMIT + 10 * SIZE) == 0, (folder / "last.log").read_text()[-6000:]
    assert kill_grid.done(folder) == SIZE
    assert len(faults.happened) >= 2 * len(ROUNDS)

    calm = prepare(tmp_path / "calm", "grid.yaml", SIZE, ["one"], **LONG)
    snakemake(calm, "--until", "train", "--configfile", "grid.yaml")
    for cell in CELLS:
        assert digests(folder, cell) == digests(calm, Cell(**{**vars(cell), "model": "one"}))
    statuses = [run.info.status for run in check_runs(folder, CELLS)]
    print(SEED, faults.happened, {status: statuses.count(status) for status in set(statuses)})
    wait_until(lambda: not alive(folder), lambda: f"left: {alive(folder)}")
    left = {job["state"] for job in accounted.jobs(folder).values()}
    assert not left & {"PENDING", "RUNNING", "COMPLETING", "SUSPENDED"}
