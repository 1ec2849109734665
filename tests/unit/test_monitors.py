"""Monitors of trainings: what they count is what the weights say, and they change no weight."""

import re
import warnings
from pathlib import Path

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import layers
from sklearn.datasets import load_breast_cancer

from sigmoid_bce.comparison.diagnostics import shares
from sigmoid_bce.jobs.logs import UserError
from sigmoid_bce.keras import SaturationMonitor
from sigmoid_bce.monitors import keras_internals
from sigmoid_bce.monitors.counts import Counts
from sigmoid_bce.monitors.losses import LOSSES, is_clipped
from sigmoid_bce.monitors.outputs import last
from sigmoid_bce.monitors.variables import State
from sigmoid_bce.monitors.watch import SaturationWarning
from sigmoid_bce.numerics import formulas
from sigmoid_bce.training.losses import bce_loss
from support.checkout import ROOT
from support.trained import optimised_again, shared_process  # noqa: F401

pytestmark = pytest.mark.usefixtures("optimised_again")

X, Y = (part.astype(np.float32) for part in load_breast_cancer(return_X_y=True))
TAME = (X - X.mean(axis=0)) / X.std(axis=0) / 4
ENDS = {
    "raw": lambda: [layers.Dense(1, kernel_initializer="zeros")],
    "sigmoid": lambda: [layers.Dense(1, "sigmoid", kernel_initializer="zeros")],
    "reshaped": lambda: [
        layers.Dense(1, "sigmoid", kernel_initializer="zeros"),
        layers.Reshape((1, 1)),
        layers.Flatten(),
    ],
    "hidden": lambda: [
        layers.Dense(4, "relu"),
        layers.Dropout(0.5),
        layers.Dense(1),
        layers.Activation("sigmoid", dtype="float32"),
        layers.Flatten(),
    ],
}


class Before(keras.callbacks.Callback):
    """The weights before each batch."""

    def __init__(self):
        super().__init__()
        self.weights = []

    def on_train_batch_begin(self, batch, logs=None):
        self.weights.append(self.model.get_weights())


def train(end, loss=None, x=X, monitor=None, policy="float32", rate=1e-4, epochs=1, **options):
    """Train; return the weights before each batch, and at the end as bytes."""
    keras.utils.set_random_seed(0)
    keras.config.set_dtype_policy(policy)
    try:
        network = keras.Sequential([keras.Input((30,)), *ENDS[end]()])
    finally:
        keras.config.set_dtype_policy("float32")
    loss = loss or keras.losses.BinaryCrossentropy(from_logits=end == "raw")
    network.compile(keras.optimizers.Adam(rate), loss, **options)
    before = Before()
    callbacks = [before] if monitor is None else [monitor, before]
    network.fit(
        x, Y[:, None], batch_size=32, epochs=epochs, verbose=0, shuffle=False, callbacks=callbacks
    )
    return before.weights, b"".join(part.tobytes() for part in network.get_weights())


def caught(monitor, *arguments, **options):
    """Train with a monitor; return what `train` does, and the warning's batch."""
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        result = train(*arguments, monitor=monitor, **options)
    texts = [str(one.message) for one in found if one.category is SaturationWarning]
    assert len(texts) <= 1
    return *result, int(re.search(r"epoch 1, batch (\d+)", texts[0])[1]) if texts else 0


def recomputed(weights):
    """Return raw outputs from the weights before each batch."""
    return np.concatenate(
        [X[32 * i : 32 * i + 32] @ kernel + bias for i, (kernel, bias) in enumerate(weights)]
    )[:, 0]


