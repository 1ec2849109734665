"""A verdict about a run of MLflow that anybody logged: its artifact is found, and written back."""

import json
import re
import sys
import time

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from mlflow import MlflowClient

from sigmoid_bce.commands.verdict import command
from sigmoid_bce.jobs.logs import UserError
from sigmoid_bce.tracking import anybody
from support.servers import free_port

TABLE = pd.DataFrame({"label": [0, 1], "raw_output": [2.5, -3.0], "split": "train"})
NAMES = ("label", "raw_output")


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    """A folder with a database that MLflow made, as `mlflow.log_artifact` leaves one."""
    folder = tmp_path_factory.mktemp("some body")
    client = MlflowClient(f"sqlite:///{folder / 'mlflow.db'}")
    client.create_experiment("theirs", (folder / "artifacts").as_uri())
    return folder, client


@pytest.fixture
def chosen(here, monkeypatch):
    folder, client = here
    monkeypatch.chdir(folder)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    # as in a user's process: other tests may have imported what sets more, and longer ones
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")
    return client


def logged(client, folder, *paths):
    """Log files with the ending's content, and others; return the run's ID."""
    run = client.create_run(client.get_experiment_by_name("theirs").experiment_id).info.run_id
    for path in paths:
        file = folder / "files" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        if path.endswith("other.csv"):
            file.write_text("a,b\n1,2\n")
        elif path.endswith("several.csv"):
            TABLE.add_suffix("_a").to_csv(file, index=False, encoding="utf-8-sig")
        elif path.endswith(".csv"):
            TABLE.to_csv(file, index=False)
        elif path.endswith(".parquet"):
            TABLE.to_parquet(file)
        elif path.endswith(".npz"):
            np.savez(file, **{name: TABLE[name].to_numpy() for name in NAMES})
        else:
            file.write_bytes(b"\x00 no table")
        client.log_artifact(run, str(file), path.rpartition("/")[0] or None)
    return run


@pytest.mark.parametrize(
    ("paths", "path", "expected"),
    [
        (["outputs.csv", "model.txt"], "", "outputs.csv"),
        (["other.csv"], "", "other.csv"),  # its reader says what it lacks
        (["a/b c/outputs.parquet", "other.csv", "x/weights.npy"], "", "a/b c/outputs.parquet"),
        (["a/several.csv", "a/other.csv", "broken.npz/t.txt"], "", "a/several.csv"),
        (["é ü/x.npz", "y.npz"], "é ü/x.npz", "é ü/x.npz"),
        (["x.npz", "a/other.csv", "damaged_parquet"], "", "x.npz"),
    ],
)
def test_the_artifact_is_found(paths, path, expected, chosen, tmp_path):
    run = logged(chosen, tmp_path, *paths)
    for head in (f"mlflow:{run}", f"runs:/{run}"):
        address = f"{head}/{path}" if path else head
        assert anybody.is_run(address)
        with anybody.fetched(address) as found:
            assert (found.run, found.path) == (run, expected)
            assert found.file.read_bytes() == (tmp_path / "files" / expected).read_bytes()
        assert found.file.exists(), "it is the artifact itself"


@pytest.mark.parametrize(
    ("paths", "path", "said"),
    [
        (["a/x.csv", "b/y.parquet"], "", r"2 artifacts have label and raw_output: name one of "
         r"mlflow:\w+/a/x\.csv, mlflow:\w+/b/y\.parquet$"),
        (["a/other.csv", "other.csv"], "", r"no artifact has label and raw_output .*; the run has "
         r"a/other\.csv, other\.csv$"),
        (["weights.bin"], "", r"no artifact ends in \.csv.*the run has weights\.bin$"),
        ([], "", r"the run has no artifact in file:.*artifacts$"),
        (["x.csv"], "y.csv", r"/y\.csv: the artifact cannot be fetched from file:"),
        (["a/x.csv"], "a", r"expected a file, found a folder: the run has a/x\.csv$"),
        (["x.csv"], "../../mlflow.db", "the artifact cannot be fetched"),
    ],
)  # fmt: skip
def test_what_cannot_be_found_is_a_line(paths, path, said, chosen, tmp_path):
    run = logged(chosen, tmp_path, *paths)
    with pytest.raises(UserError, match=said) as caught, anybody.fetched(f"mlflow:{run}/{path}"):
        pass
    assert "\n" not in str(caught.value)


