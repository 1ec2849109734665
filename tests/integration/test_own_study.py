"""Studies with interrupted downloads, and with a user's own data and model."""

import hashlib
import json
import re
import subprocess
import sys
import textwrap

import numpy as np
import pandas as pd
import pytest
import yaml

from support import pets
from support.checkout import SMOKE, checkout, snakemake
from support.web import serve

COUNT = 60
HEAD = {"dense": 8, "dropout": 0.25, "optimizer": "rmsprop", "learning_rate": 0.001}
WEIGHTS = """
import keras
for name, make, size in (
    ("vgg16", keras.applications.VGG16, 32), ("inception_v3", keras.applications.InceptionV3, 75)
):
    keras.utils.set_random_seed(0)
    make(weights=None, include_top=False, input_shape=(size, size, 3)).save_weights(
        f"{name}.weights.h5")
"""


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def write(folder, name, datasets, models, **more):
    """Write a study like the smoke study, and return how Snakemake is called with it."""
    config = yaml.safe_load(yaml.safe_dump(SMOKE))
    config |= {"study": name, "datasets": datasets, "models": models}
    config["grid"] |= {"dataset": list(datasets), "model": list(models), "loss": ["logits"]}
    config |= more
    (folder / f"{name}.yaml").write_text(yaml.safe_dump(config))
    return "--configfile", f"{name}.yaml"


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """A folder of archives in both layouts, and of weights of random initialisation."""
    folder = tmp_path_factory.mktemp("served")
    pets.petimages(folder / "public.zip", COUNT)
    pets.kaggle(folder / "kaggle.zip", COUNT, nested=True)
    subprocess.run([sys.executable, "-c", WEIGHTS], cwd=folder, check=True, capture_output=True)
    return folder


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    return checkout(tmp_path_factory.mktemp("project"))


def archive(address, file):
    return {
        "source": "http",
        "archive": {"url": f"{address}/{file.name}", "sha256": sha256(file)},
        "classes": ["cat", "dog"],
        "image_size": 75,
        "split": {"by": "order", "train": 60, "validation": 40},
    }


def test_both_layouts_from_a_server_that_breaks_off(served, project):
    tiny = {"architecture": "convnet", "image_size": 46, "filters": [8, 8, 8, 8], "max_epochs": 30}
    with serve(served, break_after=[20_000, 20_000, 20_000]) as (address, seen):
        datasets = {name: archive(address, served / f"{name}.zip") for name in ("public", "kaggle")}
        config = write(project, "pets", datasets, {"tiny": tiny | HEAD | {"learning_rate": 0.003}})
        snakemake(project, *config, "--until", "raw_outputs")
    assert sorted(asked for _, asked in seen if asked)[0] == "bytes=20000-"
    assert len(seen) == 5  # three breaks for two files
    results = project / "results/pets"
    logs = "".join(path.read_text() for path in (results / "logs/fetch").rglob("*.log"))
    assert logs.count("broke off after") == 3
    assert logs.count("SHA-256 as expected") == 2
    bad = pd.read_csv(results / "data/public/quarantine.csv", index_col="file")["reason"]
    assert set(bad.index) == pets.BROKEN | pets.JUNK
    assert bad["PetImages/Cat/6.jpg"] == "empty file"
    assert bad["PetImages/Dog/3.jpg"].startswith("broken image")
    assert bad["PetImages/Dog/Thumbs.db"] == "not an image"
    assert pd.read_csv(results / "data/kaggle/quarantine.csv").empty
    chosen = {}
    for name in datasets:
        manifest = pd.read_parquet(results / f"data/{name}/manifest.parquet")
        counts = manifest.groupby(["split", "label"]).size().to_dict()
        assert counts == {
            ("train", 0): 30, ("train", 1): 30, ("validation", 0): 20, ("validation", 1): 20
        }  # fmt: skip
        numbers = manifest["file"].str.extract(r"(\d+)\.jpg$")[0].astype(int)
        chosen[name] = manifest.assign(number=numbers)
        shape = np.load(results / f"data/{name}/images.npy", mmap_mode="r").shape
        assert shape == (100, 75, 75, 3)
    # Chollet's split: the first images by number; the next ones replace broken files
    kaggle = chosen["kaggle"]
    train = kaggle["split"] == "train"
    assert set(kaggle[train]["number"]) == set(range(30))
    assert set(kaggle[~train]["number"]) == set(range(30, 50))
    dogs = chosen["public"][chosen["public"]["label"] == 1]
    train = dogs["split"] == "train"
    assert set(dogs[train]["number"]) == set(range(32)) - {3, 11}
    # the same picture has the same bytes and the same label in both
    both = chosen["public"].merge(kaggle, on="sha256")
    assert len(both) > 80
    assert (both["label_x"] == both["label_y"]).all()
    for name in datasets:
        cell = f"dataset~{name}/model~tiny/loss~logits/batch_size~16/seed~0"
        history = pd.read_parquet(results / f"train/{cell}/history.parquet")
        assert history["accuracy"].iloc[-1] > 0.75  # drawings are easy to tell apart


