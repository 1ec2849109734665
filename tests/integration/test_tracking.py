"""MLflow shows what the files hold, whatever state it was in; logging twice changes nothing."""

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections import OrderedDict
from contextlib import closing
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from google.protobuf.json_format import MessageToDict
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.tracking._tracking_service import utils

from sigmoid_bce.jobs.attempts import process
from sigmoid_bce.jobs.logs import UserError
from sigmoid_bce.study.cells import Cell
from sigmoid_bce.tracking import anybody, reconcile, store
from sigmoid_bce.tracking.address import sqlite_address, uri
from sigmoid_bce.tracking.sync import log_cells
from support.checkout import snakemake
from support.export import exported, points, runs
from support.tracked import STUDY, UNCHANGED, client, command, copied, environment, export, track

CONFIG = ("--configfile", "config/studies/smoke.yaml")
CELLS = [Cell("digits", "tiny", loss, 16, 0) for loss in ("logits", "sigmoid_clipped")]


def finished(everything):
    """Return everything but the failed and interrupted attempts."""
    return {what: run for what, run in everything.items() if what[0] != "attempt"}


def of_cell(mlflow, cell):
    return [run for run in runs(mlflow, STUDY) if run.data.tags.get("cell") == str(cell)]


@pytest.fixture(scope="module")
def tracked(smoke, tmp_path_factory):
    """A copy of the smoke study's folder that was logged, and the export of its MLflow database."""
    folder = copied(smoke, tmp_path_factory.mktemp("tracked") / "copy")
    status, log = track(folder)
    assert status == 0, log
    return folder, export(folder)


@pytest.fixture
def folder(tracked, tmp_path):
    """A copy of the logged folder, with database and artifacts, for one test."""
    source, _ = tracked
    return shutil.copytree(source, tmp_path / "copy", symlinks=True)


def test_runs_show_what_the_files_hold(smoke):
    everything = export(smoke)
    assert {what[0] for what in everything} - {"e"} == {"cell", "group", "learning", "study"}
    for cell in CELLS:
        record = json.loads((smoke / f"results/smoke/train/{cell}/run.json").read_text())
        [run] = of_cell(client(smoke), cell)
        assert run.info.status == "FINISHED"
        assert record["mlflow_run_id"] == run.info.run_id
        table = pd.read_parquet(smoke / f"results/smoke/train/{cell}/history.parquet")
        held = {(key, step): value for key, step, value, _ in points(client(smoke), run)}
        for name in table.columns.drop("epoch"):
            values = np.array([held[name, step] for step in table["epoch"]])
            assert values.tobytes() == table[name].to_numpy().tobytes()
            assert run.data.metrics[name] == table[name].iloc[-1]
        # the file that the attempt wrote has the same epochs
        live = smoke / f"results/smoke/train/{cell}/attempts/1/history.csv"
        assert live.read_text().splitlines()[1:] == [
            ",".join(map(repr, [int(row[0]), *map(float, row[1:])]))
            for row in table.itertuples(index=False)
        ]
        ours = [tag for tag in run.data.tags if not tag.startswith("mlflow.")]
        sizes = (len(run.data.metrics), len(run.data.params), len(ours))
        assert sizes[0] <= 15
        assert sizes[1] <= 20
        assert sizes[2] <= 15
        assert len(json.dumps(MessageToDict(run.to_proto()))) <= 5200
        what = everything["cell", str(cell), run.data.tags["process"]]
        assert len(what["artifacts"]) == 8
        assert {f"raw_outputs/{stage}.parquet" for stage in ("early", "full")} < set(
            what["artifacts"]
        )
        assert [d[0] for d in what["data"]] == ["digits"] * 2
        assert what["models"][0][0] == "convnet"
        assert what["tags"]["mlflow.parentRunId"] == str(cell).rsplit("/", 1)[0]
    study = everything["study", STUDY, None]
    assert {"report.html", "tables/models.csv"} <= set(study["artifacts"])
    note = everything["experiment"]["mlflow.note.content"]
    assert "Does the whole pipeline run" in note
    assert pd.read_csv(smoke / "results/smoke/tables/models.csv").columns[-1] in note
    learning = pd.read_csv(smoke / "results/smoke/tables/learning.csv").query("primary")
    for row in learning.to_dict("records"):
        assert f"| {row['loss']} |" in note
        assert f"| {row['verdict']}, {row['n']} |" in note
    # writing the runs' ids to run.json reruns nothing
    assert "Nothing to be done" in snakemake(smoke, *CONFIG, "--dry-run").stdout


