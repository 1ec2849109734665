"""How a user's network may end: tried with weights of every size, whatever its layers are."""

import re

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers, ops

from sigmoid_bce.models import endings
from sigmoid_bce.models.own_code import NetworkError
from sigmoid_bce.training import raw_outputs

SIZE = 3
IMAGES = np.random.default_rng(0).normal(size=(40, SIZE, SIZE, 1)).astype(np.float32)


@pytest.fixture(autouse=True)
def _seed():
    keras.utils.set_random_seed(0)


def functional(end, *, maps=False):
    """Return a network with an end, on the pixels or on their map."""
    inputs = keras.Input((SIZE, SIZE, 1))
    return keras.Model(inputs, end(inputs if maps else layers.Flatten()(inputs)))


def dense(activation=None, **options):
    return layers.Dense(1, activation, **options)


def both(layer, activation=None):
    return functional(lambda x: layer()([dense(activation)(x), dense(activation)(x)]))


def maps(*ends):
    return functional(lambda x: keras.Sequential([*ends])(x), maps=True)


class Head(layers.Layer):
    """A layer that hides its activation."""

    def __init__(self, function):
        super().__init__()
        self.dense, self.function = layers.Dense(1), function

    def call(self, x):
        return self.function(self.dense(x))


class Own(keras.Model):
    """A model without a graph."""

    def __init__(self, function):
        super().__init__()
        self.head, self.flat = Head(function), layers.Flatten()

    def call(self, x):
        return self.head(self.flat(x))


def other(x):
    return x


other.__name__ = "sigmoid"

