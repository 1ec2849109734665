"""A learning cell has one small run, which shows what its files hold whatever state it was in."""

import hashlib
import json
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from operator import attrgetter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from google.protobuf.json_format import MessageToDict
from mlflow.entities import ViewType

from sigmoid_bce.jobs import machine, patches, provenance
from sigmoid_bce.jobs.attempts import Attempt
from sigmoid_bce.jobs.logs import UserError
from sigmoid_bce.study.learning import LearningCell
from sigmoid_bce.tracking import reconcile, store, verify
from sigmoid_bce.tracking.held import root_of
from sigmoid_bce.tracking.learning import ranges
from sigmoid_bce.tracking.sync import log_cells
from support.checkout import ROOT
from support.export import exported, runs

STUDY = "small"
PAGE = ROOT / "docs/how-to/where-a-number-came-from.md"
CELLS = [LearningCell("eight_rare", "dense", "sigmoid_after_bfloat16", n) for n in range(1, 71)]
RECORD = {
    "host": "node-of-a-cluster-17", "pid": 1234567, "git_commit": "0123456789" * 4,
    "seeds": [3, 4, 5, 9], "seconds_training": 2.5, "seconds_description": 1.5,
    "model": {"architecture": "dense", "optimizer": "adam", "learning_rate": 0.003},
    "data": {"label_noise": 0.1, "imbalance": None, "scale": "standardised", "split": {}},
}  # fmt: skip
PATCH = b"# changes since a commit\n"
NAME = hashlib.sha256(PATCH).hexdigest()[:16]
MORE = {
    "git_dirty": True, "git_patch": NAME, "device": "NVIDIA H100 80GB HBM3", "threads": 16,
    "machine": {
        "processor": "Intel(R) Xeon(R) Platinum 8480+ (family 6, model 143)",
        "instruction_sets": ["avx", "avx2", "fma", "avx512f", "avx512_vnni", "amx_tile"],
        "blas": ["openblas 0.3.30 SapphireRapids", "openblas 0.3.31.188.0 SkylakeX"],
        "driver": "570.124.06", "cuda": "12.5.1", "cudnn": "9",
    },
}  # fmt: skip
"""What records of earlier releases lack."""
QUESTIONS = ("ordinary", "rare")
SIZE = 5000  # bytes of the database for a run
SIZE_OF_MORE = 1000  # those of a long tag `machine`, of `git_dirty` and of `data_sha256`


def write(results, cell, **more):
    """Write the files of a learning cell: seed 4 has failed, seed 5 is stuck."""
    place = results / "learning" / f"{cell}.json"
    place.parent.mkdir(parents=True, exist_ok=True)
    started = 1_700_000_000_000 + 10_000 * cell.batch_size
    place.write_text(json.dumps({"started": started, **RECORD, **more}))
    chance = np.random.default_rng(cell.batch_size)
    table = pd.DataFrame(
        [(s, e) for s in RECORD["seeds"] for e in range(3)], columns=["seed", "epoch"]
    )
    for name in ("accuracy", "loss", "exact_loss", "val_accuracy", "val_exact_loss"):
        table[name] = chance.random(len(table))
    table = table.assign(failed=False, majority=0.6, dead_misclassified=0.1, val_auc=0.5)
    table.loc[table["seed"] == 4, ["exact_loss", "loss", "val_accuracy"]] = np.inf, np.nan, np.nan
    table.loc[table["seed"] == 5, ["accuracy", "dead_misclassified"]] = 0.6, 0.9
    table.to_parquet(place.with_suffix(".parquet"), index=False)
    return table


def packed(database):
    """Return the bytes of a database without free room, which random ids leave more or less of."""
    copy = database.with_name("packed.db")
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("VACUUM INTO ?", [str(copy)])
    size = copy.stat().st_size
    copy.unlink()
    return size


@pytest.fixture(scope="module")
def empty(tmp_path_factory):
    """A folder with an empty database of MLflow."""
    folder = tmp_path_factory.mktemp("learning") / "empty"
    folder.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        store.client()
    return folder


@pytest.fixture
def results(empty, tmp_path, monkeypatch):
    """The folder of a study whose database is empty, in the current folder."""
    monkeypatch.chdir(shutil.copytree(empty, tmp_path / "project"))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    results = tmp_path / "project/results" / STUDY
    (results / "tables").mkdir(parents=True)
    return results