@pytest.mark.parametrize(
    ("end", "loss", "name", "rate"),
    [("reshaped", None, None, 0.02), ("raw", lambda y, x: bce_loss.loss(y, x), "bce_loss", 0.1)],
    ids=["keras", "named"],
)
def test_the_counts_are_those_of_the_weights(end, loss, name, rate):
    monitor = SaturationMonitor(name)
    weights, end_weights, batch = caught(monitor, end, loss, rate=rate)
    (row,) = monitor.history
    x, label = recomputed(weights), Y.astype(int)
    p = formulas.sigmoid(x)
    if name == "bce_loss":
        # PyTorch's own derivative
        gradient = (p - Y) / np.maximum((1 - p) * p, np.float32(1e-12)) * p * (1 - p)
    else:
        gradient = formulas.gradient_through_sigmoid(p, Y)
    # the sigmoid's kernel decides near 16.4, and where the smallest numbers end
    size = np.abs(x)
    sure = (np.abs(size - 16.45) > 0.3) & ((size < 80) | (size > 105) | (name is None))
    assert sure.mean() > 0.8
    dead, wrong = gradient == 0, (x > 0) != (label == 1)
    if sure.all():
        for side, share in shares(dead[None], x[None], label[None]).items():
            assert row[f"dead_{side}"] == pytest.approx(float(share[0]))
    first = np.nonzero(dead & wrong & sure)[0][0] // 32 + 1
    doubtful = np.nonzero(wrong & ~sure)[0] // 32 + 1
    assert batch == first or batch in doubtful
    assert batch > 1, "the first batch comes before any harm"
    assert row["raw_output_max"] == pytest.approx(x.max(), rel=1e-3)
    clipped = is_clipped(LOSSES[row["loss"]], p, label == 1) if name else formulas.is_clipped(p)
    found = sum(row[f"clipped_{g}"] * row[f"samples_{g[0]}"] for g in ("0_wrong", "1_wrong"))
    assert abs(found - (clipped & wrong).sum()) <= (~sure).sum()
    assert row["dead_misclassified"] > 0
    assert train(end, loss, rate=rate)[1] == end_weights


@pytest.mark.parametrize(
    ("end", "policy", "options", "loss", "source"),
    [
        ("sigmoid", "float32", {}, "logits", "sigmoid"),
        ("reshaped", "float32", {"run_eagerly": True}, "sigmoid_clipped", "inverted"),
        ("reshaped", "float32", {"jit_compile": True}, "sigmoid_clipped", "sigmoid"),
        ("hidden", "mixed_float16", {"steps_per_execution": 4}, "sigmoid_clipped", "sigmoid"),
    ],
)
def test_a_tame_training_is_watched_without_a_warning(end, policy, options, loss, source):
    monitor = SaturationMonitor()
    _, after, batch = caught(monitor, end, x=TAME, policy=policy, rate=0.01, **options)
    (row,) = monitor.history
    assert (row["loss"], row["source"], batch) == (loss, source, 0)
    assert row["batches"] == 18
    assert row["samples_0"] + row["samples_1"] == len(X)
    assert after == train(end, x=TAME, policy=policy, rate=0.01, **options)[1]


def test_half_precision_gets_stuck():
    monitor = SaturationMonitor()
    assert caught(monitor, "sigmoid", policy="mixed_bfloat16", rate=0.3)[-1] > 1
    assert monitor.history[0]["dead_misclassified"] > 0.5
    assert 'Dense(1, dtype="float32")' in monitor.cure


def test_logits_are_never_dead_on_the_wrong_side():
    monitor = SaturationMonitor()
    assert caught(monitor, "sigmoid", rate=0.2)[-1] == 0
    (row,) = monitor.history
    assert row["dead_0_wrong"] == row["dead_1_wrong"] == 0 < row["share_0_wrong"]
    assert row["raw_output_max"] > 100


