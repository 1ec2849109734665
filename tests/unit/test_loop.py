"""The loop trains as Keras's own `fit` does, and its history has a column for each metric."""

import json

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from keras import layers

from sigmoid_bce.study.cells import Cell
from sigmoid_bce.training import metrics
from support.trained import HEAD, run, samples, shared_process  # noqa: F401

# NumPy's, about Keras's own conversions
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
BATCH, SEED = 8, 3


def head():
    return keras.Sequential(
        [
            keras.Input((20,)),
            layers.Flatten(),
            layers.Dropout(HEAD["dropout"]),
            layers.Dense(HEAD["dense"], activation="relu"),
            layers.Dense(1),
        ]
    )


def plain(optimizer, epochs, patience):
    """Train the head as Keras's guides do, on the same order of samples; return all there is."""
    keras.utils.clear_session()
    keras.utils.set_random_seed(SEED)
    inputs, manifest = samples(HEAD)
    labels = manifest["label"].to_numpy("float32")[:, None]
    train = np.flatnonzero(manifest["split"] == "train").astype("int32")
    held_out = manifest["split"].to_numpy() == "validation"
    network = head()
    network.compile(
        optimizer,
        keras.losses.BinaryCrossentropy(from_logits=True),
        metrics=[keras.metrics.BinaryAccuracy("accuracy", threshold=0.0)],
    )

    def batches():
        for epoch in range(epochs):
            order = tf.random.experimental.stateless_shuffle(train, [SEED, epoch]).numpy()
            for i in range(0, len(order), BATCH):
                yield inputs[order[i : i + BATCH]], labels[order[i : i + BATCH]]

    kinds = (tf.TensorSpec((None, 20), tf.float32), tf.TensorSpec((None, 1), tf.float32))
    fitted = network.fit(
        tf.data.Dataset.from_generator(batches, output_signature=kinds),
        epochs=epochs,
        steps_per_epoch=-(-len(train) // BATCH),
        validation_data=(inputs[held_out], labels[held_out]),
        validation_batch_size=256,
        callbacks=[keras.callbacks.EarlyStopping("loss", patience=patience)],
        shuffle=False,
        verbose=0,
    )
    return fitted.history, network.get_weights()


OPTIMIZERS = {
    "sgd": keras.optimizers.SGD,
    "adam": keras.optimizers.Adam,
    "rmsprop": keras.optimizers.RMSprop,
}


@pytest.mark.parametrize(("name", "rate", "patience"), [
    ("sgd", 0.01, 9), ("adam", 0.01, 9), ("rmsprop", 0.01, 9), ("sgd", 1e-12, 2), ("adam", 0.3, 3),
])  # fmt: skip
def test_it_trains_as_keras_does(name, rate, patience, tmp_path):
    epochs = HEAD["max_epochs"]
    model = {**HEAD, "optimizer": name, "learning_rate": rate}
    run(tmp_path, model, patience=patience, cell=Cell("d", "m", "logits", BATCH, SEED))
    history, weights = plain(OPTIMIZERS[name](rate), epochs, patience)
    ours = pd.read_parquet(tmp_path / "history.parquet")
    assert len(ours) == len(history["loss"])
    stopped = json.loads((tmp_path / "run.json").read_text())["stopped_by"]
    assert stopped == ("cap" if len(ours) == epochs else "patience")
    # our kernel of RMSprop rounds otherwise
    tolerance = {"rtol": 2e-4, "atol": 1e-6} if name == "rmsprop" else {"rtol": 1e-6}
    for key, values in history.items():
        np.testing.assert_allclose(ours[key], values, **tolerance, err_msg=key)
    network = head()
    network.load_weights(tmp_path / "full.weights.h5")
    for a, b in zip(network.get_weights(), weights, strict=True):
        np.testing.assert_allclose(a, b, **tolerance)


def test_extremes_are_those_of_the_training_batches(tmp_path):
    # no step changes the network, and no dropout
    run(tmp_path, {**HEAD, "optimizer": "sgd", "learning_rate": 1e-12, "dropout": 0.0})
    network = head()
    network.load_weights(tmp_path / "full.weights.h5")
    inputs, manifest = samples(HEAD)
    outputs = network.predict(inputs[manifest["split"] == "train"], verbose=0)
    row = pd.read_parquet(tmp_path / "history.parquet").iloc[0]
    found = [row["raw_output_min"], row["raw_output_max"]]
    np.testing.assert_allclose(found, [outputs.min(), outputs.max()], rtol=1e-5)


def weights_of(folder, loss, **changes):
    """Return the weights of a short training with a loss."""
    folder.mkdir()
    run(folder, {**HEAD, **changes}, cell=Cell("d", "m", loss, BATCH, SEED))
    network = head()
    network.load_weights(folder / "full.weights.h5")
    return network.get_weights()


def test_a_twin_begins_one_ulp_away(tmp_path):
    still = {"optimizer": "sgd", "learning_rate": 1e-30, "dropout": 0.0}  # no step changes it
    plain, up, down = (
        weights_of(tmp_path / loss, loss, **still) for loss in ("logits", "twin_up", "twin_down")
    )
    kernels = ([w for w in weights if w.ndim == 2] for weights in (plain, up, down))
    for middle, above, below in zip(*kernels, strict=True):
        np.testing.assert_array_equal(above, np.nextafter(middle, np.float32(np.inf)))
        np.testing.assert_array_equal(below, np.nextafter(middle, np.float32(-np.inf)))


def test_gradients_of_a_loss_in_float16_are_scaled(tmp_path, monkeypatch):
    scaled = []
    plain = keras.optimizers.LossScaleOptimizer
    monkeypatch.setattr(
        keras.optimizers, "LossScaleOptimizer", lambda inner: scaled.append(inner) or plain(inner)
    )
    ours = weights_of(tmp_path / "half", "sigmoid_float16")
    assert len(scaled) == 1
    others = weights_of(tmp_path / "whole", "sigmoid_clipped")
    assert len(scaled) == 1
    for one, other in zip(ours, others, strict=True):
        assert np.isfinite(one).all()
        np.testing.assert_allclose(one, other, atol=0.1)


def test_a_new_metric_is_a_column(tmp_path, monkeypatch, capsys):
    more = {
        "precision": metrics.EpochMetric(
            lambda name: keras.metrics.Precision(thresholds=0.0, name=name)
        ),
        "raw_output_mean": metrics.EpochMetric(
            lambda name: keras.metrics.MeanMetricWrapper(lambda y, x: x, name), validation=False
        ),
    }
    monkeypatch.setattr(metrics, "METRICS", metrics.METRICS | more)
    run(tmp_path, HEAD)
    table = pd.read_parquet(tmp_path / "history.parquet")
    assert list(table) == [
        *("epoch", "loss", "accuracy", "precision", "val_loss", "val_accuracy", "val_precision"),
        *("raw_output_min", "raw_output_max", "raw_output_mean", "seconds"),
    ]
    assert table["precision"].between(0, 1).all()
    assert (table["raw_output_min"] < table["raw_output_mean"]).all()
    assert (table["raw_output_mean"] < table["raw_output_max"]).all()
    assert "val_precision 0." in capsys.readouterr().out
