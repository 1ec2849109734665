"""A fault of the machine stops the job and changes no data set; equal files are counted."""

import errno
import functools
import json
import os
import resource
import zipfile

import numpy as np
import pandas as pd
import pytest
from PIL import ImageFile
from test_own_data import fill, folder_of, found

from sigmoid_bce.data.faults import BrokenImageError, FaultError
from sigmoid_bce.data.items import Item, contents, items
from sigmoid_bce.data.listing import DataError
from sigmoid_bce.data.prepare import prepare
from sigmoid_bce.study.base import ConfigError
from sigmoid_bce.study.datasets import FolderDataset, HttpDataset, TableDataset
from support import pets

NUMBERS = [errno.EIO, errno.EMFILE, errno.ENOMEM, errno.ESTALE, errno.EACCES, errno.ETIMEDOUT]
FAULTS = [OSError(number, os.strerror(number)) for number in NUMBERS]
FAULTS += [MemoryError(), ImportError("no room"), OSError("out of memory error when reading")]
CATS = {"image_size": 16, "classes": ("cat", "dog")}
MEMORY = "/proc/self/mem"  # reading its beginning is a real EIO


def stopped(*_, error, **__):
    raise error


def drawn(count=12):
    return [
        Item(f"{kind}/{i}.jpg", y, functools.partial(pets.draw, kind, i), "", kind)
        for i in range(count)
        for y, kind in enumerate(("cat", "dog"))
    ]


def run(folder, made, **options):
    """Prepare items; return the manifest, the reasons of the quarantine, and the summary."""
    names = ("images.npy", "manifest.parquet", "quarantine.csv", "summary.json")
    paths = {name.split(".")[0]: folder / "pets" / name for name in names}
    prepare(made, None, size=16, channels=3, **paths, **options)
    manifest = pd.read_parquet(paths["manifest"])
    assert len(np.load(paths["images"])) == len(manifest)
    bad = pd.read_csv(paths["quarantine"], index_col="file")["reason"].to_dict()
    return manifest, bad, json.loads(paths["summary"].read_text())


@pytest.mark.parametrize("error", FAULTS, ids=repr)
def test_a_fault_while_a_file_is_read(error, tmp_path):
    made = drawn()
    made[5] = made[5]._replace(read=functools.partial(stopped, error=error))
    with pytest.raises(FaultError, match=r"^dog/2\.jpg cannot be read: .*run the same") as caught:
        run(tmp_path, made)
    assert len(str(caught.value).splitlines()) == 1
    assert list((tmp_path / "pets").iterdir()) == []
    assert len(run(tmp_path, drawn())[0]) == 24  # tried again, all images are there


@pytest.mark.parametrize("error", FAULTS, ids=repr)
def test_a_fault_while_an_image_is_decoded(error, tmp_path, monkeypatch):
    monkeypatch.setattr(ImageFile.ImageFile, "load", functools.partial(stopped, error=error))
    with pytest.raises(FaultError, match=r"^cat/0\.jpg cannot be read: "):
        run(tmp_path, drawn())


VERDICTS = [ValueError("bad"), SyntaxError("bad"), OSError("image file is truncated"), KeyError(1)]


@pytest.mark.parametrize("error", VERDICTS, ids=repr)
def test_a_verdict_of_a_decoder(error, tmp_path, monkeypatch):
    load = ImageFile.ImageFile.load
    calls = iter([error])

    def once(self):
        if broken := next(calls, None):
            raise broken
        return load(self)

    monkeypatch.setattr(ImageFile.ImageFile, "load", once)
    _, bad, _ = run(tmp_path, drawn())
    assert list(bad) == ["cat/0.jpg"]


def test_a_real_error_of_a_disk(tmp_path):
    root = fill(tmp_path / "pets", ["cat", "dog"])
    (root / "cat/0.jpg").unlink()
    (root / "cat/0.jpg").symlink_to(MEMORY)
    with pytest.raises(FaultError, match=r"cat/0\.jpg cannot be read: Input/output error"):
        run(tmp_path / "out", items(found(tmp_path, folder_of("pets")), None))


