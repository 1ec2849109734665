"""The NumPy formulas are those that TensorFlow and Keras run."""

import keras
import mpmath
import numpy as np
import pytest
import tensorflow as tf

from sigmoid_bce.jobs import plugins
from sigmoid_bce.numerics import formulas, reference

X = np.linspace(-40, 40, 2561, dtype=np.float32)


def by_tape(function, x, y):
    x = tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(x)
        loss = function(tf.constant(y), x)
    return loss.numpy(), tape.gradient(loss, x).numpy()


@pytest.mark.parametrize("label", [0.0, 1.0])
def test_from_logits(label):
    y = np.full_like(X, label)
    loss, gradient = by_tape(
        lambda y, x: tf.nn.sigmoid_cross_entropy_with_logits(labels=y, logits=x), X, y
    )
    np.testing.assert_array_max_ulp(formulas.loss_from_logits(X, y), loss, 4)
    # near 0 the sum 1 - y - tail cancels, in TensorFlow too
    np.testing.assert_allclose(formulas.gradient_from_logits(X, y), gradient, rtol=1e-5)


def test_sigmoid_is_exact():
    exact = [1 / (1 + mpmath.exp(-mpmath.mpf(float(x)))) for x in X]
    np.testing.assert_array_equal(formulas.sigmoid(X), np.float32([float(p) for p in exact]))


def test_the_clip_acts_where_it_does_in_tensorflow():
    x = np.arange(-40, 40, 1 / 512, dtype=np.float32)
    ours, theirs = (
        formulas.is_clipped(formulas.sigmoid(x)),
        formulas.is_clipped(tf.sigmoid(x).numpy()),
    )
    np.testing.assert_array_equal(ours, theirs)
    assert ours.any()
    assert not ours.all()


@pytest.mark.parametrize("label", [0.0, 1.0])
def test_from_probabilities(label):
    y = np.full_like(X, label)
    p = tf.sigmoid(X).numpy()
    loss, gradient = by_tape(keras.ops.binary_crossentropy, p, y)
    np.testing.assert_array_max_ulp(formulas.loss_from_probabilities(p, y), loss, 4)
    np.testing.assert_allclose(
        formulas.gradient_through_sigmoid(p, y), gradient * p * (1 - p), rtol=1e-5
    )
    assert (formulas.is_clipped(p) == (gradient == 0)).all()


def test_both_agree_with_the_reference_in_the_middle():
    x = X[np.abs(X) < 5]
    for label in (0.0, 1.0):
        y = np.full_like(x, label)
        exact = reference.loss(x, y, "float32")
        np.testing.assert_array_max_ulp(formulas.loss_from_logits(x, y), exact, 4)
        np.testing.assert_allclose(
            formulas.loss_from_probabilities(formulas.sigmoid(x), y), exact, rtol=2e-5
        )


@pytest.mark.parametrize("mode", ["eager", "graph"])
def test_training_losses_clip_or_do_not(mode):
    x = np.float32([[-30.0], [30.0]])
    y = np.float32([[1.0], [0.0]])  # badly wrong, both
    got = {}
    for name in plugins.names("training/losses"):
        function = plugins.load("training/losses", name, "loss").loss
        run = tf.function(by_tape_tensors) if mode == "graph" else by_tape_tensors
        loss, gradient = run(function, tf.constant(x), tf.constant(y))
        got[name] = (loss.numpy(), gradient.numpy())
    assert (got["sigmoid_clipped"][1] == 0).all()
    assert (got["sigmoid_clipped"][0] < 17).all()
    for name in ("logits", "sigmoid_keras"):
        np.testing.assert_allclose(got[name][0], 30, rtol=1e-6)
        np.testing.assert_allclose(np.abs(got[name][1]), 1, rtol=1e-6)


def by_tape_tensors(function, x, y):
    with tf.GradientTape() as tape:
        tape.watch(x)
        loss = function(y, x)
    return loss, tape.gradient(loss, x)
