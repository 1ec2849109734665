"""`sigmoid-bce verify` names the first file or run that is not as it was recorded."""

import dataclasses
import hashlib
import html
import json
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections import OrderedDict
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from mlflow.tracking._tracking_service import utils
from PIL import Image

from sigmoid_bce.commands.verify import command
from sigmoid_bce.jobs import digests, provenance, verified
from sigmoid_bce.jobs.attempts import Attempt, process
from sigmoid_bce.study.cells import Cell
from sigmoid_bce.tracking.reconcile import learning_cells
from sigmoid_bce.tracking.sync import log_cells
from sigmoid_bce.tracking.verify import compared
from support.checkout import ROOT, snakemake
from support.documents import blocks
from support.tracked import client, copied, environment, track

CELLS = [Cell("digits", "tiny", loss, 16, 0) for loss in ("logits", "sigmoid_clipped")]
RESULTS = "results/smoke"


@pytest.fixture(scope="module")
def logged(smoke, tmp_path_factory):
    """A copy of the smoke study that was logged."""
    folder = copied(smoke, tmp_path_factory.mktemp("verified") / "copy")
    assert track(folder)[0] == 0
    return folder


@pytest.fixture
def study(logged, tmp_path, monkeypatch):
    """A copy of it for one test, with MLflow's database; the artifacts stay where they are."""
    folder = shutil.copytree(
        logged, tmp_path / "copy", symlinks=True, ignore=shutil.ignore_patterns("mlartifacts")
    )
    monkeypatch.chdir(folder)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return folder


def verify(*arguments):
    """Return exit code, lines of output and the error line of the command."""
    done = CliRunner().invoke(command, arguments, standalone_mode=True)
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, done.stdout.splitlines(), done.stderr


def test_a_study_is_as_it_was_recorded(study):
    code, lines, error = verify(RESULTS)
    assert (code, error) == (0, "")
    assert "files are as they were recorded" in lines[0]
    assert re.match(r"\d+ runs agree with the files", lines[1])
    assert len(lines) == 2
    number = int(lines[0].split(": ")[1].split()[0])
    kinds = ("data", "train", "raw_outputs", "compare", "tables", "figures", "numerics", "learning")
    files = [
        file
        for kind in kinds
        for file in (study / RESULTS / kind).rglob("*")
        if file.is_file() and "attempts" not in file.parts and not file.name.startswith(".")
    ]
    assert number >= len(files) > 100


def change_a_byte(file):
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    date = file.stat()
    file.write_bytes(content)
    os.utime(file, ns=(date.st_atime_ns, date.st_mtime_ns))


CONTENT = "its content is not what its job wrote"


@pytest.mark.parametrize(
    "name",
    [
        "logs/tables.log",
        "benchmarks/tables.tsv",
        f"train/{CELLS[0]}/attempts/1/attempt.json",
        f"train/{CELLS[0]}/attempts/1/history.csv",
        "learning/digits/linear/logits/32/attempts/1/attempt.json",
        "tables/cells.html",
        "data/digits/images.npy",
        "data/digits/manifest.parquet",
        f"train/{CELLS[0]}/history.parquet",
        f"train/{CELLS[1]}/early.weights.h5",
        f"raw_outputs/{CELLS[0]}/full.parquet",
        f"compare/{CELLS[1]}/early.parquet",
        "tables/models.csv",
        "figures/figure-1.svg",
        "report.html",
    ],
)
def test_one_byte(study, name):
    change_a_byte(study / RESULTS / name)
    code, lines, _ = verify(RESULTS, "--no-runs")
    assert code == 3
    # a change in a log may be one of a digest in it
    assert lines[1] == f"{name}: {CONTENT}"
    assert lines[2:] == ["1 differ"] or name.startswith("logs/")


def put_a_folder(file):
    file.unlink()
    file.mkdir()


def put_a_pipe(file):
    file.unlink()
    os.mkfifo(file)


def put_a_link(file):
    file.unlink()
    file.symlink_to(file.name)


DAMAGE = {
    "a byte less": (lambda file: file.write_bytes(file.read_bytes()[:-1]), CONTENT),
    "a line more": (lambda file: file.write_bytes(file.read_bytes() + b"\n"), CONTENT),
    "nothing in it": (lambda file: file.write_bytes(b""), CONTENT),
    "no file": (Path.unlink, "it is missing"),
    "a folder": (put_a_folder, "it cannot be read: Is a directory"),
    "a pipe": (put_a_pipe, "it cannot be read: Not a regular file"),
    "a link to itself": (put_a_link, "it cannot be read: Too many levels of symbolic links"),
}


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize(
    "name", [f"compare/{CELLS[0]}/full.parquet", f"train/{CELLS[0]}/run.json", "logs/tables.log"]
)
def test_any_damage_of_a_file(study, damage, name):
    do, told = DAMAGE[damage]
    do(study / RESULTS / name)
    assert str(verified.verify(study / RESULTS).differences[0]) == f"{name}: {told}"


