"""`sigmoid-bce verify` names the first file or run that is not as it was recorded."""

import json
import os
import shutil
import subprocess
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner
from PIL import Image

from sigmoid_bce.commands.verify import command
from sigmoid_bce.jobs import digests, verified
from sigmoid_bce.study.cells import Cell
from support.tracked import client, copied, track

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
    assert "runs were compared with the files" in lines[1]
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
    assert lines[1:] == [f"{name}: {CONTENT}", "1 differ"]


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
        f"raw_outputs/{CELLS[0]}/full.parquet: {CONTENT}",
        f"raw_outputs/{CELLS[1]}/full.parquet: {CONTENT}",
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
    "the description": (
        lambda m, run: m.set_tag(run.info.run_id, "mlflow.note.content", "It is fine."),
        "its description is somebody's own and not what the files say",
    ),
    "the name": (
        lambda m, run: m.update_run(run.info.run_id, name="best"),
        "name is 'best', the files say 'tiny logits batch 16 seed 0'",
    ),
    "the status": (
        lambda m, run: m.set_terminated(run.info.run_id, "FAILED", run.info.end_time),
        "status is 'FAILED', the files say 'FINISHED'",
    ),
    "a further param": (
        lambda m, run: m.log_param(run.info.run_id, "lucky", 7),
        "param lucky is '7', the files say missing",
    ),
    "a point": (
        lambda m, run: m.log_metric(run.info.run_id, "val_loss", 0.0, step=3),
        "metric val_loss: its points are not those of the files",
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
        if edit == "an artifact":  # which the copies share
            do(mlflow, run)
    assert (code, error) == (3, "")
    assert lines[2].startswith("cell tiny logits batch 16 seed 0")
    assert told in lines[2]
    assert lines[3:] == ["1 differ"]


def test_the_next_logging_mends_all_but_a_description(study):
    mlflow, run = run_of(study, CELLS[0])
    for edit in ("a tag", "the description", "the status", "a further param", "a point"):
        EDITS[edit][0](mlflow, run)
    assert verify(RESULTS)[0] == 3
    status, log = track(study)
    assert status == 0, log
    assert verify(RESULTS)[0] == 0  # the run was made again, with the description of the files
    mlflow, run = run_of(study, CELLS[0])
    EDITS["the description"][0](mlflow, run)
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


def test_without_runs_the_files_are_checked(study):
    for file in study.glob("mlflow.db*"):
        file.unlink()
    code, lines, _ = verify(RESULTS)
    assert code == 0
    assert lines[1] == "no run of this study is in MLflow here: none was checked"
    assert not (study / "mlflow.db").exists()


def test_a_folder_may_be_named_like_a_part_of_the_results(tmp_path):
    results = tmp_path / "attempts/results/s"
    (results / "learning/attempts").mkdir(parents=True)
    (results / "learning/attempts/mine.csv").touch()
    (results / "train/attempts/1").mkdir(parents=True)
    (results / "train/attempts/1/attempt.json").touch()
    unknown = digests.Difference("learning/attempts/mine.csv", verified.UNRECORDED)
    assert verified.verify(results) == (0, [unknown], [])


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
    assert verified.verify(log.parents[1]) == (1, [], [])
    command = "grep -hrE '^.?[0-9a-f]{64}  ' logs | sha256sum --check --quiet"
    subprocess.run(["sh", "-c", command], cwd=log.parents[1], check=True)
