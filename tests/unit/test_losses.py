"""Each loss of a training, and its gradient, is the formula that its file names."""

import keras
import ml_dtypes
import numpy as np
import pytest
import tensorflow as tf

from sigmoid_bce.jobs import plugins
from sigmoid_bce.numerics import formulas, reference
from sigmoid_bce.numerics.frameworks import history
from sigmoid_bce.training.learn import AS_WRITTEN
from support.trained import optimised_again  # noqa: F401

pytestmark = pytest.mark.usefixtures("optimised_again")

FOLDER = "training/losses"
NAMES = plugins.names(FOLDER)
# between the ends of the clip, at them and beyond; no point at which a sigmoid's last bit decides
X = np.float32([-300, -104, -80, -30, -18, -15.9, -12, -7, -5.5, -2, -0.5, 0.0])
X = np.concatenate([X, -X[:-1]])
LABELS = (0.0, 1.0)
F32 = np.float32


def computed(name, y, x=X):
    """Return loss and gradient as a training computes them: compiled, formulas as written."""
    loss = plugins.load(FOLDER, name).loss

    @tf.function(autograph=False)
    def both(y, x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            value = loss(y, x)
        return value, tape.gradient(value, x)

    tf.config.optimizer.set_experimental_options(AS_WRITTEN)
    column = tf.constant(x[:, None])
    return [part.numpy()[:, 0] for part in both(tf.fill(column.shape, F32(y)), column)]


def logits(y, x=X):
    return formulas.loss_from_logits(x, np.full_like(x, y)), formulas.gradient_from_logits(
        x, np.full_like(x, y)
    )


def clipped(y, x=X):
    p, labels = formulas.sigmoid(x), np.full_like(x, y)
    return formulas.loss_from_probabilities(p, labels), formulas.gradient_through_sigmoid(p, labels)


def two_epsilons(y, x=X):
    return history.tf_keras_1_14(x, np.full_like(x, y))


def bce_loss(y, x=X):
    p, y = formulas.sigmoid(x), F32(y)
    with np.errstate(divide="ignore"):
        loss = -(
            y * np.maximum(np.log(p), F32(-100)) + (1 - y) * np.maximum(np.log1p(-p), F32(-100))
        )
    return loss, (p - y) / np.maximum((1 - p) * p, F32(1e-12)) * p * (1 - p)


def naive(y, x=X):
    p, y = formulas.sigmoid(x), F32(y)
    with np.errstate(all="ignore"):
        loss = -(y * np.log(p) + (1 - y) * np.log(1 - p))
        return loss, (-y / p + (1 - y) / (1 - p)) * p * (1 - p)


def zeroed(side):
    def formula(y, x=X):
        loss, gradient = logits(y, x)
        wrong = (x > 0) != (y > 0.5)
        gone = (np.abs(x) > F32(16.118)) & (wrong if side == "wrong" else ~wrong)
        return loss, np.where(gone, F32(0), gradient)

    return formula


def after(dtype):
    def formula(y, x=X):
        loss, gradient = clipped(y, x.astype(dtype).astype(F32))
        return loss, gradient.astype(dtype).astype(F32)

    return formula


def inside(dtype):
    """Keras's policy: the sigmoid in half precision, everything after it in float32."""

    def formula(y, x=X):
        half = formulas.sigmoid(x.astype(dtype).astype(F32)).astype(dtype)
        p, labels = half.astype(F32), np.full_like(x, y)
        loss = formulas.loss_from_probabilities(p, labels)
        low, high = F32(1e-7), F32(1 - 1e-7)
        with np.errstate(all="ignore"):
            inner = (1 - F32(y)) / (1 - p) - F32(y) / p
            inner = np.where((p >= low) & (p <= high), inner, F32(0)).astype(dtype)
            return loss, (inner * (half * (dtype(1) - half))).astype(F32)

    return formula


FORMULAS = {
    "logits": (logits, 1e-5),
    "twin_up": (logits, 1e-5),
    "twin_down": (logits, 1e-5),
    "sigmoid_keras": (logits, 1e-5),
    "sigmoid_clipped": (clipped, 1e-5),
    "two_epsilons": (two_epsilons, 1e-5),
    "bce_loss": (bce_loss, 1e-5),
    "naive": (naive, 1e-5),
    "wrong_side_zeroed": (zeroed("wrong"), 1e-5),
    "correct_side_zeroed": (zeroed("correct"), 1e-5),
    "sigmoid_after_bfloat16": (after(ml_dtypes.bfloat16), 2**-7),
    "sigmoid_after_float16": (after(np.float16), 2**-10),
    "sigmoid_bfloat16": (inside(ml_dtypes.bfloat16), 2**-6),
    "sigmoid_float16": (inside(np.float16), 2**-9),
}


def test_every_loss_has_its_formula():
    assert sorted(FORMULAS) == NAMES


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("y", LABELS)
def test_loss_and_gradient_are_the_formula(name, y):
    formula, tolerance = FORMULAS[name]
    loss, gradient = computed(name, y)
    expected_loss, expected_gradient = formula(y)
    np.testing.assert_array_equal(gradient == 0, expected_gradient == 0)
    np.testing.assert_allclose(gradient, expected_gradient, tolerance, 1e-9)
    # near 1 the last bit of a sigmoid is a large part of 1 - p
    np.testing.assert_allclose(loss, expected_loss, max(tolerance, 2e-2), 1e-6)


@pytest.mark.parametrize("y", LABELS)
def test_logits_are_the_reference(y):
    loss, gradient = computed("logits", y)
    labels = np.full_like(X, y)
    np.testing.assert_array_max_ulp(loss, reference.loss(X, labels, "float32"), 4)
    np.testing.assert_allclose(gradient, reference.gradient(X, labels, "float32"), 1e-5)


@pytest.mark.parametrize("name", [n for n in NAMES if hasattr(plugins.load(FOLDER, n), "PLATEAU")])
def test_the_plateau_is_the_loss_far_on_the_wrong_side(name):
    plateau = plugins.load(FOLDER, name).PLATEAU
    found = [computed(name, y, np.float32([300 - 600 * y]))[0][0] for y in LABELS]
    np.testing.assert_allclose(found, plateau, 2e-6)


@pytest.mark.parametrize("name", NAMES)
def test_every_loss_says_where_it_is_used(name):
    module = plugins.load(FOLDER, name, "loss", "USED")
    assert module.USED
    assert not module.USED.endswith(".")


@pytest.mark.parametrize("y", LABELS)
def test_bce_loss_is_that_of_torch(y):
    torch = pytest.importorskip("torch")
    x = torch.tensor(X, requires_grad=True)
    loss = torch.nn.BCELoss(reduction="none")(torch.sigmoid(x), torch.full_like(x, y))
    loss.sum().backward()
    ours = computed("bce_loss", y)
    np.testing.assert_allclose(ours[0], loss.detach(), 2e-2, 1e-6)
    np.testing.assert_allclose(ours[1], x.grad, 1e-4, 1e-7)
    np.testing.assert_array_equal(ours[1] == 0, x.grad.numpy() == 0)


@pytest.mark.parametrize("y", LABELS)
def test_two_epsilons_are_those_of_tf_keras(y):
    tf_keras = pytest.importorskip("tf_keras")
    x, labels = tf.constant(X[:, None]), tf.fill((len(X), 1), F32(y))
    with tf.GradientTape() as tape:
        tape.watch(x)
        p = tf.identity(tf.sigmoid(x))  # an output whose raw output is lost
        loss = tf_keras.backend.binary_crossentropy(labels, p)
    np.testing.assert_allclose(computed("two_epsilons", y)[0], loss.numpy()[:, 0], 2e-2, 1e-6)
    theirs = tape.gradient(loss, x).numpy()[:, 0]
    np.testing.assert_allclose(computed("two_epsilons", y)[1], theirs, 1e-4, 1e-9)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
@pytest.mark.parametrize("y", LABELS)
@pytest.mark.parametrize("head", ["sigmoid", "sigmoid_after"])
def test_half_precision_is_that_of_a_keras_policy(dtype, y, head):
    policy = f"mixed_{dtype}"
    inputs = keras.Input((1,), dtype="float32")
    if head == "sigmoid":
        output = keras.layers.Dense(1, "sigmoid", dtype=policy)(inputs)
    else:
        output = keras.layers.Dense(1, dtype=policy)(inputs)
        output = keras.layers.Activation("sigmoid", dtype="float32")(output)
    network = keras.Model(inputs, output)
    network.set_weights([np.ones((1, 1)), np.zeros(1)])
    x = np.array(np.array(X, dtype if dtype == "float16" else ml_dtypes.bfloat16), F32)
    labels = tf.fill((len(x), 1), F32(y))
    loss = keras.losses.BinaryCrossentropy(reduction=None)
    with tf.GradientTape() as tape:
        tape.watch(column := tf.constant(x[:, None]))
        # eagerly, as under JAX and PyTorch, Keras does not recover the raw output
        values = loss(labels, tf.identity(network(column)))
    gradient = tape.gradient(values, column).numpy()[:, 0]
    ours = computed(f"{head}_{dtype}", y, x)
    np.testing.assert_allclose(ours[0], values, 2e-2, 1e-6)
    np.testing.assert_array_equal(ours[1] == 0, gradient == 0)
