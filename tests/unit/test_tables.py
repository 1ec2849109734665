"""Tables of features: read, checked before any job starts, and prepared like images."""

import copy
import hashlib
import io
import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_breast_cancer

from sigmoid_bce.data import items
from sigmoid_bce.data.prepare import prepare
from sigmoid_bce.jobs.files import read_json
from sigmoid_bce.planning import data, locate
from sigmoid_bce.study.base import ConfigError
from sigmoid_bce.study.datasets import BreastCancerDataset, FeaturesDataset, Split
from sigmoid_bce.study.parse import parse
from support.checkout import LEARNING, SMOKE

LINEAR = {"architecture": "linear", "learning_rate": 0.1, "max_epochs": 9}


def section(path, **keys):
    """Return a table's section as planning completes it."""
    found = FeaturesDataset(source="features", path=str(path), **keys)
    if not found.classes and not found.positive:
        found = found.model_copy(update={"classes": items.classes(found)})
    return found


def prepared(folder, dataset):
    files = {name: folder / name for name in ("images", "manifest", "quarantine", "summary")}
    names = dataset.classes or ("", dataset.positive)
    prepare(items.items(dataset, ""), dataset.split, classes=names, **files)
    return (
        np.load(files["images"]),
        pd.read_parquet(files["manifest"]),
        read_json(files["summary"]),
    )


def planned(path, **keys):
    """Return the line that planning ends with, "" if it finds no mistake."""
    study = SMOKE | {
        "datasets": {"t": {"source": "features", "path": str(path), **keys}},
        "models": {"m": LINEAR},
        "grid": {"dataset": ["t"], "model": ["m"], "batch_size": [2], "seed": [0]},
        "comparison": {"batch_sizes": [4], "figure_batch_size": 4},
    }
    try:
        located = locate.locate(parse(study, "my.yaml"), [], "downloads", "my.yaml")
        data.check(located, "my.yaml")
    except ConfigError as error:
        return str(error)
    return ""


@pytest.mark.parametrize(
    ("columns", "keys", "copies"),
    [
        ({"a": range(20)}, {}, None),
        ({"a": range(20), "code": [0, 1] * 10}, {}, "column code tells"),
        (
            {"a": range(20), "code": [7, -2] * 10, "again": [1, 0] * 10},
            {},
            "columns again, ",
        ),
        ({"a": range(20), "code": [0, 1] * 10}, {"columns": ["a"]}, None),
        ({"a": [0, 1] * 9 + [0, 0], "constant": [3] * 20}, {}, None),  # a strong feature is no copy
    ],
)
def test_a_column_that_is_the_label_is_named(tmp_path, capfd, columns, keys, copies):
    path = tmp_path / "t.csv"
    pd.DataFrame({**columns, "class": ["ok", "faulty"] * 10}).to_csv(path, index=False)
    section = FeaturesDataset(
        source="features", path=str(path), label_column="class", positive="faulty", **keys
    )
    list(items.items(section, ""))
    said = "".join(capfd.readouterr())
    assert ("the class exactly" in said) is bool(copies)
    assert (copies or "") in said


def test_a_mistake_in_a_file_of_two_data_sets_is_one_line(tmp_path):
    file = tmp_path / "t.csv"
    file.write_text("a,label\n" + "1,0\nx,1\n" * 12)
    section = {"source": "features", "path": str(file)}
    grid = SMOKE["grid"] | {"dataset": ["s", "t"], "model": ["m"]}
    study = SMOKE | {"datasets": {"s": section, "t": section}, "models": {"m": LINEAR}}
    located = locate.locate(parse(study | {"grid": grid}, "my.yaml"), [], "downloads", "my.yaml")
    with pytest.raises(
        ConfigError, match=r"^my\.yaml: datasets\.s, datasets\.t: .*row 2"
    ) as caught:
        data.check(located, "my.yaml")
    assert len(str(caught.value).splitlines()) == 1


def test_tables_that_only_the_section_learning_names_are_checked_too(tmp_path, capsys):
    learning = copy.deepcopy(LEARNING)
    question = learning["exploratory"]["unscaled"]
    question |= {"dataset": ["t"], "model": ["m"], "batch_size": [16, 32]}
    study = SMOKE | {"models": SMOKE["models"] | {"m": LINEAR}, "learning": learning}
    file = tmp_path / "t.csv"
    section = {"source": "features", "path": str(file)}

    def plan():
        study["datasets"] = SMOKE["datasets"] | {"t": section}
        located = locate.locate(parse(study, "my.yaml"), [], "downloads", "my.yaml")
        data.check(located, "my.yaml")

    file.write_text("a,label\n" + "1,0\n2,1\n" * 12)
    plan()
    assert "learning.batch_size: 32 is more than the 19 training samples of t" in (
        capsys.readouterr().err
    )
    file.write_text("a,label\n" + "1,0\nx,1\n" * 12)
    with pytest.raises(ConfigError, match=r"datasets\.t: .*'x'"):
        plan()


