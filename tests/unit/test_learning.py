"""Networks of several seeds in a stack: each is what it would be alone."""

from types import SimpleNamespace

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from pydantic import ValidationError
from scipy.special import expit
from sklearn.metrics import log_loss, roc_auc_score

from sigmoid_bce.comparison import diagnostics
from sigmoid_bce.comparison.answer import SENTENCES, answer
from sigmoid_bce.comparison.conclusions import NOTHING, conclusions
from sigmoid_bce.data.listing import DataError
from sigmoid_bce.jobs import plugins
from sigmoid_bce.numerics import formulas
from sigmoid_bce.study.datasets import Seen, Split
from sigmoid_bce.study.learning import Learning, LearningCell, learning_cells, regimes
from sigmoid_bce.study.models import Dense, Linear
from sigmoid_bce.training import optimizers
from sigmoid_bce.training.learn import is_described, learn
from sigmoid_bce.training.stack import GROWTH, Stack, nudged
from support.trained import optimised_again, shared_process  # noqa: F401

pytestmark = pytest.mark.usefixtures("optimised_again")

SEEN = Seen(split=Split(train=40, validation=20), scale="standardised")
RAW = Seen(split=Split(train=40, validation=20))
LINEAR = Linear(architecture="linear", optimizer="sgd", learning_rate=0.1, max_epochs=4)
DENSE = Dense(architecture="dense", units=8, optimizer="adam", learning_rate=0.01, max_epochs=4)


@pytest.fixture(scope="module")
def table():
    """Inputs of two overlapping classes, some of them large, and their manifest."""
    chance = np.random.default_rng(0)
    labels = np.arange(60) % 2
    inputs = chance.normal(labels[:, None], 1, (60, 5)).astype(np.float32) * [1, 2, 30, 1, 100]
    parts = np.where(np.arange(60) < 40, "train", "validation")
    return inputs.astype(np.float32), pd.DataFrame({"label": labels, "split": parts})


def learned(table, loss, seen=SEEN, model=LINEAR, seeds=range(3), batch_size=16, **options):
    cell = LearningCell("d", "m", loss, batch_size)
    return learn(cell, seen, model, list(seeds), *table, threads=1, **options)


@pytest.mark.parametrize("model", [LINEAR, DENSE], ids=["linear", "dense"])
def test_a_stack_is_its_networks(table, model):
    stacked, alone = (
        learned(table, "sigmoid_clipped", model=model, width=width).epochs for width in (3, 1)
    )
    pd.testing.assert_frame_equal(stacked, alone, rtol=1e-4, atol=1e-5)
    other = learned(table, "sigmoid_clipped", model=model, seeds=[2]).epochs
    mine = stacked[stacked["seed"] == 2].reset_index(drop=True)
    pd.testing.assert_frame_equal(mine, other, rtol=1e-4, atol=1e-5)


def test_losses_that_are_one_function_end_in_the_same_bytes(table):
    found = [learned(table, loss, RAW) for loss in ("logits", "sigmoid_keras", "sigmoid_clipped")]
    pd.testing.assert_frame_equal(found[0].epochs, found[1].epochs, check_exact=True)
    assert not found[0].epochs.equals(found[2].epochs)
    assert [f.record["recovers_logits"] for f in found] == [True, True, False]
    again = learned(table, "logits", RAW)
    pd.testing.assert_frame_equal(found[0].epochs, again.epochs, check_exact=True)


def test_twins_begin_one_ulp_away(table):
    assert nudged(np.float32([1, -1]), 1).tolist() == [1 + 2**-23, -1 + 2**-24]
    first = [learned(table, loss).epochs for loss in ("logits", "twin_up", "twin_down")]
    start = [table[table["epoch"] == 0]["raw_0_q50"].to_numpy() for table in first]
    for twin in start[1:]:
        assert (twin != start[0]).any()
        np.testing.assert_allclose(twin, start[0], 1e-4, 1e-6)


def stack(loss, x, y, seeds=(0, 1), *, dropped=False, decay=0.0):
    def build(place):
        dropout = [keras.layers.Dropout(0.5)] if dropped else []
        return keras.Sequential([keras.Input(x.shape[2:]), *dropout, keras.layers.Dense(1)])

    optimizer = optimizers.make("sgd", 0.1, decay)
    module = plugins.load("training/losses", loss)
    return Stack(build, optimizer, module, seeds, (x, y), (x, y))


