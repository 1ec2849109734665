"""Jobs, Snakemake and the server are killed while a grid of short cells runs; then it resumes."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import psutil
import yaml
from mlflow import MlflowClient

from sigmoid_bce.study.cells import Cell
from support.broken import (
    CELLS,
    CONFIG,
    EPOCHS,
    LIMIT,
    RESULTS,
    STUDY,
    attempts,
    begin,
    epochs,
    held,
    one_at_a_time,
    running,
    state,
    wait_until,
)
from support.checkout import snakemake
from support.export import exported, runs
from support.servers import mlflow_server
from support.tracked import command

SEED = int(os.environ.get("SIGMOID_BCE_KILLS", "0"))  # of the moments of the kills


def test_kills_and_restarts_change_no_result(fresh, tmp_path, undisturbed):
    chance = random.Random(SEED)
    with mlflow_server(tmp_path / "server", f"sqlite:///{tmp_path}/runs.db") as server:
        uri = {"MLFLOW_TRACKING_URI": server.uri}
        client = MlflowClient(server.uri)

        def shoot(how):
            """Kill a random training at a random moment."""
            wait_until(lambda: running(fresh), "no training begins")
            record = chance.choice(running(fresh))
            least = chance.randrange(30)
            wait_until(lambda: epochs(record) >= least, "no epochs")
            os.kill(record["pid"], how)
            wait_until(lambda: record["pid"] not in psutil.pids(), "it does not die")

        with held(fresh):
            snakemake = begin(fresh, "--until", "train", **uri)
            shoot(signal.SIGKILL)
            shoot(signal.SIGTERM)
            server.stop(signal.SIGKILL)  # the server is killed and started again
            wait_until(lambda: running(fresh) or snakemake.poll() is not None, "no training")
            server.start()
        snakemake.wait(LIMIT)
        assert snakemake.returncode != 0
        killed = [r for some in attempts(fresh).values() for r in some if r["status"] == "KILLED"]
        assert len(killed) == 2

        # Snakemake is killed; its trainings go on, and a second Snakemake starts the same cells
        with held(fresh):
            snakemake = begin(fresh, "--until", "train", **uri)
            wait_until(lambda: running(fresh), "no training begins")
            snakemake.kill()
            snakemake.wait(LIMIT)
            begin(fresh, "--unlock", **uri).wait(LIMIT)
            snakemake = begin(fresh, "--until", "train", **uri)
            shoot(signal.SIGKILL)
            time.sleep(chance.random())
            snakemake.send_signal(signal.SIGTERM)
        snakemake.wait(LIMIT)
        wait_until(lambda: not running(fresh), "trainings do not end")
        for _ in range(2):
            begin(fresh, "--unlock", **uri).wait(LIMIT)
            snakemake = begin(fresh, "tables", **uri)
            if snakemake.wait(LIMIT) == 0:
                break
        assert snakemake.returncode == 0, (fresh / "snakemake.log").read_text()[-3000:]

        one_at_a_time(fresh)
        assert any("resumed_from" in r for some in attempts(fresh).values() for r in some)
        assert state(fresh) == undisturbed[1]

        done = command(fresh, "reconcile", str(RESULTS), **uri)
        assert done.returncode == 0, done.stdout
        done = command(fresh, "log", str(RESULTS), **uri)
        assert done.returncode == 0, done.stdout
        check(fresh, client)
        shared = exported(client, STUDY)
    # an empty database is filled with the same runs, interrupted attempts included
    assert command(fresh, "log", str(RESULTS)).returncode == 0
    rebuilt = exported(MlflowClient(f"sqlite:///{fresh}/mlflow.db"), STUDY)
    del shared["experiment"], rebuilt["experiment"]
    assert rebuilt == shared


def check(folder, client):
    found = runs(client, STUDY)
    assert {run.info.status for run in found} <= {"FINISHED", "KILLED"}
    assert any(run.info.status == "KILLED" for run in found)
    for cell in CELLS:
        [run] = [
            run
            for run in found
            if run.data.tags.get("cell") == str(cell) and run.info.status == "FINISHED"
        ]
        table = pd.read_parquet(folder / RESULTS / f"train/{cell}/history.parquet")
        for name in table.columns.drop("epoch"):
            points = client.get_metric_history(run.info.run_id, name)
            assert [m.step for m in points] == list(table["epoch"])
            values = np.array([m.value for m in points])
            assert values.tobytes() == table[name].to_numpy().tobytes()
            assert run.data.metrics[name] == table[name].iloc[-1]


def test_a_training_that_outlives_snakemake_is_awaited(fresh, undisturbed):
    """A second process of the same cell waits, and takes the result of the first.

    If the first process is killed meanwhile, the second one resumes from its last epoch.
    """
    with held(fresh):
        first = begin(fresh, "tables")
        wait_until(lambda: len(running(fresh)) == 2, "two trainings do not begin")
        left, lost = running(fresh)
        wait_until(lambda: min(epochs(left), epochs(lost)) >= 5, "no epochs")
        first.kill()
        first.wait(LIMIT)
        begin(fresh, "--unlock").wait(LIMIT)
        second = begin(fresh, "tables")
        terminal = fresh / "snakemake.log"

        def said(record):
            who = f"waiting for process {record['pid']} of "
            return who in terminal.read_text() and who in log_of(fresh, record).read_text()

        wait_until(lambda: said(left) and said(lost), "nobody waits")
        os.kill(lost["pid"], signal.SIGKILL)
    assert second.wait(LIMIT) == 0, terminal.read_text()[-3000:]
    found = {str(cell): records for cell, records in attempts(fresh).items()}
    assert [r["status"] for r in found[left["cell"]]] == ["FINISHED"]
    assert f"already made by process {left['pid']} of" in terminal.read_text()
    assert [r["status"] for r in found[lost["cell"]]] == ["KILLED", "FINISHED"]
    assert found[lost["cell"]][1]["resumed_from"] >= 1
    one_at_a_time(fresh)
    assert state(fresh) == undisturbed[1]
    assert "Nothing to be done" in snakemake(fresh, "tables", "--dry-run", *CONFIG).stdout


def log_of(folder, record):
    return folder / RESULTS / "logs/train" / f"{record['cell']}.log"


def test_a_training_that_ends_after_snakemake_is_not_done_again(finished, undisturbed):
    """Snakemake deletes the outputs of a job that it did not see end; the checkpoint remains."""
    cell = CELLS[0]
    file = RESULTS / "train" / str(cell) / "run.json"
    shutil.rmtree((finished / file).parent)
    with held(finished):
        first = begin(finished, str(file))
        wait_until(lambda: running(finished), "no training begins")
        [record] = running(finished)
        wait_until(lambda: epochs(record) >= 3, "no epochs")
        first.kill()
        first.wait(LIMIT)
    wait_until(lambda: not running(finished), "it does not end")
    begin(finished, "--unlock").wait(LIMIT)
    assert begin(finished, str(file)).wait(LIMIT) == 0
    records = attempts(finished)[cell]
    assert [r["status"] for r in records] == ["FINISHED", "FINISHED"]
    assert [r.get("resumed_from") for r in records] == [None, EPOCHS]
    one_at_a_time(finished)
    assert state(finished) == undisturbed[1]


def test_two_snakemakes_in_one_folder(fresh, undisturbed):
    """The second one is refused; with --nolock, it waits for the results of the first."""
    with held(fresh):  # the second Snakemake would delete the results of one that had ended
        first = begin(fresh, "tables")
        wait_until(lambda: len(running(fresh)) == 2, "two trainings do not begin")
        trainings = [record["pid"] for record in running(fresh)]
        refused = snakemake(fresh, "tables", *CONFIG, check=False)
        assert refused.returncode != 0
        assert "LockException" in refused.stdout
        forced = begin(fresh, "--nolock", "--until", "train")
        terminal = fresh / "snakemake.log"
        waits = [f"waiting for process {pid} of " for pid in trainings]
        wait_until(lambda: all(line in terminal.read_text() for line in waits), "nobody waits")
    assert forced.wait(LIMIT) == 0, terminal.read_text()[-3000:]
    assert first.wait(LIMIT) == 0, terminal.read_text()[-3000:]
    assert all(len(records) == 1 for records in attempts(fresh).values())
    one_at_a_time(fresh)
    assert state(fresh) == undisturbed[1]


COUNTING = """
import os, signal, sys
from snakemake.cli import main
from snakemake.scheduling.job_scheduler import JobScheduler