@pytest.fixture(scope="module")
def backbones(served, project):
    """Run a study with frozen networks on a data set that an earlier study downloaded."""
    with serve(served) as (address, seen):
        dataset = archive(address, served / "public.zip")
        dataset["archive"]["url"] = ["http://127.0.0.1:9/gone.zip", dataset["archive"]["url"]]
        models = {
            name: {
                "architecture": name,
                "weights": {
                    "url": f"{address}/{name}.weights.h5",
                    "sha256": sha256(served / f"{name}.weights.h5"),
                },
                "image_size": size,
                "features": "flattened",
                "max_epochs": 3,
                **HEAD,
            }
            for name, size in (("vgg16", 32), ("inception_v3", 75))
        }
        models["wider"] = models["vgg16"] | {"dense": 16}
        config = write(project, "backbones", {"pets": dataset}, models)
        had = (project / "results/downloads" / f"sha256-{dataset['archive']['sha256']}").exists()
        snakemake(project, *config, "--until", "raw_outputs")
        asked = sorted(path for path, _ in seen)
    return config, asked, had


def test_backbones_with_weights_from_a_server(backbones, project, served):
    _, asked, had = backbones
    # models with the same weights share the download; the archive is here from the first study,
    # although its first mirror has changed
    weights = ["/inception_v3.weights.h5", "/vgg16.weights.h5"]
    assert asked == (weights if had else sorted([*weights, "/public.zip"]))
    features = sorted((project / "results/backbones/features/dataset~pets").glob("*.npy"))
    shapes = {path.name.rsplit("-", 1)[0][9:]: np.load(path).shape for path in features}
    assert shapes["inception_v3"] == (100, 2048)
    assert len(features) == 2  # `wider` shares the features of `vgg16`
    for name in ("vgg16", "inception_v3", "wider"):
        cell = f"dataset~pets/model~{name}/loss~logits/batch_size~16/seed~0"
        raw = pd.read_parquet(project / f"results/backbones/raw_outputs/{cell}/full.parquet")
        assert raw["raw_output"].std() > 0


def test_another_mirror_reruns_nothing(backbones, project):
    config, *_ = backbones
    file = project / config[1]
    text = file.read_text()
    file.write_text(text.replace("http://127.0.0.1:", "https://localhost:"))
    done = snakemake(project, *config, "--until", "raw_outputs", "--dry-run")
    file.write_text(text)
    assert re.search(r"^total +0$", done.stdout, re.MULTILINE), done.stdout


MODEL = """
import keras
from keras import layers

def build(input_shape):
    return keras.Sequential([
        keras.Input(input_shape),
        layers.Rescaling(1 / 255),
        layers.Conv2D(4, 5, strides=3, activation="relu"),
        layers.Flatten(),
        layers.Dense(1, activation="sigmoid", name="probability"),
    ])
"""


