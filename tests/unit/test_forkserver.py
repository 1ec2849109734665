"""The fork server: scripts behave in forks as they do in processes of their own."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from importlib.util import find_spec

import psutil
import pytest

from sigmoid_bce.jobs import fork_client, forkserver
from sigmoid_bce.jobs.forkserver import OWNER, PRELOADS, orphaned
from support.checkout import ROOT

SCRIPT = """
from sigmoid_bce.jobs.forkserver import forked
forked("tables")
import json, os, sys, time
warm = "pandas" in sys.modules
who = {"pid": os.getpid(), "parent": os.getppid(), "x": os.environ["X"]}
print(json.dumps({**who, "warm": warm, "cwd": os.getcwd()}), flush=True)
"""


@pytest.fixture
def owner():
    process = subprocess.Popen(["sleep", "600"])
    yield process
    process.kill()
    process.wait()


@pytest.fixture(params=["the script asks", "the client asks"])
def start(request, tmp_path, owner, monkeypatch):
    """Start a script as Snakemake does, and as it does with the patch `start_forks`."""
    started = []

    def start(body="", **environment):
        script = tmp_path / f"script{len(list(tmp_path.iterdir()))}.py"
        script.write_text(SCRIPT + body)
        path = {"PYTHONPATH": str(ROOT / "workflow/src"), OWNER: str(owner.pid), "X": "1"}
        path |= environment
        with monkeypatch.context() as here:
            for name, value in path.items():
                here.setenv(name, value)
            asks = request.param == "the client asks"
            command = forkserver.command(script.read_text()) if asks else []
        process = subprocess.Popen(
            [sys.executable, *command, script],
            cwd=tmp_path,
            env={**os.environ, **path},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def said(process):
    return json.loads(process.stdout.readline())


def gone(pid, seconds=60):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            if psutil.Process(pid).status() in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD):
                return True
        except psutil.NoSuchProcess:
            return True
        time.sleep(0.02)
    return False


@pytest.mark.parametrize("kind", PRELOADS)
def test_preloaded_modules_exist(kind):
    """A server leaves a missing module out, and its jobs would import by themselves."""
    assert [name for name in PRELOADS[kind] if find_spec(name) is None] == []


def test_a_fork_has_imports_environment_folder_and_status(start, tmp_path):
    several = [start(f"sys.exit({i})", X=str(i)) for i in range(5)]
    for i, process in enumerate(several):
        found = said(process)
        assert found["warm"]
        assert found["pid"] != process.pid
        assert found["x"] == str(i)
        assert found["cwd"] == str(tmp_path)
        assert process.wait(60) == i
    failing = start("raise ValueError('no such thing')")
    _, err = failing.communicate(timeout=60)
    assert failing.returncode == 1
    assert "ValueError: no such thing" in err
    _, err = (ending := start("sys.exit('message')")).communicate(timeout=60)
    assert (ending.returncode, err) == (1, "message\n")


def test_without_snakemake_a_script_runs_by_itself(start):
    process = start(**{OWNER: ""})
    found = said(process)
    assert found["pid"] == process.pid
    assert not found["warm"]


def test_a_job_is_an_orphan_when_its_owner_has_ended(owner, start, monkeypatch):
    monkeypatch.setenv(OWNER, "")
    assert not orphaned()
    monkeypatch.setenv(OWNER, str(owner.pid))
    assert not orphaned()
    process = start(
        "from sigmoid_bce.jobs.forkserver import orphaned\nprint(orphaned(), flush=True)"
    )
    said(process)
    assert process.stdout.readline() == "False\n"  # in a fork
    owner.kill()
    owner.wait()
    assert orphaned()


def test_the_fork_dies_with_the_script_s_process(start):
    process = start("time.sleep(600)")
    fork = said(process)["pid"]
    process.kill()
    process.wait()
    assert gone(fork)


def test_the_script_s_process_ends_as_its_fork_is_killed(start):
    process = start("time.sleep(600)")
    os.kill(said(process)["pid"], signal.SIGKILL)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGKILL
    assert "it was killed" in err
    _, err = start("os._exit(3)").communicate(timeout=60)
    assert "called os._exit" in err


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_reaches_the_fork(start, number):
    body = f"import signal\nsignal.signal({int(number)}, lambda *_: sys.exit(143))\n"
    process = start(body + "print('ready', flush=True)\ntime.sleep(600)")
    fork = said(process)["pid"]
    assert process.stdout.readline() == "ready\n"
    process.send_signal(number)
    assert process.wait(60) == 143
    assert gone(fork)


def test_the_server_ends_with_its_owner_and_running_forks_go_on(start, owner):
    process = start("time.sleep(2)\nprint('done')")
    fork = psutil.Process(said(process)["pid"])
    server = fork.parent()
    assert "sigmoid_bce.jobs.forkserver" in server.cmdline()
    owner.kill()
    owner.wait()
    assert gone(server.pid)
    assert process.communicate(timeout=60)[0] == "done\n"
    assert process.returncode == 0
    assert start().wait(60) == 0  # without a living owner, it runs by itself


def test_an_interrupted_server_costs_no_job(start):
    process = start("time.sleep(1)")
    server = psutil.Process(said(process)["parent"])
    server.kill()
    assert process.wait(60) == 0
    assert said(start())["warm"]


HOLDERS = {
    "binds the name": "",
    "accepts nobody": "s.listen(0); c = [socket.socket(socket.AF_UNIX) for _ in range(3)]; "
    "[x.setblocking(False) or x.connect_ex(sys.argv[1]) for x in c]",
    "never answers": "s.listen(9)",
}
HOLD = "import socket, sys, time; s = socket.socket(socket.AF_UNIX); s.bind(sys.argv[1]); {}; "
HOLD += "print('ready', flush=True); time.sleep(600)"
NOBODY = 65534


@pytest.mark.parametrize("user", [os.geteuid(), NOBODY])
@pytest.mark.parametrize("holder", HOLDERS)
def test_a_name_that_somebody_holds_costs_seconds(holder, user, owner, monkeypatch):
    if user != os.geteuid() != 0:
        pytest.skip("only root starts a process of another user")
    monkeypatch.setenv(OWNER, str(owner.pid))
    monkeypatch.setattr(fork_client, "ANSWER", 1)
    name = forkserver._address("tables", str(owner.pid)).replace("\0", "\\0")
    code = HOLD.format(HOLDERS[holder] or "0").replace("sys.argv[1]", f"'{name}'")
    held = subprocess.Popen(
        # a virtual environment may be closed to other users
        [shutil.which("python3", path=os.defpath) or sys.executable, "-c", code],
        user=user,
        cwd="/",
        stdout=subprocess.PIPE,
    )
    try:
        assert held.stdout.readline() == b"ready\n"
        begin = time.monotonic()
        forkserver.forked("tables")  # returns: the script runs by itself
        assert time.monotonic() - begin < forkserver.START
    finally:
        held.kill()
        held.communicate()


def test_servers_start_before_they_are_asked_for(start, owner, tmp_path):
    def servers():
        found = {}
        for process in psutil.process_iter(["cmdline"]):
            line = process.info["cmdline"] or []
            if line[3:5] == ["sigmoid_bce.jobs.forkserver", str(owner.pid)]:
                found.setdefault(line[5], process)  # its forks have the same command line
        return found

    scripts = [tmp_path / f"{name}.py" for name in ("tracking", "tables", "plain")]
    for script in scripts:
        script.write_text(f'forked("{script.stem}")\n' if script.stem != "plain" else "pass\n")
    warm = "import sys; from pathlib import Path; from sigmoid_bce.jobs.forkserver import warm; "
    subprocess.run(
        [sys.executable, "-c", warm + "warm(map(Path, sys.argv[1:]))", *scripts],
        env={**os.environ, "PYTHONPATH": str(ROOT / "workflow/src"), OWNER: str(owner.pid)},
        check=True,
    )
    end = time.monotonic() + 60
    while len(servers()) < 2:
        assert time.monotonic() < end, servers()
        time.sleep(0.1)
    assert servers()["tables"].cmdline()[5:] == ["tables", "tracking"]  # one starts the other
    process = start()
    assert said(process)["parent"] == servers()["tables"].pid
    assert process.wait(60) == 0
    owner.kill()
    owner.wait()
    assert all(gone(server.pid) for server in servers().values())


def test_the_user_s_backend_of_matplotlib_does_not_reach_a_job(monkeypatch):
    monkeypatch.setenv("MPLBACKEND", "nonsense")
    forkserver.forked("tables")
    assert os.environ["MPLBACKEND"] == "agg"
