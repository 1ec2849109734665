"""The live view of a training: the points that the files give later, and no harm to it."""

import signal

import pytest
from mlflow import MlflowClient

from sigmoid_bce.jobs.attempts import Attempt, process, read_attempts
from sigmoid_bce.study.cells import Cell
from sigmoid_bce.tracking import live
from sigmoid_bce.tracking.cell_files import CellFiles
from sigmoid_bce.tracking.notes import NOTE
from sigmoid_bce.tracking.runs import attempt_runs
from support.export import points, runs

CELL = Cell("d", "m", "logits", 4, 0)
ROWS = [{"epoch": i, "loss": 1 / i, "val_loss": float("inf"), "seconds": 0.5} for i in range(1, 8)]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(signal, "signal", lambda *_: None)  # this process keeps its own
    monkeypatch.setattr(live, "PAUSE", 0.01)
    monkeypatch.setattr(live, "FLUSH", 60.0)
    for name in ("MAX_RETRIES", "TIMEOUT"):  # set by the live view, restored after the test
        monkeypatch.setenv(f"MLFLOW_HTTP_REQUEST_{name}", "1")
    return tmp_path / "results/s/train" / str(CELL)


def train(folder):
    """Resume from two epochs, train five, and be interrupted."""
    with Attempt(str(CELL), folder, live.follower) as attempt:
        attempt.resume(ROWS[:2])
        for row in ROWS[2:]:
            attempt.note(row)
        raise KeyboardInterrupt


def test_the_live_view_shows_what_is_logged_later(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(live, "BATCH", 3)
    address = f"sqlite:///{tmp_path}/live.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    with pytest.raises(KeyboardInterrupt):
        train(folder)
    client = MlflowClient(address)
    [run] = runs(client, "s")
    [wanted] = attempt_runs(CellFiles(tmp_path / "results/s", CELL), None)
    finite = {tuple(p) for p in wanted.points if not p.key.endswith("_count")}
    assert points(client, run) == finite
    # the description comes with the files
    assert run.data.tags.items() >= wanted.tags.items() - {(NOTE, wanted.tags[NOTE])}
    assert run.data.tags["process"] == wanted.process == process(read_attempts(folder)[0])
    assert (run.info.status, run.info.end_time) == ("KILLED", wanted.end)


def test_a_server_that_is_away_costs_one_line(folder, monkeypatch, capsys):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    with pytest.raises(KeyboardInterrupt):
        train(folder)
    assert read_attempts(folder)[0]["reason"] == "interrupted after epoch 7"
    said = capsys.readouterr().out
    assert said.count("live view: http://127.0.0.1:9 cannot be used") == 1
    assert "Traceback" not in said
