"""Folders and tables of images: how they are read, and one clear line for each mistake."""

import os
import time

import numpy as np
import pandas as pd
import pytest
import yaml

from sigmoid_bce.data.items import contents, items, listing
from sigmoid_bce.data.prepare import choose, prepare
from sigmoid_bce.planning.data import check
from sigmoid_bce.planning.locate import locate
from sigmoid_bce.study.base import ConfigError
from sigmoid_bce.study.datasets import Split, TableDataset
from sigmoid_bce.study.parse import parse
from support import pets
from support.checkout import SMOKE


def fill(folder, classes, count=6):
    for name in classes:
        (folder / name).mkdir(parents=True, exist_ok=True)
        for i in range(count):
            kind = "dog" if "dog" in name else "cat"
            (folder / name / f"{i}.jpg").write_bytes(pets.draw(kind, i))
    return folder


def study(folder, dataset, **sections):
    text = yaml.safe_dump(SMOKE)
    values = yaml.safe_load(text)
    values["datasets"] = {"mine": {"image_size": 16, **dataset}}
    values["grid"]["dataset"] = ["mine"]
    values["comparison"]["batch_sizes"] = [2, 4]
    values |= sections
    return parse(values, "my.yaml")


def found(folder, dataset, **sections):
    """Return the one data set of a study, located and checked as the workflow does it."""
    made = locate(study(folder, dataset, **sections), [folder], "downloads", "my.yaml")
    check(made, "my.yaml")
    return made.datasets["mine"]


def prepared(folder, dataset):
    paths = {
        "images": folder / "out/images.npy",
        "manifest": folder / "out/manifest.parquet",
        "quarantine": folder / "out/quarantine.csv",
    }
    made = items(dataset, dataset.path if isinstance(dataset, TableDataset) else None)
    prepare(made, dataset.split, size=16, channels=3, **paths)
    return (
        np.load(paths["images"]),
        pd.read_parquet(paths["manifest"]),
        pd.read_csv(paths["quarantine"], index_col="file")["reason"],
    )


def folder_of(path, **more):
    return {"source": "folder", "path": str(path), **more}


def test_two_folders(tmp_path):
    fill(tmp_path / "pets", ["Dogs", "cats"])
    dataset = found(tmp_path, folder_of("pets"))
    assert dataset.classes == ("Dogs", "cats")  # upper case sorts first
    images, manifest, bad = prepared(tmp_path, dataset)
    assert len(images) == len(manifest) == 12
    assert (manifest["label"] == manifest["file"].str.startswith("cats")).all()
    assert manifest["split"].value_counts().to_dict() == {"train": 10, "validation": 2}
    assert bad.empty


def test_one_against_the_rest(tmp_path):
    fill(tmp_path / "pets", ["cat", "dog", "eel", "fox"])
    dataset = found(tmp_path, folder_of("pets", positive="dog"))
    _, manifest, _ = prepared(tmp_path, dataset)
    assert manifest.groupby(manifest["file"].str[:3])["label"].mean().to_dict() == {
        "cat": 0,
        "dog": 1,
        "eel": 0,
        "fox": 0,
    }


def test_two_of_many_in_the_order_asked_for(tmp_path):
    fill(tmp_path / "pets", ["cat", "dog", "eel"])
    dataset = found(tmp_path, folder_of("pets", classes=["eel", "cat"]))
    _, manifest, _ = prepared(tmp_path, dataset)
    assert set(zip(manifest["file"].str[:3], manifest["label"], strict=True)) == {
        ("eel", 0),
        ("cat", 1),
    }


@pytest.mark.parametrize("validation", ["validation", "val", "test", "Valid"])
def test_a_given_split(validation, tmp_path):
    fill(tmp_path / "pets/train", ["cat", "dog"], 8)
    fill(tmp_path / f"pets/{validation}", ["cat", "dog"], 3)
    dataset = found(tmp_path, folder_of("pets"))
    assert dataset.classes == ("cat", "dog")
    _, manifest, _ = prepared(tmp_path, dataset)
    assert manifest["split"].value_counts().to_dict() == {"train": 16, "validation": 6}
    assert (manifest["file"].str.startswith("train") == (manifest["split"] == "train")).all()


