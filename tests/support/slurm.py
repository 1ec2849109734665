"""A real SLURM on 127.0.0.1, without systemd, with two GPUs that do not exist.

`python tests/support/slurm.py COMMAND ...` starts it, runs a command and stops it again. Without a
command it runs until Ctrl-C. It needs root, and Debian's packages slurm-wlm and munge.
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
import time
from contextlib import contextmanager, suppress
from pathlib import Path

from sigmoid_bce.jobs import locks

PROGRAMS = ("slurmctld", "slurmd", "munged", "sbatch", "squeue", "sinfo", "scontrol")
INSTALL = "apt-get install --no-install-recommends slurm-wlm munge"
# the plugin's job step drops SLURM_CONF, so jobs find the configuration only here
SYSTEM = Path("/etc/slurm")
CONFIGURATION = ("slurm.conf", "gres.conf", "cgroup.conf")
PREFIX = "sigmoid-bce-slurm-"
LIMIT = 60  # seconds until a step counts as failed
GRACE = 20  # seconds between SIGTERM and SIGKILL of a preempted job

CONF = """
ClusterName=test
SlurmctldHost=localhost(127.0.0.1)
SlurmctldPort={controller}
SlurmdPort={node}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
# otherwise it listens on all addresses
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
# a job that uses more memory than it asked for is killed within a second
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
JobAcctGatherParams=OverMemoryKill
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/filetxt
JobCompLoc={folder}/jobs.txt
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerParameters=sched_interval=2,bf_interval=2,batch_sched_delay=0
SlurmdParameters=config_overrides
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
SlurmdTimeout=300
ReturnToService=2
MinJobAge=3600
KillWait=2
MpiDefault=none
GresTypes=gpu
NodeName=localhost NodeAddr=127.0.0.1 CPUs={cpus} RealMemory={memory} Gres=gpu:fake:2 State=UNKNOWN
PartitionName=cpu Nodes=localhost Default=YES MaxTime=INFINITE State=UP PreemptMode=OFF
# jobs in `urgent` preempt its jobs, {grace} seconds after a SIGTERM
PartitionName=gpu Nodes=localhost MaxTime=INFINITE State=UP GraceTime={grace}
PartitionName=urgent Nodes=localhost MaxTime=INFINITE State=UP PriorityTier=2 PreemptMode=OFF
"""


def missing():
    """Return why SLURM cannot run here; an empty string if it can."""
    path = f"{os.environ['PATH']}:/usr/sbin:/sbin"
    lacking = [program for program in PROGRAMS if not shutil.which(program, path=path)]
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


def ask(*command, limit=LIMIT, check=True):
    """Return the output of a command; without `check`, an empty string if it fails."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=limit)
    except subprocess.TimeoutExpired:
        if check:
            raise
        return ""
    assert done.returncode == 0 or not check, f"{' '.join(map(str, command))}: {done.stderr}"
    return done.stdout.strip() if done.returncode == 0 else ""


def wait_until(ready, what, limit=LIMIT):
    end = time.monotonic() + limit
    while not ready():
        assert time.monotonic() < end, what() if callable(what) else what
        time.sleep(0.1)


class Slurm:
    """The daemons of one machine: `munged`, `slurmctld` and `slurmd`, with their processes."""

    def __init__(self, folder, cpus, memory):
        self.folder = Path(folder)
        controller, node = free_ports(2)
        for name in ("state", "spool", "dev", "munge"):
            (self.folder / name).mkdir()
        self.folder.chmod(0o755)
        values = {"folder": folder, "controller": controller, "node": node}
        conf = CONF.format(**values, cpus=cpus, memory=memory, grace=GRACE)
        (self.folder / "slurm.conf").write_text(conf)
        (self.folder / "cgroup.conf").write_text("CgroupPlugin=cgroup/v1\n")
        for number in range(2):  # SLURM refuses plain files
            os.mknod(self.folder / f"dev/nvidia{number}", 0o666 | stat.S_IFCHR, os.makedev(1, 3))
        gres = f"NodeName=localhost Name=gpu Type=fake File={folder}/dev/nvidia[0-1]\n"
        (self.folder / "gres.conf").write_text(gres)
        self.processes = {}

    def log(self, name):
        return self.folder / f"{name}.log"

    def tail(self, name):
        file = self.log(name)
        return f"{name}:\n{file.read_text(errors='replace')[-3000:]}" if file.exists() else name

    def _spawn(self, name, *command, **options):
        with open(self.folder / f"{name}.out", "a") as out:
            path = f"{os.environ['PATH']}:/usr/sbin:/sbin"
            self.processes[name] = subprocess.Popen(
                [shutil.which(name, path=path), *map(str, command)],
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
        self._spawn(
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
        self._spawn("slurmctld", "-D", "-f", conf, "-L", self.log("slurmctld"))
        if wait:
            wait_until(
                lambda: ask("sinfo", "-h", limit=3, check=False), lambda: self.tail("slurmctld")
            )

    def start_slurmd(self, wait=True):
        """Start the daemon of the node; `wait` until the node accepts jobs."""
        conf = self.folder / "slurm.conf"
        self._spawn("slurmd", "-D", "-N", "localhost", "-f", conf, "-L", self.log("slurmd"))
        if wait:
            wait_until(self._accepts_jobs, lambda: self.tail("slurmd"))

    def _accepts_jobs(self):
        states = ask("sinfo", "-h", "-N", "-o", "%T", limit=3, check=False).split()
        return bool(states) and all(s.startswith(("idle", "mixed", "alloc")) for s in states)

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

    def unfinished(self):
        return ask("squeue", "-h", "-o", "%i", check=False).split()

    def stop(self):
        if "slurmctld" in self.processes and self.unfinished():
            ask("scancel", "--user", getpass.getuser(), limit=10, check=False)
            with suppress(AssertionError):
                wait_until(lambda: not self.unfinished(), "", 15)
        for name in ("slurmd", "slurmctld", "munged"):
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
def slurm(cpus=8, memory=16000):
    """Yield a running `Slurm`: one node, partitions `cpu`, `gpu` and `urgent`, two GPUs (`fake`).

    Parameters
    ----------
    cpus : int
        The node's CPUs, as SLURM is told.
    memory : int
        The node's memory in MB, as SLURM is told.
    """
    why = missing()
    assert not why, why
    folder = Path(tempfile.mkdtemp(prefix=PREFIX))
    daemons = Slurm(folder, cpus, memory)
    try:
        with _configured(folder / "slurm.conf"):
            try:
                daemons.start_munged()
                daemons.start_slurmctld()
                daemons.start_slurmd()
                yield daemons
            finally:
                daemons.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    if reason := missing():
        sys.exit(reason)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    with slurm() as daemons:
        if sys.argv[1:]:
            sys.exit(subprocess.run(sys.argv[1:]).returncode)
        print(f"SLURM is running, with its logs in {daemons.folder}; Ctrl-C stops it", flush=True)
        with suppress(KeyboardInterrupt):
            signal.pause()