RAW = {
    "Dense": lambda: functional(dense()),
    "zeros": lambda: functional(dense(kernel_initializer="zeros", use_bias=False)),
    "a negative bias": lambda: functional(dense(bias_initializer=keras.initializers.Constant(-9))),
    "only positive": lambda: functional(dense(kernel_initializer="ones", use_bias=False)),
    "Rescaling": lambda: functional(lambda x: layers.Rescaling(1 / 255, -3)(dense()(x))),
    "times 3": lambda: functional(lambda x: 3 * dense()(x)),
    "Average": lambda: both(layers.Average),
    "Add": lambda: both(layers.Add),
    "Maximum": lambda: both(layers.Maximum),
    "Minimum": lambda: both(layers.Minimum),
    "Subtract of softplus": lambda: both(layers.Subtract, "softplus"),
    "BatchNormalization": lambda: functional(lambda x: layers.BatchNormalization()(dense()(x))),
    "Lambda": lambda: functional(lambda x: layers.Lambda(lambda t: t)(dense()(x))),
    "Dropout, Reshape": lambda: functional(
        lambda x: layers.Reshape((1,))(layers.Dropout(0.5)(dense()(x)))
    ),
    "Flatten": lambda: maps(layers.Conv2D(1, SIZE), layers.Flatten()),
    "squeeze": lambda: functional(lambda x: ops.squeeze(ops.expand_dims(dense()(x), 2), 2)),
    "a mean": lambda: maps(layers.Conv2D(1, 1), layers.GlobalAveragePooling2D()),
    "called sigmoid": lambda: functional(dense(other)),
    "no graph": lambda: Own(other),
    "nested": lambda: functional(lambda x: keras.Sequential([layers.Dense(2), dense()])(x)),
    "sigmoids inside": lambda: functional(lambda x: dense()(layers.Dense(3, "sigmoid")(x))),
    "asinh": lambda: functional(lambda x: ops.arcsinh(dense()(x))),
    "frozen body": lambda: functional(lambda x: dense()(layers.Dense(2, trainable=False)(x))),
    "deep": lambda: functional(
        keras.Sequential([*(layers.Dense(2, "relu") for _ in range(9)), dense(use_bias=False)])
    ),
}
CUT = {
    "Dense": lambda: functional(dense("sigmoid")),
    "Activation": lambda: functional(lambda x: layers.Activation("sigmoid")(dense()(x))),
    "Dropout after it": lambda: functional(lambda x: layers.Dropout(0.5)(dense("sigmoid")(x))),
    "Reshape after it": lambda: functional(
        lambda x: layers.Flatten()(layers.Reshape((1, 1))(ops.sigmoid(dense()(x))))
    ),
    "ops.sigmoid": lambda: functional(lambda x: ops.sigmoid(dense()(x))),
    "tf.sigmoid": lambda: functional(lambda x: layers.Lambda(tf.sigmoid)(dense()(x))),
    "tf.nn.sigmoid": lambda: functional(dense(tf.nn.sigmoid)),
    "Lambda": lambda: functional(dense(lambda x: 1 / (1 + ops.exp(-x)))),
    "a formula": lambda: functional(lambda x: 1 / (1 + ops.exp(-dense()(x)))),
    "clip to [0, 1]": lambda: functional(lambda x: ops.clip(dense("sigmoid")(x), 0, 1)),
    "temperature inside": lambda: functional(lambda x: ops.sigmoid(dense()(x) / 5)),
    "a mean of one": lambda: maps(
        layers.Conv2D(1, SIZE, activation="sigmoid"), layers.GlobalAveragePooling2D()
    ),
    "nested": lambda: functional(
        lambda x: layers.Reshape((1,))(keras.Sequential([layers.Dense(2), dense("sigmoid")])(x))
    ),
    "nested operation": lambda: functional(
        lambda x: keras.Sequential([dense(), layers.Activation("sigmoid")])(x)
    ),
}
SIGMOID = "in [0, 1], as after a sigmoid"
BOUNDED = {
    "a mean of sigmoids": (
        lambda: maps(layers.Conv2D(1, 1, activation="sigmoid"), layers.GlobalAveragePooling2D()),
        SIGMOID,
    ),
    "Average of sigmoids": (lambda: both(layers.Average, "sigmoid"), SIGMOID),
    "Multiply of sigmoids": (lambda: both(layers.Multiply, "sigmoid"), SIGMOID),
    "Maximum of sigmoids": (lambda: both(layers.Maximum, "sigmoid"), SIGMOID),
    "Add of sigmoids": (lambda: both(layers.Add, "sigmoid"), "in [0, 2]"),
    "one sigmoid, used twice": (
        lambda: functional(
            lambda x: (lambda gate: gate(x[:, :4] * gate(x[:, 4:8])))(dense("sigmoid"))
        ),
        SIGMOID,
    ),
    "clip": (lambda: functional(lambda x: ops.clip(dense("sigmoid")(x), 1e-7, 1 - 1e-7)), "in [1e"),
    "clip of raw outputs": (lambda: functional(lambda x: ops.clip(dense()(x), -9, 9)), "[-9, 9]"),
    "1 - sigmoid": (lambda: functional(lambda x: 1 - dense("sigmoid")(x)), SIGMOID),
    "5 sigmoid": (lambda: functional(lambda x: 5 * dense("sigmoid")(x)), "in [0, 5]"),
    "hard_sigmoid": (lambda: functional(dense("hard_sigmoid")), SIGMOID),
    "log_sigmoid": (lambda: functional(dense("log_sigmoid")), "never positive"),
    "a layer": (lambda: functional(Head(ops.sigmoid)), SIGMOID),
    "no graph": (lambda: Own(ops.sigmoid), SIGMOID),
    "tanh": (lambda: functional(dense("tanh")), "in [-1, 1]"),
    "3 tanh": (lambda: functional(lambda x: 3 * ops.tanh(dense()(x) / 3)), "in [-3, 3]"),
    "softsign": (lambda: functional(dense("softsign")), "in [-1, 1]"),
    "softplus": (lambda: functional(dense("softplus")), "never negative"),
    "elu": (lambda: functional(dense("elu")), "never below -1"),
    "relu": (lambda: functional(dense("relu")), "never negative"),
    "ReLU": (lambda: functional(lambda x: layers.ReLU()(dense()(x))), "never negative"),
    "relu, sigmoid": (
        lambda: functional(lambda x: ops.sigmoid(dense("relu")(x))),
        "before the sig",
    ),
    "exp": (lambda: functional(dense("exponential")), "never negative"),
    "square": (lambda: functional(lambda x: dense()(x) ** 2), "never negative"),
    "abs": (lambda: functional(lambda x: ops.abs(dense()(x))), "never negative"),
    "softmax of one": (lambda: functional(dense("softmax")), "in [1, 1], as after a sigmoid"),
}