@pytest.fixture
def log(results, capsys):
    """Log cells; return the changes, and the database without ids."""

    def log(cells):
        log_cells(STUDY, results, [], cells)
        said = capsys.readouterr().out.splitlines()[-1]
        number = int(said.removesuffix(" changes").split()[-1])
        return number, {k: v for k, v in exported(store.client(), STUDY).items() if k[0] != "e"}

    return log


def test_a_run_is_small_and_shows_what_the_files_hold(results):
    tables = {cell: write(results, cell) for cell in CELLS}
    places = [{"part": "exploratory", "question": q, **vars(c)} for c in CELLS for q in QUESTIONS]
    pd.DataFrame(places).to_csv(results / "tables/stuck.csv", index=False)
    rows = [
        place | {"metric": m, "primary": m == "auc"} for place in places for m in ("auc", "ece")
    ]
    verdicts = pd.DataFrame(rows).assign(verdict="not decidable", n=3, seeds=4)
    verdicts.to_csv(results / "tables/learning.csv", index=False)
    database = results.parents[1] / "mlflow.db"
    log_cells(STUDY, results, [], CELLS[:20])  # the first runs fill pages that are empty
    before = packed(database)
    logged = log_cells(STUDY, results, [], CELLS)
    assert (packed(database) - before) / len(CELLS[20:]) < SIZE
    found = {run.data.tags["learning"]: run for run in runs(store.client(), STUDY)}
    assert [(f"learning/{key}", run.info.run_id) for key, run in found.items()] == sorted(
        logged, key=lambda pair: -int(pair[0].split("/")[-1])
    )
    for cell, table in tables.items():
        run = found[str(cell)]
        assert run.info.status == "FINISHED"
        assert run.info.run_name.startswith(f"{cell.dataset} {cell.model} {cell.loss} batch ")
        assert run.info.end_time - run.info.start_time == 4000
        assert len(json.dumps(MessageToDict(run.to_proto()))) < SIZE
        whole = table[(table["epoch"] == 2) & (table["seed"] != 4)]
        names = ["val_accuracy", "val_exact_loss", "loss"]
        assert run.data.metrics == pytest.approx(
            {**whole[names].mean(), "stuck_share": 0.25, "failed": 1}, rel=1e-14
        )
        assert run.data.params == {k: str(v) for k, v in vars(cell).items()} | {
            "seeds": "3-5 9",
            "learning_rate": "0.003",
            "settings": "dense, adam, learning rate 0.003, label noise 0.1, standardised",
        }
        assert run.data.tags["kind"] == "learning"
        assert run.data.tags["mlflow.source.git.commit"] == RECORD["git_commit"]
        assert run.data.tags["questions"] == "exploratory.ordinary exploratory.rare"
        said = (f"exploratory.{q}: auc not decidable (n = 3 of 4)" for q in QUESTIONS)
        assert run.data.tags["verdict"] == "; ".join(said)


def files_of(run):
    """Return the artifacts of a run."""
    return [file for file in root_of(run.info.artifact_uri).rglob("*") if file.is_file()]


def with_patch(results):
    """Write the patch that `MORE` names; return its file."""
    file = patches.place(results, NAME)
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(PATCH)
    return file


def test_a_run_says_by_what_code_where_and_with_which_data(results, log):
    with_patch(results)
    manifest = results / f"data/{CELLS[0].dataset}/manifest.parquet"
    manifest.parent.mkdir(parents=True)
    samples = {"label": [0, 1], "split": ["train", "validation"], "sha256": ["a", "b"]}
    pd.DataFrame(samples).to_parquet(manifest)
    for cell in CELLS:
        write(results, cell, **MORE)
    log(CELLS[:20])
    database = results.parents[1] / "mlflow.db"
    before = packed(database)
    log(CELLS)
    assert (packed(database) - before) / len(CELLS[20:]) < SIZE + SIZE_OF_MORE
    assert log(CELLS)[0] == 0
    for run in runs(store.client(), STUDY):
        tags = run.data.tags
        assert tags["git_dirty"] == "True"
        assert tags["machine"] == machine.line(MORE)
        assert tags["data_sha256"] == hashlib.sha256(manifest.read_bytes()).hexdigest()[:16]
        assert len([tag for tag in tags if not tag.startswith("mlflow.")]) <= 15
        [patch] = files_of(run)
        assert patch.name == f"{NAME}.patch"
        assert (patch.parent.name, patch.read_bytes()) == ("code", PATCH)
    assert verify.compared(results).differences == []
    patch.write_bytes(b"another")
    [line] = verify.compared(results).differences
    assert f"artifact code/{NAME}.patch is not the file" in line