def test_a_cell_s_raw_outputs_can_be_fetched(smoke, monkeypatch):
    monkeypatch.chdir(smoke)
    [run] = of_cell(client(smoke), CELLS[0])
    address = f"mlflow:{run.info.run_id}"
    with anybody.fetched(f"{address}/raw_outputs/full.parquet") as found:
        held = smoke / f"results/smoke/raw_outputs/{CELLS[0]}/full.parquet"
        assert found.file.read_bytes() == held.read_bytes()
    with (
        pytest.raises(UserError, match=r"name one of .*/raw_outputs/early\.parquet, .*full"),
        anybody.fetched(address),
    ):
        pass


def test_logging_twice_changes_nothing_and_a_lost_database_is_rebuilt_the_same(folder, tracked):
    _, first = tracked
    status, log = track(folder)
    assert (status, log.splitlines()[-3:-1]) == (0, UNCHANGED)
    assert export(folder) == first
    (folder / "mlflow.db").unlink()
    shutil.rmtree(folder / "mlartifacts")
    assert track(folder)[0] == 0
    assert export(folder) == first


def history_index(folder):
    """Return by which index SQLite finds the points of a run's metric, in its own words."""
    query = "EXPLAIN QUERY PLAN SELECT * FROM metrics WHERE run_uuid = '1' AND key = 'loss'"
    with closing(sqlite3.connect(folder / "mlflow.db")) as connection:
        return connection.execute(query).fetchone()[-1]


def test_mlflow_does_not_seek_a_run_s_points_among_those_of_all_runs(folder):
    assert "(run_uuid=?" in history_index(folder)
    with closing(sqlite3.connect(folder / "mlflow.db")) as connection:
        connection.execute("DROP TABLE sqlite_stat1")
    # docs/upstream/metric-history.md; if this fails, MLflow does without `store.analyse`
    assert "(key=?)" in history_index(folder)


def test_wrong_and_incomplete_runs_are_mended(folder, tracked):
    _, first = tracked
    mlflow = client(folder)
    experiment = mlflow.get_experiment_by_name(STUDY).experiment_id
    one, other = (of_cell(mlflow, cell)[0].info.run_id for cell in CELLS)
    # an orphan, a deleted run, an empty second run of the same process, a run without a process
    mlflow.create_run(experiment, tags={"cell": str(CELLS[0])})
    mlflow.delete_run(other)
    tags = mlflow.get_run(one).data.tags
    mlflow.create_run(experiment, tags={k: tags[k] for k in ("cell", "process", "kind")})
    double = mlflow.create_run(experiment, tags={"cell": str(CELLS[1])}).info.run_id
    mlflow.set_terminated(double, "FINISHED")
    # a doubled epoch, an added epoch, a wrong tag and a wrong status
    mlflow.log_metric(one, "loss", 7.0, step=3)
    mlflow.log_metric(one, "val_loss", 7.0, step=99)
    mlflow.set_tag(one, "machine", "abacus")
    mlflow.set_tag(one, "ended_by", "preempted")
    mlflow.set_terminated(one, "FAILED")
    assert track(folder)[0] == 0
    assert finished(export(folder)) == first
    states = sorted(run.info.status for run in of_cell(mlflow, CELLS[0]))
    assert states == ["FINISHED", "KILLED"]  # the orphan
    assert [run.info.status for run in of_cell(mlflow, CELLS[1])] == ["FINISHED"]

    # a run without metrics, files and end
    run = of_cell(mlflow, CELLS[0])
    run = next(run for run in run if run.info.status == "FINISHED")
    mlflow.delete_run(run.info.run_id)
    kept = {k: v for k, v in run.data.tags.items() if k in ("cell", "process")}
    half = mlflow.create_run(experiment, run.info.start_time, kept).info.run_id
    # a run whose artifacts were lost
    shutil.rmtree(of_cell(mlflow, CELLS[1])[0].info.artifact_uri.removeprefix("file://"))
    assert track(folder)[0] == 0
    assert finished(export(folder)) == first
    assert half in [r.info.run_id for r in of_cell(mlflow, CELLS[0])]  # completed, not replaced