def test_a_log_and_a_benchmark_that_a_job_wrote_again_are_no_difference(study):
    results = study / RESULTS
    for name in ("logs/tables.log", "benchmarks/tables.tsv"):
        (results / name).write_text((results / name).read_text().replace("0.", "1.") + "\n")
    assert len(verified.verify(results).differences) == 2
    for file in results.glob("tables/*"):  # as if the rule had run again
        os.utime(file)
    os.utime(results / "logs/tables.log")
    found = verified.verify(results)
    assert not found.differences
    assert found.newer == ["logs/tables.log", "benchmarks/tables.tsv"]


def test_a_file_that_was_changed_with_its_digest_in_the_log(study):
    """The last job and the runs have recorded them, too."""
    name, log = f"compare/{CELLS[0]}/full.parquet", f"logs/compare/{CELLS[0]}.log"

    def told(log, file, before):
        text = (study / RESULTS / log).read_text()
        (study / RESULTS / log).write_text(
            text.replace(before, digests.digest(study / RESULTS / file))
        )

    before, of_log = (digests.digest(study / RESULTS / one) for one in (name, log))
    change_a_byte(study / RESULTS / name)
    told(log, name, before)
    assert verify(RESULTS, "--no-runs")[1][1] == f"{log}: {CONTENT}"
    told("logs/track_study.log", log, of_log)
    assert verify(RESULTS, "--no-runs")[0] == 0
    code, lines, _ = verify(RESULTS)
    assert code == 3
    assert lines[1].split(" runs agree")[0] == "7 of 8"
    assert lines[2].startswith(f"{name}: {TOGETHER}")
    assert not any("the digest of" in line for line in lines)


def block(beginning):
    """Return the block of the page on provenance that begins so."""
    [found] = [one for one in blocks(PAGE) if one.text.startswith(beginning)]
    return found.text


PAGE = ROOT / "docs/how-to/where-a-number-came-from.md"
TABLE, LOG = "tables/cells.csv", "logs/tables.log"
TOGETHER = "it and its job's log were changed after the run was logged (run "


def forge(study):
    """Change a table, and its digest in the log of its job, as if the job had run again."""
    table, log = study / RESULTS / TABLE, study / RESULTS / LOG
    before = digests.digest(table)
    table.write_text(table.read_text().replace("0.", "0.9", 1))
    log.write_text(log.read_text().replace(before, digests.digest(table)))


def test_a_table_that_was_forged_with_its_digest(study):
    number = int(verify(RESULTS, "--no-runs")[1][0].split(": ")[1].split()[0])
    forge(study)
    code, lines, _ = verify(RESULTS, "--no-runs")
    assert code == 0
    assert f": {number - 1} files are as they were recorded" in lines[0]
    assert lines[1].startswith("not counted, and vouched for by nothing, since they were written")
    assert lines[1].endswith(f": {LOG}")
    assert len(lines) == 2
    code, lines, _ = verify(RESULTS)
    assert code == 3
    number, whole = re.match(r"(\d) of (\d) runs agree with the files", lines[2]).groups()
    assert number < whole
    # the cause comes first; what was derived from the table comes after it
    assert lines[3].startswith(f"{TABLE}: {TOGETHER}")
    assert not any(line.startswith(TABLE) for line in lines[4:])
    # the log alone
    table = study / RESULTS / TABLE
    table.write_text(table.read_text().replace("0.9", "0.", 1))
    lines = verify(RESULTS)[1]
    assert f"{TABLE}: {CONTENT}" in lines
    assert any(line.startswith(f"{TABLE}: its job's log was changed after") for line in lines)


def test_a_forged_table_comes_back_before_anything_is_logged(study):
    """As the page on provenance says; `make tracking` would log it as if it were right."""
    before = (study / RESULTS / TABLE).read_bytes()
    forge(study)
    (study / RESULTS / TABLE).unlink()
    snakemake(study, "all", f"{RESULTS}/{TABLE}", "--configfile", "config/studies/smoke.yaml")
    assert (study / RESULTS / TABLE).read_bytes() == before
    assert verify(RESULTS)[0] == 0


def test_a_record_whose_number_was_changed(study):
    """Its run's id was added after its digest was taken; anything else shows."""
    file = study / RESULTS / f"train/{CELLS[0]}/run.json"
    record = json.loads(file.read_text())
    assert record["mlflow_run_id"]
    file.write_text(json.dumps({**record, "seconds": 1.0}, indent=2) + "\n")
    assert f"train/{CELLS[0]}/run.json: {CONTENT}" in verify(RESULTS, "--no-runs")[1]


def test_two_files_that_were_swapped_one_lost_and_one_more(study):
    one, other = (study / RESULTS / f"raw_outputs/{cell}/full.parquet" for cell in CELLS)
    part = one.with_name("part")
    one.rename(part)
    other.rename(one)
    part.rename(other)
    (study / RESULTS / "tables/cells.csv").unlink()
    (study / RESULTS / "figures/mine.svg").touch()
    code, lines, _ = verify(RESULTS, "--no-runs")
    assert code == 3
    assert lines[1:] == [
        *(
            f"raw_outputs/{cell}/full.parquet: {CONTENT}: it has the content of "
            f"raw_outputs/{other}/full.parquet"
            for cell, other in (CELLS, CELLS[::-1])
        ),
        "tables/cells.csv: it is missing",
        f"figures/mine.svg: {verified.UNRECORDED}",
        "4 differ",
    ]