def test_what_a_record_does_not_say_is_in_no_run(results, log):
    """A record of an earlier release, and a data set that was removed."""
    write(results, CELLS[0])
    log(CELLS[:1])
    assert log(CELLS[:1])[0] == 0
    [run] = runs(store.client(), STUDY)
    assert run.data.tags["git_dirty"] == "unknown"
    assert run.data.tags.keys().isdisjoint({"machine", "data_sha256"})
    assert files_of(run) == []


def test_a_state_that_differs_from_the_files_is_mended(results, log):
    cells = CELLS[:3]
    for cell in cells:
        write(results, cell)
    _, first = log(cells)
    assert len(first) == 3
    assert log(cells) == (0, first)
    mlflow = store.client()
    one, two, three = sorted(
        runs(mlflow, STUDY), key=lambda run: int(run.data.params["batch_size"])
    )
    # another step, a value changed; a second run, left open, of the same process; a wrong status
    mlflow.log_metric(one.info.run_id, "loss", 7.0, step=99)
    tags = {k: two.data.tags[k] for k in ("learning", "process", "kind")}
    mlflow.create_run(two.info.experiment_id, two.info.start_time, tags)
    mlflow.set_terminated(three.info.run_id, "FAILED")
    assert log(cells)[1] == first
    # an empty run that a killed job left open is completed; nothing else closes it
    mlflow.delete_run(three.info.run_id)
    tags = {k: three.data.tags[k] for k in ("learning", "process", "kind")}
    half = mlflow.create_run(three.info.experiment_id, three.info.start_time, tags).info.run_id
    reconcile.reconcile(results)
    assert mlflow.get_run(half).info.status == "RUNNING"
    assert log(cells)[1] == first
    assert mlflow.get_run(half).info.lifecycle_stage == "active"
    # tables come later: a tag more, the same run
    row = {"part": "exploratory", "question": "one", **vars(cells[2])}
    pd.DataFrame([row]).to_csv(results / "tables/stuck.csv", index=False)
    assert log(cells)[0] == 1
    assert mlflow.get_run(half).data.tags["questions"] == "exploratory.one"
    (results / "tables/stuck.csv").unlink()
    # a cell that is trained again, with other seeds or another process, has one run
    write(results, cells[0], started=1_800_000_000_000)
    write(results, cells[1], pid=7)
    _, now = log(cells)
    assert len(now) == 3
    assert len(now.keys() & first.keys()) == 1
    assert log(cells)[0] == 0


def cut(file):
    file.write_bytes(file.read_bytes()[:100])


def without_start(file):
    file.write_text(json.dumps(RECORD))


def other_seeds(file):
    file.write_text(json.dumps({"started": 1, **RECORD, "seeds": [3, 4]}))


@pytest.mark.parametrize(
    ("ending", "harm", "words"),
    [
        ("parquet", cut, ".parquet cannot be read"),
        ("json", cut, ".json cannot be read"),
        ("json", without_start, ".json cannot be read"),
        ("json", other_seeds, "its seeds are not those of"),
        ("parquet", lambda file: file.unlink(), ""),
        ("json", lambda file: file.unlink(), ""),
    ],
)
def test_a_damaged_file_is_named_and_the_others_are_logged(results, ending, harm, words):
    cells = CELLS[:2]
    for cell in cells:
        write(results, cell)
    harm(results / "learning" / f"{cells[0]}.{ending}")
    if words:
        with pytest.raises(UserError, match=words) as caught:
            log_cells(STUDY, results, [], cells)
        assert "\n" not in str(caught.value)
    else:  # a cell that is not trained
        log_cells(STUDY, results, [], cells)
    found = [run.data.tags["learning"] for run in runs(store.client(), STUDY)]
    assert found == [str(cells[1])]


def test_cells_of_a_folder_are_found(results):
    write(results, CELLS[0])
    (results / "learning" / f"{CELLS[0]}.json").with_name(".12.1.json").touch()
    assert list(reconcile.learning_cells(results)) == [CELLS[0]]
    assert LearningCell.parse(str(CELLS[0])) == CELLS[0]