def test_a_damaged_history_is_named_and_the_others_are_logged(folder):
    (folder / "mlflow.db").unlink()
    file = f"results/smoke/train/{CELLS[0]}/history.parquet"
    (folder / file).write_bytes((folder / file).read_bytes()[:100])
    status, log = track(folder)
    assert status == 1
    last = log.splitlines()[-1]
    assert last.startswith(f"error: {file} cannot be read")
    assert "snakemake" in last
    assert "Traceback" not in log
    assert [run.info.status for run in of_cell(client(folder), CELLS[1])] == ["FINISHED"]
    assert of_cell(client(folder), CELLS[0]) == []


def test_infinity_and_nan_are_counted(folder):
    place = folder / f"results/smoke/train/{CELLS[0]}"
    table = pd.read_parquet(place / "history.parquet")
    table.loc[2, "val_loss"], table.loc[[4, 5], "raw_output_max"] = np.nan, np.inf
    table.to_parquet(place / "history.parquet", index=False)
    assert track(folder)[0] == 0
    [run] = of_cell(client(folder), CELLS[0])
    assert (run.data.metrics["nan_count"], run.data.metrics["inf_count"]) == (1, 2)
    held = points(client(folder), run)
    assert all(np.isfinite(value) for _, _, value, _ in held)
    assert sum(key == "val_loss" for key, *_ in held) == len(table) - 1


def test_a_retrained_cell_has_one_run(folder):
    place = folder / f"results/smoke/train/{CELLS[0]}"
    [before] = of_cell(client(folder), CELLS[0])
    record = json.loads((place / "run.json").read_text())
    record |= {"started": record["started"] + 60_000, "attempt": 2}
    (place / "run.json").write_text(json.dumps(record))
    shutil.copytree(place / "attempts/1", place / "attempts/2")
    (place / "attempts/2/attempt.json").write_text(json.dumps({**record, "status": "FINISHED"}))
    # a third attempt failed
    shutil.copytree(place / "attempts/1", place / "attempts/3")
    failed = {**record, "attempt": 3, "started": record["started"] + 1, "status": "FAILED"}
    failed |= {"reason": "error: no space left", "ended": record["started"] + 5000}
    (place / "attempts/3/attempt.json").write_text(json.dumps(failed))
    assert track(folder)[0] == 0
    found = {run.data.tags["attempt"]: run for run in of_cell(client(folder), CELLS[0])}
    assert {k: run.info.status for k, run in found.items()} == {"2": "FINISHED", "3": "FAILED"}
    assert found["3"].data.tags["reason"] == "error: no space left"
    replaced = client(folder).get_run(before.info.run_id)
    assert (replaced.info.lifecycle_stage, replaced.info.status) == ("deleted", "KILLED")


def test_each_attempt_links_the_one_before(folder):
    place = folder / f"results/smoke/train/{CELLS[0]}"
    record = json.loads((place / "run.json").read_text())
    shutil.copytree(place / "attempts/1", place / "attempts/2")
    killed = json.loads((place / "attempts/1/attempt.json").read_text())
    killed |= {"status": "KILLED", "reason": "preempted after epoch 12", "ended_by": "preempted"}
    (place / "attempts/1/attempt.json").write_text(json.dumps(killed))
    later = {"started": record["started"] + 60_000, "attempt": 2, "previous": process(killed)}
    (place / "run.json").write_text(json.dumps(record | later))
    (place / "attempts/2/attempt.json").write_text(json.dumps(record | later))
    assert track(folder)[0] == 0
    found = {run.data.tags["attempt"]: run for run in of_cell(client(folder), CELLS[0])}
    first, second = found["1"], found["2"]
    assert (first.info.status, first.data.tags["ended_by"]) == ("KILLED", "preempted")
    assert "previous_run" not in first.data.tags
    assert second.data.tags["previous_run"] == first.info.run_id
    link = f"](#/experiments/{first.info.experiment_id}/runs/{first.info.run_id})"
    assert link in second.data.tags["mlflow.note.content"]
    status, log = track(folder)
    assert status == 0
    assert UNCHANGED[0] in log