def test_a_test_part_beside_validation_is_left_out(tmp_path):
    for part in ("train", "val", "test"):
        fill(tmp_path / "pets" / part, ["cat", "dog"], 4)
    _, manifest, _ = prepared(tmp_path, found(tmp_path, folder_of("pets")))
    assert not manifest["file"].str.startswith("test").any()
    # a split by seed uses all images
    dataset = found(tmp_path, folder_of("pets", split={"train": 16, "validation": 8}))
    _, manifest, _ = prepared(tmp_path, dataset)
    assert len(manifest) == 24


def test_what_lies_about(tmp_path):
    root = fill(tmp_path / "pets", ["cat", "dog"])
    (root / "cat/.hidden.jpg").write_bytes(b"x")
    (root / ".git/cat").mkdir(parents=True)
    (root / ".git/cat/a.jpg").write_bytes(b"x")
    (root / "README.txt").write_text("about")
    (root / "cat/deep/er").mkdir(parents=True)
    (root / "cat/deep/er/9.jpg").write_bytes(pets.draw("cat", 9))
    (root / "dog/notes.txt").write_text("not an image")
    (root / "dog/empty.jpg").write_bytes(b"")
    (root / "dog/gone.jpg").symlink_to("nowhere.jpg")
    (root / "dog/linked.jpg").symlink_to("0.jpg")
    (root / "dog/loop").symlink_to(root)
    os.mkfifo(root / "dog/pipe.jpg")
    with open(root / "dog/huge.jpg", "wb") as file:
        file.truncate(2**31)
    (root / "cat/5.jpg").rename(root / os.fsdecode(b"cat/\xff\xfe.jpg"))
    _, manifest, bad = prepared(tmp_path, found(tmp_path, folder_of("pets")))
    assert bad.index.sort_values().tolist() == [
        "dog/empty.jpg",
        "dog/gone.jpg",
        "dog/huge.jpg",
        "dog/notes.txt",
    ]
    assert bad["dog/empty.jpg"] == "empty file"
    assert bad["dog/gone.jpg"] == "no such file"
    assert "bytes allowed" in bad["dog/huge.jpg"]
    assert {"cat/deep/er/9.jpg", "dog/linked.jpg", "cat/\\xff\\xfe.jpg"} <= set(manifest["file"])
    assert len(manifest) == 14


FOLDERS = [
    ({}, ["cat"], r"has one class, 'cat': expected a sub-folder for each of two"),
    ({}, [], r"has no sub-folders: expected one for each of two classes, as in .*/cat"),
    ({}, ["a", "b", "c"], r"has 3 classes, a, b, c: choose two, classes: \[a, b\], or one against"),
    ({"classes": ["cat", "dgo"]}, ["cat", "dog"], r"class 'dgo': there are cat, dog; did you mean"),
    ({"positive": "dgo"}, ["cat", "dog"], r"class 'dgo': there are cat, dog; did you mean 'dog'"),
    ({"positive": "cat"}, ["cat"], r"every file is of the class 'cat': expected others too"),
    ({"split": {"by": "given"}}, ["cat", "dog"], r"given, but there are no folders train and val"),
    ({"split": {"train": 9, "validation": 9}}, ["cat", "dog"], r"split: 9 .* there are 12$"),
]


@pytest.mark.parametrize(("more", "classes", "message"), FOLDERS)
def test_a_folder_that_is_not_what_was_said(more, classes, message, tmp_path):
    (tmp_path / "pets").mkdir()
    fill(tmp_path / "pets", classes)
    with pytest.raises(ConfigError, match=message) as caught:
        found(tmp_path, folder_of("pets", **more))
    assert str(caught.value).startswith("my.yaml: datasets.mine: ")
    assert len(str(caught.value).splitlines()) == 1


def test_no_folder(tmp_path):
    with pytest.raises(ConfigError, match=r"there is no folder 'pets': looked for /.*/pets"):
        found(tmp_path, folder_of("pets"))


def test_more_in_a_batch_than_in_training(tmp_path):
    fill(tmp_path / "pets", ["cat", "dog"], 3)
    comparison = {"batch_sizes": [4, 64]}
    with pytest.raises(ConfigError, match="64 is more than the 5 training samples"):
        found(tmp_path, folder_of("pets"), comparison=comparison)


