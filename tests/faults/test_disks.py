"""A full or read-only disk is an error of one line, and loses no more than the file at hand."""

import io
import shutil

import numpy as np
import pytest
from mlflow import MlflowClient
from PIL import Image

from sigmoid_bce.data.items import Item
from sigmoid_bce.data.prepare import prepare
from sigmoid_bce.jobs.files import Unwritable
from support.broken import (
    CELLS,
    CONFIG,
    LIMIT,
    RESULTS,
    STUDY,
    begin,
    disk,
    fill,
    held,
    remount,
    state,
    wait_until,
)
from support.checkout import snakemake
from support.export import exported
from support.tracked import command

CELL = CELLS[0]
TRAIN = RESULTS / "train" / str(CELL)
FULL = "cannot be written: No space left on device"


def test_no_room_for_a_training(finished, undisturbed):
    log = finished / RESULTS / f"logs/train/{CELL}.log"
    shutil.rmtree(finished / TRAIN)
    with disk(finished / TRAIN, "512k") as place:
        ballast = fill(place)
        done = snakemake(finished, TRAIN / "run.json", *CONFIG, check=False)
        assert done.returncode != 0
        text = log.read_text()
        assert text.splitlines()[-1] == f"error: {TRAIN}/full.weights.h5 {FULL}"
        assert text.count("no checkpoint: ") == 1
        assert "epoch 60/60" in text
        assert "Traceback" not in text

        # in a second run, there is room again before the training ends
        log.unlink()
        with held(finished):
            again = begin(finished, TRAIN / "run.json")
            said = "no checkpoint: "
            wait_until(lambda: log.exists() and said in log.read_text(), "no checkpoint")
            ballast.unlink()
        assert again.wait(LIMIT) == 0, log.read_text()
        assert state(finished) == undisturbed[1]


def test_no_room_for_raw_outputs(finished, undisturbed):
    folder = RESULTS / "raw_outputs" / str(CELL)
    shutil.rmtree(finished / folder)
    with disk(finished / folder, "64k") as place:
        ballast = fill(place)
        done = snakemake(finished, folder / "full.parquet", *CONFIG, check=False)
        assert done.returncode != 0
        log = (finished / RESULTS / f"logs/raw_outputs/{CELL}.log").read_text()
        assert log.splitlines()[-1] == f"error: {folder}/early.parquet {FULL}"
        ballast.unlink()
        snakemake(finished, folder / "full.parquet", *CONFIG)
        assert state(finished) == undisturbed[1]


def test_no_room_for_the_database(finished):
    results = str(RESULTS)
    assert command(finished, "log", results).returncode == 0
    whole = exported(MlflowClient(f"sqlite:///{finished}/mlflow.db"), STUDY)
    with disk(finished / "small", "200k") as place:
        address = {"MLFLOW_TRACKING_URI": f"sqlite:///{place}/mlflow.db"}
        done = command(finished, "log", results, **address)
        assert done.returncode != 0
        assert "Traceback" not in done.stdout
        assert "disk is full" in done.stdout
        assert "make tracking" in done.stdout
        remount(place, "size=64m")
        done = command(finished, "log", results, **address)
        assert done.returncode == 0, done.stdout
        found = exported(MlflowClient(f"sqlite:///{place}/mlflow.db"), STUDY)
    del whole["experiment"], found["experiment"]
    assert found == whole


def test_results_that_may_not_be_written(finished, undisturbed):
    kept = finished.with_name("kept")
    shutil.move(finished / "results", kept)
    with disk(finished / "results", "64m") as place:
        shutil.copytree(kept, place, dirs_exist_ok=True)
        for what in (f"raw_outputs/{CELL}", f"compare/{CELL}", "tables"):
            shutil.rmtree(place / STUDY / what)
        remount(place, "ro")
        done = snakemake(finished, "tables", *CONFIG, check=False)
        assert done.returncode != 0
        assert f"{RESULTS} cannot be written: Read-only file system" in done.stdout
        assert "Traceback" not in done.stdout
        assert "Error in rule" not in done.stdout  # no job was started
        remount(place, "rw")
        snakemake(finished, "tables", *CONFIG)
        assert state(finished) == undisturbed[1]


def test_no_room_for_images_and_features(tmp_path):
    """A full disk causes no bus error and puts no image into quarantine."""
    import keras

    from sigmoid_bce.models.features import extract

    png = io.BytesIO()
    Image.new("L", (8, 8)).save(png, "png")
    items = [Item(f"{i}.png", i % 2, png.getvalue) for i in range(400)]
    small = keras.Sequential(
        [
            keras.Input((8, 8, 1), dtype="uint8"),
            keras.layers.Flatten(),
            keras.layers.Rescaling(1.0, dtype="float32"),
            keras.layers.Dense(1000),
        ]
    )
    with disk(tmp_path / "small", "512k") as place:
        names = {"images": "images.npy", "manifest": "m.parquet", "quarantine": "q.csv"}
        files = {what: place / name for what, name in names.items()}
        with pytest.raises(Unwritable, match=f"images.npy {FULL}"):
            prepare(items, None, size=64, channels=1, **files)
        assert list(place.iterdir()) == []
        with pytest.raises(Unwritable, match=f"features.npy.part {FULL}"):
            extract(np.zeros((400, 8, 8, 1), np.uint8), small, place / "features.npy", {})
