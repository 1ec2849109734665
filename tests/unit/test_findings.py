"""Each criterion on made-up thresholds, and the known phenomena in the record."""

import inspect

import numpy as np
import pandas as pd
import pytest

from sigmoid_bce.numerics import criteria, findings
from sigmoid_bce.numerics.criteria import underflow
from sigmoid_bce.numerics.findings import find, summary
from sigmoid_bce.numerics.tables import THRESHOLDS, read_thresholds
from support.checkout import ROOT

RECORD = read_thresholds(ROOT / "tests/record/thresholds.csv")
FOUND = find(RECORD)


def rows(*changes, **common):
    """Return thresholds of a program that goes wrong only in some ways."""
    row = {
        **dict.fromkeys(THRESHOLDS, np.nan),
        **{"implementation": "it", "framework": "F", "version": "1", "mode": "", "y": 1.0},
        **{
            "objective": "bce",
            "dtype": "float32",
            "side": "wrong",
            "from_sigmoid": True,
            "has_gradient": True,
        },
        **{"gradient_by_hand": False},
        **common,
    }
    return pd.DataFrame([{**row, **change} for change in changes or ({},)])


def names(*changes, **common):
    return set(find(rows(*changes, **common))["finding"])


def test_nothing_wrong_is_no_finding():
    assert names({}, {"y": 0.0}, {"side": "correct"}, {"mode": "graph"}) == set()


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"first_nan": 3.0}, "not a number"),
        ({"first_inf": 3.0}, "infinite"),
        ({"gradient_zero_first": 16.1}, "dead when wrong"),
        ({"gradient_zero_first": 16.1, "side": "correct"}, "dead when right"),
        ({"gradient_zero_first": 87.4, "side": "correct"}, "flushed"),
        ({"loss_flat": 16.1, "loss_flat_value": 16.1}, "flat"),
        ({"loss_under": 16.3}, "understated"),
        ({"loss_over": 16.3}, "overstated"),
        ({"loss_off": 12.3, "side": "correct"}, "inexact"),
        ({"gradient_off": 12.3}, "gradient inexact"),
    ],
)
def test_a_criterion_of_one_threshold(change, expected):
    assert names(change) == {expected}
    # thresholds that subnormals explain are no findings
    if change.get("side") == "correct" and expected != "flushed":
        place = next(name for name in change if name != "side")
        assert expected not in names({**change, place: underflow("float32", "bce") + 1})


def test_labels():
    one = [{"y": 0.0, "loss_off": 12.0, "side": "correct"}, {"y": 1.0, "side": "correct"}]
    assert names(*one) == {"inexact", "one label only"}
    two = [{**one[0]}, {**one[1], "loss_off": 13.0}]
    assert names(*two) == {"inexact", "labels differ"}
    assert names(two[0], {**two[1], "loss_off": 12.01}) == {"inexact"}


def test_modes():
    graph = {"mode": "graph", "gradient_zero_first": 16.6, "side": "correct"}
    eager = {"mode": "eager", "side": "correct"}
    assert "modes disagree" in names(graph, eager)
    # a mode without a gradient does not differ in it
    assert "modes disagree" not in names(graph, {**eager, "has_gradient": False})
    assert "modes disagree" not in names(graph, {**eager, "implementation": "another"})
    flushed = {**eager, "gradient_zero_first": 87.4}
    assert names(flushed, {**eager, "mode": "xla"}) == {"flushed"}


def test_double_precision():
    single = {"loss_flat": 16.118, "loss_flat_value": 16.1}
    assert "double gains nothing" in names(single, {**single, "dtype": "float64"})
    wide = {**single, "dtype": "float64", "loss_flat": 36.7}
    assert "double gains nothing" not in names(single, wide)


def test_sigmoid_better_than_logits():
    logits = {"side": "correct", "loss_off": 12.0, "from_sigmoid": False}
    sigmoid = {"side": "correct", "implementation": "other"}
    assert "sigmoid is better" in names(logits, sigmoid)
    assert "sigmoid is better" not in names(logits, {**sigmoid, "framework": "G"})
    assert "sigmoid is better" not in names(logits, {**sigmoid, "loss_off": 11.0})


