"""What a stuck loss can mean: the decoder against sums over samples, and what it refuses."""

import subprocess
import sys
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import sigmoid_bce
from sigmoid_bce.verdicts.errors import BadOutputs
from sigmoid_bce.verdicts.shares import RECORD

explain = sigmoid_bce.explain_stuck_loss
WRONG = "objective == 'bce' and side == 'wrong' and 1 < loss_flat_value < 1e30"
TABLE = pd.read_csv(RECORD, dtype={"version": str}).query(WRONG)


# as users reported them, or as the article's and other formulas give them
@pytest.mark.parametrize(
    ("value", "framework", "class_share", "label", "share", "plateau"),
    [
        (7.9712, None, None, "0", 0.5, 15.9424),
        (7.9712, "keras", 0.5, "0", 0.5, 15.9424),
        (7.97, "Keras", None, "0", 0.5, 15.9424),
        (7.971192359924316, None, None, "0", 0.5, 15.9424),
        (np.float32(7.9712), None, None, "0", 0.5, 15.9424),
        (15.9424, "tf.keras", None, "0", 1, 15.9424),
        (8.059, None, None, "1", 0.5, 16.1181),
        (3.2236, None, 0.2, "1", 0.2, 16.1181),
        (0.16118, "keras", 0.01, "1", 0.01, 16.1181),
        (7.6666, "TensorFlow 1.14", None, "0", 0.5, 15.3332),
        (7.7125, "Keras 2", None, "1", 0.5, 15.4249),
        (50, "torch", None, "0", 0.5, 100),
        (1, "PyTorch", 0.01, "1", 0.01, 100),
        (36.84, None, 0, "0", 1, 36.8414),
        (16.03024, "Keras on JAX", 0.5, "both", 1, 16.03024),
        (15.9951, None, 0.3, "both", 1, 15.9951),
        # few digits: what most people use comes first
        (8, None, None, "0", 0.5, 15.9424),
        (16, None, None, "0", 1, 15.9424),
        (7.7, None, None, "1", 0.5, 15.4249),
        # half of the samples, of which all have one label
        (7.9712, None, 0, "0", 0.5, 15.9424),
        (8.059, None, 1, "1", 0.5, 16.1181),
        (18.0218, "sklearn", None, "0", 0.5, 36.0437),
    ],
)
def test_reported_losses(value, framework, class_share, label, share, plateau):
    found = explain(value, framework, class_share)
    first = found.candidates[0]
    assert (first.label, first.share, first.fits) == (label, share, True)
    assert first.plateau == pytest.approx(plateau, rel=1e-5)
    assert first.side == "wrong"
    assert first.accuracy == 1 - share
    assert found.instead
    assert str(found) == repr(found)
    assert f"{found.value:.6g}" in found.sentences[0]
    assert len(found.to_frame()) == len(found.candidates)
    assert "<table" in found._repr_html_()


@settings(max_examples=12)
@given(
    row=st.integers(0, len(TABLE) - 1),
    ones=st.floats(0.02, 0.98),
    rest=st.sampled_from([0, 0, 0.05, 0.5]),
)
def test_every_plateau_of_the_record_is_found_at_every_share(row, ones, rest):
    """A dead class beside a live one: the program, label and share are found."""
    row = TABLE.iloc[row]
    dead = ones if row["y"] == 1 else 1 - ones
    value = dead * row["loss_flat_value"] + (1 - dead) * rest
    found = explain(value, class_share=ones)
    first = found.candidates[0].share * found.candidates[0].plateau
    assert (1 - dead) * rest > 0.2 * value or value == pytest.approx(first, rel=0.2)
    mine = [
        c
        for c in found.candidates
        if (c.framework, c.implementation) == (row["framework"], row["implementation"])
        and c.label == str(row["y"])
        and row["dtype"] in c.precision.split("/")
        and c.plateau == pytest.approx(row["loss_flat_value"], rel=1e-5)
    ]
    assert mine
    assert all(c.share == pytest.approx(dead, rel=1e-4) for c in mine)
    assert all(c.rest == pytest.approx((1 - dead) * rest, abs=2e-4 * value) for c in mine)
    assert all(c.fits == (c.rest == 0) for c in mine)
    # part of the class: less than the whole, and never more samples than it has
    for c in explain(0.7 * value, class_share=ones).candidates:
        limit = {"0": 1 - ones, "1": ones, "both": 1.0}[c.label]
        assert c.share <= limit + 1e-9
        assert c.share * c.plateau + c.rest == pytest.approx(0.7 * value, rel=2e-4)
    # without the share of labels, the program is found too
    assert any(
        (c.framework, c.implementation) == (row["framework"], row["implementation"])
        for c in explain(value).candidates
    )


