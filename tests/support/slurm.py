"""A real SLURM on 127.0.0.1, without systemd, with GPUs that do not exist.

In the folder `tests`, `python -m support.slurm COMMAND ...` starts it, runs a command and stops it
again. Without a command it runs until Ctrl-C. With `--accounts` before the command it has two
nodes, and keeps accounts. It needs root, and Debian's packages slurm-wlm and munge; for accounts
slurmdbd and mariadb-server as well.
"""

import getpass
import os
import pwd
import secrets
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from sigmoid_bce.jobs import locks
from support import accounting
from support.waits import LIMIT, ask, wait_until

PROGRAMS = ("slurmctld", "slurmd", "munged", "sbatch", "squeue", "sinfo", "scontrol")
INSTALL = "apt-get install --no-install-recommends slurm-wlm munge slurmdbd mariadb-server"
# the plugin's job step drops SLURM_CONF, so jobs find the configuration only here
SYSTEM = Path("/etc/slurm")
CONFIGURATION = ("slurm.conf", "gres.conf", "cgroup.conf")
PREFIX = "sigmoid-bce-slurm-"
PATH = f"{os.environ['PATH']}:/usr/sbin:/sbin"
GRACE = 60  # seconds between SIGTERM and SIGKILL of a preempted job
SETTLED = 4  # seconds without a line in the log of a node's daemon
GPUS = ("fake", "other")  # the model of each node's two GPUs

CONF = """
ClusterName=test
SlurmctldHost=localhost(127.0.0.1)
SlurmctldPort={controller}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
# otherwise it listens on all addresses
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/%n.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
# a job that uses more memory than it asked for is killed within a second
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
JobAcctGatherParams=OverMemoryKill
JobCompType=jobcomp/filetxt
JobCompLoc={folder}/jobs.txt
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerParameters=sched_interval=2,bf_interval=2,batch_sched_delay=0
SlurmdParameters=config_overrides
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
SlurmdTimeout={patience}
ReturnToService=2
MinJobAge=3600
KillWait=2
MpiDefault=none
GresTypes=gpu
PartitionName=cpu Nodes=ALL Default=YES MaxTime=INFINITE State=UP PreemptMode=OFF
# jobs in `urgent` preempt its jobs, {grace} seconds after a SIGTERM
PartitionName=gpu Nodes=ALL MaxTime=INFINITE State=UP GraceTime={grace}
PartitionName=urgent Nodes=ALL MaxTime=INFINITE State=UP PriorityTier=2 PreemptMode=OFF
"""
# Debian's SLURM refuses a second node of the same host name, but not of the same address
NODE = """
NodeName={name} NodeAddr=127.0.0.1 Port={port} CPUs={cpus} RealMemory={memory} Gres=gpu:{model}:2
"""


def missing(accounts=False):
    """Return why SLURM cannot run here; an empty string if it can."""
    programs = PROGRAMS + (accounting.PROGRAMS if accounts else ())
    lacking = [program for program in programs if not shutil.which(program, path=PATH)]
    if lacking:
        return f"{', '.join(lacking)} not found: {INSTALL}"
    if os.geteuid():
        return "starting a SLURM needs root"
    foreign = [str(SYSTEM / name) for name in CONFIGURATION if _foreign(SYSTEM / name)]
    return f"this machine has a SLURM of its own: {', '.join(foreign)}" if foreign else ""


def _foreign(file):
    """Return whether a configuration file, or its target, belongs to another SLURM."""
    return os.path.lexists(file) and PREFIX not in str(file.resolve())


def free_ports(number):
    sockets = [socket.socket() for _ in range(number)]
    try:
        for s in sockets:
            s.bind(("127.0.0.1", 0))
        return [s.getsockname()[1] for s in sockets]
    finally:
        for s in sockets:
            s.close()


