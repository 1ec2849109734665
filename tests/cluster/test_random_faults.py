"""A grid on SLURM whose jobs, nodes, daemons and Snakemake end at random moments."""

import os
import random
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager

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
# seconds a cell: a small grid must not end before the faults have happened
LONG = dict.fromkeys(("epochs", "patience"), 600 if SIZE <= 20 else 120)
LIMIT = 150  # seconds in which something must go on
PATIENCE = 400  # after the controller's death, SLURM itself lets a job wait 120 s for its step
ROUNDS = ((signal.SIGKILL, "cancel"), (signal.SIGTERM, "await"), (signal.SIGHUP, "await"))
"""How Snakemake ends, and what is done about the jobs that it leaves."""
# cells of a job, and jobs in the queue: what is there is awaited after SIGTERM, not the whole grid
PACKED, JOBS = (2, 3) if SIZE <= 20 else (5, 6)
FAULTS = 4 if SIZE <= 20 else SIZE  # in a round
PROFILE = {
    "group-components": [f"networks={PACKED}"],
    "jobs": JOBS,
    # each fault costs one of a whole submission
    "retries": 2 + SIZE // 10,
    "default-resources": {"slurm_partition": "cpu"},
    # the same in each retry: no node has the memory that the last of many would ask for
    "set-resources": {
        "train": {"gpu": 1, "slurm_partition": "gpu", "mem_mb": 2500},
        "prepare": {"mem_mb": 2500},
        "resize": {"mem_mb": 2500},
    },
}


class Faults:
    """What may happen to a job that runs: each method in `KINDS` returns whether it happened."""

    def __init__(self, cluster, folder, chance):
        self.cluster, self.folder, self.chance = cluster, folder, chance
        self.happened = []
        self.over = threading.Event()

    @contextmanager
    def administered(self):
        """Release jobs that SLURM holds since their launch failed, as an administrator does."""

        def watch():
            while not self.over.wait(1):
                self.release_held()

        watcher = threading.Thread(target=watch)
        watcher.start()
        try:
            yield
        finally:
            self.over.set()
            watcher.join()

    def release_held(self):
        pending = ask("squeue", "-h", "-t", "PENDING", "-o", "%i|%r", check=False).splitlines()
        for job, reason in (line.split("|", 1) for line in pending):
            if "held" in reason.lower():
                print(f"{time.strftime('%X')} job {job}: {reason}", flush=True)
                ask("scontrol", "release", job, check=False)

    def one(self, kind, victim):
        """Let a fault happen, and note it; one during which the controller crashed may not have."""
        crashes = self.cluster.crashes
        try:
            acted = kind(self, victim)
        except (AssertionError, subprocess.TimeoutExpired):
            if not self.cluster.crashed() and self.cluster.crashes == crashes:
                raise
            acted = False
        self.happened += [kind.__name__] * acted
        return acted

    def victim(self):
        """Return the record of a training that runs, if there is one."""
        some = running(self.folder, CELLS)
        return self.chance.choice(some) if some else None

    def process(self, victim):
        try:
            os.kill(victim["pid"], self.chance.choice((signal.SIGKILL, signal.SIGTERM)))
        except ProcessLookupError:  # it has ended just now
            return False
        return True

    def job_cancelled(self, victim):
        ask("scancel", victim["slurm_job_id"])
        return True

    def job_queued_again(self, victim):
        job = victim["slurm_job_id"]
        if subprocess.run(["scontrol", "requeue", job], capture_output=True).returncode:
            return False  # it has ended just now
        self.cluster.start_now(job)
        return True

    def controller(self, _):
        # SIGKILL may let it forget a job's end; test_faults and test_outages have that
        self.cluster.kill("slurmctld", signal.SIGTERM)
        time.sleep(self.chance.random() * 3)
        self.cluster.start_slurmctld()
        return True

    def database(self, _):
        self.cluster.kill("slurmdbd")
        time.sleep(self.chance.random() * 8)
        accounting.start_slurmdbd(self.cluster)
        return True

    def daemon_of_a_node(self, victim):
        node = self.node(victim) or "node1"
        self.cluster.kill(node)
        self.cluster.start_slurmd(node, wait=False)
        return True

    def node(self, victim):
        return ask(
            "squeue", "-h", "-t", "RUNNING", "-j", victim["slurm_job_id"], "-o", "%N", check=False
        )

    def dead_node(self, victim):
        """A node loses power, and its jobs are queued again; after that it is back."""
        node = self.node(victim)
        jobs = node and ask("squeue", "-h", "-t", "RUNNING", "-w", node, "-o", "%i").split()
        if not jobs:
            return False
        self.cluster.crash(node, *jobs)
        not_yet = {"RUNNING", ""}  # or the controller does not answer
        wait_until(lambda: not not_yet & {*map(state, jobs)}, "no failure of a node was noticed")
        self.cluster.start_slurmd(node, wait=False)
        for job in jobs:
            if state(job) == "PENDING":
                self.cluster.start_now(job)
        return True