def test_validation_weights_and_fits_that_follow():
    keras.utils.set_random_seed(0)
    network = keras.Sequential([keras.Input((30,)), layers.Dense(1, "sigmoid")])
    network.compile("sgd", "binary_crossentropy")
    network.fit(TAME, Y, verbose=0)
    plain, monitor = network.train_function, SaturationMonitor()
    for _ in range(2):
        network.fit(
            *(TAME, Y),
            class_weight={0: 0.0, 1: 1.0},
            validation_data=(TAME[:50], Y[:50]),
            verbose=0,
            callbacks=[monitor],
        )
    assert network.train_function is plain
    assert "compute_loss" not in vars(network)
    for row in monitor.history:
        assert (row["samples_0"], row["samples_1"]) == (0, int(Y.sum()))
        assert row["val_samples_0"] + row["val_samples_1"] == 50
    assert monitor.to_frame()["val_raw_output_max"].notna().all()
    network.evaluate(TAME, Y, verbose=0, callbacks=[monitor])
    assert "compute_loss" not in vars(network)


def test_the_document_s_example_runs(capsys):
    code = re.findall(r"```python\n(.*?)```", (ROOT / "docs/monitor.md").read_text(), re.DOTALL)[0]
    with pytest.warns(SaturationWarning, match="batch 1.*Instead"):
        exec(code, {})
    assert "sigmoid_clipped" in capsys.readouterr().out


def test_one_output_of_several():
    inputs = keras.Input((30,))
    outputs = {
        "defect": layers.Dense(1, "sigmoid", name="defect")(inputs),
        "size": layers.Dense(1, name="size")(inputs),
    }
    network = keras.Model(inputs, outputs)
    network.compile("sgd", {"defect": "binary_crossentropy", "size": "mse"})
    y = {"defect": Y, "size": TAME[:, 0]}
    monitor = SaturationMonitor(output="defect")
    network.fit(TAME, y, verbose=0, callbacks=[monitor])
    assert monitor.history[0]["loss"] == "logits"
    assert monitor.history[0]["samples_1"] == Y.sum()
    with pytest.raises(UserError, match="output="):
        network.fit(TAME, y, verbose=0, callbacks=[SaturationMonitor()])


def test_what_cannot_be_watched_is_a_line():
    network = keras.Sequential([keras.Input((30,)), layers.Dense(2, "softmax")])
    network.compile("sgd", "binary_crossentropy")
    with pytest.raises(UserError, match="softmax"):
        network.fit(TAME, np.eye(2)[Y.astype(int)], verbose=0, callbacks=[SaturationMonitor()])
    with pytest.raises(UserError, match="did you mean 'bce_loss'"):
        SaturationMonitor("bce_los")


def without(monkeypatch, *names):
    """Let the monitor meet a Keras that lacks some names."""

    def get(thing, name, *default):
        return getattr(thing, f"{name}_moved" if name in names else name, *default)

    monkeypatch.setattr(keras_internals, "getattr", get, raising=False)


def test_the_guards_hold_every_private_name_of_keras():
    package = ROOT / "workflow/src/sigmoid_bce"
    guards = Path(keras_internals.__file__)
    listed = set(re.findall(r"`(_\w+)`", guards.read_text()))
    for file in (package / "keras.py", *sorted((package / "monitors").glob("*.py"))):
        found = re.findall(r"(?<!self)\.(_[a-z]\w*)|[\"'](_[a-z]\w*)[\"']", file.read_text())
        names = {name for pair in found for name in pair if name}
        assert names == (listed if file == guards else set()), file