def test_an_older_database_is_left_alone(folder):
    connection = sqlite3.connect(folder / "mlflow.db")
    connection.execute("UPDATE alembic_version SET version_num = '0584bdc529eb'")
    connection.execute("DROP TABLE logged_model_metrics")  # as in an older release
    connection.commit()
    connection.close()
    before = (folder / "mlflow.db").read_bytes()
    status, log = track(folder)
    assert status == 1
    assert f"mlflow db upgrade sqlite:///{folder}/mlflow.db" in log.splitlines()[-1]
    assert len(log.splitlines()) == 2  # the first one says the time that it took
    assert (folder / "mlflow.db").read_bytes() == before


def logged_here(folder, monkeypatch):
    """Log a folder in this process; return a client of its database."""
    monkeypatch.chdir(folder)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    # copies of a project have runs of the same ids
    monkeypatch.setattr(utils, "_artifact_repos_cache", OrderedDict())
    log_cells(STUDY, Path("results/smoke"), CELLS)
    return MlflowClient(uri())


def files_of(folder):
    return {
        str(file.relative_to(folder)): (file.stat().st_mtime_ns, file.stat().st_size)
        for file in folder.rglob("*")
        if file.is_file()
    }


@pytest.mark.parametrize("name", ["moved", 'b l%20a#n?k\' "{seed}" é'])
def test_a_copied_project_leaves_the_original_alone(folder, tracked, tmp_path, monkeypatch, name):
    _, first = tracked
    copy, before = tmp_path / name / "project", files_of(folder)
    shutil.copytree(folder, copy, symlinks=True)
    place = copy / "mlartifacts" / STUDY
    shutil.rmtree(next(place.glob("models/*")))
    for cell in ("*/artifacts/figures/*.png", "*/artifacts/run.json"):
        next(place.glob(cell)).unlink()
    mlflow = logged_here(copy, monkeypatch)
    experiment, (run, *_) = mlflow.get_experiment_by_name(STUDY), runs(mlflow, STUDY)
    for where in (experiment.artifact_location, run.info.artifact_uri):
        assert where.startswith(place.as_uri())
    assert exported(mlflow, STUDY) == first
    assert files_of(folder) == before
    # the artifacts of one project in a database that both use
    monkeypatch.chdir(folder)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", sqlite_address(copy / "mlflow.db"))
    if "?" not in name:
        with pytest.raises(store.TrackingError, match="belongs to another project"):
            log_cells(STUDY, Path("results/smoke"), CELLS)
        assert files_of(folder).keys() == before.keys()


def test_lost_files_of_a_model_come_back(folder, monkeypatch, capsys):
    models = sorted((folder / "mlartifacts" / STUDY / "models").iterdir())
    weights = next(models[1].rglob("*.h5"))
    whole = weights.read_bytes()
    shutil.rmtree(models[0])
    weights.write_bytes(whole[:100])
    logged_here(folder, monkeypatch)
    assert "2 cells logged, 2 changes" in capsys.readouterr().out
    assert weights.read_bytes() == whole
    one, other = ({file.name for file in model.rglob("*.*")} for model in models)
    assert one == other
    logged_here(folder, monkeypatch)
    assert "2 cells logged, 0 changes" in capsys.readouterr().out