@pytest.mark.parametrize("name", ["figure-3", "figure-7", f"{CELLS[0]}/figure-5"])
def test_a_figure_names_what_it_was_made_from(study, name):
    svg = ElementTree.parse(study / RESULTS / f"figures/{name}.svg")
    [source] = svg.iter("{http://purl.org/dc/elements/1.1/}source")
    with Image.open(study / RESULTS / f"figures/{name}.png") as png:
        assert png.info["Source"] == source.text
    lines = source.text.splitlines()
    assert lines
    recorded = digests.recorded(study / RESULTS).digests
    for line in lines:
        digest, file = line.split("  ")
        assert recorded[file] == digest
    if name.startswith("dataset~"):
        assert f"compare/{CELLS[0]}/full.parquet" in source.text


@pytest.mark.parametrize(
    ("name", "made_from"),
    [
        ("cells", f"compare/{CELLS[0]}/full.parquet"),
        ("datasets", "data/digits/summary.json"),
        ("findings", "numerics/frameworks/scipy/thresholds.csv"),
        ("learning", "learning/digits/linear/logits/32.parquet"),
    ],
)
def test_a_table_names_what_it_was_made_from(study, name, made_from):
    [file] = [*(study / RESULTS).glob(f"*/{name}.html")]
    [source] = re.findall(r'<meta name="dcterms.source" content="([^"]+)">', file.read_text())
    found = dict(reversed(line.split("  ")) for line in html.unescape(source).splitlines())
    assert made_from in found
    assert found.items() <= digests.recorded(study / RESULTS).digests.items()


def run_of(folder, cell):
    mlflow = client(folder)
    experiment = mlflow.get_experiment_by_name("smoke").experiment_id
    [run] = mlflow.search_runs([experiment], f"tags.cell = '{cell}' and tags.kind = 'cell'")
    return mlflow, run


def artifact(run, name):
    return Path(url2pathname(urlsplit(run.info.artifact_uri).path), name)


EDITS = {
    "a tag": (
        lambda m, run: m.set_tag(run.info.run_id, "accuracy", "99.9 %"),
        "tag accuracy is '99.9 %', the files say",
    ),
    "no description": (
        lambda m, run: m.delete_tag(run.info.run_id, "mlflow.note.content"),
        "its description is missing",
    ),
    "an empty description": (
        lambda m, run: m.set_tag(run.info.run_id, "mlflow.note.content", ""),
        "its description is missing",
    ),
    "the name": (
        lambda m, run: m.update_run(run.info.run_id, name="best"),
        "name is 'best', the files say 'tiny logits batch 16 seed 0'",
    ),
    "the status": (
        lambda m, run: m.set_terminated(run.info.run_id, "FAILED", run.info.end_time),
        "status is 'FAILED', the files say 'FINISHED'",
    ),
    "a param that the workflow writes to others": (
        lambda m, run: m.log_param(run.info.run_id, "label_noise", 0.2),
        "param label_noise is '0.2', the files say missing",
    ),
    "a point": (
        lambda m, run: m.log_metric(run.info.run_id, "val_loss", 0.0, step=3),
        "metric val_loss: its points are not those of the files",
    ),
    "words after the description": (
        lambda m, run: m.set_tag(
            run.info.run_id,
            "mlflow.note.content",
            f"{run.data.tags['mlflow.note.content']} The best one!",
        ),
        "its description is not what the files say",
    ),
    "a point before the only one": (
        lambda m, run: m.log_metric(run.info.run_id, "full/val_accuracy", 0.0, step=0),
        "metric full/val_accuracy: its points are not those of the files",
    ),
    "its parent": (
        lambda m, run: m.set_tag(run.info.run_id, "mlflow.parentRunId", run.info.run_id),
        "tag mlflow.parentRunId is ",
    ),
    "an end that was none": (
        lambda m, run: m.set_tag(run.info.run_id, "ended_by", "killed"),
        "tag ended_by is 'killed', the files say missing",
    ),
    "its model": (
        lambda m, run: m.delete_logged_model(run.outputs.model_outputs[0].model_id),
        "its model is missing, or is not the network of the files",
    ),
    "the record among its artifacts": (
        lambda m, run: change_a_byte(artifact(run, "run.json")),
        "artifact run.json",
    ),
    "an artifact": (
        lambda m, run: change_a_byte(artifact(run, "history.parquet")),
        "artifact history.parquet is not the file",
    ),
    "the run": (lambda m, run: m.delete_run(run.info.run_id), "MLflow has no run of it"),
}


@pytest.mark.parametrize("edit", EDITS)
def test_one_edit_in_mlflow(study, edit):
    do, told = EDITS[edit]
    mlflow, run = run_of(study, CELLS[0])
    do(mlflow, run)
    try:
        code, lines, error = verify(RESULTS)
    finally:
        if "artifact" in edit:  # which the copies share
            do(mlflow, run)
    assert (code, error) == (3, "")
    assert lines[2].startswith("cell tiny logits batch 16 seed 0")
    assert told in lines[2]
    assert lines[3:] == ["1 differ"]


