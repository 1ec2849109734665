"""The record of all losses: complete, and right where nothing is extreme."""

import pytest

from sigmoid_bce.numerics.names import TITLES
from sigmoid_bce.numerics.tables import KEY, RECORD, read_thresholds

EVERY = read_thresholds(RECORD, objective=None)
KINK = {
    ("bce", "PaddlePaddle", "binary_cross_entropy_with_logits"),
    ("focal", "PaddlePaddle", "sigmoid_focal_loss"),
    ("smoothing", "PaddlePaddle", "binary_cross_entropy_with_logits(x, 7 y / 8 + 1 / 16)"),
    ("weighted", "TensorFlow", "weighted_cross_entropy_with_logits"),
}
"""They differentiate max(x, 0) and |x| at 0, each by itself."""
SOFTMAX = {("bce", "Keras on TensorFlow", "Dense(2, softmax), BinaryCrossentropy()")}
"""Keras takes the input of the softmax for that of a sigmoid."""


def ordinary(place):
    """Return the programs that go wrong within 4 of 0 in the usual precisions."""
    usual = EVERY[EVERY["dtype"].isin(["float32", "float64"]) & (EVERY["framework"] != "history")]
    near = usual[usual[place] <= 4]
    return set(zip(near["objective"], near["framework"], near["implementation"], strict=True))


@pytest.mark.parametrize(
    ("place", "known"),
    [
        ("loss_off", SOFTMAX),
        ("gradient_off", SOFTMAX | KINK),
        ("gradient_zero_first", {one for one in KINK if one[1] == "TensorFlow"}),
        ("loss_flat", set()),
        ("first_nan", set()),
        ("first_inf", set()),
    ],
)
def test_ordinary_samples_are_right_in_single_and_double_precision(place, known):
    assert ordinary(place) == known


def test_every_program_has_both_labels_on_both_sides_once():
    assert not EVERY.duplicated([*KEY, "y", "side"]).any()
    assert set(EVERY.groupby(KEY).size()) == {4}
    assert (EVERY[["processor", "version", "date"]] != "").all(axis=None)


def test_every_loss_has_programs_of_several_frameworks():
    counts = EVERY.groupby("objective")["framework"].nunique()
    assert set(counts.index) == set(TITLES)
    assert counts.min() >= 5
    assert EVERY["framework"].nunique() >= 24
    assert len(EVERY) // 4 >= 1000