def tried(network):
    network(IMAGES)
    return endings.raw(network, IMAGES.shape[1:], "nets.py: build")


@pytest.mark.parametrize("name", RAW)
def test_a_raw_output_is_taken_as_it_is(name):
    network = RAW[name]()
    before = np.asarray(network(IMAGES)), [w.numpy() for w in network.weights]
    found, cut = tried(network)
    assert found is network
    assert cut == ""
    np.testing.assert_array_equal(found(IMAGES), before[0])
    for weight, kept in zip(network.weights, before[1], strict=True):
        np.testing.assert_array_equal(weight, kept)


@pytest.mark.parametrize("name", CUT)
def test_a_sigmoid_is_cut_off(name):
    network = CUT[name]()
    for weight in network.trainable_variables:
        weight.assign(weight.numpy() * 9)
    shares = np.asarray(network(IMAGES), np.float64)
    found, cut = tried(network)
    assert cut
    assert found.output_shape == (None, 1)
    raw = np.asarray(found(IMAGES), np.float64)
    with np.errstate(over="ignore"):
        np.testing.assert_allclose(1 / (1 + np.exp(-raw)), shares, rtol=1e-4, atol=1e-7)
    assert raw.min() < 0 or raw.max() > 1


@pytest.mark.filterwarnings("ignore:You are using a softmax")
@pytest.mark.parametrize("name", BOUNDED)
def test_a_bounded_output_is_refused(name):
    make, message = BOUNDED[name]
    network = make()
    with pytest.raises(NetworkError, match=re.escape(message)) as caught:
        tried(network)
    text = str(caught.value)
    assert text.startswith("nets.py: build: ")
    assert "\n" not in text
    assert "before any sigmoid, clip or mean of probabilities" in text
    assert endings.raw(network, IMAGES.shape[1:], "nets.py: build", really=True) == (network, "")


@pytest.mark.filterwarnings("ignore:__array__:DeprecationWarning")
@pytest.mark.parametrize("kind", ["keras", "h5"])
def test_a_saved_network_keeps_its_weights(kind, tmp_path):
    whole = functional(dense("sigmoid"))
    whole.save(tmp_path / f"saved.{kind}")
    found, cut = tried(keras.models.load_model(tmp_path / f"saved.{kind}", compile=False))
    assert cut
    np.testing.assert_allclose(ops.sigmoid(found(IMAGES)), whole(IMAGES), rtol=1e-5)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_half_precision(policy):
    keras.config.set_dtype_policy(policy)
    try:
        assert tried(functional(dense()))[1] == ""
        assert tried(functional(dense("sigmoid", name="last")))[1] == "last"
        with pytest.raises(NetworkError, match="never negative"):
            tried(functional(dense("softplus")))
    finally:
        keras.config.set_dtype_policy("float32")


@pytest.mark.parametrize(
    ("outputs", "said"),
    [
        ([-1.0, 2.0], ""),
        ([0.0, 0.0], "within [0, 1], as probabilities are: 0 to 0; does"),
        ([0.3, 1.0], "within [0, 1], as probabilities are: 0.3 to 1; does"),
        ([0.2, 1.1], "every raw output is positive, 0.2 to 1.1: "),
        ([-3.0, -1.0], "negative, -3 to -1: the network gives every sample the label 0"),
    ],
)
def test_suspicious_raw_outputs_are_said(outputs, said, capsys):
    raw_outputs.look("early", np.float32(outputs), really_raw=True)
    out = capsys.readouterr().out
    assert said in out
    assert bool(said) == bool(out)


def test_saturated_outputs_are_refused(capsys):
    outputs = np.float32([0.1, 0.7, 1.0])
    with pytest.raises(NetworkError, match=r"full: .*0.1 to 1, and many are 1: .*really_raw: true"):
        raw_outputs.look("full", outputs, really_raw=False)