@pytest.mark.parametrize(
    ("loss", "decay"), [("logits", 0), ("sigmoid_clipped", 0), ("logits", 0.5)], ids=str
)
def test_a_training_is_that_of_a_second_implementation(table, loss, decay):
    """Logistic regression in NumPy, with the formulas of both losses."""
    inputs, manifest = table
    x = np.stack([inputs[:40] / 10, inputs[20:] / 10])
    y = np.stack([manifest["label"][:40], manifest["label"][20:]]).astype(np.float32)
    trained = stack(loss, x, y, decay=decay)
    weights = [[v.numpy()[i].astype(np.float64) for v in trained.weights] for i in range(2)]
    for epoch in range(3):
        trained.epoch(epoch, 16)
    for seed, (kernel, bias) in enumerate(weights):
        for epoch in range(3):
            rows = tf.range(40)
            order = tf.random.experimental.stateless_shuffle(rows, seed=[seed, epoch]).numpy()
            for batch in (order[:16], order[16:32], order[32:]):
                raw = (x[seed][batch] @ kernel + bias)[:, 0]
                gradient = expit(raw) - y[seed][batch]
                if loss == "sigmoid_clipped":
                    p = formulas.sigmoid(raw.astype(np.float32))
                    gradient = np.where(formulas.is_clipped(p), 0, gradient)
                kernel, bias = kernel * (1 - 0.1 * decay), bias * (1 - 0.1 * decay)
                kernel -= 0.1 * (x[seed][batch].T @ gradient)[:, None] / len(batch)
                bias -= 0.1 * gradient.mean()
        np.testing.assert_allclose(trained.weights[0].numpy()[seed], kernel, 1e-3, 1e-4)


def test_the_clipped_gradient_is_zero_inside_the_training(table):
    inputs, manifest = table
    x, y = inputs[None] * 10, manifest["label"].to_numpy(np.float32)[None]
    found = stack("sigmoid_clipped", x, y, seeds=[0]).outputs()
    np.testing.assert_array_equal(
        found.gradient == 0, formulas.is_clipped(tf.sigmoid(found.train).numpy())
    )
    assert 0 < (found.gradient == 0).mean() < 1
    exact = stack("logits", x, y, seeds=[0]).outputs()
    np.testing.assert_allclose(exact.norm, exact.exact_norm, 1e-5)
    np.testing.assert_allclose(exact.cosine, 1, 1e-5)
    assert found.norm < exact.norm


def test_an_optimiser_keeps_a_decay_of_its_own(monkeypatch):
    own = SimpleNamespace(optimizer=lambda rate: keras.optimizers.AdamW(rate, weight_decay=0.004))
    monkeypatch.setattr(plugins, "load", lambda *_: own)
    assert optimizers.make("own", 0.1, 0).weight_decay == 0.004
    assert optimizers.make("own", 0.1, 0.5).weight_decay == 0.5


def test_dropout_masks_are_those_of_the_seed(table):
    inputs, manifest = table
    x = np.stack([inputs[:40]] * 2)
    y = np.stack([manifest["label"][:40]] * 2).astype(np.float32)
    both = stack("logits", x, y, seeds=[5, 6], dropped=True)
    one = stack("logits", x[:1], y[:1], seeds=[6], dropped=True)
    before = both.states[0].numpy().tolist()
    for trained in (both, one):
        trained.epoch(0, 16)
    np.testing.assert_allclose(both.weights[0].numpy()[1], one.weights[0].numpy()[0], 1e-4)
    assert both.states[0].numpy().tolist() != before
    assert before[0] != before[1]


