"""What a training sees of a data set is a function of manifest, settings and seed alone."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sigmoid_bce.data.draw import draw, standardise
from sigmoid_bce.data.listing import DataError
from sigmoid_bce.data.split import choose
from sigmoid_bce.study.datasets import Split

SEEDS = st.integers(0, 2**31 - 1)


def manifest(negatives, positives, split=None):
    """Return labels and parts of a prepared data set; without a split, half is for validation."""
    labels = np.random.default_rng(1).permutation([0] * negatives + [1] * positives)
    parts = np.full(len(labels), "train", object)
    parts[choose(labels, split or Split(validation=0.5))[1]] = "validation"
    return labels, parts


@given(
    st.integers(50, 90),
    st.integers(50, 90),
    SEEDS,
    st.floats(0, 0.2),
    st.floats(0.1, 0.5),
    st.booleans(),
)
@settings(max_examples=20)
def test_counts_and_streams(negatives, positives, seed, label_noise, imbalance, redraw):
    labels, parts = manifest(negatives, positives)
    options = {"split": Split(validation=0.5), "seed": seed, "redraw": redraw}
    plain = draw(labels, parts, **options)
    few = draw(labels, parts, imbalance=imbalance, **options)
    noisy = draw(labels, parts, label_noise=label_noise, **options)
    both = draw(labels, parts, label_noise=label_noise, imbalance=imbalance, **options)
    y = labels[plain.train]
    # sizes and proportions are those of the manifest, and no draw touches the validation part
    assert len(plain.train) == (parts == "train").sum()
    assert abs(y.sum() - labels[parts == "train"].sum()) <= 1
    assert not set(plain.train) & set(plain.validation)
    assert all((one.validation == plain.validation).all() for one in (few, noisy, both))
    # the minority: all negatives, a number of positives
    negative = (y == 0).sum()
    assert (labels[few.train] == 0).sum() == negative
    assert few.labels.sum() == round(imbalance * negative)
    assert set(few.train) <= set(plain.train)
    assert (few.labels == labels[few.train]).all()
    # the noise: a number of flips, whatever the class
    assert (noisy.train == plain.train).all()
    assert (noisy.labels != y).sum() == round(label_noise * len(y))
    # neither draw changes the other
    assert (both.train == few.train).all()
    again = draw(labels, parts, label_noise=label_noise, imbalance=imbalance, **options)
    assert all((a == b).all() for a, b in zip(both, again, strict=True))


@given(SEEDS, st.floats(0, 0.49), st.floats(0.02, 0.49), st.floats(0.1, 1), st.floats(0.1, 1))
@settings(max_examples=15)
def test_a_smaller_share_is_part_of_a_larger_one(seed, noise, more_noise, few, more):
    (noise, more_noise), (few, more) = sorted([noise, more_noise]), sorted([few, more])
    labels, parts = manifest(60, 80)
    options = {"split": Split(), "seed": seed, "redraw": False}
    clean = draw(labels, parts, **options)
    flipped, more_flipped = (
        set(clean.train[draw(labels, parts, label_noise=share, **options).labels != clean.labels])
        for share in (noise, more_noise)
    )
    assert flipped <= more_flipped
    kept, more_kept = (
        set(draw(labels, parts, imbalance=share, **options).train) for share in (few, more)
    )
    assert kept <= more_kept


@pytest.mark.parametrize(
    ("made", "section", "again"),
    [
        (Split(), Split(), True),
        (Split(), None, True),  # the split of data that have none
        (Split(validation=7), None, False),  # one of the data
        (Split(), Split(by="given"), False),
        (Split(), Split(by="order", validation=0.5), False),
        (Split(train=20, validation=12), Split(train=20, validation=12, seed=3), True),
    ],
)
def test_the_split_is_drawn_again_if_it_is_by_seed(made, section, again):
    labels, parts = manifest(40, 30, made)
    used = np.isin(np.arange(len(labels)), np.concatenate(choose(labels, made)))
    labels, parts = labels[used], parts[used]
    kept = draw(labels, parts, section, seed=5, redraw=False)
    drawn = draw(labels, parts, section, seed=5, redraw=True)
    assert kept.train.tolist() == np.flatnonzero(parts == "train").tolist()
    assert kept.validation.tolist() == np.flatnonzero(parts == "validation").tolist()
    assert (drawn.train.tolist() != kept.train.tolist()) == again
    assert len(drawn.train) == len(kept.train)
    assert abs(drawn.labels.sum() - kept.labels.sum()) <= 1


@pytest.mark.parametrize(
    ("negatives", "positives", "options", "message"),
    [
        (100, 40, {"imbalance": 0.009}, r"is 0 positive ones.*expected at least 0\.02 and at mos"),
        (100, 40, {"imbalance": 0.42}, r"is 21 positive ones, and there are 20.*at most 0\.4$"),
        (100, 10, {"imbalance": 0.02, "label_noise": 0.02}, None),
    ],
)
def test_a_class_that_is_emptied(negatives, positives, options, message):
    labels, parts = manifest(negatives, positives)
    if message:
        with pytest.raises(DataError, match=message):
            draw(labels, parts, Split(), seed=0, redraw=False, **options)
        return
    # one positive is left, and one label is flipped: in some seed it is that one
    outcomes = set()
    for seed in range(200):
        try:
            draw(labels, parts, Split(), seed=seed, redraw=False, **options)
            outcomes.add("")
        except DataError as error:
            outcomes.add(str(error).split(" with")[0])
    assert outcomes == {"", "label_noise 0.02"}


@pytest.mark.parametrize("shape", [(7,), (4, 3, 1)])
@pytest.mark.parametrize("block", [1, 2**22])
def test_inputs_are_standardised(shape, block, monkeypatch):
    monkeypatch.setattr("sigmoid_bce.data.draw.BLOCK", block)
    chance = np.random.default_rng(0)
    inputs = (chance.normal(3, 50, (40, *shape)) + 1000).astype(np.float32)
    inputs[:30, 0] = 0.1  # constant in the training rows, in floats that have no exact mean
    rows = np.arange(30)
    out = standardise(inputs, rows)
    assert out.dtype == np.float32
    assert out.shape == inputs.shape
    assert (out[:, 0] == 0).all()
    seen = inputs[rows].astype(np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        expected = (inputs - seen.mean(axis=0)) / seen.std(axis=0)
    np.testing.assert_allclose(out[:, 1:], expected[:, 1:], rtol=1e-6, atol=1e-6)


def test_pixels_are_standardised():
    images = np.random.default_rng(0).integers(0, 256, (9, 2, 2, 1), np.uint8)
    out = standardise(images, np.arange(5))
    np.testing.assert_allclose(out[:5].mean(axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(out[:5].std(axis=0), 1, atol=1e-6)
