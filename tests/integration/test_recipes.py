"""CONTRIBUTING's recipes, performed in a checkout by nothing but what they say."""

import copy
import re

import pandas as pd
import pytest
import yaml

from support.checkout import ROOT, SMOKE, checkout, snakemake

RECIPE = re.compile(
    r"^(?P<how>Write|In)\b[^`]*`(?P<path>[\w./-]+)`(?P<where>[^:]*):\n\n```(?:python|rst)\n"
    r"(?P<code>.*?)^```",
    re.MULTILINE | re.DOTALL,
)


def perform(folder):
    """Write and edit the files that CONTRIBUTING names; return their paths."""
    paths = []
    for how, path, where, code in RECIPE.findall((ROOT / "CONTRIBUTING.md").read_text()):
        file = folder / path
        if how == "Write":
            assert not file.exists(), path
            text = code
        else:
            text = file.read_text()
            above, inside = re.search(r"above `(\w+)`|in `(\w+)`", where).groups()
            start = re.search(rf"^{above or inside}\b.*\n", text, re.MULTILINE)
            place = start.start() if above else start.end()
            text = text[:place] + code + ("\n\n" if above else "") + text[place:]
        file.write_text(text)
        paths.append(path)
    return paths


@pytest.fixture(scope="module")
def performed(tmp_path_factory):
    """Return a folder in which a study has run that uses every recipe."""
    folder = checkout(tmp_path_factory.mktemp("recipes"))
    assert len(perform(folder)) == 15
    study = copy.deepcopy(SMOKE)
    tiny = study["models"]["tiny"]
    study["datasets"] = {
        "shapes": {
            "source": "drawn",
            "image_size": 16,
            "channels": 1,
            "classes": ["square", "disc"],
            "split": {"train": 140, "validation": 60},
        }
    }
    study["models"] = {
        "dense": {
            "architecture": "perceptron",
            "image_size": 16,
            "widths": [16, 8],
            "optimizer": "nadam",
            **{key: tiny[key] for key in ("dense", "dropout", "learning_rate", "max_epochs")},
        }
    }
    study["grid"] |= {"dataset": ["shapes"], "model": ["dense"], "loss": ["logits", "focal"]}
    question = {"asks": "Does it matter?", "primary": "accuracy", "batch_size": [8]}
    question |= {"dataset": ["shapes"], "model": ["dense"], "loss": ["logits", "focal"]}
    study["learning"] = {
        "margins": dict.fromkeys(("accuracy", "auc", "ece", "exact_loss"), 0.01),
        "exploratory": {"drawings": {**question, "seeds": {"first": 0, "number": 2}}},
    }
    study["numerics"] = {"frameworks": ["history", "softplus"]}
    (folder / "recipes.yaml").write_text(yaml.safe_dump(study))
    snakemake(folder, "--configfile", "recipes.yaml")
    return folder


def test_every_recipe_is_in_the_results(performed):
    results = performed / "results/smoke"
    cells = pd.read_csv(results / "tables/cells.csv")
    assert set(cells["loss"]) == {"logits", "focal"}
    assert set(cells["model"]) == {"dense"}
    assert cells["missed_share"].between(0, 1).all()
    assert cells.loc[cells["split"] == "train", "accuracy"].max() > 0.9
    histories = list((results / "train").rglob("history.parquet"))
    assert len(histories) == 2
    for file in histories:
        history = pd.read_parquet(file)
        # of the 70 discs among the training images, and of the 30 that validate
        assert history["missed"].between(0, 70).all()
        assert history["val_missed"].between(0, 30).all()
        assert history["missed"].iloc[-1] < 35
    assert len(list((results / "figures").rglob("histogram.svg"))) == 2
    assert (results / "figures/first-wrong.svg").exists()
    assert (results / "figures/accuracies.svg").exists()
    found = pd.read_csv(results / "numerics/implementations.csv")
    assert "by hand" in set(found["framework"])
    report = (results / "report.html").read_text()
    for text in (
        "raw outputs of 140 training images",
        "in each of 2 frameworks",
        "accuracy of 4 trainings",
    ):
        assert text in report


def test_the_recipes_are_typed_and_in_style(performed, tmp_path):
    """What the recipes add passes the checks that everything else passes."""
    import subprocess
    import sys
    from pathlib import Path

    program = Path(sys.executable).with_name("ruff")
    paths = [path for path in perform(checkout(tmp_path / "again")) if path.endswith(".py")]
    for command in (["check"], ["format", "--check"]):
        done = subprocess.run(
            [program, *command, "--config", ROOT / "pyproject.toml", *paths],
            cwd=tmp_path / "again",
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout
