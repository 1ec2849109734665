"""`sigmoid-bce new`: whatever names data have, the study that is written is read back as meant."""

import io
import json
import os
import re
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from click.testing import CliRunner
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image

from sigmoid_bce.commands.new import command
from sigmoid_bce.data.labels import same
from sigmoid_bce.drafting import Options, draft
from sigmoid_bce.drafting.images import classes
from sigmoid_bce.drafting.write import text
from sigmoid_bce.jobs.logs import UserError
from sigmoid_bce.study.parse import parse
from sigmoid_bce.study.reading import load

NASTY = [
    "yes",
    "null",
    "1e3",
    "1_0",
    "0x1F",
    "010",
    "1:20",
    "2020-01-01",
    "~",
    "~root",
    "a: b",
    "a #b",
    "{x}",
    "[y]",
    "'q'",
    '"d"',
    "Zähler ß",
    "é",
    "日本 語",
    "-",
    "- a",
    "*a",
    "&a",
    "!a",
    "%a",
    "@a",
    "`a`",
    " a",
    "a ",
    "tab\tline\nend",
    "\x85\u2028\ufeff",
    "😀",
    "train",
    "test",
    "3cats",
    "=",
    "<<",
    "$HOME",
    "\\n",
    "a\\",
    "ends,",
    "?",
    "|",
    ">",
    "#",
    "true",
    "Off",
    ".5",
    "+1",
    "nan",
]
NAMES = st.sampled_from(NASTY) | st.text(min_size=1, max_size=12)


def png(value=99, size=(9, 12), mode="RGB"):
    file = io.BytesIO()
    Image.new(mode, size, value).save(file, "png")
    return file.getvalue()


PNG = png()


def fill(root, numbers):
    """Write images of the same content into a folder for each class."""
    for name, number in numbers.items():
        folder = root / name
        folder.mkdir(parents=True)
        for i in range(number):
            (folder / f"{i}.png").write_bytes(PNG)
    return root


def write_table(path, columns, **options):
    pd.DataFrame(columns).to_csv(path, index=False, **options)
    return path


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def made(path, **options):
    """Return what a draft reads as, and the draft."""
    found = draft(str(path), Options(**options))
    study = parse(load(found.file), str(found.file))
    assert study == parse(found.config)
    return study, found


def possible(name):
    """Return whether a folder can have a name, and a file system keeps it apart from others."""
    try:
        long = len(os.fsencode(name)) > 200
    except UnicodeEncodeError:
        return False
    return not (set("/\0") & set(name) or name.startswith((".", "__MACOSX")) or long)


def outcome(path, **options):
    """Return the study that is written, or the line that refuses it; neither is both."""
    try:
        return made(path, **options)[0], ""
    except UserError as error:
        assert not options["to"].exists()
        return None, str(error)


@settings(max_examples=30)
@given(st.tuples(NAMES, NAMES), NAMES)
@example(("yes", "null"), "{1e3}: 'ä' \"b\" #")
@example(("~", "- a"), "~")
@example(("A", "a"), "b")
def test_folders_of_any_name_are_read_back_or_refused_in_a_line(pair, root):
    if not all(map(possible, (*pair, root))) or pair[0] == pair[1]:
        return
    with tempfile.TemporaryDirectory() as place:
        folder = fill(Path(place, root), dict.fromkeys(pair, 3))
        study, line = outcome(folder, to=Path(place, "study.yaml"))
        if line:
            # the reader's own rules: the same class twice, parts of a split
            assert len(line.splitlines()) == 1
            assert same(pair[0]).casefold() == same(pair[1]).casefold() or "train" in pair, line
            return
        (dataset,) = study.datasets.values()
        assert sorted(dataset.classes) == sorted(pair)
        assert (Path(place) / dataset.path).is_dir()