def test_a_folder_and_a_function(project):
    """A user's images and network lead to a figure; an edit reruns the jobs that depend on it."""
    root = project / "mine/photos"
    for kind in ("cat", "dog", "eel"):
        (root / kind).mkdir(parents=True)
        for i in range(20):
            (root / kind / f"{i}.jpg").write_bytes(pets.draw(kind, i))
    (root / "cat/broken.jpg").write_bytes(b"\xff\xd8\xff broken")
    (project / "mine/nets.py").write_text(textwrap.dedent(MODEL))
    models = {
        "own": {
            "architecture": "custom",
            "function": "nets:build",
            "image_size": 30,
            "max_epochs": 6,
            "learning_rate": 0.001,
        }
    }
    datasets = {
        "photos": {"source": "folder", "path": "photos", "positive": "dog", "image_size": 40}
    }
    (project / "mine").mkdir(exist_ok=True)
    config = write(project / "mine", "own", datasets, models)
    config = ("--configfile", "mine/own.yaml")
    results, cell = (
        project / "results/own",
        "dataset~photos/model~own/loss~logits/batch_size~16/seed~0",
    )
    snakemake(project, f"results/own/figures/{cell}/figure-5.svg", *config)
    assert len(pd.read_csv(results / "data/photos/quarantine.csv")) == 1
    run = json.loads((results / f"train/{cell}/run.json").read_text())
    assert run["sigmoid_cut_off"] == "probability"
    log = (results / f"logs/train/{cell}.log").read_text()
    assert "the sigmoid of 'probability', its last layer, is cut off" in log
    assert "not dog" in (results / f"figures/{cell}/figure-5.svg").read_text()

    def planned():
        out = snakemake(project, *config, "--dry-run", "--until", "raw_outputs").stdout
        return tuple(bool(re.search(f"^{r} +1$", out, re.MULTILINE)) for r in ("prepare", "train"))

    assert planned() == (False, False)
    file = project / "mine/nets.py"
    file.write_text(file.read_text().replace("Conv2D(4", "Conv2D(5"))
    assert planned() == (False, True)
    file.write_text(textwrap.dedent(MODEL))
    assert planned() == (False, False)
    (root / "eel/20.jpg").write_bytes(pets.draw("eel", 20))
    assert planned() == (True, True)


def test_a_table_of_features(project):
    """A user's table leads to tables; noise and scale retrain, and prepare nothing again."""
    rows = [(i % 7, i * 0.3, "sick" if i % 7 > 3 else "well") for i in range(120)]
    table = pd.DataFrame(rows, columns=["a", "b", "label"])
    table.to_csv(project / "patients.csv", sep=";", index=False)
    patients = {"source": "features", "path": "patients.csv", "scale": "standardised"}
    sgd = {"optimizer": "sgd", "learning_rate": 0.1, "max_epochs": 4, "initial_bias": "prior"}
    models = {"dense": {"architecture": "dense", "units": 4, **sgd}}
    config = write(project, "patients", {"patients": patients}, models)
    snakemake(project, "results/patients/tables/cells.csv", *config)
    cells = pd.read_csv(project / "results/patients/tables/cells.csv")
    assert (cells["samples"] == cells["split"].map({"train": 96, "validation": 24})).all()
    assert cells.loc[cells["stage"] == "full", "accuracy"].min() > 0.5

    write(project, "patients", {"patients": {**patients, "label_noise": 0.1}}, models)
    out = snakemake(project, *config, "--dry-run", "--until", "raw_outputs").stdout
    assert not re.search(r"^(prepare|resize) +\d+$", out, re.MULTILINE)
    assert re.search(r"^train +1$", out, re.MULTILINE)