@pytest.mark.parametrize(
    ("names", "end"),
    [
        (("_keras_logits",), "sigmoid"),
        (("_keras_logits", "_fn_kwargs"), "hidden"),
        (("_keras_history",), "sigmoid"),
        (("_keras_history",), "hidden"),
        (("_inbound_nodes", "operations"), "hidden"),
        (("_compile_loss",), "sigmoid"),
        (("_fn_kwargs",), "raw"),
        (("_metrics", "train_function", "test_function"), "sigmoid"),
    ],
    ids=str,
)
def test_a_keras_without_a_private_name_is_watched(names, end, monkeypatch):
    network = keras.Sequential([keras.Input((30,)), *ENDS[end]()])
    network.compile("sgd", keras.losses.BinaryCrossentropy(from_logits=end == "raw"))
    symbolic, monitor = network.outputs[0], SaturationMonitor()
    ends = "" if end == "raw" else "sigmoid"
    assert last(symbolic, network) == ends
    without(monkeypatch, *names)
    assert last(symbolic, network) == ends
    for _ in range(2):
        network.fit(TAME[:64], Y[:64], verbose=0, callbacks=[monitor])
    for row in monitor.history:
        # Keras does not recover the raw output after Flatten
        loss = "sigmoid_clipped" if end == "hidden" else "logits"
        assert (row["loss"], row["batches"]) == (loss, 2)
        assert row["source"] == ("raw" if end == "raw" else "sigmoid")


def test_a_keras_that_tells_too_little_is_a_line(monkeypatch):
    network = keras.Sequential([keras.Input((30,)), layers.Dense(2, "softmax")])
    network.compile("sgd", "binary_crossentropy")
    without(monkeypatch, "_keras_history", "_metrics")
    with pytest.raises(UserError, match="softmax"):
        network.fit(TAME, np.eye(2)[Y.astype(int)], verbose=0, callbacks=[SaturationMonitor()])
    monkeypatch.setattr(type(network), "layers", [])
    with pytest.raises(UserError, match=r"how the model ends: say it.*from_logits="):
        network.fit(TAME, np.eye(2)[Y.astype(int)], verbose=0, callbacks=[SaturationMonitor()])
    with pytest.raises(UserError, match=rf"Keras {keras.__version__} on JAX"):
        keras_internals.metrics(network)


@pytest.mark.parametrize(("labels", "said"), [((-1, 1), 1), ((0, 2), 1), ((0.1, 0.9), 0)])
def test_labels_beyond_0_and_1_are_a_line_at_the_user_s_own(labels, said):
    network = keras.Sequential([keras.Input((30,)), *ENDS["raw"]()])
    network.compile("sgd", keras.losses.BinaryCrossentropy(from_logits=True))
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        network.fit(
            TAME[:64],
            np.where(Y[:64], labels[1], labels[0]),
            verbose=0,
            epochs=2,
            callbacks=[SaturationMonitor()],
        )
    ours = [warning for warning in found if "labels from" in str(warning.message)]
    assert [warning.filename for warning in ours] == [__file__] * said


def test_a_line_an_epoch(capsys):
    caught(SaturationMonitor(verbose=True), "raw", x=TAME, epochs=2)
    assert "epoch 2, loss logits: raw outputs" in capsys.readouterr().out


@settings(max_examples=20)
@given(
    st.lists(
        st.tuples(
            st.floats(-120, 120, width=32), st.booleans(), st.booleans(), st.sampled_from([0, 2])
        ),
        min_size=1,
        max_size=12,
    ),
    st.sampled_from(["logits", "sigmoid_clipped", "bce_loss"]),
    st.integers(1, 4),
)
def test_both_ways_to_count_agree(samples, name, size):
    x, y, dead, weight = (np.array(part, np.float32) for part in zip(*samples, strict=True))
    p, loss, state, counts = formulas.sigmoid(x), LOSSES[name], State("both"), Counts()
    p[p < np.finfo(np.float32).tiny] = 0  # as TensorFlow does, in a network as well
    for start in range(0, len(x), size):
        part = slice(start, start + size)
        state.add(loss, x[part], p[part], y[part], 1 - dead[part], weight[part])
    sizes = [len(x[start : start + size]) for start in range(0, len(x), size)]
    counts.add(loss, x, p, y, dead == 1, weight, sizes)
    found = state.counts()
    np.testing.assert_array_equal(found.table, counts.table)
    assert (found.batches, found.first) == (counts.batches, counts.first)
    assert (found.least, found.most) == (counts.least, counts.most)