class Slurm:
    """The daemons of one machine with their processes: `munged`, `slurmctld`, those of the nodes.

    `accounts` adds a second node, with the other model of GPU, and `slurmdbd` with its database.
    """

    def __init__(self, folder, cpus, memory, accounts=False):
        self.folder, self.accounts = Path(folder), accounts
        self.crashes, self.over = 0, threading.Event()
        self.watcher = threading.Thread(target=self.keep_controller)
        self.nodes = [f"node{number}" for number in range(1, 3 if accounts else 2)]
        controller, storage, *ports = free_ports(2 + len(self.nodes))
        for name in ("state", "dev", "munge"):
            (self.folder / name).mkdir()
        self.folder.chmod(0o755)
        # a node that is silent for so long is down, and its jobs have failed
        values = {"folder": folder, "controller": controller, "patience": 10 if accounts else 300}
        conf, gres = CONF.format(**values, grace=GRACE), ""
        if accounts:
            conf += accounting.configure(self.folder, storage)
        for number, (name, model, port) in enumerate(zip(self.nodes, GPUS, ports, strict=False)):
            conf += NODE.format(name=name, port=port, cpus=cpus, memory=memory, model=model)
            devices = [self.folder / f"dev/nvidia{2 * number + i}" for i in range(2)]
            for device in devices:  # SLURM refuses plain files
                os.mknod(device, 0o666 | stat.S_IFCHR, os.makedev(1, 3))
            files = ",".join(map(str, devices))
            gres += f"NodeName={name} Name=gpu Type={model} File={files}\n"
        (self.folder / "slurm.conf").write_text(conf)
        (self.folder / "gres.conf").write_text(gres)
        (self.folder / "cgroup.conf").write_text("CgroupPlugin=cgroup/v1\n")
        self.processes, self.started = {}, time.time()

    def log(self, name):
        return self.folder / f"{name}.log"

    def tail(self, name):
        file = self.log(name)
        return f"{name}:\n{file.read_text(errors='replace')[-3000:]}" if file.exists() else name

    def spawn(self, program, *command, name="", **options):
        """Start a daemon; `name` tells it from others of the same program."""
        name = name or program
        with open(self.folder / f"{name}.out", "a") as out:
            self.processes[name] = subprocess.Popen(
                [shutil.which(program, path=PATH), *map(str, command)],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
                **options,
            )

    def start_munged(self):
        account, home = pwd.getpwnam("munge"), self.folder / "munge"
        key = home / "key"
        key.write_bytes(secrets.token_bytes(128))
        key.chmod(0o400)
        for path in (home, key):
            os.chown(path, account.pw_uid, account.pw_gid)
        # the socket's folder belongs to munge; SLURM finds the socket by this name
        socket = self.folder / "munge.socket"
        socket.symlink_to(home / "socket")
        home.chmod(0o755)
        options = {name: home / name for name in ("pid-file", "log-file", "seed-file")}
        self.spawn(
            "munged",
            *("--foreground", "--force", f"--socket={home / 'socket'}", f"--key-file={key}"),
            *(f"--{name}={path}" for name, path in options.items()),
            user=account.pw_uid,
            group=account.pw_gid,
            extra_groups=[],
            cwd="/",
        )
        wait_until(
            lambda: (home / "socket").exists(),
            lambda: f"munged: {(self.folder / 'munged.out').read_text()}",
        )

    def start_slurmctld(self, wait=True):
        """Start the controller; `wait` until it answers."""
        conf = self.folder / "slurm.conf"
        self.spawn("slurmctld", "-D", "-f", conf, "-L", self.log("slurmctld"))
        if wait:
            wait_until(
                lambda: ask("sinfo", "-h", limit=3, check=False), lambda: self.tail("slurmctld")
            )

    def crashed(self):
        """Return whether the controller has ended by itself."""
        process = self.processes.get("slurmctld")
        return process is not None and process.poll() is not None

    def keep_controller(self):
        """Start a controller that crashes again, as systemd does.

        SLURM 22.05.8's ends now and then with SIGSEGV as it queues a failed node's jobs again.
        """
        while not self.over.wait(1):
            if self.crashed():
                print(f"{time.strftime('%X')} slurmctld crashed", flush=True)
                self.crashes += 1
                self.start_slurmctld(wait=False)

    def start_slurmd(self, node="node1", wait=True):
        """Start the daemon of a node; `wait` until the node accepts jobs."""
        conf = self.folder / "slurm.conf"
        self.spawn("slurmd", "-D", "-N", node, "-f", conf, "-L", self.log(node), name=node)
        if wait:
            wait_until(lambda: self.accepts_jobs(node), lambda: self.tail(node))

    def accepts_jobs(self, node):
        states = ask("sinfo", "-h", "-N", "-n", node, "-o", "%T", limit=3, check=False).split()
        return bool(states) and all(s in ("idle", "mixed", "allocated") for s in states)

    def start(self):
        """Start all daemons."""
        self.start_munged()
        if self.accounts:
            accounting.start(self)
        self.start_slurmctld()
        self.watcher.start()
        if self.accounts:
            accounting.add_accounts()
        for node in self.nodes:
            self.start_slurmd(node, wait=False)
        for node in self.nodes:
            wait_until(lambda node=node: self.accepts_jobs(node), lambda node=node: self.tail(node))

    def kill(self, name, how=signal.SIGKILL):
        """End a daemon only; the processes of jobs keep running."""
        process = self.processes.pop(name)
        process.send_signal(how)
        process.wait(LIMIT)

    def jobs(self, folder):
        """Return every job that was submitted in a folder, finished or not, by id."""
        names = ("id", "state", "partition", "cpus", "memory", "begin", "end", "what", "folder")
        lines = ask("squeue", "-h", "-t", "all", "-o", "%i|%T|%P|%C|%m|%S|%e|%k|%Z").splitlines()
        jobs = [dict(zip(names, line.split("|"), strict=True)) for line in lines]
        return {int(job["id"]): job for job in jobs if job["folder"] == str(folder)}

    def processes_of(self, job):
        """Return the processes by which SLURM runs a job, without those that they have started."""
        # another SLURM had jobs of the same number
        found = psutil.process_iter(["cmdline", "create_time"])
        return [
            process
            for process in found
            if process.info["create_time"] >= self.started
            and f"slurmstepd: [{job}." in " ".join(process.info["cmdline"] or ())
        ]

    def crash(self, node, *jobs):
        """End the daemon of a node and all processes of its jobs, as when it loses power."""
        self.kill(node)
        for job in jobs:
            for process in self.processes_of(job):
                with suppress(psutil.NoSuchProcess):
                    for one in [process, *process.children(recursive=True)]:
                        with suppress(psutil.NoSuchProcess):
                            one.kill()

    def start_now(self, job, node=""):
        """Start a job that SLURM has queued again; by itself it would wait two minutes.

        `node` is one that is back: until its daemon has done what its last jobs have left, it may
        take the script of a new run for that of the old one, and the launch fails.
        """
        shown = ("squeue", "-h", "-t", "all", "-j", job, "-o", "%T")
        wait_until(lambda: ask(*shown, check=False) == "PENDING", "a job was not queued again")
        # SLURM's delay is for this: a late report of its end would end the job that began again
        wait_until(lambda: not self.processes_of(job), "a job that was queued again goes on")
        if node:
            log = Path(self.log(node))
            wait_until(lambda: time.time() - log.stat().st_mtime > SETTLED, "the node is busy")
        ask("scontrol", "update", f"JobId={job}", "StartTime=now")

    def unfinished(self):
        return ask("squeue", "-h", "-o", "%i", check=False).split()

    def stop(self):
        self.over.set()
        if self.watcher.is_alive():
            self.watcher.join()
        if "slurmctld" in self.processes and self.unfinished():
            ask("scancel", "--user", getpass.getuser(), limit=10, check=False)
            with suppress(AssertionError):
                wait_until(lambda: not self.unfinished(), "", 15)
        for name in (*self.nodes, "slurmctld", *accounting.DAEMONS, "munged"):
            if name in self.processes:
                process = self.processes[name]
                process.terminate()
                try:
                    process.wait(15)
                except subprocess.TimeoutExpired:
                    self.kill(name)