def test_the_worst_consequence_ranks_first_and_modes_share_a_row():
    table = rows(
        {"first_nan": 9.0},
        {"first_nan": 3.0, "y": 0.0},
        {"first_nan": 9.0, "mode": "xla"},
        {"first_nan": 1.0, "dtype": "float16"},
        {"gradient_zero_first": 16.0, "y": 0.0, "implementation": "other"},
        {"gradient_zero_first": 5.0, "implementation": "other", "dtype": "bfloat16"},
    )
    found = find(table)
    seen = found[found["finding"].isin(["not a number", "dead when wrong"])]
    assert list(seen["x"]) == [16.0, 5.0, 3.0, 9.0, 1.0]
    assert list(seen["dtype"]) == ["float32", "bfloat16", "float32", "float32", "float16"]
    assert list(seen["mode"]) == ["", "", "", "; xla", ""]
    assert list(found["rank"]) == list(range(1, len(found) + 1))
    short = summary(found)
    assert not short.duplicated(["framework", "implementation", "finding"]).any()
    (row,) = short[short["finding"] == "not a number"].to_dict("records")
    assert (row["x"], row["dtype"], row["y"]) == (3.0, "float32; float16", "0; 1")
    # x is that of the first of each list
    swapped = summary(find(table.assign(y=1 - table["y"])))
    assert set(swapped.loc[swapped["finding"] == "not a number", "y"]) == {"1; 0"}


def test_how_wrong_it_is():
    big = {"loss_over": 16.6, "loss_jump": 16.6, "loss_jump_value": 100.0}
    big |= {"loss_worst": 16.7, "loss_worst_ratio": 6.0}
    detail = find(rows(big)).set_index("finding")["detail"]
    assert detail["overstated"] == "jumps to 100 at 16.6, 6 times the true loss at 16.7"
    dead = {"gradient_zero_first": 5.5, "gradient_zero_share": 0.55, "gradient_zero": 6.25}
    detail = find(rows(dead)).set_index("finding")["detail"]
    assert detail["dead when wrong"] == "for good from 6.25, 55% of the floats before"
    passing = {**dead, "gradient_zero": np.nan, "gradient_zero_share": 1.0}
    detail = find(rows(passing)).set_index("finding")["detail"]
    assert detail["dead when wrong"] == "not for good, 100% of the floats up to the last of them"
    detail = find(rows({**passing, "first_nan": 7.0})).set_index("finding")["detail"]
    assert detail["dead when wrong"] == "nan from 7, 100% of the floats up to the last of them"
    detail = find(rows({**dead, "gradient_by_hand": True})).set_index("finding")["detail"]
    assert detail["dead when wrong"].startswith("gradient by hand, for good")


@pytest.mark.parametrize(
    ("of", "told"),
    [
        ("", {"gradient inexact", "inexact"}),
        ("loss", {"inexact"}),
        ("gradient_off", {"gradient inexact"}),
        ("gradient, label 1, float32", {"gradient inexact"}),
        ("gradient, label 0 or label 1", {"gradient inexact"}),
        ("gradient, label 0", set()),
        ("wrong side", set()),
        ("loss, float64", set()),
    ],
)
def test_a_cause_is_told_with_the_findings_that_it_explains(of, told):
    table = rows({"mode": "graph"}, {}, loss_off=9.0, gradient_off=9.0, side="correct")
    known = pd.DataFrame({"framework": ["F", "F"], "implementation": ["it", "it"]})
    known["objective"] = "bce"
    found = find(table, known.assign(mode=["graph", ""], cause=["because", ""], cause_of=[of, ""]))
    because = found[found["cause"] == "because"]
    assert set(because["finding"]) == told
    assert set(because["mode"]) <= {"graph"}


def test_no_implementation_is_named_in_the_code():
    code = (inspect.getsource(findings) + inspect.getsource(criteria)).lower()
    for word in ("keras", "torch", "jax", "boost", "gbm", "scipy", "sklearn", "bce", "dense"):
        assert word not in code.replace("sigmoid_bce", ""), word


# ---- the phenomena, found in the record by criteria that name no implementation


def found(finding, **where):
    table = FOUND[FOUND["finding"] == finding]
    for column, value in where.items():
        table = table[table[column].str.contains(value, regex=False)]
    return table