def test_a_home_folder_and_the_working_folder(tmp_path, monkeypatch):
    fill(tmp_path / "home/pets", ["cat", "dog"])
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert found(tmp_path, folder_of("~/pets")).path == str(tmp_path / "home/pets")
    fill(tmp_path / "there/pets", ["cat", "dog"])
    monkeypatch.chdir(tmp_path / "there")
    both = [tmp_path / "there", tmp_path / "home"]
    made = locate(study(tmp_path, folder_of("pets")), both, "downloads", "my.yaml")
    assert made.datasets["mine"].path == "pets"


def table_of(tmp_path, text, name="labels.csv", **more):
    folder = fill(tmp_path / "set", ["dog", "cat"], 5)
    (folder / name).write_text(text, encoding="utf-8")
    return {"source": "table", "path": f"set/{name}", **more}


def lines(separator=",", header=("file", "label"), labels=("c", "d")):
    out = [separator.join(header)]
    for kind, value in zip(("cat", "dog"), labels, strict=True):
        out += [separator.join((f"{kind}/{i}.jpg", value)) for i in range(5)]
    return "\n".join(out) + "\n"


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_table(separator, tmp_path):
    dataset = found(tmp_path, table_of(tmp_path, "\ufeff" + lines(separator)))
    assert dataset.classes == ("c", "d")
    _, manifest, _ = prepared(tmp_path, dataset)
    assert (manifest["label"] == manifest["file"].str.startswith("dog")).all()
    assert len(manifest) == 10


def test_table_with_other_columns_and_numbers_for_labels(tmp_path):
    text = lines(header=("photo", "has dog"), labels=("0", "1"))
    dataset = table_of(tmp_path, text, file_column="photo", label_column="has dog")
    assert found(tmp_path, dataset | {"classes": [0, 1]}).classes == ("0", "1")
    assert found(tmp_path, dataset).classes == ("0", "1")
    assert listing(found(tmp_path, dataset | {"positive": 0})).entries[0].label == 1


@pytest.mark.parametrize(
    "classes",
    [
        ("-1", "+1"),
        ("-1", "1"),
        ("2", "10"),
        ("0", "255"),
        ("False", "True"),
        ("no", "yes"),
        ("B", "a"),
    ],
)
def test_the_greater_of_two_numbers_in_a_table_is_label_1(classes, tmp_path):
    assert found(tmp_path, table_of(tmp_path, lines(labels=classes[::-1]))).classes == classes


def test_table_with_a_split(tmp_path):
    text = "file,label,part\n" + "".join(
        f"{kind}/{i}.jpg,{kind},{part}\n"
        for kind in ("cat", "dog")
        for i, part in enumerate(("train", "Train", "train", "val", ""))
    )
    dataset = found(tmp_path, table_of(tmp_path, text, split_column="part"))
    _, manifest, _ = prepared(tmp_path, dataset)
    assert manifest["split"].value_counts().to_dict() == {"train": 6, "validation": 2}


def test_a_file_that_a_table_names_and_is_not_there(tmp_path):
    _, manifest, bad = prepared(
        tmp_path, found(tmp_path, table_of(tmp_path, lines() + "cat/none.jpg,c\n"))
    )
    assert bad.to_dict() == {"cat/none.jpg": "no such file"}
    assert len(manifest) == 10


TABLES = [
    (lines(header=("image", "label")), {}, r"has no column 'file': its columns are image, label"),
    ("", {}, "has no rows below its header"),
    ("file,label\n", {}, "has no rows below its header"),
    ("file,label\ncat/1.jpg,\n", {}, r"labels\.csv, line 2: the column 'label' is empty"),
    ("file,label\ncat/1.jpg\n", {}, r"labels\.csv, line 2: the column 'label' is empty"),
    (lines(labels=("c", "c")), {}, r"'label' has 1 class, c: expected two"),
    (lines() + "cat/x.jpg,e\n", {}, r"'label' has 3 classes, c, d, e: expected two; of more"),
    (lines() + "cat/1.jpg,d\n", {}, r"line 12: cat/1\.jpg is d here, and c in a line above"),
    (lines(), {"positive": "x"}, r"no row is of the class 'x': the column 'label' has c, d"),
    (lines(), {"classes": ["c", "x"]}, r"no row is of the class 'x'"),
    (lines(labels=("c", "c")), {"positive": "c"}, r"no row is of another class than 'c'"),
    (lines().replace("/", "/no/"), {}, r"none of its 10 files exists; the first is .*cat/no/0"),
    (lines(labels=("Cat", "cat")), {}, "'cat' and 'Cat' are one class, written in two ways"),
    (lines() + "cat/x.jpg,D\n", {"classes": ["c", "d"]}, "'d' and 'D' are one class"),
    (lines(labels=("1", "0")) + "a.jpg,1.0\n", {"positive": "1"}, "'1' and '1.0' are one class"),
    (lines(), {"split_column": "label"}, r"column 'label' has c, d: expected train and valid"),
    (lines(), {"split": {"by": "given"}}, r"split\.by: given, but there is no split_column"),
]