def test_a_start_closes_dead_runs_without_a_word_and_asks_mlflow_only_then(
    folder, monkeypatch, capfd
):
    mlflow = logged_here(folder, monkeypatch)
    capfd.readouterr()
    with monkeypatch.context() as patch:
        patch.setattr(reconcile.subprocess, "run", lambda *_, **__: pytest.fail("MLflow is asked"))
        reconcile.at_start("results/smoke")
    assert capfd.readouterr() == ("", "")
    experiment = mlflow.get_experiment_by_name(STUDY).experiment_id
    dead = mlflow.create_run(experiment, tags={"cell": str(CELLS[0]), "process": "elsewhere"})
    reconcile.at_start("results/smoke")
    assert mlflow.get_run(dead.info.run_id).info.status == "KILLED"
    _, said = capfd.readouterr()
    assert "reconcile: " not in said
    assert "KILLED, its process no longer exists" in said


def cut(file, end):
    file.write_bytes(file.read_bytes()[:end])


def revision(file, value):
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = ?", [value])
        connection.commit()


DATABASES = {
    "text": (lambda file: file.write_text("hello " * 1000), "is damaged: move it away with `mv "),
    "truncated": (lambda file: cut(file, -4096), "is damaged: move it away with `mv "),
    "its first bytes": (lambda file: cut(file, 100), "is damaged: move it away with `mv "),
    "newer": (lambda file: revision(file, "ffffffffffff"), "A newer release wrote it: use that"),
    "a folder": (lambda file: (file.unlink(), file.mkdir()), "cannot be opened by "),
}


@pytest.mark.parametrize("kind", DATABASES)
def test_a_database_that_cannot_be_used_has_its_own_words(kind, folder, monkeypatch):
    file, (harm, words) = folder / "mlflow.db", DATABASES[kind]
    harm(file)
    before = file.is_file() and file.read_bytes()
    with pytest.raises(store.TrackingError) as caught:
        logged_here(folder, monkeypatch)
    line = str(caught.value)
    assert words in line
    assert "\n" not in line
    assert "start it" not in line
    assert before == (file.is_file() and file.read_bytes())