BOTH = TABLE.query("dtype == 'float32'").pivot_table(
    "loss_flat_value", ["framework", "implementation", "mode", "dtype"], "y"
)


@pytest.mark.parametrize("program", BOTH.dropna().index, ids=str)
def test_both_labels_of_a_program_are_found_together(program):
    """Whatever the modes and precisions with which either label's plateau goes together."""
    framework, implementation, mode, dtype = program
    value = 0.3 * BOTH.loc[program, 1] + 0.7 * BOTH.loc[program, 0]
    found = explain(value, class_share=0.3).candidates
    assert [
        c
        for c in found
        if (c.framework, c.implementation, c.label) == (framework, implementation, "both")
        and c.fits
        and mode in c.mode.split("/")
        and dtype in c.precision.split("/")
    ]


@pytest.mark.parametrize(
    ("value", "class_share", "words"),
    [
        (1e-12, None, "every sample is right"),
        (3e-7, 0.3, "every sample is right"),
        (0.6931, None, "is log 2"),
        (0.69314718, 0.3, "is log 2"),
        (0.5004, 0.2, "entropy of the labels: every prediction is about 0.2"),
        (0.5004, None, "If 20 % or 80 % of the samples have label 1"),
        (1.192e-7, None, "nothing is left to learn"),
        (0, None, "rounds to 0"),
        (-0.0, None, "rounds to 0"),
        (-0.3, None, "never negative"),
        (-np.inf, None, "never negative"),
        (np.nan, None, "The loss is nan"),
        (np.inf, None, "The loss is inf"),
        (1e6, None, "the largest of which is 100"),
        (36.8414, None, "This is a metric"),
    ],
)
def test_other_values_are_explained(value, class_share, words):
    found = explain(value, class_share=class_share)
    assert words in " ".join(found.sentences)
    assert "nan" not in " ".join(found.sentences) or not np.isfinite(value)
    assert str(found)
    assert found._repr_html_()


def test_nan_is_traced_to_formulas_without_a_clip():
    found = explain(np.nan)
    assert {"plain formula, from the sigmoid"} <= {c.implementation for c in found.candidates}
    assert found.candidates[0].start == min(c.start for c in found.candidates)


@pytest.mark.parametrize("framework", ["scipy", "NumPy", "JAX"])
def test_a_framework_without_a_plateau_has_no_candidates_of_its_own(framework):
    found = explain(7.9712, framework)
    assert not [c for c in found.candidates if c.framework in ("SciPy", "NumPy", "JAX")]
    assert found.sentences


@pytest.mark.parametrize(
    "value",
    ["7.97", None, [7.97], np.ones(2), 1j, True, object(), pd.NA, 10**400, pd.Series([1.0])],
)
def test_values_that_are_no_loss(value):
    with pytest.raises(
        BadOutputs, match=r"^value: expected a loss such as 7.9712, found .+$"
    ) as error:
        explain(value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("share", ["0.3", -0.1, 1.1, 30, np.nan, [0.3]])
def test_shares_that_are_none(share):
    with pytest.raises(BadOutputs, match=r"^class_share: expected "):
        explain(7.97, class_share=share)


@pytest.mark.parametrize("framework", ["", "?", "theano", 3, ["keras"]])
def test_frameworks_that_are_not_known(framework):
    with pytest.raises(
        BadOutputs, match=r"^framework: expected a part of one of CatBoost, JAX, Keras 2, "
    ):
        explain(7.97, framework)


@pytest.mark.parametrize("value", [np.float64(7.9712), Decimal("7.9712"), np.array(7.9712)])
def test_numbers_of_every_kind(value):
    assert explain(value).candidates == explain(7.9712).candidates


def test_it_imports_no_framework():
    code = (
        "import sys, sigmoid_bce; sigmoid_bce.explain_stuck_loss(7.9712); "
        "print({'tensorflow', 'keras', 'torch', 'statsmodels', 'matplotlib'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "set()\n", done.stderr


@pytest.mark.parametrize(
    ("value", "share", "words", "cured"),
    [
        (6.5472, 0.40625, "nearly all samples of label 1", True),
        (9.4662, 0.4067, "nearly all samples of label 0", True),
        (0.3, None, "an ordinary loss may have this value", False),
        (0.05, None, "an ordinary loss may have this value", False),
        (34.5, None, "compute the metric from raw outputs", True),
        (1e-7, None, "nothing is left to learn", False),
    ],
)
def test_advice_goes_with_what_is_known(value, share, words, cured):
    found = sigmoid_bce.explain_stuck_loss(value, class_share=share)
    assert words in " ".join(found.sentences)
    assert bool(found.instead) == cured
    assert max(map(len, repr(found).split("\n\n")[1].splitlines()), default=0) <= 100