OWN = {
    "description": lambda m, run: m.set_tag(run.info.run_id, "mlflow.note.content", "It is fine."),
    "param lucky": lambda m, run: m.log_param(run.info.run_id, "lucky", 7),
    "metric mine/f1": lambda m, run: m.log_metric(run.info.run_id, "mine/f1", 0.5, step=3),
    "artifact mine.txt": lambda m, run: m.log_text(run.info.run_id, "It is fine.", "mine.txt"),
}


@pytest.mark.parametrize("what", OWN)
def test_somebody_s_own_is_no_difference(study, what):
    mlflow, run = run_of(study, CELLS[0])
    OWN[what](mlflow, run)
    try:
        code, lines, _ = verify(RESULTS)
    finally:
        artifact(run, "mine.txt").unlink(missing_ok=True)  # which the copies share
    assert code == 0
    assert lines[2:] == [
        f"no difference: cell tiny logits batch 16 seed 0, run {run.info.run_id}: "
        f"somebody's own {what}"
    ]


def test_a_verdict_about_a_run_is_no_difference_and_stays(study, monkeypatch):
    monkeypatch.setattr(utils, "_artifact_repos_cache", OrderedDict())
    mlflow, run = run_of(study, CELLS[0])
    place = artifact(run, "verdict")
    mlflow.log_metric(run.info.run_id, "verdict/raw_outputs/full/blind", 0.1)
    mlflow.log_text(run.info.run_id, "It does not harm.", "verdict/raw_outputs/full/verdict.txt")
    mlflow.set_tag(run.info.run_id, "verdict/raw_outputs/full", "none: it does not harm")
    try:
        code, lines, _ = verify(RESULTS)
        log_cells("smoke", Path(RESULTS), CELLS)
    finally:
        shutil.rmtree(place, ignore_errors=True)  # which the copies share
    assert (code, len(lines)) == (0, 2)
    _, same = run_of(study, CELLS[0])
    assert same.info.run_id == run.info.run_id
    assert same.data.metrics["verdict/raw_outputs/full/blind"] == 0.1


IN_DATABASE = {
    "the name of a model": ("UPDATE logged_models SET name = 'best'", "its model's name is 'best'"),
    "a number of a model": (
        "UPDATE logged_model_metrics SET metric_value = 0.5 WHERE metric_name LIKE '%accuracy'",
        "its model's metric full/val_accuracy is (0.5, ",
    ),
    "where a model is": (
        "UPDATE logged_models SET artifact_location = 's3://elsewhere'",
        "its model's files are said to be in s3://elsewhere",
    ),
    "the digests of a model": ("DELETE FROM logged_model_tags WHERE tag_key = 'files'", "no tag"),
    "where a run is": (
        "UPDATE runs SET artifact_uri = 's3://elsewhere'",
        "its artifacts are said to be in s3://elsewhere",
    ),
    "a data set's schema": ("UPDATE datasets SET dataset_schema = '{}'", "its data sets are not"),
    "what data are for": ("UPDATE input_tags SET value = 'testing'", "its data sets are not"),
}


@pytest.mark.parametrize("edit", IN_DATABASE)
def test_one_edit_in_the_database(study, edit):
    statement, told = IN_DATABASE[edit]
    with closing(sqlite3.connect(study / "mlflow.db")) as connection, connection:
        assert connection.execute(statement).rowcount
    code, lines, error = verify(RESULTS)
    assert (code, error) == (3, "")
    assert told in lines[2]


@pytest.mark.parametrize(
    "name", ["MLmodel", "requirements.txt", "settings.json", "full.weights.h5"]
)
def test_one_byte_of_a_model(study, name):
    """A place that is a plain path is this machine's, too."""
    with closing(sqlite3.connect(study / "mlflow.db")) as connection, connection:
        for table, column in (("runs", "artifact_uri"), ("logged_models", "artifact_location")):
            connection.execute(f"UPDATE {table} SET {column} = substr({column}, 8)")
    mlflow, run = run_of(study, CELLS[0])
    model = mlflow.get_logged_model(run.outputs.model_outputs[0].model_id)
    file = Path(model.artifact_location, name)
    assert verify(RESULTS)[0] == 0
    change_a_byte(file)
    try:
        code, lines, _ = verify(RESULTS)
    finally:
        change_a_byte(file)  # which the copies share
    assert (code, lines[3:]) == (3, ["1 differ"])
    assert f"its model's {name} is not" in lines[2]


def second_seed():
    """Add a cell that differs from the first one in its seed alone, to files and table."""
    cell = dataclasses.replace(CELLS[0], seed=1)
    place = Path(RESULTS, "train", str(cell))
    shutil.copytree(Path(RESULTS, "train", str(CELLS[0])), place)
    for file in (place / "run.json", place / "attempts/1/attempt.json"):
        record = json.loads(file.read_text())
        record |= {"cell": str(cell), "seed": 1, "pid": record["pid"] + 1, "mlflow_run_id": None}
        file.write_text(json.dumps(record))
    table = Path(RESULTS, "tables/cells.csv")
    cells = pd.read_csv(table)
    more = cells[cells["loss"] == "logits"].assign(seed=1, accuracy=0.5)
    pd.concat([cells, more]).to_csv(table, index=False)
    return cell


def without(**cell):
    """Take some cells out of a study's table."""
    table = Path(RESULTS, "tables/cells.csv")
    cells = pd.read_csv(table)
    for name, value in cell.items():
        cells = cells[cells[name] != value]
    cells.to_csv(table, index=False)