@contextmanager
def _configured(conf):
    """Link /etc/slurm to a configuration; the files of another SLURM are left alone."""
    SYSTEM.mkdir(exist_ok=True)
    with open(SYSTEM / ".sigmoid-bce.lock", "w") as lock:
        wait_until(
            lambda: locks.acquire(lock, wait=False),
            "another SLURM of these tests is still running",
            20 * LIMIT,
        )
        for name in CONFIGURATION:
            link = SYSTEM / name
            assert not _foreign(link), f"{link} belongs to another SLURM and is left alone"
            link.unlink(missing_ok=True)
        try:
            for name in CONFIGURATION:
                (SYSTEM / name).symlink_to(conf.parent / name)
            yield
        finally:
            for name in CONFIGURATION:
                (SYSTEM / name).unlink(missing_ok=True)


@contextmanager
def slurm(cpus=8, memory=16000, accounts=False):
    """Yield a running `Slurm`: one node, partitions `cpu`, `gpu` and `urgent`, two GPUs (`fake`).

    Parameters
    ----------
    cpus : int
        The node's CPUs, as SLURM is told.
    memory : int
        The node's memory in MB, as SLURM is told.
    accounts : bool
        Whether it keeps accounts, `accounting.ACCOUNTS`, and has a second such node with two GPUs
        of another model (`other`).
    """
    why = missing(accounts)
    assert not why, why
    folder = Path(tempfile.mkdtemp(prefix=PREFIX))
    daemons = Slurm(folder, cpus, memory, accounts)
    try:
        with _configured(folder / "slurm.conf"):
            try:
                daemons.start()
                yield daemons
            finally:
                daemons.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    with_accounts = sys.argv[1:2] == ["--accounts"]
    command = sys.argv[1 + with_accounts :]
    if reason := missing(with_accounts):
        sys.exit(reason)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    with slurm(accounts=with_accounts) as daemons:
        if command:
            sys.exit(subprocess.run(command).returncode)
        print(f"SLURM is running, with its logs in {daemons.folder}; Ctrl-C stops it", flush=True)
        with suppress(KeyboardInterrupt):
            signal.pause()