@settings(max_examples=25)
@given(st.tuples(NAMES, NAMES), st.lists(NAMES, min_size=2, max_size=4, unique_by=str.strip))
@example(("no", "1e3"), ["label", "0", "a: {b}"])
@example(("NULL", "~"), ["- a", "yes"])
def test_tables_of_any_names_are_read_back_or_refused_in_a_line(pair, columns):
    values = {name: np.arange(24) * (i + 1.5) for i, name in enumerate(columns)}
    values[columns[0]] = list(pair) * 12
    plain = all(name.isascii() and name.isprintable() and name.strip(' "') for name in values)
    plain = plain and all(name.isascii() and name.isprintable() for name in pair)
    if "\ud7ff" < max("".join([*pair, *columns])) < "\ue000":
        return  # no file can hold it
    with tempfile.TemporaryDirectory() as place:
        path = write_table(Path(place, "t.csv"), values)
        study, line = outcome(path, to=Path(place, "t.yaml"), label=columns[0].strip())
        if line:
            assert len(line.splitlines()) == 1
            assert not plain or len({name.strip().casefold() for name in pair}) == 1, line
            return
        dataset = study.datasets["t"]
        assert {same(name) for name in dataset.classes} == {same(name.strip()) for name in pair}
        assert dataset.label_column == columns[0].strip()


@settings(max_examples=40)
@given(st.dictionaries(NAMES, NAMES | st.lists(NAMES, max_size=3), min_size=1, max_size=4))
def test_any_text_is_the_same_text_in_the_file(values):
    assert yaml.safe_load(text({"study": values}, ["mine"])) == {"study": values}


def test_archives_of_both_layouts_and_a_given_split(here):
    for name, pattern in (
        ("pets", "PetImages/{}/{}.png"), ("kaggle", "train/{}.{}.png"), ("top", "{}/{}.png"),
        ("given", "train/{0}/{1}.png validation/{0}/v{1}.png"),
    ):  # fmt: skip
        with zipfile.ZipFile(here / f"{name}.zip", "w") as archive:
            archive.writestr("readme.txt", "thanks")
            for kind in ("Cat", "Dog"):
                for i in range(4):
                    for file in pattern.format(kind, i).split():
                        archive.writestr(file, PNG if i else b"")
        study, found = made(f"{name}.zip")
        dataset = study.datasets[name]
        assert dataset.classes == ("Cat", "Dog")
        assert dataset.archive.file == f"{name}.zip"
        assert (dataset.split.by == "given") == (name == "given")
        assert "(empty file)" in str(found)


UNDECIDED = [
    (lambda here: fill(here / "x", {"b": 2, "a": 2, "c": 2}), "3 classes, a, b, c.*--positive a"),
    (lambda here: fill(here / "x", {"a": 2}), "has one class, 'a': expected two"),
    (lambda here: fill(here / "x", {"": 2}), "no sub-folders: expected one for each"),
    (lambda here: (here / "empty").mkdir() or "empty", "empty has no images"),
    (lambda here: "nowhere", "there is no file or folder 'nowhere'"),
    (lambda here: "https://a.org/b.zip", "download it first"),
    (lambda here: write_table(here / "t.csv", {"a": [0, 1, 2], "b": [1, 2, 3]}), "by --label"),
    (
        lambda here: write_table(here / "t.csv", {"label_a": [0, 1], "label_b": [1, 1], "x": 2}),
        "columns label_a, label_b may each be the label: .*--label label_a",
    ),
    (
        lambda here: write_table(here / "t.csv", {"label": list("abc"), "x": [1, 2, 3]}),
        "3 classes, a, b, c: .*--positive a",
    ),
    (lambda here: write_table(here / "t.csv", {"label": [0, 1], "x": "text"}), "no column of num"),
    (
        lambda here: write_table(here / "t.csv", {"label": [0, 1] * 4, "x": [1.0] * 7 + [None]}),
        "row 8: the column 'x' has no value: write a number",
    ),
    (
        lambda here: write_table(here / "t.csv", {"label": [0, 1], "raw_output": [2.5, -3]}),
        "needs no study: `sigmoid-bce verdict .*t.csv` answers at once",
    ),
    (
        lambda here: write_table(here / "t.csv", {"label": [0, 1], "file": ["a.png", "b.png"]}),
        "names images that are not there: the first is 'a.png'",
    ),
    (lambda here: (here / "one.png").write_bytes(PNG) and "one.png", "is one image"),
    (lambda here: (here / "nets.py").write_text("def net(): pass") and "nets.py", "add --data"),
    (lambda here: (here / "a.zip").write_bytes(b"none") and "a.zip", "a.zip"),
    (lambda here: (here / "a.docx").write_bytes(b"none") and "a.docx", "its kind is not known"),
]


