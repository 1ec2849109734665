"""SLURM's accounts for tests: `slurmdbd`, with a MariaDB that only listens on a socket file."""

import os

from support.waits import ask, wait_until

PROGRAMS = ("slurmdbd", "mariadbd", "mariadb-install-db", "sacctmgr", "sacct")
DAEMONS = ("slurmdbd", "mariadbd")

CONF = """
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=127.0.0.1
AccountingStoragePort={port}
AccountingStoragePass={folder}/munge.socket
AccountingStorageEnforce=associations,limits,qos
AccountingStorageTRES=gres/gpu
"""
STORAGE = """
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
DbdHost=localhost
DbdAddr=127.0.0.1
DbdPort={port}
CommunicationParameters=NoInAddrAny
SlurmUser=root
PidFile={folder}/slurmdbd.pid
LogFile={folder}/slurmdbd.log
StorageType=accounting_storage/mysql
StorageHost=localhost
StorageUser=root
StorageLoc=accounts
"""
ACCOUNTS = (
    "add account lab,other,cpus",
    "add user root account=lab,cpus",
    "modify user root set defaultaccount=lab",
    # jobs in this account may have no GPU, all together
    "modify account cpus set GrpTRES=gres/gpu=0",
    "add qos short set MaxWall=10 MaxTRESPerJob=gres/gpu=1",
    "modify user root set qos=normal,short",
)


def configure(folder, port):
    """Write the configuration of `slurmdbd`; return what slurm.conf says about it."""
    file = folder / "slurmdbd.conf"
    file.touch(0o600)
    file.write_text(STORAGE.format(folder=folder, port=port))
    return CONF.format(folder=folder, port=port)


def start(slurm):
    """Start the database and `slurmdbd`, for a cluster without accounts."""
    data = slurm.folder / "mariadb"
    data.mkdir(0o700)
    common = ("--no-defaults", "--user=root", f"--datadir={data}")
    no_password = ("--auth-root-authentication-method=socket", "--skip-test-db")
    ask("mariadb-install-db", *common, *no_password, "--skip-name-resolve")
    fast = ("--skip-networking", "--skip-log-bin", "--innodb-flush-log-at-trx-commit=0")
    slurm.spawn("mariadbd", *common, *fast, f"--socket={data / 'socket'}")
    wait_until((data / "socket").exists, lambda: slurm.tail("mariadbd"))
    start_slurmdbd(slurm)
    ask("sacctmgr", "-i", "add", "cluster", "test")


def add_accounts():
    """Add `ACCOUNTS`; `slurmctld` must run, because it is the one to name GPUs as a resource."""
    for command in ACCOUNTS:
        ask("sacctmgr", "-i", *command.split())


def start_slurmdbd(slurm):
    """Start `slurmdbd`; wait until it answers."""
    environment = {
        "SLURM_CONF": str(slurm.folder / "slurm.conf"),
        "MYSQL_UNIX_PORT": str(slurm.folder / "mariadb/socket"),
    }
    slurm.spawn("slurmdbd", "-D", env={**os.environ, **environment})
    wait_until(
        lambda: ask("sacctmgr", "-n", "show", "qos", limit=3, check=False),
        lambda: slurm.tail("slurmdbd"),
    )
