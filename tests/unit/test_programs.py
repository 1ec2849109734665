"""The programs that a user's words mean: frameworks, losses, precisions, modes."""

import ast

import pytest

import sigmoid_bce
from sigmoid_bce.numerics import catalogue
from sigmoid_bce.numerics.catalogue import PAST
from sigmoid_bce.verdicts import programs, shares, written
from sigmoid_bce.verdicts.errors import BadOutputs
from sigmoid_bce.verdicts.programs import Mine, chosen

RECORD = shares.read().drop_duplicates(shares.KEYS)
RECORD = RECORD[~RECORD["framework"].isin(PAST)]


def found(**mine):
    rows = chosen(RECORD, Mine(**mine))
    return sorted(set(zip(rows["framework"], rows["implementation"], strict=True)))


def titles(**mine):
    return sorted(set(chosen(RECORD, Mine(**mine))["framework"]))


def test_every_program_in_use_is_written_somewhere():
    pairs = set(zip(RECORD["framework"], RECORD["implementation"], strict=True))
    known = {(title, name) for title, codes in written.WRITTEN.items() for name in codes}
    assert pairs <= known
    # written first, then measured into the record
    titles = {module.TITLE for _, module in catalogue.modules()} - set(PAST)
    assert {title for title, _ in known} == titles >= set(RECORD["framework"])


@pytest.mark.parametrize("title", written.WRITTEN)
def test_every_name_means_its_own_program(title):
    for name, entry in written.WRITTEN[title].items():
        here = RECORD[(RECORD["framework"] == title) & (RECORD["implementation"] == name)]
        for text in (name, *entry.names) if len(here) else ():
            dtype = here["dtype"].iloc[0]
            assert (title, name) in found(framework=title, loss=text, dtype=dtype), text
        for code in filter(None, (entry.code, entry.instead)):
            ast.parse(code)


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ("torch", ["PyTorch"]),
        ("PyTorch", ["PyTorch"]),
        ("pytorch-lightning", ["PyTorch"]),
        ("tf.keras", ["Keras on TensorFlow"]),
        ("lightning", ["PyTorch"]),
        ("sklearn", ["scikit-learn"]),
        ("scikit learn", ["scikit-learn"]),
        ("tf", ["TensorFlow"]),
        ("tensorflow", ["TensorFlow"]),
        ("keras", ["Keras on JAX", "Keras on NumPy", "Keras on PyTorch", "Keras on TensorFlow"]),
        ("tf_keras", ["Keras 2"]),
        ("Keras on torch", []),
        ("keras on pytorch", ["Keras on PyTorch"]),
        ("xgb", ["XGBoost"]),
        ("optax", ["JAX"]),
    ],
)
def test_frameworks_by_the_names_that_users_write(given, wanted):
    if wanted:
        assert titles(framework=given) == wanted
    else:
        with pytest.raises(BadOutputs, match="has no"):
            titles(framework=given)


@pytest.mark.parametrize(
    ("framework", "line", "implementation"),
    [
        ("torch", "criterion = nn.BCELoss()", "BCELoss() after sigmoid"),
        ("torch", "F.binary_cross_entropy(torch.sigmoid(x), y)", "BCELoss() after sigmoid"),
        ("torch", "F.binary_cross_entropy_with_logits(x, y)", "BCEWithLogitsLoss()"),
        ("torch", "torch.nn.BCEWithLogitsLoss(pos_weight=w)", "BCEWithLogitsLoss()"),
        ("sklearn", "LogisticRegression(C=10)", "HalfBinomialLoss()"),
        ("sklearn", "metrics.log_loss(y, p)", "log_loss(y, p)"),
        ("Keras on JAX", "loss='binary_crossentropy'", "Dense(1, sigmoid), BinaryCrossentropy()"),
        (
            "Keras on JAX",
            "keras.losses.BinaryCrossentropy(from_logits=True)",
            "Dense(1), BinaryCrossentropy(from_logits=True)",
        ),
        (
            "Keras on JAX",
            "BinaryCrossentropy(from_logits=False)",
            "Dense(1, sigmoid), BinaryCrossentropy()",
        ),
        ("xgboost", "binary:logistic", "metric logloss"),
    ],
)
def test_losses_by_the_line_that_users_write(framework, line, implementation):
    assert {name for _, name in found(framework=framework, loss=line)} == {implementation}