@pytest.mark.parametrize(
    ("seeds", "text"), [([0], "0"), ([0, 1], "0-1"), (range(40), "0-39"), ([1, 3], "1 3")]
)
def test_seeds_in_short(seeds, text):
    assert ranges(seeds) == text


def test_a_patch_whose_file_is_lost_is_never_dropped_from_its_run(results, log, monkeypatch):
    file = with_patch(results)
    write(results, CELLS[0], **MORE)
    # an attempt that failed names it, too
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    monkeypatch.setattr(patches, "keep", lambda *_: NAME)
    monkeypatch.setattr(provenance, "code", lambda: provenance.Version("0" * 40, True))
    attempt = Attempt(str(CELLS[1]), results / "learning" / str(CELLS[1])).__enter__()
    attempt.__exit__(ValueError, ValueError("no"), None)
    _, first = log(CELLS[:2])
    mlflow = store.client()
    for run in runs(mlflow, STUDY):  # they have to be made again
        mlflow.log_metric(run.info.run_id, "loss", 7.0, step=99)
    file.unlink()
    found = verify.compared(results).differences
    assert any(f"code/{NAME}.patch is none of the files: keep it" in line for line in found)
    assert log(CELLS[:2])[1] == first
    assert file.read_bytes() == PATCH
    assert all(f"{NAME}.patch" in map(attrgetter("name"), files_of(r)) for r in runs(mlflow, STUDY))
    # deleted runs have it
    file.unlink()
    for run in runs(mlflow, STUDY):
        mlflow.delete_run(run.info.run_id)
    assert log(CELLS[:2])[1] == first
    assert file.read_bytes() == PATCH
    # no run has it
    for other in mlflow.search_runs([run.info.experiment_id], run_view_type=ViewType.ALL):
        for copy in files_of(other):
            copy.write_bytes(b"another")
    file.unlink()
    log(CELLS[:2])
    assert not file.exists()


def test_a_patch_comes_back_by_hand(results, log):
    """As the page on provenance says."""
    file = with_patch(results)
    write(results, CELLS[0], **MORE)
    log(CELLS[:1])
    file.unlink()
    [run] = runs(store.client(), STUDY)
    [line] = [line for line in PAGE.read_text().splitlines() if "mlflow artifacts download" in line]
    text = re.search("`(mlflow artifacts [^`]*)`", line)[1]
    arguments = text.replace("RUN_ID", run.info.run_id).replace("DIGEST", NAME).split()
    subprocess.run([sys.executable, "-m", *arguments], check=True, timeout=120)
    [found] = [path for path in Path().rglob(file.name) if "mlartifacts" not in path.parts]
    assert f"`{found.relative_to('.')}`".replace(NAME, "DIGEST") in line
    found.rename(file)
    assert file.read_bytes() == PATCH
    assert verify.compared(results).differences == []


def test_an_attempt_that_was_ended_has_a_run_of_its_own(results, monkeypatch):
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    cell = CELLS[0]
    folder = results / "learning" / str(cell)
    for end in (None, (ValueError, ValueError("no"), None)):
        attempt = Attempt(str(cell), folder).__enter__()
        attempt.note({"epoch": 1, "seconds": 0.5})
        if end:
            attempt.__exit__(*end)
        else:  # as if its process had been killed
            attempt.file.close()
    log_cells(STUDY, results, [], [cell])
    again = Attempt(str(cell), folder).__enter__()
    again.__exit__(None, None, None)
    write(results, cell, **{k: v for k, v in again.record.items() if k != "cell"})
    for _ in range(2):
        log_cells(STUDY, results, [], list(reconcile.learning_cells(results)))
    found = {run.data.tags["attempt"]: run for run in runs(store.client(), STUDY) if named(run)}
    ends = {n: (run.info.status, run.data.tags["ended_by"]) for n, run in found.items()}
    assert ends == {"1": ("KILLED", "killed"), "2": ("FAILED", "failed")}
    assert found["1"].data.tags["reason"] == "killed after epoch 1"
    assert found["2"].data.tags["previous_run"] == found["1"].info.run_id
    [finished] = [run for run in runs(store.client(), STUDY) if not named(run)]
    assert finished.info.status == "FINISHED"
    assert finished.data.tags["previous_run"] == found["2"].info.run_id


def named(run):
    return run.data.tags["kind"] == "learning attempt"