def test_a_grid_that_shrinks(study, monkeypatch):
    """The cells that left it are compared as far as their own files say what they are."""
    cell, results = second_seed(), Path(RESULTS)
    # copies of a project have runs of the same ids
    monkeypatch.setattr(utils, "_artifact_repos_cache", OrderedDict())

    def log(*cells):
        log_cells("smoke", results, cells, [*learning_cells(results)])

    def found():
        _, _, differences, notes = compared(results)
        # the study's own run was not logged again, nor were the digests of the new cell's files
        return [d for d in differences if d.startswith(("cell ", "group ", "attempt "))], notes

    log(*CELLS, cell)
    assert found() == ([], [])
    without(seed=1)
    log(*CELLS)
    differences, [note] = found()
    assert differences == []
    assert note.startswith("1 cell of the files, not in tables/cells.csv")
    log(*CELLS, cell)  # after an error, all cells that are there are logged
    assert found()[0] == []
    without(loss="sigmoid_clipped")  # a loss, and with it a group
    log(CELLS[0])
    differences, [note] = found()
    assert differences == []
    assert note.startswith("2 cells of the files")
    # what their own files say is compared
    mlflow, run = run_of(study, CELLS[1])
    mlflow.log_metric(run.info.run_id, "val_loss", 0.0, step=3)
    [told] = found()[0]
    assert "clipped batch 16 seed 0" in told