BUNDLED = [
    {"source": "breast_cancer", "split": {}},
    {"source": "bundled", "negative": [0, 4], "positive": [9, 1, 1], "split": {}},
]


@pytest.mark.parametrize("section", BUNDLED, ids=lambda section: section["source"])
def test_numbers_of_bundled_samples_are_known_before_any_job(section):
    def plan(**keys):
        study = SMOKE | {"datasets": {"digits": section | keys}, "models": {"tiny": LINEAR}}
        study = study | {"grid": SMOKE["grid"] | {"model": ["tiny"]}, "learning": None}
        located = locate.locate(parse(study, "my.yaml"), [], "downloads", "my.yaml")
        data.check(located, "my.yaml")
        return located.datasets["digits"]

    dataset = plan()
    found = [item.label for item in items.items(dataset, None)]
    assert sorted(found) == sorted(entry.label for entry in items.entries(dataset))
    for keys, message in (
        ({"imbalance": 0.001}, "imbalance 0.001 of [0-9]+ negative training samples is 0 positive"),
        ({"imbalance": 1.2}, "imbalance 1.2 of [0-9]+ negative .* and there are [0-9]+: expected"),
        ({"split": {"train": 800}}, "split: 800 training and [0-9]+ validation samples are asked"),
        (
            {"imbalance": 1.2, "split": {"by": "order", "train": 100}},
            "imbalance 1.2 of 50 .* is 60 positive",
        ),
    ):
        with pytest.raises(ConfigError, match=f"^my.yaml: datasets.digits: {message}"):
            plan(**keys)
    plan(imbalance=1, split={"by": "order", "train": 100})


def test_breast_cancer(tmp_path):
    dataset = BreastCancerDataset(source="breast_cancer", split=Split(by="order", train=100))
    whole = load_breast_cancer()
    found = list(items.items(dataset, None))
    assert [item.label for item in found] == (1 - whole.target).tolist()
    assert sum(item.label for item in found) == 212  # as many are malignant
    inputs, manifest, summary = prepared(tmp_path, dataset)
    assert inputs.dtype == np.float32
    assert summary["classes"] == ["benign", "malignant"]
    rows = manifest["file"].astype(int).to_numpy() - 1
    assert (inputs == whole.data[rows].astype(np.float32)).all()
    assert (manifest["label"] == 1 - whole.target[rows]).all()
    assert manifest["sha256"][0] == hashlib.sha256(inputs[0].tobytes()).hexdigest()
    assert list(manifest.columns) == ["sample_id", "file", "label", "split", "sha256"]


FLOATS = st.floats(-(2.0**100), 2.0**100, width=32)


@given(
    st.lists(st.tuples(FLOATS, FLOATS, FLOATS), min_size=8, max_size=12),
    st.sampled_from([",", ";", "\t", "parquet"]),
    st.sampled_from([("a", "b"), (0, 1), (True, False), (1.0, 2.0), ("+1", "-1"), ("é x", "y")]),
)
@settings(max_examples=25)
def test_what_is_written_is_read(tmp_path_factory, rows, form, labels):
    folder = tmp_path_factory.mktemp("table")
    table = pd.DataFrame(np.array(rows, np.float32)).rename(columns=str)
    table["label"] = [labels[i % 2] for i in range(len(rows))]
    path = folder / "table"
    if form == "parquet":
        table[::-1].to_parquet(path)  # with an index, which is no feature
        table = table[::-1]
    else:
        table.to_csv(path, sep=form, index=False)
    dataset = section(path, split=Split(validation=4))
    found = list(items.items(dataset, None))
    values = np.array([np.frombuffer(item.read(), np.float32) for item in found])
    assert (values == table.drop(columns="label").to_numpy()).all()
    one = "+1" if "+1" in labels else max(labels)
    assert [item.label for item in found] == [int(value == one) for value in table["label"]]
    assert [item.file for item in found] == [str(i + 1) for i in range(len(rows))]


GOOD = "a,b,label\n" + "".join(f"{i},{i / 7},{'xy'[i % 2]}\n" for i in range(20))


