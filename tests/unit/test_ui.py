"""`make ui`: the links, and the reasons why there are none."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import urllib.request

import pytest

from sigmoid_bce.jobs.logs import UserError
from sigmoid_bce.tracking import store, ui
from sigmoid_bce.tracking.notes import MARK, NOTE
from sigmoid_bce.tracking.sync import _with_note
from support.checkout import ROOT
from support.servers import free_port


@pytest.fixture(scope="module")
def empty(tmp_path_factory):
    """A folder with a database that has two studies, one of them with views."""
    folder = tmp_path_factory.mktemp("ui")
    with contextlib.chdir(folder):
        client = store.client()
        for name in ("b study", "a"):
            experiment = client.create_experiment(name)
        client.set_experiment_tag(experiment, "mlflow.sharedViewState.all-cells", "{}")
        client.set_experiment_tag(experiment, "mlflow.sharedViewState.mine", "{}")
    return folder


def started(folder, port):
    clean = {k: v for k, v in os.environ.items() if not k.startswith("MLFLOW_")}
    # where the tests themselves run in the background, Ctrl-C is ignored
    code = "import runpy, signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
    code += "runpy.run_module('sigmoid_bce.tracking', run_name='__main__', alter_sys=True)"
    return subprocess.Popen(
        [sys.executable, "-c", code, "ui", "results/a", "--port", str(port)],
        cwd=folder,
        env={**clean, "PYTHONPATH": str(ROOT / "workflow/src")},
        stdout=subprocess.PIPE,
        text=True,
    )


def test_the_links_lead_to_runs_and_the_server_ends_with_them(empty):
    port = free_port()
    lines = []
    with started(empty, port) as process, contextlib.ExitStack() as end:
        end.callback(process.kill)  # nothing waits for it if the test fails
        for line in process.stdout:
            lines.append(line.rstrip())
            if "Ctrl-C" in line:
                break
        base = f"http://127.0.0.1:{port}"
        with urllib.request.urlopen(f"{base}/health", timeout=60) as answer:
            assert answer.status == 200
        with pytest.raises(UserError, match=f"port {port} is in use.*make ui PORT={port + 1}"):
            ui.check_port("127.0.0.1", port)
        process.send_signal(signal.SIGINT)
        assert process.wait(90) == 0
    runs = "runs?workflowType=machine_learning"
    view = "runs?viewStateShareKey=all-cells&workflowType=machine_learning"
    assert lines[1:-1] == [
        "a",
        f"  All cells  {base}/#/experiments/2/{view}",
        "b study",
        f"  All runs   {base}/#/experiments/1/{runs}",
    ]
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port))


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("sqlite:///none.db", r"none\.db does not exist yet: run a study first \(make run\)"),
        ("sqlite:///new.db", r"new\.db holds no study yet"),
        ("sqlite:///text.db", r"text\.db is damaged"),
    ],
)
def test_no_runs_are_a_line(address, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    (tmp_path / "text.db").write_text("no database" * 1000)
    if "new" in address:
        store.client()
    with pytest.raises(UserError, match=said):
        ui.show(tmp_path / "results/a", "127.0.0.1", free_port())
    assert not (tmp_path / "none.db").exists()


def test_a_server_that_does_not_start_says_why(empty, monkeypatch):
    monkeypatch.chdir(empty)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    with (
        pytest.raises(UserError, match=r"did not start: .*--hosts"),
        ui.server("127.0.0.1", free_port(), ["--hosts"]),
    ):
        pass


@pytest.mark.parametrize(
    ("environment", "terminal", "platform", "opens"),
    [
        ({}, True, "darwin", True),
        ({"WAYLAND_DISPLAY": "wayland-0"}, True, "linux", True),
        ({"DISPLAY": ":0", "NO_BROWSER": ""}, True, "linux", True),
        ({"DISPLAY": ":0"}, False, "linux", False),
        ({"DISPLAY": ":0", "CI": "true"}, True, "linux", False),
        ({"PYTEST_CURRENT_TEST": "x"}, True, "darwin", False),
        ({"NO_BROWSER": "1"}, True, "darwin", False),
        ({}, True, "linux", False),
    ],
)
def test_a_browser_opens_for_a_person(environment, terminal, platform, opens):
    assert ui.may_open(environment, terminal, platform) == opens


def test_a_description_of_a_user_stays():
    ours = {NOTE: f"new. {MARK}"}
    assert _with_note(ours, {}) == _with_note(ours, {NOTE: f"old. {MARK}"}) == ours
    assert _with_note(ours, {NOTE: "mine"}) == {NOTE: "mine"}
