"""Labels from folders, names and tables: every generated file has the label it was made for."""

import contextlib
import csv
import io
import os
import re
import tarfile
import tempfile
import zipfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sigmoid_bce.data.items import items
from sigmoid_bce.data.labels import assign
from sigmoid_bce.data.listing import DataError
from sigmoid_bce.study.datasets import FolderDataset, HttpDataset, TableDataset

EXAMPLES = int(os.environ.get("SIGMOID_BCE_EXAMPLES", "15"))


def folder_set(path=".", **more):
    return FolderDataset(source="folder", path=str(path), image_size=8, **more)


def labels(files, **more):
    return {entry.file: entry.label for entry in assign(files, folder_set(**more)).entries}


PETS = {"cat/1.jpg": 0, "dog/1.jpg": 1}
CATS_AND_DOGS = {"classes": ("cat", "dog")}
DOG = {"positive": "dog"}
CASES = [
    # the folder of another class decides, whatever the name
    (CATS_AND_DOGS, {"wolf/dog-like-1.png": None, "bird/cat.1.png": None, "dog/cat-1.jpg": 1}),
    (CATS_AND_DOGS, {"wolf/dog/cat.1.png": 1, "cat/deep/er/dog.jpg": 0}),
    (DOG, {"bird/dog.1.jpg": 0, "dog.jpg": None, "README.md": None, "cat/deep/er/2.jpg": 0}),
    # beside the folders of the classes, the name decides
    (CATS_AND_DOGS, {"dog.7.jpg": 1, "dogma.jpg": None, "notes.txt": None}),
    # another case, unless a folder beside it is exact
    (CATS_AND_DOGS, {"Cat/2.jpg": None, "CAT/3.jpg": None, "x/DOG/2.jpg": 1, "y/Cat/3.jpg": 0}),
    (DOG, {"Dog/2.jpg": 0}),
    # the deepest folder
    (CATS_AND_DOGS, {"cat/dog/2.jpg": 1, "dog/old/cat/3.jpg": 0}),
    (CATS_AND_DOGS, {"./cat/2.jpg": 0, ".git/dog/x": None, "__MACOSX/dog/1.jpg": None}),
]


def with_labels(files):
    return {name: label for name, label in files.items() if label is not None}


@pytest.mark.parametrize(("more", "files"), CASES)
def test_beside_folders_of_cats_and_dogs(more, files):
    assert labels([*PETS, *files], **more) == PETS | with_labels(files)


NAMES = [
    ("cat", "dog", {"cat.1.jpg": 0, "Dog 3.jpg": 1, "dog4.jpg": 1, "doge.jpg": None}),
    ("cat", "cat-big", {"cat.1.jpg": 0, "cat-big.1.jpg": 1, "Cat-Big.7.jpg": 1}),
    ("1", "10", {"1_3.png": 0, "10_3.png": 1, "10.png": 1, "12.png": None, "100.png": None}),
    ("café", "thé", {"cafe\u0301.1.jpg": 0, "THÉ-1.jpg": 1}),
    ("straße", "weg", {"STRASSE 7.jpg": 0, "weg.1.jpg": 1}),
]


@pytest.mark.parametrize(("zero", "one", "expected"), NAMES)
@pytest.mark.parametrize("folder", ["", "train/", "a/b/"])
def test_by_name(zero, one, expected, folder):
    found = labels([folder + name for name in expected], classes=(zero, one))
    assert found == {folder + name: y for name, y in with_labels(expected).items()}


def test_a_class_that_is_called_as_a_part_of_a_split():
    parts = [f"{part}/{kind}/1.jpg" for part in ("train", "val") for kind in ("train", "bus")]
    entries = assign([*parts, "train/tram/2.jpg"], folder_set(positive="train")).entries
    assert [(e.label, e.split) for e in entries] == [
        (1, "train"), (0, "train"), (1, "validation"), (0, "validation"), (0, "train")
    ]  # fmt: skip
    assert labels(["train/1.jpg", "bus/1.jpg"], classes=("train", "bus")) == {
        "train/1.jpg": 0,
        "bus/1.jpg": 1,
    }


def test_unlabelled_images_of_a_test_part_are_no_class():
    files = ["train/dog/1.jpg", "train/cat/1.jpg", "train/loose.jpg", "test/7.jpg"]
    assert labels(files, positive="dog") == {"train/dog/1.jpg": 1, "train/cat/1.jpg": 0}


def test_the_names_of_other_classes():
    files = ["set/train/dog/1.jpg", "set/train/cat/old/1.jpg", "set/val/wolf/1.jpg"]
    found = assign(files, folder_set(positive="dog")).entries
    assert [entry.class_name for entry in found] == ["dog", "cat", "wolf"]


NFD = "the\u0301"


def test_a_letter_of_two_signs_is_the_letter():
    files = [f"{NFD}/1.jpg", "thé/2.jpg", "dog/1.jpg"]
    for name in (NFD, "thé"):
        assert list(labels(files, positive=name).values()) == [1, 1, 0]
        assert list(labels(files, classes=("dog", name)).values()) == [1, 1, 0]
    found = labels([f"{NFD}.1.jpg", "thé.2.jpg", "dog.1.jpg"], classes=("dog", "thé"))
    assert list(found.values()) == [1, 1, 0]
    assert labels(["THÉ/1.jpg", f"{NFD}/2.jpg", "dog/1.jpg"], positive="thé")["THÉ/1.jpg"] == 0
    with pytest.raises(ValueError, match="the two are the same"):
        folder_set(classes=("thé", NFD))


def test_a_letter_of_two_signs_in_a_table(tmp_path):
    (tmp_path / "labels.csv").write_text(f"file,label\na.jpg,{NFD}\nb.jpg,dog\nc.jpg,thé\n")
    for more in ({"positive": NFD}, {"positive": "thé"}, {"classes": ("dog", NFD)}, {}):
        dataset = TableDataset(
            source="table", path=str(tmp_path / "labels.csv"), image_size=8, **more
        )
        assert [item.label for item in items(dataset, None)] == [1, 0, 1]


@pytest.mark.parametrize(
    ("files", "classes", "message"),
    [
        (
            ["Cat/1.jpg", "CAT/1.jpg", "dog/1.jpg"],
            ("cat", "dog"),
            "folders 'CAT' and 'Cat' may both",
        ),
        (["cat-BIG.1.jpg", "cat.1.jpg"], ("cat", "Cat-big"), "'cat-BIG.1.jpg' may be of the class"),
    ],
)
def test_what_may_be_either_is_refused(files, classes, message):
    with pytest.raises(DataError, match=message):
        labels(files, classes=classes)


def test_two_classes_that_differ_in_case():
    pair = folder_set().model_copy(update={"classes": ("Cat", "cat")})  # as locate fills them in
    found = assign(["cat/1.jpg", "Cat/1.jpg"], pair).entries
    assert [(entry.file, entry.label) for entry in found] == [("cat/1.jpg", 1), ("Cat/1.jpg", 0)]
    with pytest.raises(DataError, match="folder 'x/CAT' may be of the class 'Cat' or 'cat'"):
        assign(["cat/1.jpg", "Cat/1.jpg", "x/CAT/1.jpg"], pair)


def test_the_log_counts():
    files = [*PETS, "dog.3.jpg", "wolf/1.jpg", "wolf/2.jpg", "bird/1.jpg", "a.txt"]
    assert assign(files, folder_set(**CATS_AND_DOGS)).notes == [
        "2 files have their class from a folder",
        "1 files have their class from their name, since no folder decides: the first is dog.3.jpg",
        "left out, of no class of this data set: wolf 2, bird 1, no class 1",
    ]
    files = [f"{part}/{kind}/1.jpg" for part in ("train", "val", "test") for kind in ("cat", "dog")]
    found = assign(files, folder_set(**CATS_AND_DOGS))
    assert found.notes[-1] == "left out, in neither part of the split: 2 files"


# ---- generated data sets, whose files know their labels ----

PAIRS = [("cat", "dog"), ("cat", "cat-big"), ("Cat", "dog"), ("1", "10"), ("rust", "no rust")]
OTHERS = ["wolf", "bird", "category", "dogs", "11", "cat-like", "rusty"]
TEMPTING = ["{c}.1.jpg", "{c}-like-2.png", "{c}3.jpg", "IMG_{c}.jpg", "7.jpg", "{c}", "a b.jpg"]
CASE = [str, str, str.upper, str.title]


@st.composite
def trees(draw):
    """Return classes, one class against the others or "", and each file with its label or None."""
    pair, pick = draw(st.sampled_from(PAIRS)), lambda values: draw(st.sampled_from(values))
    positive = pick(["", "", pair[1]])
    top = pick(["", "PetImages/", "my data/set/"])
    parts = pick([[""], ["train/", "val/"]])
    files = {}

    def add(folder, label, count):
        for i in range(count):
            name = pick(TEMPTING).format(c=pick([*pair, *OTHERS]))
            files[f"{folder}/{i}-{name}" if draw(st.booleans()) else f"{folder}/{name}"] = label

    if not positive and draw(st.booleans()):  # Kaggle's layout
        for i, part in enumerate(parts):
            for y, name in enumerate(pair):
                files |= {
                    f"{top}{part}{pick(CASE)(name)}{pick('._-')}{n}{i}.jpg": y for n in range(2)
                }
            files |= {f"{top}{part}x{n}.jpg": None for n in range(draw(st.integers(0, 2)))}
        return pair, positive, files
    for part in parts:
        for y, name in enumerate(pair):
            written = pick(CASE)(name)
            add(f"{top}{part}{written}{pick(['', '', '/2019'])}", y, draw(st.integers(2, 3)))
            if written == name and name.upper() != name and draw(st.booleans()):
                add(f"{top}{part}{name.upper()}", 0 if positive else None, 1)
        for other in draw(st.lists(st.sampled_from(OTHERS), max_size=2, unique=True)):
            add(f"{top}{part}{other}", 0 if positive else None, 2)
        files |= {f"{top}{part}{name}": None for name in ("README.md", ".hidden/x.jpg")}
    return pair, positive, files