def test_a_gradient_that_overflows_changes_nothing_but_the_scale(table):
    """Far on the wrong side, 1 / p in float16 is infinite until the scale is small enough."""
    x = np.full((2, 4, 1), -16, np.float32)
    x[1] = 1
    trained = stack("sigmoid_float16", x, np.ones((2, 4), np.float32))
    trained.weights[0].assign(np.ones((2, 1, 1)))
    trained.epoch(0, 4)
    assert trained.weights[0].numpy()[0] == 1
    assert trained.weights[0].numpy()[1] > 1
    assert trained.scale.numpy().tolist() == [2.0**14, 2.0**15]
    trained.finite_steps.assign([0, GROWTH - 1])
    trained.epoch(1, 4)
    assert trained.scale.numpy().tolist() == [2.0**13, 2.0**16]


def test_each_network_begins_with_the_prior_of_its_own_labels(table):
    """Noise flips other labels for each seed, and so changes their share."""
    noisy = RAW.model_copy(update={"label_noise": 0.3})
    model = LINEAR.model_copy(update={"initial_bias": "prior", "initial_scale": 1e-30})
    first = learned(table, "logits", noisy, model).epochs.query("epoch == 0")
    share = 1 / (1 + np.exp(-first["raw_0_q50"]))
    assert len(set(first["majority"])) > 1
    np.testing.assert_allclose(np.maximum(share, 1 - share), first["majority"], 1e-5)


def test_validation_columns_are_those_of_scikit_learn():
    chance = np.random.default_rng(1)
    x, y = chance.normal(0, 3, (4, 200)).round(1), chance.integers(0, 2, (4, 200))
    found = diagnostics.of_validation(x, y)
    for i in range(4):
        assert found["val_auc"][i] == pytest.approx(roc_auc_score(y[i], x[i]))
        assert found["val_exact_loss"][i] == pytest.approx(log_loss(y[i], expit(x[i])))
        assert found["val_accuracy"][i] == ((x[i] > 0) == y[i]).mean()


def test_a_network_that_is_not_finite_is_a_result(table):
    inputs, manifest = table
    found = learned((inputs * 1000, manifest), "naive", RAW).epochs
    last = found[found["epoch"] == 4]
    assert last["failed"].all()
    assert last["val_accuracy"].isna().all()
    assert len(last) == 3


def test_a_class_without_a_validation_sample_is_said_before_training(table):
    inputs, manifest = table
    rare = manifest.assign(label=[1] * 2 + [0] * 58)
    with pytest.raises(DataError, match="with seed 0, none of 20 validation samples has label 1"):
        learned((inputs, rare), "logits", Seen(split=Split(by="order", train=40, validation=20)))


def test_long_trainings_are_described_less_often():
    assert sum(is_described(epoch, 1003) for epoch in range(1004)) == 201 + 80 + 1


QUESTION = {
    "asks": "Does it?",
    "primary": "auc",
    "dataset": ["a"],
    "model": ["m", "n"],
    "batch_size": [4],
    "loss": ["logits", "sigmoid_clipped"],
    "seeds": {"first": 0, "number": 3},
}
MARGINS = {"accuracy": 0.005, "auc": 0.002, "ece": 0.005, "exact_loss": 0.005}


def section(confirmatory=None, margins=MARGINS, **changes):
    parts = {"exploratory": {"one": {**QUESTION, **changes}}}
    if confirmatory:
        parts["confirmatory"] = {"two": {**QUESTION, **confirmatory}}
    return Learning(margins=margins, **parts)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"loss": ["twin_up", "sigmoid_clipped"]}, "expected logits among them"),
        ({"loss": ["logits", "logit"]}, "there is no loss 'logit'; did you mean 'logits'"),
        ({"loss": ["logits", "naive", "naive"]}, "loss lists a value twice"),
        ({"model": {"logits": "m"}}, "there is none for the loss sigmoid_clipped"),
        ({"margins": {"auc": 0.1}}, "margins.accuracy"),
        ({"primary": "f1"}, "primary"),
        ({"confirmatory": {"seeds": {"first": 2, "number": 9}}}, "share the seeds 2 to 2"),
        ({"seeds": {"first": 0, "number": 0}}, "number"),
        ({"seeds": {"first": 2**31 - 2, "number": 3}}, "the last seed, 2147483648, is too large"),
    ],
)
def test_mistakes_of_the_section(changes, words):
    with pytest.raises(ValidationError) as error:
        section(**changes)
    places = [".".join(map(str, e["loc"])) + " " + e["msg"] for e in error.value.errors()]
    assert any(words in place for place in places), places


