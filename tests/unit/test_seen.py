"""An ordinary cell sees its data set as the section says: noise, minority, scale, first weights."""

import json

import numpy as np
import pandas as pd
import pytest
from pydantic import TypeAdapter

from sigmoid_bce.data.draw import of_cell
from sigmoid_bce.data.listing import DataError
from sigmoid_bce.study.cells import Cell
from sigmoid_bce.study.config import Training
from sigmoid_bce.study.datasets import Dataset, FolderDataset, Seen, Split
from sigmoid_bce.study.models import Linear
from sigmoid_bce.training.raw_outputs import raw_outputs
from sigmoid_bce.training.train import train
from support.trained import OUTPUTS, shared_process  # noqa: F401

# by TensorFlow's arrays, when weights are saved
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

EPOCHS, RATE = 3, 0.5
SEENS = [
    Seen(),
    Seen(imbalance=0.25),
    Seen(label_noise=0.1, imbalance=0.5, scale="standardised", split=Split(seed=7)),
]


def samples(shape):
    chance = np.random.default_rng(0)
    inputs = chance.integers(0, 9, (90, *shape)).astype(np.uint8 if len(shape) > 1 else np.float32)
    inputs.reshape(90, -1)[:, 0] = 3
    manifest = pd.DataFrame({"sample_id": range(90), "label": np.arange(90) % 2}, dtype="int8")
    manifest["split"] = ["train"] * 60 + ["validation"] * 30
    return inputs, manifest


def trained(folder, model, inputs, manifest, seen):
    files = {name.split(".")[0]: folder / name for name in OUTPUTS}
    train(
        Cell("d", "m", "logits", 60, 3),
        model,
        Training(early_epochs=1, patience=EPOCHS),
        inputs,
        manifest,
        seen=seen,
        threads=1,
        note=lambda row: None,
        resumed=lambda rows: None,
        attempt={},
        identity={},
        **files,
    )
    weights = [files["early"], files["full"]]
    tables = raw_outputs(
        model, weights, inputs, manifest, seen=seen, threads=1, precision="float32"
    )
    return list(tables), pd.read_parquet(files["history"]), json.loads(files["run"].read_text())


@pytest.mark.parametrize(
    ("seen", "shape"), [*((seen, (4,)) for seen in SEENS), (SEENS[-1], (2, 2, 1))]
)
def test_a_cell_is_logistic_regression_on_what_it_sees(tmp_path, seen, shape):
    inputs, manifest = samples(shape)
    keys = {"learning_rate": RATE, "max_epochs": EPOCHS, "optimizer": "sgd"}
    model = Linear(architecture="linear", initial_bias="prior", initial_scale=1e-9, **keys)
    (early, full), history, run = trained(tmp_path, model, inputs, manifest, seen)

    draw = of_cell(manifest, seen)
    x, y = inputs.reshape(90, -1).astype(np.float64), manifest["label"].to_numpy(np.float64)
    y[draw.train] = draw.labels
    if seen.scale == "standardised":
        mean, deviation = x[draw.train].mean(axis=0), x[draw.train].std(axis=0)
        x = (x - mean) / np.where(deviation, deviation, 1)
    prior = draw.labels.mean()
    w, b, of_epoch = np.zeros(4), np.log(prior / (1 - prior)), []
    for _ in range(EPOCHS):
        wrong = 1 / (1 + np.exp(-(x[draw.train] @ w + b))) - y[draw.train]
        w, b = w - RATE * wrong @ x[draw.train] / len(wrong), b - RATE * wrong.mean()
        of_epoch.append(x @ w + b)

    rows = np.sort([*draw.train, *draw.validation])
    for table, expected in ((early, of_epoch[0]), (full, of_epoch[-1])):
        assert (table["sample_id"] == rows).all()
        assert (table["label"] == y[rows]).all()
        assert table["label"].dtype == "int8"
        assert (table["split"] == manifest["split"].to_numpy()[rows]).all()
        np.testing.assert_allclose(table["raw_output"], expected[rows], rtol=1e-4, atol=1e-4)
    validated = (of_epoch[-1] > 0)[draw.validation] == y[draw.validation]
    assert history["val_accuracy"].iloc[-1] == pytest.approx(validated.mean())
    assert run["data"] == seen.model_dump(exclude={"split"})


def test_a_class_that_is_empty_is_an_error_before_training(tmp_path):
    inputs, manifest = samples((4,))
    model = Linear(architecture="linear", learning_rate=0.1, max_epochs=9)
    with pytest.raises(DataError, match=r"imbalance 0\.001 of 30 negative training samples is 0"):
        trained(tmp_path, model, inputs, manifest, Seen(imbalance=0.001))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("split", [None, {}, {"by": "given"}, {"by": "order", "validation": 3}])
def test_a_job_reads_its_section_as_planning_wrote_it(split):
    dataset = FolderDataset(source="folder", path=".", image_size=8, split=split)
    again = TypeAdapter(Dataset).validate_python(dataset.model_dump(mode="json"))
    assert again == dataset