def test_keys_choose_columns_classes_and_split(tmp_path):
    path = tmp_path / "t.csv"
    rows = [(f"n{i}", i, -i, "abc"[i % 3], ["train", "val", ""][i // 3 % 3]) for i in range(45)]
    table = pd.DataFrame(rows, columns=["name", "u", "v", "kind", "part"])
    table["note"] = "text"
    table.loc[2, "u"] = np.nan  # of class c, which is left out
    table.to_csv(path, index=False)
    keys = {"label_column": "kind", "split_column": "part", "id_column": "name"}
    dataset = section(path, columns=["v", "u"], classes=["b", "a"], **keys)
    inputs, manifest, summary = prepared(tmp_path, dataset)
    used = table[table["kind"].isin(["a", "b"]) & (table["part"] != "")]
    assert (inputs == used[["v", "u"]].to_numpy()).all()
    assert (manifest["file"] == used["name"].to_numpy()).all()
    assert (manifest["label"] == (used["kind"] == "a").to_numpy()).all()
    assert (manifest["split"] == used["part"].replace("val", "validation").to_numpy()).all()
    assert summary["classes"] == ["b", "a"]
    path.write_text(table.fillna(0).to_csv(index=False))
    dataset = section(path, columns=["u"], positive="c", **keys)
    assert sum(item.label for item in items.items(dataset, None)) == 10


def changed(old, new, count=-1):
    return GOOD.replace(old, new, count)


@pytest.mark.parametrize(
    ("text", "keys", "message"),
    [
        (GOOD, {}, ""),
        (GOOD.replace(",", ";"), {}, ""),
        ("\ufeff" + GOOD.replace("\n", "\r\n"), {}, ""),
        (changed("\n3,", "\n 3e0 ,"), {}, ""),
        (changed("\n3,", "\n+3,"), {}, ""),
        (changed("\n3,", "\nred,"), {"columns": ["b"]}, ""),
        (changed("\n3,", "\nred,"), {}, r"row 4: the column 'a' has the text 'red': write numbers"),
        (changed("\n3,", "\n1_0,"), {}, r"row 4: the column 'a' has the text '1_0'"),
        (changed("\n3,", "\ntrue,"), {}, r"row 4: the column 'a' has the text 'true'"),
        (changed("\n3,", "\n,"), {}, r"row 4: the column 'a' has no value: write a number, or"),
        (changed("\n3,", "\nNaN,"), {}, r"row 4: the column 'a' has no value"),
        (changed("\n3,", "\nNA,"), {}, r"row 4: the column 'a' has no value"),
        (changed("\n3,", "\n-inf,"), {}, r"row 4: the column 'a' has '-inf': write a finite num"),
        (changed("\n3,", "\n1e39,"), {}, r"row 4: the column 'a' has '1e39': .* up to 3\.4e38"),
        (
            GOOD.replace(",", ";").replace("\n3;", "\n3,5;"),
            {},
            r"row 4: the column 'a' has the text '3,5': write 3\.5, with a point",
        ),
        (changed("\n3,", "\n3,3,"), {}, r"t\.csv cannot be read as CSV.*[Ee]xpected 3 columns"),
        (changed("a,b", "a,a"), {}, r"has 2 columns 'a': give each a name of its own"),
        (changed("a,b", ",b"), {}, r"its column 1 has no name: give it one, or list the features"),
        (changed("a,b", ",b"), {"columns": ["b"]}, ""),
        (GOOD, {"columns": ["c"]}, r"has no column 'c': its columns are a, b, label"),
        (GOOD, {"label_column": "y"}, r"has no column 'y': its columns are a, b, label"),
        (GOOD, {"split_column": "s"}, r"has no column 's'"),
        (GOOD, {"id_column": "label"}, r"row 3: the column 'label' is 'x', as in row 1"),
        (GOOD, {"columns": ["label"]}, r"columns: 'label' is label, split or id, and no feature"),
        (GOOD, {"columns": ["a", "a"]}, r"columns lists a column twice: 'a'"),
        (GOOD, {"image_size": 8}, r"image_size: unknown key"),
        (changed(",y\n", ",x\n"), {}, r"the column 'label' has 1 class, x: expected two"),
        (changed(",y\n", ",x\n"), {"positive": "x"}, r"no row is of another class than 'x'"),
        (changed(",y\n", ",\n", 1), {}, r"row 2: the column 'label' is empty: write its class"),
        (changed(",y\n", ",z\n", 1), {}, r"has 3 classes, x, y, z: expected two"),
        ("label\nx\ny\n", {}, r"has no column of features beside label"),
        ("a,b,label\n", {}, r"has no rows"),
        ("", {}, r"t\.csv is empty"),
        (changed("a,b", " a , b"), {"columns": ["a ", "b"]}, ""),
        (
            changed("\n3,", '\n"3,000",'),
            {},
            r"has the text '3,000': write 3000, or 3\.000 with",
        ),
        (changed("\n3,", '\n"0,125",'), {}, r"has the text '0,125': write 0\.125, with a point"),
        (GOOD, {"split": {"train": 3}}, r"4 is more than the 3 training samples"),
        (GOOD, {"imbalance": 0.05}, r"t: imbalance 0\.05 of 8 negative training samples is 0 pos"),
        (GOOD, {"imbalance": 3}, r"t: imbalance 3 of 8 negative .* and there are 8: expected"),
        (GOOD, {"imbalance": 1}, ""),
        (changed(",y\n", ",x\n", 9), {}, r"label 1 has 1 usable samples: expected at least 2"),
        (GOOD, {"split": {"by": "given"}}, r"split\.by: given, but there is no split_column"),
    ],
)
def test_a_mistake_in_a_table_is_a_line_before_any_job(tmp_path, text, keys, message):
    path = tmp_path / "t.csv"
    path.write_text(text, encoding="utf-8", newline="")
    found = planned(path, **keys)
    assert len(found.splitlines()) == bool(message), found
    assert re.search(message, found), found


def parquet(**columns):
    file = io.BytesIO()
    label = ["x", "y"] * 10
    pd.DataFrame({"a": range(20), **columns, "label": label}).to_parquet(file)
    return file.getvalue()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (parquet(b=[True, False] * 10), ""),
        (parquet(b=pd.array([1, 2] * 10, "Int8")), ""),
        (parquet(b=pd.Categorical([1.5, 2] * 10)), ""),
        (parquet(b=["1", " 2.5"] * 10), ""),
        (parquet(**{" b": [1, 2] * 10}), ""),
        (parquet(b=[1.0, *[np.nan] * 19]), r"row 2: the column 'b' has no value"),
        (parquet(b=[None] * 20), r"row 1: the column 'b' has no value"),
        (parquet(b=pd.array([1, None] * 10, "Int8")), r"row 2: the column 'b' has no value"),
        (parquet(b=["1", "red"] * 10), r"row 2: the column 'b' has the text 'red'"),
        (parquet(b=pd.date_range("2024-01-01", periods=20)), r"row 1: the column 'b' has the text"),
        (parquet(b=[[1.0]] * 20), r"row 1: the column 'b' has the text"),
        (parquet(b=[0.0, 1e300] * 10), r"row 2: the column 'b' has '1e\+300': write a finite"),
        (b"PAR1" + b"x" * 50, r"t\.pq cannot be read as Parquet: "),
        (b"\xff\xfea\x00,\x00", r"t\.pq cannot be read as CSV in UTF-8"),
        (b"PK\x03\x04\xff\xfe\n1,2", r"t\.pq cannot be read as CSV in UTF-8"),
    ],
)
def test_types_of_parquet(tmp_path, content, message):
    path = tmp_path / "t.pq"
    path.write_bytes(content)
    found = planned(path)
    assert len(found.splitlines()) == bool(message), found
    assert re.search(message, found), found


CONVNET = SMOKE["models"]["tiny"]
TUMOURS = {"source": "breast_cancer", "split": {}}


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (LINEAR, ""),
        (LINEAR | {"architecture": "dense", "units": 3}, ""),
        (LINEAR | {"architecture": "custom", "function": "a:b"}, ""),
        (CONVNET, r"models\.m: convnet needs images, and datasets\.t has features: use linear"),
        (LINEAR | {"image_size": 8}, r"models\.m\.image_size: datasets\.t has features and no im"),
        (
            LINEAR | {"architecture": "custom", "function": "a:b", "image_size": 8},
            r"models\.m\.image_size: datasets\.t has features",
        ),
        (
            {**LINEAR, "architecture": "vgg16", "weights": "none", "dense": 2, "dropout": 0},
            r"models\.m: vgg16 needs images",
        ),
    ],
)
def test_networks_that_a_table_does_not_fit(model, message):
    grid = SMOKE["grid"] | {"dataset": ["t"], "model": ["m"]}
    study = SMOKE | {"datasets": {"t": TUMOURS}, "models": {"m": model}, "grid": grid}
    training = {"early_epochs": 2, "patience": 3}
    if not message:
        parse(study | {"training": training})
        return
    with pytest.raises(ConfigError, match=message) as caught:
        parse(study | {"training": training})
    assert len(str(caught.value).splitlines()) == 1