def refused(address="mlflow:" + 32 * "a"):
    start = time.monotonic()
    with pytest.raises(UserError) as caught, anybody.fetched(address):
        pass
    assert time.monotonic() - start < 15
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_runs_and_servers_that_are_not_there(chosen, tmp_path, monkeypatch):
    assert "no such run at sqlite:" in refused()
    assert "no such run" in refused("mlflow:able-fox-12")
    assert "expected mlflow:RUN_ID" in refused("mlflow:")
    run = logged(chosen, tmp_path, "x.csv")
    chosen.delete_run(run)
    assert "the run is deleted" in refused(f"mlflow:{run}")
    empty = tmp_path / "empty"
    empty.mkdir()
    (empty / "text.db").write_text("no database, but more than a hundred signs " * 9)
    (empty / "none.db").touch()
    monkeypatch.chdir(empty)
    for address, said in {
        "": "no runs of MLflow in .*/empty/mlflow.db: name their server",
        "sqlite:///none.db": "no runs of MLflow in .*/empty/none.db",
        "sqlite:///text.db": "is damaged",
        "nothere": "no runs of MLflow in .*/empty/nothere",
        f"file://{empty}/nothere": "no runs of MLflow in .*/empty/nothere",
        f"http://me:hidden@127.0.0.1:{free_port()}": r"http://\*\*\*@127.* cannot be used: start",
        "htp://127.0.0.1": "MLFLOW_TRACKING_URI is no address|cannot be used",
        "http://host.invalid": "cannot be used: start it, or correct MLFLOW_TRACKING_URI",
    }.items():
        monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
        text = refused()
        assert re.search(said, text), text
        assert "hidden" not in text
    assert sorted(file.name for file in empty.iterdir()) == ["none.db", "text.db"]


def test_a_verdict_is_written_back_once(chosen, tmp_path):
    run = logged(chosen, tmp_path, "a b/x#1.csv", "y.csv")
    page = tmp_path / "results"
    (page / "tables").mkdir(parents=True)
    (page / "verdict.html").write_text("<p>page</p>")
    (page / "tables/shares.csv").write_text("a\n1\n")
    numbers = {"samples": 2, "dead_share": 0.5, "worst": np.inf, "none": np.nan}
    for path in ("a b/x#1.csv", "y.csv", "y.csv"):
        with anybody.fetched(f"mlflow:{run}/{path}") as found:
            place = anybody.log_verdict(found, "Nothing is lost.", page, numbers)
    assert place == "verdict/y"
    data = chosen.get_run(run).data
    for place in ("verdict/a b/x_1", "verdict/y"):
        assert data.tags[place] == "Nothing is lost."
        assert data.metrics[f"{place}/dead_share"] == 0.5
        assert len(chosen.get_metric_history(run, f"{place}/dead_share")) == 1
        names = {file.path for file in chosen.list_artifacts(run, place)}
        assert names == {f"{place}/{name}" for name in ("tables", "verdict.html")}
    assert len(data.metrics) == 4


def invoked(*arguments):
    done = CliRunner().invoke(command, arguments)
    if done.exit_code:
        assert done.exit_code == 2
        assert len(done.output.splitlines()) == 1, done.output
    return done.output


def test_the_command(chosen, tmp_path):
    run = logged(chosen, tmp_path, "a b/outputs.csv", "c/other.csv", "weights.bin")
    address = f"mlflow:{run}/a b/outputs.csv"
    said = invoked(f"mlflow:{run}", "--framework", "PyTorch", "--loss", "BCELoss", "--log-to-run")
    assert said.startswith(f"{address}: 2 raw outputs")
    folder = f"results/verdict-mlflow-{run}-a-b-outputs"
    assert f"{folder}/verdict.html" in said
    assert f"run       {run}: tag, metrics and artifacts verdict/a b/outputs" in said
    data = chosen.get_run(run).data
    assert data.metrics["verdict/a b/outputs/mistakes"] == 2
    assert "verdict/a b/outputs/blind" in data.metrics
    assert re.match("[a-z]+: .", data.tags["verdict/a b/outputs"])
    kept = {file.path for file in chosen.list_artifacts(run, "verdict/a b/outputs")}
    assert {f"verdict/a b/outputs/verdict.{kind}" for kind in ("html", "json", "txt")} < kept
    # what was logged is no raw output, and the artifact alone is still the only one
    assert json.loads(invoked(f"mlflow:{run}", "--json"))["name"] == address
    said = invoked(f"mlflow:{run}/c/other.csv")
    assert said.startswith(f"error: mlflow:{run}/c/other.csv: ")
    assert str(tmp_path) not in said
    assert "of no run: name the run, mlflow:RUN_ID/path" in invoked("a.csv", "--log-to-run")


def test_mlflow_is_not_needed_for_files(chosen, monkeypatch):
    monkeypatch.setitem(sys.modules, "sigmoid_bce.tracking.store", None)
    monkeypatch.delattr("sigmoid_bce.tracking.store")
    assert "pip install 'sigmoid-bce[workflow]'" in invoked("mlflow:" + 32 * "a")
    assert "there is no such file" in invoked("mlflow.csv")
