"""The files of a cell as tracking reads them: each once, and only if it is needed."""

import json

import numpy as np
import pandas as pd
import pytest

from sigmoid_bce.jobs.attempts import times
from sigmoid_bce.jobs.files import Damaged
from sigmoid_bce.study.cells import Cell
from sigmoid_bce.tracking import cell_files, of_study, runs
from sigmoid_bce.tracking.cell_files import CellFiles

CELL = Cell("d", "m", "logits", 4, 0)
SECONDS = [0.25, 0.5, 1.0]
RECORD = {
    "study": "s", "cell": str(CELL), "attempt": 2, "started": 10_000, "host": "h", "pid": 1,
    "slurm_job_id": None, "cuda_visible_devices": None, "git_commit": None, "git_dirty": False,
    "lock_sha256": None, "versions": {"keras": "3"}, "seed": 0, "epochs": 3, "stopped_by": "cap",
    "parameters": 7, "sigmoid_cut_off": "", "model": {"architecture": "convnet", "weights": "x"},
    "training": {"patience": 15}, "data": {"scale": "raw"}, "seconds": sum(SECONDS),
    "device": "CPU", "threads": 1, "deterministic": True, "mlflow_run_id": "1",
}  # fmt: skip


@pytest.fixture
def files(tmp_path):
    files = CellFiles(tmp_path, CELL)
    files.folder.mkdir(parents=True)
    files.record_file.write_text(json.dumps(RECORD))
    table = pd.DataFrame({"epoch": [1, 2, 3], "loss": [0.5, np.nan, 0.25], "seconds": SECONDS})
    table.to_parquet(files.history_file, index=False)
    manifest = tmp_path / "data/d/manifest.parquet"
    manifest.parent.mkdir(parents=True)
    splits = ["train", "train", "validation", "validation"]
    pd.DataFrame({"sha256": list("abcd"), "label": [0, 1, 0, 1], "split": splits}).to_parquet(
        manifest
    )
    return files


def test_a_finished_cell(files):
    run = runs.cell_run(files)
    assert (run.start, run.end) == (10_000, times(10_000, SECONDS)[-1])
    assert [s.name for s in run.data] == ["train", "validation"]
    assert [json.loads(s.profile) for s in run.data] == [{"num_rows": 2, "label_1": 1}] * 2
    losses = [(p.step, p.value, p.time) for p in run.points if p.key == "loss"]
    assert losses == [(1, 0.5, 10_250), (3, 0.25, 11_750)]
    assert {p.key: p.value for p in run.points if "count" in p.key} == {
        "nan_count": 1,
        "inf_count": 0,
    }
    assert run.params["patience"] == "15"
    assert "weights" not in run.params
    assert "mlflow_run_id" not in run.texts[0][1]
    assert run.files.keys() == {"history.parquet", "run.json"}
    assert run.network is None


def test_each_file_is_read_once(files, monkeypatch):
    read = []

    def read_parquet(path):
        read.append(path)
        return pd.read_parquet(path)

    monkeypatch.setattr(cell_files, "read_parquet", read_parquet)
    run = runs.cell_run(files)
    files.record_file.write_text("{")
    again = runs.cell_run(files)
    assert again.points == run.points
    assert len(read) == len(set(read)) == 2


def test_the_study_needs_no_history_of_a_cell_that_was_not_resumed(files):
    files.history_file.write_bytes(b"")
    run = of_study.study_run(
        "s",
        files.results,
        [of_study.trained(files.record, files.ended, files.results)],
        [],
        {"cells": 2},
    )
    assert (run.start, run.end) == (10_000, times(10_000, SECONDS)[-1])
    assert run.params == {"cells": "2"}


def test_the_end_of_a_resumed_training(files):
    files.record_file.write_text(json.dumps({**RECORD, "resumed_from": 2}))
    assert files.ended == 11_000
    assert runs.cell_run(files).end == 11_000


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("run.json", "{", "cannot be read"),
        ("run.json", "[]", "it is not the record of a training"),
        ("run.json", json.dumps({"started": 1, "epochs": 3, "seconds": 1}), "'model'"),
        ("run.json", json.dumps({**RECORD, "epochs": 4}), "it has 3 epochs, run.json says 4"),
        ("history.parquet", "", "history.parquet cannot be read"),
        ("../../../../../../data/d/manifest.parquet", "", "manifest.parquet cannot be read"),
    ],
)
def test_a_damaged_file_is_named(files, name, content, message):
    (files.folder / name).resolve().write_text(content)
    with pytest.raises(Damaged, match=message):
        runs.cell_run(files)


def test_an_unfinished_cell_has_no_run(files):
    files.history_file.unlink()
    assert runs.cell_run(files) is None