def test_mistakes_are_reported_before_any_job(project, tmp_path):
    (tmp_path / "photos/cat").mkdir(parents=True)
    (tmp_path / "nets.py").write_text("def biuld(shape):\n    pass\n")
    own = {"architecture": "custom", "image_size": 30, "max_epochs": 6, "learning_rate": 0.001}
    vgg = {"architecture": "vgg16", "weights": {"file": "none.h5"}, "max_epochs": 6, **HEAD}
    folder = checkout(tmp_path / "project")
    config = write(
        tmp_path,
        "bad",
        {
            "one": {"source": "folder", "path": "photos", "image_size": 40},
            "none": {"source": "folder", "path": "nowhere", "image_size": 40},
            "zip": {
                "source": "http",
                "archive": {"file": "none.zip"},
                "classes": ["cat", "dog"],
                "image_size": 40,
            },
        },
        {
            "name": own | {"function": "nets:build"},
            "module": own | {"function": "net:build"},
            "vgg": vgg,
        },
    )
    config = ("--configfile", "../bad.yaml")
    done = snakemake(folder, *config, check=False)
    assert done.returncode != 0
    for line in (
        "../bad.yaml: datasets.one: ../photos has one class, 'cat': expected a sub-folder for each",
        "../bad.yaml: datasets.none: there is no folder 'nowhere': looked for ",
        "../bad.yaml: datasets.zip: there is no file 'none.zip': looked for ",
        "nets.py does not define 'build'; it defines biuld",
        "../bad.yaml: models.module: function: there is no module 'net': looked for ",
        "../bad.yaml: models.vgg: there is no file 'none.h5': looked for ",
    ):
        assert line in done.stdout
    assert not (folder / "results").exists()


NOISE_SECTION = '''
class NoiseDataset(Unsplit):
    """Noise, brighter for label 1."""

    source: Literal["noise"]
    count: Positive = Field(description="Number of images.")


SOURCES ='''
NOISE = """
import io

import numpy as np
from PIL import Image

from sigmoid_bce.data.items import Item


def items(dataset, file):
    for i in range(dataset.count):
        png = io.BytesIO()
        Image.fromarray(np.uint8(np.full((8, 8), 100 * (i % 2)))).save(png, "png")
        yield Item(f"{i}.png", i % 2, png.getvalue)
"""


def test_a_source_of_images_is_a_section_and_a_file(tmp_path):
    """The recipe of CONTRIBUTING; half of it is one line that names both files."""
    folder = checkout(tmp_path / "project")
    dataset = {"source": "noise", "count": 40, "image_size": 8, "split": {"validation": 10}}
    config = write(folder, "noise", {"mine": dataset}, SMOKE["models"])
    manifest = folder / "results/noise/data/mine/manifest.parquet"
    package = folder / "workflow/src/sigmoid_bce"
    (package / "data/sources/noise.py").write_text(NOISE)
    done = snakemake(folder, manifest.relative_to(folder), *config, check=False)
    assert done.returncode != 0
    (line,) = [line for line in done.stdout.splitlines() if "source 'noise'" in line]
    assert "data/sources/noise.py, but no section in" in line
    assert "study/datasets.py" in line
    sections = package / "study/datasets.py"
    sections.write_text(sections.read_text().replace("\nSOURCES =", NOISE_SECTION))
    snakemake(folder, manifest.relative_to(folder), *config)
    table = pd.read_parquet(manifest)
    assert table["split"].value_counts().to_dict() == {"train": 30, "validation": 10}
    file = package / "data/sources/noise.py"
    file.write_text(NOISE.replace("100 *", "120 *"))
    done = snakemake(folder, manifest.relative_to(folder), *config, "--dry-run")
    assert re.search(r"^prepare +1$", done.stdout, re.MULTILINE), "its code is an input of prepare"
    file.write_text(NOISE + "# a comment")
    done = snakemake(folder, manifest.relative_to(folder), *config, "--dry-run")
    assert "Nothing to be done" in done.stdout