def packed(folder, files, kind):
    """Write files to a folder, a zip or a tar archive; return the arguments of their data set."""
    if kind == "folder":
        for name in files:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(name.encode())
        return folder_set, folder, None
    path = folder / f"a.{kind}"
    if kind == "zip":
        with zipfile.ZipFile(path, "w") as out:
            for name in files:
                out.writestr(name, name.encode())
    else:
        with tarfile.open(path, f"w:{kind}") as out:
            for name in files:
                info = tarfile.TarInfo(name)
                info.size = len(name.encode())
                out.addfile(info, io.BytesIO(name.encode()))
    return http_set, path, path


def http_set(path, **more):
    return HttpDataset(source="http", archive={"file": str(path)}, image_size=8, **more)


@settings(max_examples=EXAMPLES)
@given(trees(), st.sampled_from(["folder", "zip", "gz"]))
def test_no_label_changes_in_a_generated_data_set(tree, kind):
    pair, positive, files = tree
    with tempfile.TemporaryDirectory() as place:
        make, path, file = packed(Path(place), files, kind)
        dataset = make(path, **({"positive": positive} if positive else {"classes": pair}))
        found = {}
        for item in items(dataset, file):
            assert item.read() == item.file.encode()
            assert item.file not in found
            found[item.file] = item.label
    assert found == with_labels(files)


TEXTS = st.text(st.sampled_from("ab ,;\t\"'.é=#/0"), min_size=1, max_size=6)


@settings(max_examples=EXAMPLES)
@given(
    st.lists(
        st.tuples(TEXTS, st.sampled_from(["c", "d", "e", "e f", "1"])), min_size=2, max_size=8
    ),
    st.sampled_from(",;\t"),
    st.sampled_from(["", "c", "e"]),
    st.booleans(),
)
def test_no_label_changes_in_a_generated_table(rows, separator, positive, mark):
    text = io.StringIO()
    out = csv.writer(text, delimiter=separator)
    out.writerows([("file", "label"), *((f"{name.strip()}x.jpg", label) for name, label in rows)])
    wanted = {}
    for name, label in rows:
        wanted.setdefault(f"{name.strip()}x.jpg", set()).add(label)
    there = {label for _, label in rows}
    taken = there if positive else {"c", "d"}
    one = positive or "d"
    # a file in two classes, or a class without a row
    wrong = any(len(twice) > 1 for twice in wanted.values())
    wrong |= not taken <= there or one not in there or not taken - {one}
    with tempfile.TemporaryDirectory() as place:
        path = Path(place, "labels.csv")
        path.write_text(("\ufeff" if mark else "") + text.getvalue(), "utf-8", newline="")
        more = {"positive": positive} if positive else {"classes": ("c", "d")}
        dataset = TableDataset(source="table", path=str(path), image_size=8, **more)
        with pytest.raises(DataError) if wrong else contextlib.nullcontext():
            found = {item.file: item.label for item in items(dataset, path)}
            assert found == {
                name: int(label == one) for name, (label,) in wanted.items() if label in taken
            }


TABLES = [
    ("file,label,label\na.jpg,c,d\n", "has 2 columns 'label': expected one"),
    ("file,label\na.jpg,c\nb,1.jpg,d\n", "line 3: it has more values than the header: put a value"),
]


@pytest.mark.parametrize(("text", "message"), TABLES)
def test_a_table_that_can_be_misread(text, message, tmp_path):
    (tmp_path / "labels.csv").write_text(text)
    dataset = TableDataset(
        source="table", path=str(tmp_path / "labels.csv"), image_size=8, **CATS_AND_DOGS
    )
    with pytest.raises(DataError, match=re.escape(message)):
        list(items(dataset, None))


def test_a_table_that_cannot_be_misread(tmp_path):
    text = "note,file,note,label\nx,a.jpg,,cat,\ny,b.jpg,,dog,  \n"
    (tmp_path / "labels.csv").write_text(text)
    dataset = TableDataset(source="table", path=str(tmp_path / "labels.csv"), image_size=8)
    assert [item.label for item in items(dataset, None)] == [0, 1]