@pytest.mark.parametrize(("make", "message"), UNDECIDED)
def test_what_cannot_be_decided_is_a_line_and_exit_code_2(make, message, here):
    done = CliRunner().invoke(command, [str(make(here))])
    assert done.exit_code == 2, done.output
    assert len(done.stderr.splitlines()) == 1
    assert re.search(message, done.stderr), done.stderr
    assert not list(here.glob("*.yaml"))


CHOSEN = [
    ({"positive": "a"}, "positive", "a"),
    ({"positive": "b", "negative": "c"}, "classes", ("c", "b")),
]


@pytest.mark.parametrize(("options", "key", "value"), CHOSEN)
def test_options_choose_among_classes(options, key, value, here):
    study, _ = made(fill(here / "x", {"a": 12, "b": 12, "c": 12}), **options)
    assert getattr(study.datasets["x"], key) == value
    path = write_table(here / "t.csv", {"label": [*"abc"] * 12, "x": np.arange(36)})
    study, _ = made(path, **options)
    assert getattr(study.datasets["t"], key) == value


def test_a_table_names_its_features_and_says_what_it_leaves_out(here):
    rng = np.random.default_rng(0)
    columns = {
        "patient_id": [f"p{i}" for i in range(40)], "site": "Köln", "age": rng.normal(size=40),
        "code": [3, 4] * 20, "label_2": [0, 1, 1, 1] * 10, "sick": ["no", "yes"] * 20,
        "split": ["train"] * 30 + ["val"] * 10,
    }  # fmt: skip
    path = write_table(here / "Meine Tabelle.csv", columns, sep=";")
    study, found = made(path, label="sick", without=("nothing",))
    data = study.datasets["meine-tabelle"]
    assert (data.columns, data.id_column, data.split_column) == (["age"], "patient_id", "split")
    assert (data.classes, data.split.by, data.scale) == (("no", "yes"), "given", "standardised")
    assert study.learning.exploratory["unscaled"].dataset == ["meine-tabelle_raw"]
    assert "tells the class exactly): code" in str(found)
    assert "30 to train, 10 to validate, as the data say" in str(found)


def test_columns_that_number_rows_are_left_out_and_other_tables_refused(here):
    values = {"n": range(40), "one": [3] * 40, "age": np.linspace(0, 9, 40) ** 2, "y": [0, 1] * 20}
    study, found = made(write_table(here / "a.csv", values))
    assert study.datasets["a"].columns == ["age"]
    assert "numbers the rows, or has one value): n, one" in str(found)
    (here / "b.csv").write_text("a;b;y\n" + "1,5;2,25;0\n3,5;1,75;1\n" * 20)
    (here / "c.csv").write_text("1.5,2.5,0\n" + "3.5,1.5,1\n4.5,2.5,0\n" * 20)
    for name, words in (("b.csv", "commas for decimal points"), ("c.csv", "a header")):
        with pytest.raises(UserError, match=words):
            made(here / name)


def test_a_table_of_images_in_their_folder(here):
    fill(here / "x", {"": 24})
    files = {"image": [f"{i}.png" for i in range(24)], "rust": [0, 1, 1] * 8}
    write_table(here / "x/labels.csv", files)
    for path in ("x", "x/labels.csv"):
        study, _ = made(path, to=here / "y.yaml", force=True)
        data = next(iter(study.datasets.values()))
        assert (data.source, data.path) == ("table", "x/labels.csv")
        assert (data.file_column, data.label_column) == ("image", "rust")


def test_few_samples_and_many(here):
    study, found = made(fill(here / "few", {"a": 2, "b": 3}))
    assert (study.comparison.batch_sizes, study.learning) == ([2], None)
    assert "no paired ones" in str(found)
    values = {"label": [0, 1, 1, 1, 1, 1, 1] * 2000, "x": np.arange(14_000)}
    study, found = made(write_table(here / "many.csv", values))
    assert study.datasets["many"].split.train == 10_000
    assert study.learning.exploratory["ordinary"].primary == "auc"


def saved_model(path, *shape):
    layers = [{"class_name": "InputLayer", "config": {"batch_shape": [None, *shape]}}]
    config = {"class_name": "Sequential", "config": {"layers": layers}}
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", json.dumps(config))
    return path.name


def test_networks(here):
    (here / "nets.py").write_text("import keras\ndef net(shape): pass\nSIZE = 3\n")
    fill(here / "x", {"a": 12, "b": 12})
    for path in ("nets.py", "nets.py:net"):
        study, _ = made(path, data="x", force=True)
        assert study.models["own"].function == "nets:net"
        assert study.grid.loss == ["logits", "sigmoid_clipped"]
    name = saved_model(here / "1 {ü}.keras", 20, 20, 1)
    study, found = made(name, data="x")
    assert found.file.name == "1-u.yaml"
    data, model = study.datasets["x"], study.models["own"]
    assert (data.image_size, data.channels, model.image_size) == (20, 1, 20)
    assert model.function == "_1_u_network:build"
    assert repr(name) in (here / "_1_u_network.py").read_text()
    name = saved_model(here / "wide.keras", 20, 30, 1)
    with pytest.raises(UserError, match="squares"):
        draft(name, Options(data="x"))
    with pytest.raises(UserError, match=r"nets\.py does not define 'other'; it defines"):
        draft("nets.py:other", Options(data="x", name="other"))
    study, _ = made(saved_model(here / "thirty.keras", 30), data="breast_cancer")
    assert study.grid.dataset == ["breast_cancer"]
    with pytest.raises(UserError, match=r"has the shape \(30,\), but images"):
        draft("thirty.keras", Options(data="digits", name="a"))
    assert sorted(path.name for path in here.glob("*_network.py")) == [
        "_1_u_network.py", "thirty_network.py"
    ]  # fmt: skip


def test_a_file_is_never_overwritten_and_the_next_command_is_told(here):
    fill(here / "x", {"a": 12, "b": 12})
    (here / "x.yaml").write_text("mine")
    run = CliRunner().invoke
    done = run(command, ["x"])
    assert (done.exit_code, (here / "x.yaml").read_text()) == (2, "mine")
    assert "--force replaces it" in done.stderr
    done = run(command, ["x", "--force", "--to", "x"])
    assert (done.exit_code, "x is a folder" in done.stderr) == (2, True)
    done = run(command, ["x", "--force"])
    assert done.exit_code == 0
    assert "a 12, b 12" in done.output
    assert f"--configfile x.yaml --cores {os.cpu_count()}" in done.output
    assert not (here / "x.yaml").read_text().startswith("# yaml-language-server")
    schema = here / "workflow/schemas/config.schema.json"
    schema.parent.mkdir(parents=True)
    schema.touch()
    assert run(command, ["x", "--to", "config/mine/x.yaml"]).exit_code == 0
    first = (here / "config/mine/x.yaml").read_text().splitlines()[0]
    assert first == "# yaml-language-server: $schema=../../workflow/schemas/config.schema.json"
    assert load(here / "config/mine/x.yaml")["datasets"]["x"]["path"] == str(here / "x")


def test_a_class_decides_by_folders_before_names():
    assert classes(["a/dog.1.png", "a/dog.2.png", "b/cat.1.png"]) == ["a", "b"]
    assert classes([f"all/{kind}_{i}.png" for kind in "xy" for i in range(3)]) == ["x", "y"]
    assert classes(["train/a/1.png", "val/b/1.png", "test/b/2.png"]) == ["a", "b"]


def test_a_missing_extra_is_named(here):
    code = (
        "import sys; sys.modules['pydantic'] = None; from sigmoid_bce.commands import main; main()"
    )
    done = subprocess.run([sys.executable, "-c", code, "new", "x"], capture_output=True, text=True)
    assert done.stderr == "error: pydantic is missing: pip install 'sigmoid-bce[workflow]'\n"
    assert done.returncode == 2