def test_cells_have_the_seeds_of_all_their_regimes():
    found = section({"seeds": {"first": 10, "number": 2}, "model": ["m"]})
    assert len(regimes(found)) == 3
    cells = learning_cells(found)
    assert cells[LearningCell("a", "m", "logits", 4)] == [0, 1, 2, 10, 11]
    assert cells[LearningCell("a", "n", "logits", 4)] == [0, 1, 2]
    assert learning_cells(None) == {}
    own = section(model={"logits": "m", "sigmoid_clipped": "n"})
    assert [str(cell) for cell in learning_cells(own)] == ["a/m/logits/4", "a/n/sigmoid_clipped/4"]


def test_the_answer_speaks_of_any_study():
    columns = ["part", "question", "dataset", "model", "batch_size", "loss", "metric", "primary"]
    columns += ["verdict", "difference", "margin", "mean", "mean_reference", "sd"]
    stuck = pd.DataFrame(columns=[*columns[:6], "n", "stuck", "failed", "stuck_loss"])
    empty = pd.DataFrame(columns=columns).astype({"primary": bool})
    found = answer(empty, stuck)
    assert found["name"].tolist() == ["same", "harm", "stuck", "helps"]
    assert found["sentence"].str.endswith(".").all()
    assert set(conclusions(empty, stuck)["measured"]) == {NOTHING}


def test_the_numbers_of_the_answer_are_those_of_the_rows():
    place = {"part": "exploratory", "question": "q", "model": "m", "batch_size": 8}
    row = {**place, "loss": "sigmoid_clipped", "metric": "accuracy", "primary": True, "seeds": 20}
    row |= {"margin": 0.005, "sd": 0.1, "failed_reference": 0, "failed": 0}
    harm = {"difference": -0.3, "t_low": -0.4, "t_high": -0.2, "mean": 0.6, "mean_reference": 0.9}
    same = dict.fromkeys(("difference", "t_low", "t_high"), 0.0) | {"mean": 0.9}
    learning = pd.DataFrame(
        [
            {**row, **harm, "dataset": "raw", "verdict": "harms"},
            {**row, **same, "dataset": "scaled", "mean_reference": 0.9, "verdict": "equivalent"},
        ]
    )
    shown = {
        "stuck_loss": 7.97,
        "stuck_accuracy": 0.5,
        "stuck_exact_loss": 80,
        "stuck_val_auc": 0.4,
    }
    stuck = pd.DataFrame(
        {**place, "dataset": dataset, "loss": loss, "n": 20, "stuck": number, "failed": 0, **shown}
        for dataset, loss, number in (
            ("raw", "sigmoid_clipped", 13),
            ("raw", "logits", 0),
            ("scaled", "sigmoid_clipped", 0),
            ("scaled", "logits", 0),
        )
    )
    stuck["stuck_reference"] = 0
    learning["n"] = 20
    found = answer(learning, stuck).set_index("name")["sentence"]
    assert found["same"].startswith("In 1 of 2 regimes it does not matter")
    assert "(raw, m, batch size 8): accuracy 0.6 in place of 0.9 (difference -0.3" in found["harm"]
    assert list(found.index) == [name for name in SENTENCES if name in found]
    assert found["stuck"].startswith("In 1 regime (1 of them harmed) networks get stuck: 13 of 20,")
    assert found["hidden"].startswith("It shows: even in")
    assert "a loss of 7.970 and an accuracy of 0.500" in found["hidden"]
    assert "0 of 40 networks are stuck" in found["cure"]
    low = answer(learning, stuck.assign(stuck_loss=0.2)).set_index("name")["sentence"]
    assert low["hidden"].startswith("It can hide: in")
    failed = learning.assign(difference=np.nan, n=0, failed=20)
    words = answer(failed, stuck).set_index("name")["sentence"]["harm"]
    assert "no pair of finite trainings, since 20 of 20 end in nan" in words
    measured = conclusions(learning, stuck)["measured"]
    assert "13 of 40 are stuck with it" in measured[0]
    assert "batch size 8: harms 1, equivalent 1" in measured[3]
