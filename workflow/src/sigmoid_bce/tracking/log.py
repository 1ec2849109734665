"""Bring MLflow to what the files of a study say. Done twice, it changes nothing."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import filelock
import pandas as pd

from sigmoid_bce.cells import STAGES, Cell

# must stand before MLflow is imported; a server that is away is given up on within seconds
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")

from mlflow import MlflowClient
from mlflow.entities import Metric, Param, Run, RunTag

DATABASE = Path("mlflow.db")
METRICS_A_CALL = 1000
STAGE_METRICS = ("accuracy", "clipped_share", "dead_share", "bce_sigmoid_error_max")


def tracking_uri() -> str:
    """Return where runs are logged: MLFLOW_TRACKING_URI, or mlflow.db in the current folder.

    The database is made first where there is none: by one process, beside, then renamed, since
    processes that race to make it break it.
    """
    uri = os.environ.get("MLFLOW_TRACKING_URI")
    if uri:
        return uri
    with filelock.FileLock(DATABASE.with_suffix(".lock")):
        if not DATABASE.exists():
            with tempfile.TemporaryDirectory(dir=".") as folder:
                part = Path(folder) / DATABASE.name
                subprocess.run(
                    [sys.executable, "-m", "mlflow", "db", "upgrade", f"sqlite:///{part}"],
                    check=True,
                )
                part.rename(DATABASE)
    return f"sqlite:///{DATABASE.resolve()}"


def _experiment(client: MlflowClient, study: str, question: str) -> str:
    found = client.get_experiment_by_name(study)
    if found is not None and found.lifecycle_stage == "deleted":
        client.restore_experiment(found.experiment_id)
    if found is not None:
        experiment = found.experiment_id
    else:
        local = "MLFLOW_TRACKING_URI" not in os.environ
        place = Path("mlartifacts", study).resolve().as_uri() if local else None
        experiment = client.create_experiment(study, artifact_location=place)
    client.set_experiment_tag(experiment, "mlflow.note.content", question)
    client.set_experiment_tag(experiment, "mlflow.experimentKind", "custom_model_development")
    client.set_experiment_tag(
        experiment, "mlflow.experiment.primaryMetric.name", "full/clipped_share"
    )
    return experiment


def _digest(files: Sequence[Path]) -> str:
    content = hashlib.sha256()
    for file in files:
        content.update(hashlib.sha256(file.read_bytes()).digest())
    return content.hexdigest()[:32]


def _runs(client: MlflowClient, experiment: str) -> dict[str, list[Run]]:
    """Return the active runs by their tag `cell`."""
    runs: dict[str, list[Run]] = {}
    token = None
    while True:
        page = client.search_runs([experiment], max_results=1000, page_token=token)
        for run in page:
            runs.setdefault(run.data.tags.get("cell", ""), []).append(run)
        token = page.token
        if not token:
            return runs


def _bring(
    client: MlflowClient,
    experiment: str,
    existing: list[Run],
    cell: str,
    name: str,
    *,
    files: list[Path],
    params: dict,
    metrics: list[Metric],
    tags: dict,
    start: int,
    end: int,
) -> str:
    """Leave exactly one finished run of a cell, made from the files; return its id."""
    content = _digest(files)
    whole = [
        run
        for run in existing
        if run.info.status == "FINISHED" and run.data.tags.get("content") == content
    ]
    for run in existing:
        if run not in whole[:1]:
            client.delete_run(run.info.run_id)
    if whole:
        return whole[0].info.run_id
    source = {"mlflow.source.name": "Snakefile", "mlflow.source.type": "PROJECT"}
    run = client.create_run(
        experiment,
        start_time=start,
        run_name=name,
        tags={"cell": cell, "mlflow.user": "snakemake", **source, **tags},
    )
    run_id = run.info.run_id
    client.log_batch(run_id, params=[Param(k, str(v)) for k, v in params.items()])
    for i in range(0, len(metrics), METRICS_A_CALL):
        client.log_batch(run_id, metrics=metrics[i : i + METRICS_A_CALL])
    for file in files:
        folder = "figures" if file.suffix in (".png", ".svg") else None
        client.log_artifact(run_id, str(file), folder)
    # the tag comes last: a run without it is half-logged, and is made anew
    client.log_batch(run_id, tags=[RunTag("content", content)])
    client.set_terminated(run_id, "FINISHED", end_time=end)
    return run_id


def _cell_metrics(history: pd.DataFrame, rows: pd.DataFrame, start: int) -> list[Metric]:
    times = start + (history["seconds"].cumsum() * 1000).astype(int)
    metrics = [
        Metric(name, float(value), int(time), int(epoch))
        for name in history.columns.drop("epoch")
        for value, time, epoch in zip(history[name], times, history["epoch"], strict=True)
    ]
    train = rows[rows["split"] == "train"].set_index("stage")
    for what in ("clipped", "dead"):
        train[f"{what}_share"] = train[f"{what}_correct_share"] + train[f"{what}_wrong_share"]
    for stage in STAGES:
        row = train.loc[stage]
        metrics += [
            Metric(f"{stage}/{name}", float(row[name]), int(times.iloc[-1]), int(row["epochs"]))
            for name in STAGE_METRICS
        ]
    return metrics


def log_study(
    study: str,
    question: str,
    results: str | Path,
    cells: Sequence[Cell],
    study_files: Sequence[str | Path],
) -> list[tuple[str, str]]:
    """Log every cell of a study, and the study itself, as one finished MLflow run each.

    Parameters
    ----------
    study, question : str
        The experiment's name and its note.
    results : str or Path
        The study's folder, with train/<cell>/, figures/<cell>/ and tables/cells.csv.
    cells : sequence of Cell
    study_files : sequence of str or Path
        Tables and report, kept as artifacts of the study's own run.

    Returns
    -------
    list of (str, str)
        Cell and run id, the study's own run last.

    Notes
    -----
    A run whose tag `content` equals the digest of the cell's files is left alone. Any other
    active run of a cell (half-logged, doubled, of an earlier training) is deleted, and a new one
    takes its place.
    """
    client = MlflowClient(tracking_uri())
    experiment = _experiment(client, study, question)
    existing = _runs(client, experiment)
    results = Path(results)
    table = pd.read_csv(results / "tables" / "cells.csv")
    logged, runs = [], []
    for number, cell in enumerate(cells, 1):
        folder = results / "train" / str(cell)
        run = json.loads((folder / "run.json").read_text())
        runs.append(run)
        where = (table[list(asdict(cell))].astype(str) == pd.Series(asdict(cell)).astype(str)).all(
            axis=1
        )
        history = pd.read_parquet(folder / "history.parquet")
        figures = sorted((results / "figures" / str(cell)).glob("*.png"))
        run_id = _bring(
            client,
            experiment,
            existing.get(str(cell), []),
            str(cell),
            f"{cell.model} {cell.loss} batch {cell.batch_size} seed {cell.seed}",
            files=[folder / "history.parquet", folder / "run.json", *figures],
            params={
                **asdict(cell),
                **{k: v for k, v in run["model"].items() if k != "weights"},
                **run["training"],
                "parameters": run["parameters"],
            },
            metrics=_cell_metrics(history, table[where], run["started"]),
            tags={
                "kind": "cell",
                "mlflow.source.git.commit": run["git_commit"] or "unknown",
                "git_dirty": str(run["git_dirty"]),
                "device": run["device"],
                "threads": str(run["threads"]),
                "host": run["host"],
                "stopped_by": run["stopped_by"],
                "versions": json.dumps(run["versions"]),
            },
            start=run["started"],
            end=run["started"] + int(run["seconds"] * 1000),
        )
        logged.append((str(cell), run_id))
        print(f"{number}/{len(cells)} {cell}: run {run_id}", flush=True)
    run_id = _bring(
        client,
        experiment,
        existing.get(f"study~{study}", []),
        f"study~{study}",
        f"study {study}",
        files=[Path(file) for file in study_files],
        params={"cells": len(cells)},
        metrics=[],
        tags={"kind": "study"},
        start=min(run["started"] for run in runs),
        end=max(run["started"] + int(run["seconds"] * 1000) for run in runs),
    )
    return [*logged, (f"study~{study}", run_id)]