def finish_jobs(self, finish=JobScheduler._finish_jobs):
    os.kill(os.getpid(), signal.SIGTERM)
    finish(self)

JobScheduler._finish_jobs = finish_jobs
main(sys.argv[1:])
"""


def test_sigterm_while_snakemake_counts_its_jobs(fresh):
    """Snakemake's handler takes a lock that Snakemake holds then; also in a job (--no-hooks)."""
    done = subprocess.run(
        [sys.executable, "-c", COUNTING, "--cores", "2", "--no-hooks", *CONFIG],
        cwd=fresh,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=LIMIT,
    )
    assert done.returncode == 1
    assert "Will exit after finishing currently running jobs" in done.stdout


def test_a_failed_cell_is_shown_with_its_reason_and_the_others_finished(fresh):
    """Without a server, the workflow logs finished and failed cells when it ends."""
    config = yaml.safe_load((fresh / "faults.yaml").read_text())
    config["grid"] |= {"seed": [0], "loss": ["logits"], "model": ["tiny", "wild"]}
    config["models"]["wild"] = {**config["models"]["tiny"], "optimizer": "sgd", "learning_rate": 10}
    config["models"]["wild"] |= {"max_epochs": 5}
    (fresh / "faults.yaml").write_text(yaml.safe_dump(config))
    file = fresh / "workflow/src/sigmoid_bce/training/train.py"
    text = file.read_text()
    assert "if not np.isfinite(epochs" in text
    # a full disk can be provoked; a diverging network cannot be relied upon
    file.write_text(text.replace("    if not np.isfinite(", WILD))
    shutil.rmtree(fresh / "results", ignore_errors=True)
    assert begin(fresh, "--until", "train").wait(LIMIT) != 0
    found = runs(MlflowClient(f"sqlite:///{fresh}/mlflow.db"), STUDY)
    by_model = {run.data.params["model"]: run for run in found if "cell" in run.data.tags}
    assert by_model["tiny"].info.status == "FINISHED"
    assert by_model["wild"].info.status == "FAILED"
    cell = Cell("digits", "wild", "logits", 16, 0)
    log = (fresh / RESULTS / f"logs/train/{cell}.log").read_text()
    reason = by_model["wild"].data.tags["reason"]
    assert reason == log.splitlines()[-1] == "error: OSError: [Errno 28] No space left on device"
    record = json.loads((fresh / RESULTS / f"train/{cell}/attempts/1/attempt.json").read_text())
    assert record["status"] == "FAILED"
    assert by_model["wild"].data.metrics["loss"] > 0


WILD = """    if "model~wild" in str(cell):
        raise OSError(28, "No space left on device")
    if not np.isfinite("""