def test_precisions_and_modes_by_other_names():
    assert set(chosen(RECORD, Mine("torch", dtype="torch.bf16"))["dtype"]) == {"bfloat16"}
    assert set(chosen(RECORD, Mine("numpy", dtype="double"))["dtype"]) == {"float64"}
    assert set(chosen(RECORD, Mine("sklearn"))["dtype"]) == {"float64"}
    assert set(chosen(RECORD, Mine("jax"))["dtype"]) == {"float32"}
    assert set(chosen(RECORD, Mine("torch", mode="torch.compile"))["mode"]) == {"compiled"}
    assert set(chosen(RECORD, Mine("tensorflow", mode="jit_compile"))["mode"]) == {"xla"}
    assert set(chosen(RECORD, Mine("numpy", mode="eager"))["mode"]) == {""}
    assert set(chosen(RECORD, Mine("tf", mode="tf.function(jit_compile=True)"))["mode"]) == {"xla"}
    assert set(chosen(RECORD, Mine("keras", dtype="bf16-mixed"))["dtype"]) == {"bfloat16"}
    assert titles(framework="tensorflow", loss="binary_crossentropy") == ["Keras on TensorFlow"]


def test_mixed_precision_computes_each_loss_as_the_framework_does():
    rows = chosen(RECORD, Mine("torch", autocast=True)).set_index("implementation")["dtype"]
    assert set(rows["BCELoss() after sigmoid"]) == {"bfloat16"}
    assert set(rows["BCEWithLogitsLoss()"]) == {"float32"}
    rows = chosen(RECORD, Mine("keras", autocast=True, dtype="fp16"))
    assert set(rows["dtype"]) == {"float16"}


@pytest.mark.parametrize(
    ("mine", "words"),
    [
        ({"framework": "pytroch"}, "the nearest: PyTorch"),
        ({"framework": "caffe"}, "docs/verdict.md"),
        ({"loss": "BCEWithLogitLos", "framework": "torch"}, "BCEWithLogitsLoss()"),
        ({"loss": "hinge"}, "how to have others measured"),
        ({"framework": "sklearn", "loss": "SGDClassifier(loss='log_loss')"}, "is not measured"),
        ({"framework": "sklearn", "dtype": "bf16"}, "only in float32, float64"),
        ({"dtype": "int8"}, "float16, bfloat16, float32, float64, longdouble"),
        ({"framework": "numpy", "autocast": True}, "has no mixed precision"),
        ({"framework": "torch", "autocast": True, "dtype": "float64"}, "not in float64"),
        ({"framework": "torch", "mode": "xla"}, "eager, compiled"),
        ({"framework": "sklearn", "loss": "nn.BCELoss"}, "the nearest: neg_log_loss"),
        ({"framework": " "}, "framework"),
    ],
)
def test_what_the_record_does_not_hold_is_one_line_with_what_to_write(mine, words):
    with pytest.raises(BadOutputs) as error:
        sigmoid_bce.verdict([3.0, -2.0], [1, 0], **mine)
    assert words.lower() in str(error.value).lower()
    assert "\n" not in str(error.value)


def test_another_release_than_the_record_s_is_said(monkeypatch):
    assert programs.notes(RECORD[RECORD["framework"] == "NumPy"], Mine("numpy")) == []
    monkeypatch.setattr(programs.metadata, "version", lambda name: "0.9.1")
    (note,) = programs.notes(RECORD[RECORD["framework"] == "scikit-learn"], Mine("sklearn"))
    assert "scikit-learn 0.9.1 is installed" in note
    assert "make numerics" in note