# the death of a node takes SLURM half a minute; test_outages has one
KINDS = [
    Faults.process, Faults.job_cancelled, Faults.job_queued_again, Faults.controller,
    Faults.database, Faults.daemon_of_a_node, *([Faults.dead_node] if SIZE > 20 else []),
]  # fmt: skip


def unfinished():
    """Return the jobs in the queue; a controller that does not answer may have some."""
    try:
        return ask("squeue", "-h", "-o", "%i").split()
    except AssertionError:
        return ["unknown"]


def end(process, how, folder):
    """End Snakemake; if it awaits its jobs, it must not outlive them by a minute."""
    process.send_signal(how)
    if how == signal.SIGTERM:
        shown = ("squeue", "-o", "%i %T %r %S %N")
        wait_until(lambda: not unfinished(), lambda: ask(*shown), 2 * LIMIT)
        process.wait(60)
        wait_until(lambda: not alive(folder), lambda: f"left: {alive(folder)}")
    process.wait(LIMIT)


def queue(folder, command):
    """Cancel or await what an ended Snakemake has left."""
    program = [sys.executable, "-m", "sigmoid_bce.slurm.queue", command]
    kept = {"cwd": folder, "capture_output": True, "text": True, "timeout": PATIENCE}
    for seconds in (10, 10, 0):  # the controller may have crashed just now
        done = subprocess.run(program, **kept)
        if not done.returncode:
            break
        time.sleep(seconds)
    assert done.returncode == 0, done.stderr


def disturbed(faults, folder, chance):
    """Run the grid, which faults end again and again, until it is finished."""
    kinds = []
    for number, (how, cure) in enumerate(ROUNDS * (1 + SIZE // 100), 1):
        process = begin(folder, "--until", "train", log=f"{number}.log")
        share = kill_grid.done(folder) + SIZE // 5 // (1 + SIZE // 100)

        def ended(process=process):
            return process.poll() is not None

        def ready(spared):
            return kill_grid.done(folder) >= spared and faults.victim()

        hits = 0
        while (kill_grid.done(folder) < share or hits < 2) and not ended():
            # a larger grid is spared for some cells, or it would never come to its end
            some = kill_grid.done(folder) + chance.randrange(1 + SIZE // 25)
            spared = some if hits < FAULTS else share
            wait_until(lambda s=spared: ready(s) or ended(), "no training", PATIENCE)
            time.sleep(chance.random() * 2)
            if victim := faults.victim():
                kinds = kinds or chance.sample(KINDS, len(KINDS))
                kind = kinds.pop()
                print(f"{time.strftime('%X')} {kind.__name__}", flush=True)
                hits += faults.one(kind, victim)
        print(f"{time.strftime('%X')} {how.name}, {kill_grid.done(folder)} cells", flush=True)
        end(process, how, folder)
        begin(folder, "--unlock", log="unlock.log").wait(LIMIT)
        queue(folder, cure)
    process = begin(folder, "--until", "train", log="last.log")
    assert process.wait(LIMIT + 10 * SIZE) == 0, (folder / "last.log").read_text()[-6000:]
    assert kill_grid.done(folder) == SIZE


def test_random_faults_in_a_grid(accounted, tmp_path):
    chance, folder = random.Random(SEED), tmp_path / "grid"
    changed(prepare(folder, "grid.yaml", SIZE, **LONG), **PROFILE)
    faults = Faults(accounted, folder, chance)
    with faults.administered():
        disturbed(faults, folder, chance)
    assert len(faults.happened) >= 2 * len(ROUNDS)

    calm = prepare(tmp_path / "calm", "grid.yaml", SIZE, ["one"], **LONG)
    snakemake(calm, "--until", "train", "--configfile", "grid.yaml")
    for cell in CELLS:
        assert digests(folder, cell) == digests(calm, Cell(**{**vars(cell), "model": "one"}))
    ends = {"FINISHED", "KILLED", "FAILED"}
    statuses = [run.info.status for run in check_runs(folder, CELLS, ends)]
    assert "KILLED" in statuses
    print(
        SEED,
        faults.happened,
        f"{accounted.crashes} crashes of slurmctld",
        {status: statuses.count(status) for status in set(statuses)},
    )
    wait_until(lambda: not alive(folder), lambda: f"left: {alive(folder)}")
    left = {job["state"] for job in accounted.jobs(folder).values()}
    assert not left & {"PENDING", "RUNNING", "COMPLETING", "SUSPENDED"}
