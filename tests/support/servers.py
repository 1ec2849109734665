"""PostgreSQL, S3 and MLflow servers for tests, on 127.0.0.1. Every wait has a limit."""

import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import pytest

BIN = Path(sys.executable).parent
LIMIT = 90  # seconds that a start may take


def need(found, what):
    """Skip a test whose program is not installed; in CI, fail."""
    if not found and not os.environ.get("SIGMOID_BCE_CI"):
        pytest.skip(f"{what} is not installed: see .ci/run")
    assert found, f"{what} is not installed, and CI may not skip"


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_for(ready, process, log):
    end = time.monotonic() + LIMIT
    while time.monotonic() < end:
        if process.poll() is not None:
            break
        if ready():
            return
        time.sleep(0.1)
    raise AssertionError(f"{process.args[:3]} did not start:\n{Path(log).read_text()[-3000:]}")


def answers(url):
    return status(url) is not None


def status(request):
    """Return the status of the answer to a request; None without an answer."""
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        with error:
            return error.code
    except OSError:
        return None


class Server:
    """A process in a session of its own, which ends with all of its children."""

    def __init__(self, command, ready, log, **options):
        self.command, self.ready, self.log, self.options = command, ready, log, options
        self.start()

    def start(self):
        with open(self.log, "a") as log:
            self.process = subprocess.Popen(
                self.command, stdout=log, stderr=log, start_new_session=True, **self.options
            )
        try:
            wait_for(self.ready, self.process, self.log)
        except BaseException:
            self.stop()
            raise

    def stop(self, how=signal.SIGTERM):
        for sign in (how, signal.SIGKILL):
            try:
                os.killpg(self.process.pid, sign)
            except ProcessLookupError:
                return
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                continue


@contextmanager
def postgresql(folder):
    """Yield the address of an empty database, password included."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    programs = found[-1].parent if found else None
    if programs is None and (initdb := shutil.which("initdb")):
        programs = Path(initdb).resolve().parent
    need(programs, "PostgreSQL")
    password, port, data = secrets.token_hex(12), free_port(), folder / "postgresql"
    data.mkdir(parents=True)
    (folder / "password").write_text(password)
    owner = {}
    if os.geteuid() == 0:  # PostgreSQL refuses to run as root
        account = pwd.getpwnam("postgres")
        owner = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
        for path in (data, folder / "password"):
            os.chown(path, account.pw_uid, account.pw_gid)
        for parent in (folder, *folder.parents):
            if parent.stat().st_uid == 0 and not parent.stat().st_mode & 0o001:
                parent.chmod(parent.stat().st_mode | 0o011)
    init = ["-D", data, "-U", "runs", "-A", "scram-sha-256", f"--pwfile={folder / 'password'}"]
    done = subprocess.run(
        [programs / "initdb", *init, "--no-sync", "--locale=C", "-E", "UTF8"],
        **owner,
        cwd="/",
        capture_output=True,
        text=True,
        timeout=LIMIT,
    )
    assert done.returncode == 0, done.stderr
    (folder / "password").unlink()
    address = f"postgresql://runs:{password}@127.0.0.1:{port}"

    def ready():
        import psycopg2

        try:
            psycopg2.connect(f"{address}/postgres", connect_timeout=2).close()
        except psycopg2.OperationalError:
            return False
        return True

    options = ["-p", str(port), "-c", "listen_addresses=127.0.0.1"]
    options += ["-c", "unix_socket_directories=", "-c", "fsync=off"]
    server = Server(
        [programs / "postgres", "-D", data, *options], ready, folder / "postgresql.log", cwd="/",
        **owner,
    )  # fmt: skip
    try:
        yield f"{address}/postgres"
    finally:
        server.stop(signal.SIGINT)  # at once, even with open connections


@contextmanager
def s3(folder, bucket="runs"):
    """Yield the environment of a client for an S3 server that has one bucket."""
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    server = Server(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        lambda: answers(address),
        folder / "s3.log",
    )
    try:
        request = urllib.request.Request(f"{address}/{bucket}", method="PUT")
        assert status(request) == 200
        yield {
            "MLFLOW_S3_ENDPOINT_URL": address,
            "AWS_ACCESS_KEY_ID": secrets.token_hex(10),
            "AWS_SECRET_ACCESS_KEY": secrets.token_hex(20),
            "AWS_DEFAULT_REGION": "us-east-1",
        }
    finally:
        server.stop(signal.SIGKILL)


QUIET = {
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}


@contextmanager
def mlflow_server(folder, database, *options, **environment):
    """Yield a running MLflow server, its `uri` and `process`."""
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    command = [BIN / "mlflow", "server", "--host", "127.0.0.1", "--port", str(port)]
    command += ["--workers", "1", "--backend-store-uri", database, *options]
    path = f"{BIN}{os.pathsep}{os.environ['PATH']}"
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("MLFLOW_", "AWS_"))}
    server = Server(
        list(map(str, command)),
        lambda: answers(f"http://127.0.0.1:{port}/health"),
        folder / "mlflow.log",
        cwd=folder,
        env={**clean, "PATH": path, **QUIET, **environment},
    )
    server.uri, server.port = f"http://127.0.0.1:{port}", port
    try:
        yield server
    finally:
        server.stop()


def authentication(folder):
    """Return options and environment of a server with passwords, the admin's, and its key."""
    password, key = secrets.token_hex(12), secrets.token_hex(16)
    file = folder / "basic_auth.ini"
    file.write_text(
        "[mlflow]\n"
        "default_permission = READ\n"
        f"database_uri = sqlite:///{folder / 'users.db'}\n"
        "admin_username = admin\n"
        "authorization_function = mlflow.server.auth:authenticate_request_basic_auth\n"
        "auth_cache_ttl_seconds = 60\n"
    )
    environment = {
        "MLFLOW_AUTH_CONFIG_PATH": str(file),
        "MLFLOW_AUTH_ADMIN_PASSWORD": password,
        "MLFLOW_FLASK_SERVER_SECRET_KEY": key,
    }
    return ("--app-name", "basic-auth"), environment, password, key