KERAS = {"framework": "Keras on TensorFlow"}
PLAIN = {"implementation": "Dense(1, sigmoid), BinaryCrossentropy()"}


def test_1_keras_finds_its_way_back_until_something_stands_between():
    plain = RECORD[
        (RECORD["framework"] == "Keras on TensorFlow")
        & (RECORD["implementation"] == PLAIN["implementation"])
        & (RECORD["dtype"] == "float32")
    ]
    for mode in ("eager", "graph", "xla", "evaluate, a sample a batch"):
        assert (
            plain.loc[(plain["mode"] == mode) & (plain["side"] == "wrong"), "loss_flat"]
            .isna()
            .all()
        )
    flat = found("flat", **KERAS, dtype="float32")
    assert {"predict, then loss"} <= set("; ".join(flat["mode"]).split("; ")) | set(flat["mode"])
    assert flat["implementation"].str.contains("Reshape").any()
    for backend in ("Keras on JAX", "Keras on PyTorch"):
        assert len(found("dead when wrong", framework=backend, dtype="float32", **PLAIN))
    disagree = found("modes disagree", **KERAS, **PLAIN, dtype="float32")
    assert disagree["detail"].str.contains("evaluate, a sample a batch: never").any()


def test_2_another_gradient_in_graph_mode():
    hit = found("modes disagree", framework="TensorFlow", dtype="float32", quantity="gradient")
    assert hit["detail"].str.contains("eager: never, graph: 1").any()


def test_3_logits_are_not_always_better():
    hit = found("sigmoid is better", framework="PyTorch", dtype="float32")
    assert set(hit["y"]) == {0.0}
    assert set(hit["side"]) == {"correct"}
    assert len(found("one label only", framework="PyTorch", dtype="float32", quantity="loss"))


def test_4_labels_are_not_symmetric():
    both = FOUND[FOUND["finding"].isin(["one label only", "labels differ"])]
    assert both["framework"].nunique() >= 5
    assert {"loss", "gradient"} <= {q.split("_")[0] for q in both["quantity"]}


def test_5_double_precision_gains_nothing_from_an_absolute_clip():
    hit = found("double gains nothing", quantity="loss_flat")
    assert {"Keras on TensorFlow", "Keras on JAX", "Keras on PyTorch"} <= set(hit["framework"])
    assert hit["x"].between(15, 17).any()


def test_6_half_precision_kills_the_gradient_of_misclassified_samples():
    for dtype, most in (("float16", 9), ("bfloat16", 9)):
        hit = found("dead when wrong", **KERAS, **PLAIN, dtype=dtype)
        assert hit["x"].min() < most
        # a head in float32 is a remedy
        assert not len(
            found("dead when wrong", **KERAS, implementation="sigmoid in float32", dtype=dtype)
        )
    half = FOUND[FOUND["dtype"].isin(["float16", "bfloat16"])]
    assert {"not a number", "infinite"} <= set(half["finding"])


def test_7_clipping_errs_both_ways():
    assert found("understated")["framework"].nunique() >= 4
    assert set(found("overstated", framework="XGBoost")["side"]) == {"wrong"}


def test_8_a_softmax_is_taken_for_logits():
    hit = FOUND[FOUND["implementation"].str.contains("softmax")]
    assert hit["x"].min() < 0.1


def test_9_the_article_s_formula():
    old = RECORD[RECORD["implementation"].str.startswith("Keras 0.3 to 2.2.5")]
    old = old[(old["dtype"] == "float32") & (old["y"] == 1)].set_index("side")
    assert old.loc["wrong", "loss_flat"] == pytest.approx(16.118, abs=0.001)
    assert old.loc["wrong", "loss_flat_value"] == pytest.approx(16.118, abs=0.001)
    assert old.loc["correct", "loss_flat_value"] == pytest.approx(1.192e-7, rel=1e-3)
    wide = RECORD[RECORD["dtype"] == "longdouble"]
    plain = wide[wide["implementation"].str.startswith("plain") & (wide["y"] == 1)]
    assert plain.set_index("side").loc["correct", "first_nan"] == pytest.approx(44.36, abs=0.01)