def test_a_project_that_was_moved_or_copied(logged, tmp_path, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    copy = shutil.copytree(logged, tmp_path / "copy", symlinks=True)
    monkeypatch.chdir(copy)
    file = next(copy.glob("mlartifacts/smoke/*/artifacts/history.parquet"))
    change_a_byte(file)
    code, lines, _ = verify(RESULTS)
    assert (code, lines[3:]) == (3, ["1 differ"])
    assert "artifact history.parquet is not the file" in lines[2]
    change_a_byte(file)
    with closing(sqlite3.connect("mlflow.db")) as connection, connection:
        for table, column in (
            ("experiments", "artifact_location"),
            ("runs", "artifact_uri"),
            ("logged_models", "artifact_location"),
        ):
            before = (logged.as_uri(), copy.as_uri())
            connection.execute(f"UPDATE {table} SET {column} = replace({column}, ?, ?)", before)
    moved = copy.rename(tmp_path / "moved")
    monkeypatch.chdir(moved)
    assert verify(RESULTS)[0] == 0
    # from another folder: the database beside the results is asked
    monkeypatch.chdir(tmp_path)
    code, lines, _ = verify(f"moved/{RESULTS}")
    assert (code, len(lines)) == (0, 2)
    assert "runs agree with the files" in lines[1]
    code, _, error = verify("moved/results")
    several = f"moved/results is the folder of several studies: name moved/{RESULTS}"
    assert (code, error) == (2, f"error: {several}\n")


OTHERS = {
    "a tag of the study": ("study", "versions", "study smoke, run "),
    "a tag of a group": ("group", "accuracy", "group tiny "),
    "a tag of a learning cell": ("learning", "questions", "learning digits linear "),
    "what the study's run has of the page": ("study", "page", "experiment smoke: its tag "),
}


@pytest.mark.parametrize("edit", OTHERS)
def test_one_edit_of_another_run(study, edit):
    kind, tag, told = OTHERS[edit]
    mlflow = client(study)
    experiment = mlflow.get_experiment_by_name("smoke").experiment_id
    run = mlflow.search_runs([experiment], f"tags.kind = '{kind}'")[0]
    mlflow.set_tag(run.info.run_id, tag, "x=y")
    code, lines, _ = verify(RESULTS)
    assert code == 3
    assert lines[2].startswith(told)


def note_of(mlflow, experiment):
    mlflow.set_experiment_tag(experiment, "mlflow.note.content", "It does not matter.")


EXPERIMENT = {
    "its note": (note_of, "experiment smoke: its tag note.content is not what was logged"),
    "a view": (
        lambda m, e: m.delete_experiment_tag(e, "mlflow.sharedViewState.all-cells"),
        "experiment smoke: its tag sharedViewState.all-cells is not what was logged",
    ),
    "it is deleted": (lambda m, e: m.delete_experiment(e), "mlflow experiments restore"),
    "it is renamed": (lambda m, e: m.rename_experiment(e, "mine"), "experiment smoke: "),
}


@pytest.mark.parametrize("edit", EXPERIMENT)
def test_one_edit_of_the_experiment(study, edit):
    do, told = EXPERIMENT[edit]
    mlflow = client(study)
    do(mlflow, mlflow.get_experiment_by_name("smoke").experiment_id)
    code, lines, _ = verify(RESULTS)
    assert code == 3
    assert told in lines[2]


def test_the_next_logging_mends_all_but_a_description(study):
    mlflow, run = run_of(study, CELLS[0])
    for edit in ("a tag", "the status", "a point"):
        EDITS[edit][0](mlflow, run)
    for what in ("description", "param lucky"):
        OWN[what](mlflow, run)
    assert verify(RESULTS)[0] == 3
    status, log = track(study)
    assert status == 0, log
    assert verify(RESULTS)[0] == 0  # the run was made again, with the description of the files
    mlflow, run = run_of(study, CELLS[0])
    OWN["description"](mlflow, run)
    assert track(study)[0] == 0
    assert "somebody's own" in verify(RESULTS)[1][2]


def test_what_the_user_adds_is_no_difference(study):
    mlflow, run = run_of(study, CELLS[0])
    mlflow.set_tag(run.info.run_id, "reviewed", "yes")
    assert verify("config/studies/smoke.yaml")[0] == 0


def test_a_run_that_no_file_describes(study):
    mlflow, run = run_of(study, CELLS[0])
    tags = {key: run.data.tags[key] for key in ("cell", "kind")}
    mlflow.create_run(run.info.experiment_id, tags=tags)
    code, lines, _ = verify(RESULTS)
    assert code == 3
    assert lines[2].endswith("is described by no file")


def flip(file):
    content = bytearray(file.read_bytes())
    content[min(100, len(content) // 2)] ^= 0x80
    file.write_bytes(content)


@pytest.fixture(scope="module")
def killed(logged, tmp_path_factory):
    """The logged study, with an attempt at a cell that was killed."""
    folder = tmp_path_factory.mktemp("killed") / "copy"
    shutil.copytree(logged, folder, symlinks=True)
    place = folder / RESULTS / f"train/{CELLS[0]}/attempts"
    record = json.loads((place / "1/attempt.json").read_text())
    shutil.copytree(place / "1", place / "2")
    later = {"attempt": 2, "started": record["started"] + 60_000, "previous": process(record)}
    later |= {"status": "KILLED", "reason": "killed after epoch 3", "ended_by": "killed"}
    (place / "2/attempt.json").write_text(json.dumps(record | later, indent=2))
    assert track(folder)[0] == 0
    return folder


@pytest.fixture
def in_killed(killed, monkeypatch):
    monkeypatch.chdir(killed)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    code, lines, _ = verify(RESULTS)
    assert (code, len(lines)) == (0, 2)
    return killed


LEARNING = "learning/digits/linear/logits/32"
READ = [
    *(f"tables/{name}.csv" for name in ("cells", "learning", "stuck")),
    *(f"tracking/{name}.csv" for name in ("cells", "runs")),
    *(f"train/{CELLS[0]}/{name}" for name in ("run.json", "history.parquet", "full.weights.h5")),
    *(f"train/{CELLS[0]}/attempts/2/{name}" for name in ("attempt.json", "history.csv")),
    *(f"{LEARNING}{name}" for name in (".json", ".parquet", "/attempts/1/attempt.json")),
    f"raw_outputs/{CELLS[0]}/full.parquet",
    f"figures/{CELLS[0]}/figure-5.png",
    "data/digits/manifest.parquet",
    "report.html",
]
"""Files that a comparison of the runs reads."""


@pytest.mark.parametrize("damage", ["one bit", "nothing in it", "a folder", "a pipe"])
def test_whatever_cannot_be_read_is_told_in_a_line(in_killed, damage):
    do = flip if damage == "one bit" else DAMAGE[damage][0]
    for name in READ:
        file = in_killed / RESULTS / name
        content, date = file.read_bytes(), file.stat()
        do(file)
        code, lines, error = verify(RESULTS)
        assert (code, error) == (3, ""), name
        assert lines[-1].endswith("differ") or "--all shows them" in lines[-1]
        assert lines[1].startswith(f"{name}: "), name  # before anything is said of runs
        if file.is_dir():
            file.rmdir()
        else:
            file.unlink()
        file.write_bytes(content)
        os.utime(file, ns=(date.st_atime_ns, date.st_mtime_ns))


@pytest.mark.parametrize("name", ["attempt.json", "history.csv"])
def test_one_bit_of_a_killed_attempt(in_killed, name):
    """Nothing makes it again, and no job's log has its digest."""
    file = in_killed / RESULTS / f"train/{CELLS[0]}/attempts/2" / name
    content = file.read_bytes()
    keys = [found.start() + 1 for found in re.finditer(rb'"[a-z_]+":|[a-z_]+,', content)]
    numbers = [found.start() for found in re.finditer(rb"\d+[,\n]", content)]
    try:
        for place in (*keys, *numbers[:20]):
            changed = bytearray(content)
            changed[place] ^= 16
            file.write_bytes(changed)
            code, lines, error = verify(RESULTS)
            assert (code, error) == (3, ""), changed[place - 20 : place + 20]
            assert f"attempts/2/{name}" in "".join(lines) or "attempt 2, run" in lines[2]
    finally:
        file.write_bytes(content)


def test_bad_input_is_told_in_a_line(study, tmp_path):
    code, lines, error = verify("results/nothing")
    assert (code, lines) == (2, [])
    assert error == (
        "error: there is no folder results/nothing: name results/<study>, or the study's file\n"
    )
    code, _, error = verify("nothing.yaml")
    assert (code, error.count("\n")) == (2, 1)
    shutil.rmtree(study / RESULTS / "logs")
    code, _, error = verify(RESULTS)
    assert (code, error.count("\n")) == (2, 1)
    assert "has no log with a digest" in error


def test_files_are_told_of_although_the_runs_cannot_be_asked(study):
    change_a_byte(study / RESULTS / "tables/models.csv")
    (study / "mlflow.db").write_text("no database")
    code, lines, error = verify(RESULTS)
    assert code == 3
    assert lines[1] == f"tables/models.csv: {CONTENT}"
    assert "is damaged" in error


def test_without_runs_the_files_are_checked(study):
    for file in study.glob("mlflow.db*"):
        file.unlink()
    code, lines, _ = verify(RESULTS)
    assert code == 0
    place = f"sqlite:///{study}/mlflow.db"
    assert lines[1] == f"no run of this study is in {place}: none was checked"
    assert not (study / "mlflow.db").exists()


@pytest.fixture
def attempts(tmp_path, monkeypatch):
    """A study with two failed attempts at a cell, and a patch that the first one names."""
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    results = tmp_path / "results/s"
    (results / "patches").mkdir(parents=True)
    name = hashlib.sha256(b"patch").hexdigest()[:16]
    (results / f"patches/{name}.patch").write_bytes(b"patch")
    monkeypatch.setattr(
        "sigmoid_bce.jobs.provenance.code", lambda: provenance.Version("0" * 40, True)
    )
    monkeypatch.setattr("sigmoid_bce.jobs.patches.keep", lambda *_: name)
    for _ in range(2):
        attempt = Attempt("dataset~d/seed~0", results / "train/dataset~d/seed~0").__enter__()
        attempt.note({"epoch": 1, "loss": 0.5, "seconds": 1.0})
        attempt.__exit__(ValueError, ValueError("no"), None)
    return results


def edit(file, **changes):
    file.write_text(json.dumps({**json.loads(file.read_text()), **changes}, indent=2) + "\n")


def begun(folder):
    folder.mkdir()
    (folder / "history.csv").touch()


ATTEMPTS = "train/dataset~d/seed~0/attempts"
OF_ATTEMPTS = {
    "nothing": (lambda s: None, None),
    "an epoch": (
        lambda s: (s / ATTEMPTS / "1/history.csv").write_text("epoch,loss,seconds\n"),
        f"{ATTEMPTS}/1/history.csv: {CONTENT}",
    ),
    "one attempt for another": (
        lambda s: shutil.copy(s / ATTEMPTS / "1/attempt.json", s / ATTEMPTS / "2/attempt.json"),
        f"{ATTEMPTS}/2/attempt.json: {CONTENT}",
    ),
    "a cell for another": (
        lambda s: (s / "train/dataset~d/seed~0").rename(s / "train/dataset~d/seed~1"),
        f"{ATTEMPTS.replace('seed~0', 'seed~1')}/1/attempt.json: {CONTENT}",
    ),
    "no JSON": (
        lambda s: (s / ATTEMPTS / "2/attempt.json").write_text("{"),
        f"{ATTEMPTS}/2/attempt.json: {CONTENT}",
    ),
    "an attempt less": (
        lambda s: shutil.rmtree(s / ATTEMPTS / "1"),
        "is missing, or its attempt.json was changed",
    ),
    "another start": (
        lambda s: edit(s / ATTEMPTS / "1/attempt.json", started=1),
        "is missing, or its attempt.json was changed",
    ),
    "another commit": (
        lambda s: edit(s / ATTEMPTS / "1/attempt.json", git_commit="1" * 40),
        f"{ATTEMPTS}/1/attempt.json: {CONTENT}",
    ),
    "a field more": (
        lambda s: edit(s / ATTEMPTS / "1/attempt.json", note="fine"),
        f"{ATTEMPTS}/1/attempt.json: {CONTENT}",
    ),
    "a cause that SLURM told later": (
        lambda s: edit(s / ATTEMPTS / "1/attempt.json", ended_by="preempted", reason="preempted"),
        None,
    ),
    "records of an earlier release": (
        lambda s: [
            edit(s / ATTEMPTS / "2/attempt.json", previous_sha256=None),
            edit(s / ATTEMPTS / "1/attempt.json", git_commit="1" * 40),
        ],
        None,
    ),
    "another host": (
        lambda s: edit(s / ATTEMPTS / "1/attempt.json", host="another"),
        f"{ATTEMPTS}/2/attempt.json: the attempt before it (",
    ),
    "another patch": (
        lambda s: next((s / "patches").iterdir()).write_text("other"),
        ".patch: its content is not that after which it is named",
    ),
    "no patch": (
        lambda s: next((s / "patches").iterdir()).unlink(),
        ".patch: it is missing: an attempt names it",
    ),
    "killed before it wrote a record": (lambda s: begun(s / ATTEMPTS / "3"), None),
    "no record": (
        lambda s: (s / ATTEMPTS / "2/attempt.json").unlink(),
        f"{ATTEMPTS}/2/attempt.json: it is missing",
    ),
    "a file more": (
        lambda s: (s / ATTEMPTS / "2/mine.csv").touch(),
        f"{ATTEMPTS}/2/mine.csv: {verified.UNRECORDED}",
    ),
}


@pytest.mark.parametrize("kind", OF_ATTEMPTS)
def test_attempts_and_patches(attempts, kind):
    do, told = OF_ATTEMPTS[kind]
    do(attempts)
    found = list(map(str, verified.verify(attempts).differences))
    assert told in found[0] if told else not found


def test_what_is_no_log_and_no_name(tmp_path):
    """Damage of the logs' folder ends in lines."""
    results = tmp_path / "results/s"
    (results / "logs").mkdir(parents=True)
    os.mkfifo(results / "logs/pipe.log")
    (results / "logs/gone.log").symlink_to("nowhere")
    (results / "logs/rule.log").write_bytes(b"0" * 64 + b"  a\0b\n" + b"1" * 64 + b"  \xff\n")
    (results / "loop").symlink_to(".")
    assert list(map(str, verified.verify(results).differences)) == [
        "logs/gone.log: it cannot be read: No such file or directory",
        "logs/pipe.log: it cannot be read: Not a regular file",
        "a\0b: it is missing",
        "\udcff: it is missing",
    ]
    code, lines, _ = verify(str(results), "--no-runs")
    assert (code, lines[-1]) == (3, "4 differ")


def test_a_folder_may_be_named_like_a_part_of_the_results(tmp_path):
    results = tmp_path / "attempts/results/s"
    (results / "learning/attempts").mkdir(parents=True)
    (results / "learning/attempts/mine.csv").touch()
    (results / "train/attempts/1").mkdir(parents=True)
    (results / "train/attempts/1/attempt.json").touch()
    names = ("train/attempts/1/attempt.json", "learning/attempts/mine.csv")
    unknown = [digests.Difference(name, verified.UNRECORDED) for name in names]
    assert verified.verify(results) == (0, unknown, [], [])


def test_a_file_that_cannot_be_read_is_not_called_changed(tmp_path):
    log = tmp_path / "results/s/logs/rule.log"
    log.parent.mkdir(parents=True)
    log.write_text(f"{'0' * 64}  data/table.csv\n")
    (tmp_path / "results/s/data/table.csv").mkdir(parents=True)
    [difference] = verified.verify(log.parents[1]).differences
    assert str(difference) == "data/table.csv: it cannot be read: Is a directory"


@pytest.mark.parametrize("name", ["a b'c", "über\\x", "two\nlines", "100 %"])
def test_any_name_is_written_as_sha256sum_does(tmp_path, name):
    log, file = tmp_path / "results/s/logs/rule.log", tmp_path / "results/s/data" / name
    for path in (log, file):
        path.parent.mkdir(parents=True)
    file.write_text("content")
    log.write_text("\n".join(["epoch 1", *digests.lines(log, [file]), "took 1 s"]))
    assert verified.verify(log.parents[1]) == (1, [], [], [])
    subprocess.run(["sh", "-c", block("grep -hrE")], cwd=log.parents[1], check=True)


def test_the_recipe_without_the_package_finds_nothing_in_a_sound_study(study):
    run = ["sh", "-c", block("grep -hrE")]
    done = subprocess.run(run, cwd=study / RESULTS, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    change_a_byte(study / RESULTS / TABLE)
    assert subprocess.run(run, cwd=study / RESULTS, capture_output=True, check=False).returncode


@pytest.mark.parametrize("kind", ["cell", "study"])
def test_the_run_of_a_file_is_found(logged, kind, monkeypatch):
    monkeypatch.chdir(logged)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    name = TABLE if kind == "study" else f"raw_outputs/{CELLS[1]}/full.parquet"
    text = block("grep -rl").replace("FILE", f"{RESULTS}/{name}")
    found = subprocess.check_output(["sh", "-c", text], text=True).splitlines()
    mlflow = client(logged)
    tags = {mlflow.get_run(Path(path).parts[2]).data.tags["kind"] for path in found}
    assert tags == {kind}
    text = block("import hashlib").replace("FILE", f"{RESULTS}/{name}").replace("default", "smoke")
    for more in ({}, {"MLFLOW_TRACKING_URI": f"sqlite:///{logged}/mlflow.db"}):
        ids = subprocess.check_output(
            [sys.executable, "-c", text], text=True, env=environment(logged, **more)
        ).split()
        assert [mlflow.get_run(run_id).data.tags["kind"] for run_id in ids] == [kind]
        assert ids == [Path(path).parts[2] for path in found]


def test_a_run_s_digests_of_data_are_what_the_page_says(study):
    _, run = run_of(study, CELLS[0])
    manifest = study / RESULTS / "data/digits/manifest.parquet"
    assert digests.digest(manifest).startswith(run.data.tags["data_sha256"])
    table = pd.read_parquet(manifest)
    assert len(table) == len(np.load(manifest.with_name("images.npy"), mmap_mode="r"))
    found = {one.tags[0].value: one.dataset.digest for one in run.inputs.dataset_inputs}
    for context, split in (("training", "train"), ("validation", "validation")):
        part = table[table["split"] == split]
        content = (
            "\n".join(part["sha256"]).encode() + part["label"].astype("int64").to_numpy().tobytes()
        )
        assert hashlib.sha256(content).hexdigest().startswith(found[context])


@pytest.mark.parametrize("name", ["report.html", "front.html", "own.html", "explorer.html"])
def test_pages_of_tables_and_figures_name_no_sources(study, name):
    assert "dcterms.source" not in (study / RESULTS / name).read_text()
