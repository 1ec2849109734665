"""Broken files are quarantined with a reason, and splits have the right sizes and classes."""

import io
import zipfile

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from sigmoid_bce.data.items import items
from sigmoid_bce.data.prepare import choose, prepare
from sigmoid_bce.study.datasets import PypiDataset, Split


def picture(seed, mode="L", size=(40, 30), kind="png"):
    rng = np.random.default_rng(seed)
    shape = size[::-1] if mode == "L" else (*size[::-1], 3)
    file = io.BytesIO()
    Image.fromarray(rng.integers(0, 256, shape, np.uint8)).save(file, kind)
    return file.getvalue()


def wheel(path, files, lines):
    with zipfile.ZipFile(path, "w") as out:
        for name, data in files.items():
            out.writestr(f"pack/data/{name}", data)
        out.writestr("pack/data/labels.csv", "\n".join(lines))
    return path


def dataset(train=8, validation=4):
    return PypiDataset(
        source="pypi",
        wheel={"package": "pack", "version": "1.0", "sha256": "0" * 64},
        table={"path": "pack/data/labels.csv"},
        image_size=16,
        channels=1,
        split={"train": train, "validation": validation},
    )


def prepared(folder, archive, spec):
    paths = {
        "images": folder / "images.npy",
        "manifest": folder / "manifest.parquet",
        "quarantine": folder / "quarantine.csv",
    }
    prepare(items(spec, archive), spec.split, size=16, channels=1, **paths)
    return (
        np.load(paths["images"]),
        pd.read_parquet(paths["manifest"]),
        pd.read_csv(paths["quarantine"], index_col="file")["reason"],
    )


def test_broken_files_are_quarantined(tmp_path):
    files = {f"{i}.png": picture(i) for i in range(14)}
    files |= {"colour.jpg": picture(20, "RGB", kind="jpeg"), "empty.png": b"", "text.png": b"hello"}
    files |= {"cut.png": picture(3)[:-600], "cut.jpg": picture(4, kind="jpeg")[:-300]}
    lines = [f"{name} {i % 2}.0 mono" for i, name in enumerate([*files, "absent.png"])]
    images, manifest, reasons = prepared(
        tmp_path, wheel(tmp_path / "a.whl", files, lines), dataset()
    )
    assert set(reasons.index) == {"empty.png", "text.png", "cut.png", "cut.jpg", "absent.png"}
    assert reasons["empty.png"] == "empty file"
    assert reasons["text.png"] == "not an image"
    assert images.shape == (12, 16, 16, 1)
    assert images.dtype == np.uint8
    assert manifest["split"].value_counts().to_dict() == {"train": 8, "validation": 4}
    assert list(manifest["sample_id"]) == list(range(12))
    assert not set(manifest["file"]) & set(reasons.index)


def test_a_killed_job_s_part_is_removed(tmp_path):
    part = tmp_path / ".12345.images.npy"
    part.write_bytes(b"half")
    files = {f"{i}.png": picture(i) for i in range(14)}
    lines = [f"{name} {i % 2}.0 mono" for i, name in enumerate(files)]
    prepared(tmp_path, wheel(tmp_path / "a.whl", files, lines), dataset())
    assert not part.exists()


def test_split_is_a_function_of_its_seed():
    labels = np.array([0] * 60 + [1] * 40)
    first = choose(labels, Split(train=50, validation=20, seed=1))
    again = choose(labels, Split(train=50, validation=20, seed=1))
    other = choose(labels, Split(train=50, validation=20, seed=2))
    assert all((a == b).all() for a, b in zip(first, again, strict=True))
    assert any((a != b).any() for a, b in zip(first, other, strict=True))
    train, validation = first
    assert (len(train), len(validation)) == (50, 20)
    assert not set(train) & set(validation)
    assert labels[train].sum() == 20
    assert labels[validation].sum() == 8


def test_a_class_without_images():
    with pytest.raises(ValueError, match="label 1 has 0 usable samples"):
        choose(np.zeros(20, np.int64), Split(train=10, validation=5))


def test_fewer_images_than_asked_for():
    with pytest.raises(ValueError, match="14 in all; there are 12 usable ones"):
        choose(np.array([0, 1] * 6), Split(train=10, validation=4))


def test_a_table_that_is_none(tmp_path):
    archive = wheel(tmp_path / "a.whl", {}, ["one.png"])
    with pytest.raises(ValueError, match=r"labels\.csv, line 1: expected a file in column 0"):
        list(items(dataset(), archive))