def test_a_database_that_is_locked_or_read_only_says_so(folder, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///mlflow.db?timeout=0.1")
    monkeypatch.chdir(folder)
    with closing(sqlite3.connect("mlflow.db", isolation_level=None)) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        with pytest.raises(store.TrackingError, match="is in use by another program: wait for it"):
            store.client()
    store.client()
    for error in (
        "(raised as a result of Query-invoked autoflush)\n(sqlite3.OperationalError) attempt to "
        "write a readonly database\n[SQL: ...]",
        "[Errno 30] Read-only file system: 'mlflow.lock'",
    ):
        assert "cannot be written by " in str(store.explained(MlflowException(error)))


def test_an_empty_database_is_filled(folder, tracked, monkeypatch):
    # MLflow writes the folder's path into a statement of SQL
    folder = folder.rename(folder.with_name("'q' \"{q}\" ?"))
    (folder / "mlflow.db").write_bytes(b"")
    shutil.rmtree(folder / "mlartifacts")
    found = exported(logged_here(folder, monkeypatch), STUDY)
    assert {what: run for what, run in found.items() if what[0] == "cell"} == {
        what: run for what, run in tracked[1].items() if what[0] == "cell"
    }


@pytest.mark.parametrize(
    "address",
    ["postgresql://me@host:se/cret", "postgresql://me:se@cret@127.0.0.1:9/x", "secret"],
)
def test_an_address_that_cannot_be_read_is_not_quoted(address, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    with pytest.raises(store.TrackingError, match="is no address of a database") as caught:
        store.client()
    assert "cret" not in str(caught.value)


COLD = """
import multiprocessing, os, sys
from sigmoid_bce.tracking import store
def work(barrier):
    barrier.wait()
    client = store.client()
    client.create_run("0", tags={"cell": str(os.getpid())})
fork = multiprocessing.get_context("fork")
barrier = fork.Barrier(32)
some = [fork.Process(target=work, args=(barrier,)) for _ in range(32)]
for process in some: process.start()
for process in some: process.join()
print([process.exitcode for process in some])
print(len({run.data.tags["cell"] for run in store.client().search_runs(["0"])}))
"""


def cold_start(folder, **more):
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", COLD],
        cwd=folder,
        env=environment(folder, **more),
        capture_output=True,
        text=True,
        timeout=300,
    )
    lines = done.stdout.splitlines()
    assert lines[-2:] == [str([0] * 32), "32"], done.stdout + done.stderr[-3000:]


def test_32_processes_on_a_missing_database(smoke, tmp_path):
    (tmp_path / "workflow").symlink_to(smoke / "workflow")
    cold_start(tmp_path)


def test_reconcile_closes_dead_runs_and_leaves_running_ones_alone(folder):
    mlflow = client(folder)
    experiment = mlflow.get_experiment_by_name(STUDY).experiment_id
    host = os.uname().nodename
    dead = subprocess.Popen(["true"])
    dead.wait()
    with subprocess.Popen(["sleep", "300"]) as running:
        processes = {
            f"{host}:{dead.pid}:1": "KILLED",
            f"{host}:{running.pid}:1": "RUNNING",
            "elsewhere:1:1": "RUNNING",
        }
        made = {
            mlflow.create_run(
                experiment, tags={"cell": str(CELLS[0]), "process": process}
            ).info.run_id: status
            for process, status in processes.items()
        }
        done = command(folder, "reconcile", "results/smoke")
        running.send_signal(signal.SIGKILL)
    assert done.returncode == 0, done.stdout
    assert {run_id: mlflow.get_run(run_id).info.status for run_id in made} == made
    assert "KILLED, its process no longer exists" in done.stdout
    assert "(elsewhere:1:1) and may still run" in done.stdout


BLOCK = """
import sys
class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "mlflow":
            raise ModuleNotFoundError("No module named 'mlflow'", name="mlflow")
sys.meta_path.insert(0, Blocker())
"""


def test_without_mlflow_or_its_server_only_the_logging_fails(smoke, tmp_path):
    """First MLflow is missing, then its server is away; at last everything is logged."""
    folder = copied(smoke, tmp_path / "copy")
    for name in ("train", "raw_outputs", "compare", "figures", "tables", "tracking", "report.html"):
        path = folder / "results/smoke" / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    (tmp_path / "block").mkdir()
    (tmp_path / "block/sitecustomize.py").write_text(BLOCK)
    away = {"MLFLOW_TRACKING_URI": "http://127.0.0.1:9"}
    done = snakemake(folder, *CONFIG, check=False, PYTHONPATH=str(tmp_path / "block"), **away)
    assert done.returncode != 0
    assert (folder / "results/smoke/report.html").exists()
    assert "No module named 'mlflow'" in done.stdout
    log = (folder / f"results/smoke/logs/train/{CELLS[0]}.log").read_text()
    assert "live view: No module named 'mlflow'" in log

    done = snakemake(folder, *CONFIG, check=False, **away)
    assert done.returncode != 0
    *_, line = (folder / "results/smoke/logs/track_cells.log").read_text().splitlines()
    assert line.startswith("error: http://127.0.0.1:9 cannot be used")
    assert "`make tracking`" in line
    assert "1 of 3 steps" not in done.stdout  # no other step was left

    snakemake(folder, *CONFIG)
    assert {run["status"] for run in list(export(folder).values())[:-1]} == {"FINISHED"}


def test_the_address_of_the_server_reruns_nothing(smoke):
    done = snakemake(smoke, *CONFIG, "--dry-run", MLFLOW_TRACKING_URI="http://127.0.0.1:9")
    assert "Nothing to be done" in done.stdout
    done = snakemake(
        smoke, *CONFIG, "--config", "tracking={uri: 'http://127.0.0.1:9'}", "--dry-run"
    )
    assert "Nothing to be done" in done.stdout


def test_dry_runs_import_no_mlflow(smoke, tmp_path):
    (tmp_path / "sitecustomize.py").write_text(BLOCK)
    done = snakemake(smoke, *CONFIG, "--dry-run", "--forceall", PYTHONPATH=str(tmp_path))
    assert "mlflow'" not in done.stdout