def test_an_archive_that_cannot_be_read():
    dataset = HttpDataset(source="http", archive={"file": MEMORY}, **CATS)
    with pytest.raises(FaultError, match=r"mem cannot be read: Input/output error"):
        list(items(dataset, MEMORY))


@pytest.mark.parametrize("error", FAULTS, ids=repr)
@pytest.mark.parametrize("nested", [False, True])
def test_a_fault_while_a_member_is_read(error, nested, tmp_path, monkeypatch):
    archive = pets.kaggle(tmp_path / "a.zip", 3, nested=nested)
    dataset = HttpDataset(source="http", archive={"file": str(archive)}, **CATS)
    monkeypatch.setattr(zipfile.ZipFile, "read", functools.partial(stopped, error=error))
    with pytest.raises(FaultError, match=r"a\.zip cannot be read: "):
        run(tmp_path, items(dataset, archive))


def test_too_many_open_files(tmp_path):
    root = fill(tmp_path / "pets", ["cat", "dog"])
    first = next(items(FolderDataset(source="folder", path=str(root), **CATS), None))
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, limits[1]))
    try:
        with pytest.raises(FaultError, match="Too many open files"):
            first.read()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    assert first.read() == pets.draw("cat", 0)


@pytest.mark.parametrize("number", NUMBERS)
def test_a_folder_that_cannot_be_listed(number, tmp_path, monkeypatch):
    root = fill(tmp_path / "pets", ["cat", "dog", "wolf"])
    dataset = FolderDataset(source="folder", path=str(root), **CATS)
    scandir = os.scandir

    def broken(path="."):
        if str(path).endswith("dog"):
            raise OSError(number, os.strerror(number), path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", broken)
    with pytest.raises(FaultError, match=r"pets/dog cannot be read: "):
        list(items(dataset, None))
    with pytest.raises(ConfigError, match=r"mine: .*pets/dog cannot be read") as caught:
        found(tmp_path, folder_of("pets", classes=["cat", "dog"]))
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("number", NUMBERS)
def test_a_file_that_cannot_be_looked_at(number, tmp_path, monkeypatch):
    fill(tmp_path / "pets", ["cat", "dog"])
    dataset = found(tmp_path, folder_of("pets"))
    stat = os.stat

    def broken(path, **options):
        if str(path).endswith("dog/3.jpg"):
            raise OSError(number, os.strerror(number), path)
        return stat(path, **options)

    monkeypatch.setattr(os, "stat", broken)
    reading = lambda dataset: [item.read() for item in items(dataset, None)]  # noqa: E731
    for ask in (contents, reading, lambda _: found(tmp_path, folder_of("pets"))):
        with pytest.raises((FaultError, ConfigError), match=r"dog/3\.jpg cannot be read"):
            ask(dataset)


def test_a_table_that_cannot_be_read(tmp_path):
    (tmp_path / "labels.csv").symlink_to(MEMORY)
    dataset = TableDataset(source="table", path=str(tmp_path / "labels.csv"), **CATS)
    with pytest.raises(FaultError, match=r"labels\.csv cannot be read: Input/output error"):
        list(items(dataset, None))


@pytest.mark.parametrize("name", ["none.jpg", "x" * 300, "cat/0.jpg/1.jpg", "a\0b", "loop"])
def test_a_name_that_no_file_has(name, tmp_path):
    root = fill(tmp_path / "pets", ["cat", "dog"])
    (root / "loop").symlink_to("loop")
    rows = [f"{kind}/{i}.jpg,{kind}\n" for kind in ("cat", "dog") for i in range(6)]
    (root / "labels.csv").write_text("".join(["file,label\n", *rows, f'"{name}",dog\n']))
    section = {"source": "table", "path": "pets/labels.csv", "classes": ["cat", "dog"]}
    dataset = found(tmp_path, section)
    contents(dataset)
    *_, last = items(dataset, None)
    with pytest.raises(BrokenImageError, match="no such file"):
        last.read()


# ---- equal files ----


def with_copies(split=("", "")):
    """Return 24 drawings, two copies of the first in its class, and one in the other class."""
    made = [item._replace(split=split[i % 5 == 4]) for i, item in enumerate(drawn())]
    first, last = made[0], made[-1]
    again = [first._replace(file=f"cat/again-{i}.jpg", split=split[i]) for i in range(2)]
    return [*made, *again, last._replace(file="cat/dog.jpg", label=0)]


def test_copies_are_kept_and_counted(tmp_path, capsys):
    manifest, bad, summary = run(tmp_path, with_copies(("train", "validation")))
    assert len(manifest) == 27
    assert not bad
    assert {key: summary[key] for key in summary if "copies" in key} == {
        "copies": 3,
        "copies_across_split": 1,
        "copies_across_classes": 1,
    }
    assert (
        f"warning: {tmp_path}/pets: 1 of 5 validation samples are equal to a training sample "
        "(cat/again-1.jpg = cat/0.jpg); 1 samples are in both classes (dog/11.jpg = cat/dog.jpg); "
        "the key duplicates can drop or refuse them"
    ) in capsys.readouterr().out


def test_the_copy_that_is_named_is_the_one_that_matters(tmp_path):
    made = [item._replace(read=functools.partial(pets.draw, "cat", 1)) for item in drawn(6)]
    with pytest.raises(DataError, match=r"\(cat/0\.jpg = dog/0\.jpg\): set duplicates"):
        run(tmp_path, made, duplicates="refuse")


@pytest.mark.parametrize("split", [("", ""), ("train", "validation")])
def test_copies_are_dropped(split, tmp_path, capsys):
    manifest, bad, summary = run(tmp_path, with_copies(split), duplicates="drop")
    assert len(manifest) == 23
    assert manifest["sha256"].is_unique
    assert bad == {
        "cat/again-0.jpg": "equal to cat/0.jpg",
        "cat/again-1.jpg": "equal to cat/0.jpg",
        "dog/11.jpg": "equal to cat/dog.jpg, of the other class",
        "cat/dog.jpg": "equal to dog/11.jpg, of the other class",
    }
    assert summary["copies"] == 0
    assert summary["quarantined"] == 4
    assert "warning" not in capsys.readouterr().out


def test_copies_are_refused(tmp_path):
    with pytest.raises(DataError, match=r"1 samples are in both classes .*: set duplicates to"):
        run(tmp_path, with_copies(), duplicates="refuse")
    once = [item for item in with_copies() if item.file != "cat/dog.jpg"]
    inside = [item._replace(split="train") for item in once] + [
        Item(f"{i}.jpg", i % 2, functools.partial(pets.draw, "cat", 99 + i), "validation")
        for i in range(2)
    ]
    assert len(run(tmp_path, inside, duplicates="refuse")[0]) == 28  # all copies in one part


def test_without_copies_every_choice_is_the_same(tmp_path, capsys):
    made = [run(tmp_path, drawn(), duplicates=way) for way in ("keep", "drop", "refuse")]
    for manifest, bad, summary in made:
        pd.testing.assert_frame_equal(manifest, made[0][0])
        assert (bad, summary) == made[0][1:]
    assert "warning" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("classes", "others", "names"),
    [
        (("no", "yes"), ["cat"], ["no", "yes"]),
        (("", "dog"), ["cat"], ["cat", "dog"]),
        (("", "dog"), ["Cat", "cat"], ["Cat", "dog"]),
        (("", "dog"), ["cat", "eel"], ["other", "dog"]),
        (("", "dog"), [""], ["other", "dog"]),
    ],
)
def test_names_of_the_classes(classes, others, names, tmp_path):
    made = [
        item if item.label else item._replace(class_name=others[i // 2 % len(others)])
        for i, item in enumerate(drawn())
    ]
    _, _, summary = run(tmp_path, made, classes=classes)
    assert summary["classes"] == names
    assert summary["train"] + summary["validation"] == 24