@pytest.mark.parametrize(("text", "more", "message"), TABLES)
def test_a_table_that_is_not_what_was_said(text, more, message, tmp_path):
    with pytest.raises(ConfigError, match=message) as caught:
        found(tmp_path, table_of(tmp_path, text, **more))
    assert str(caught.value).startswith("my.yaml: datasets.mine: ")
    assert len(str(caught.value).splitlines()) == 1


def test_a_table_that_is_no_text(tmp_path):
    dataset = table_of(tmp_path, lines())
    (tmp_path / "set/labels.csv").write_bytes(pets.draw("cat", 1))
    with pytest.raises(ConfigError, match="is not UTF-8 text"):
        found(tmp_path, dataset)


def test_contents_move_with_what_they_are(tmp_path):
    root = fill(tmp_path / "pets", ["cat", "dog"])
    dataset = found(tmp_path, folder_of("pets"))
    first = contents(dataset)
    assert contents(dataset) == first
    time.sleep(0.01)
    (root / "cat/1.jpg").write_bytes(pets.draw("cat", 99))
    second = contents(dataset)
    (root / "cat/7.jpg").write_bytes(b"")
    assert len({first, second, contents(dataset)}) == 3


def test_split_by_order_is_chollet_s():
    order = sorted(range(29), key=str)
    names = [f"train/{kind}.{i}.jpg" for kind in ("dog", "cat") for i in order]
    labels = np.array([int("dog" in name) for name in names])
    split = Split(by="order", train=20, validation=10)
    train, validation = choose(labels, split, names)
    kinds = ("cat", "dog")
    assert {names[i] for i in train} == {f"train/{k}.{i}.jpg" for k in kinds for i in range(10)}
    assert {names[i] for i in validation} == {
        f"train/{k}.{i}.jpg" for k in kinds for i in range(10, 15)
    }
    few = [
        i
        for i, name in enumerate(names)
        if "cat" not in name or len(name) == len("train/cat.0.jpg")
    ]
    with pytest.raises(ValueError, match="takes 8 training and 4 validation samples of label 0"):
        choose(labels[few], Split(by="order", train=16, validation=8), [names[i] for i in few])


def test_shares():
    labels = np.array([0] * 60 + [1] * 40)
    assert [len(part) for part in choose(labels, Split())] == [80, 20]
    assert [len(part) for part in choose(labels, Split(validation=0.25, train=50))] == [50, 25]
    assert [len(part) for part in choose(labels, Split(validation=10))] == [90, 10]


def test_a_batch_larger_than_the_training_set_is_said(tmp_path, capsys):
    fill(tmp_path, ["cat", "dog"])
    config = {"source": "folder", "path": str(tmp_path), "split": {"validation": 2}}
    for size in (10, 11):
        grid = SMOKE["grid"] | {"dataset": ["mine"], "batch_size": [4, size]}
        check(locate(study(tmp_path, config, grid=grid), [tmp_path], "downloads", "a"), "my.yaml")
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("my.yaml: grid.batch_size: 11 is more than the 10 training samples of")


@pytest.mark.parametrize("name", ["keras", "json", "sigmoid_bce.nets", "PIL", "_thread"])
def test_a_module_called_like_one_that_jobs_import(name, tmp_path):
    file = tmp_path.joinpath(*name.split(".")).with_suffix(".py")
    file.parent.mkdir(exist_ok=True)
    file.write_text("def build(): pass\n")
    own = {"architecture": "custom", "function": f"{name}:build", "folder": str(tmp_path)}
    own |= {"image_size": 8, "learning_rate": 0.1, "max_epochs": 20}
    models = SMOKE["models"] | {"own": own}
    config = parse(SMOKE | {"models": models}, "my.yaml")
    first = name.split(".")[0]
    with pytest.raises(ConfigError, match=f"models.own: function: .*module called '{first}'"):
        locate(config, [tmp_path], "downloads", "my.yaml")
