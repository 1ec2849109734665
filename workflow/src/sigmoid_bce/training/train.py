"""Train one cell: to its early stage, and on until the training loss no longer falls."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
import tensorflow as tf
from numpy.typing import NDArray

from sigmoid_bce.jobs import plugins
from sigmoid_bce.jobs.files import replacing, write_json, write_parquet
from sigmoid_bce.models import networks
from sigmoid_bce.study.cells import Cell
from sigmoid_bce.study.config import Training
from sigmoid_bce.study.models import Custom, Model
from sigmoid_bce.training import devices
from sigmoid_bce.training.checkpoint import Checkpoints

EVALUATION_BATCH = 256
CHUNK = 64  # steps that run as one call into TensorFlow


class _Extreme(keras.metrics.Metric):
    """The least or the greatest raw output seen since the epoch began."""

    def __init__(self, name: str, reduce, among_two, start: float):
        super().__init__(name=name)
        self.reduce, self.among_two, self.start = reduce, among_two, start
        self.extreme = self.add_variable((), keras.initializers.Constant(start), name="extreme")

    def update_state(self, y_true, y_pred, sample_weight=None):
        self.extreme.assign(self.among_two(self.extreme.value, self.reduce(y_pred)))

    def reset_state(self):
        self.extreme.assign(self.start)

    def result(self):
        return self.extreme.value


class _Stages(keras.callbacks.Callback):
    """Note every epoch, and hold on to the early stage."""

    def __init__(
        self,
        rows: list[dict[str, float]],
        early_epochs: int,
        max_epochs: int,
        note: Callable,
        checkpoints: Checkpoints,
    ):
        super().__init__()
        self.rows, self.early_epochs, self.last = rows, early_epochs, max_epochs
        self.note, self.checkpoints = note, checkpoints

    def on_epoch_begin(self, epoch, logs=None):
        self.start = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        seconds = time.perf_counter() - self.start
        names = ("loss", "accuracy", "val_loss", "val_accuracy", "raw_output_min", "raw_output_max")
        row = {
            "epoch": epoch + 1,
            **{name: float(logs[name]) for name in names},
            "seconds": seconds,
        }
        self.rows.append(row)
        self.note(row)
        print(
            f"epoch {epoch + 1}/{self.last}: loss {row['loss']:.4f}, "
            f"accuracy {row['accuracy']:.3f}, val_loss {row['val_loss']:.4f}, "
            f"val_accuracy {row['val_accuracy']:.3f}, {seconds:.1f} s",
            flush=True,
        )
        if epoch + 1 == self.early_epochs:
            self.checkpoints.keep_early()


class _Stopping(keras.callbacks.EarlyStopping):
    """Early stopping that has seen the epochs of `rows` before a training begins."""

    def __init__(self, patience: int, rows: list[dict[str, float]]):
        super().__init__("loss", patience=patience, mode="min")
        self.before = list(rows)

    def on_train_begin(self, logs=None):
        super().on_train_begin(logs)
        for row in self.before:
            self.on_epoch_end(row["epoch"] - 1, row)

    def over(self, network: keras.Model) -> bool:
        """Tell whether those epochs were the last ones."""
        network.stop_training = False
        self.set_model(network)
        self.on_train_begin()
        return network.stop_training


def _orders(rows: NDArray, size: int, epochs: range, seed: int) -> tf.data.Dataset:
    """Return `rows` for each epoch, in an order that seed and epoch decide, `size` at a time."""
    rows = tf.constant(rows)

    @tf.autograph.experimental.do_not_convert
    def one_epoch(epoch):
        order = tf.random.experimental.stateless_shuffle(rows, seed=[seed, tf.cast(epoch, "int32")])
        return tf.data.Dataset.from_tensor_slices(order).batch(size)

    return _lone(tf.data.Dataset.range(epochs.start, epochs.stop).flat_map(one_epoch))


def _lone(data: tf.data.Dataset) -> tf.data.Dataset:
    """Return a data set whose pipeline has no threads of its own."""
    options = tf.data.Options()
    options.threading.private_threadpool_size = 1
    options.autotune.enabled = False
    return data.with_options(options)


def _batches(
    network: keras.Model, step: Callable, data: tuple[tf.Tensor, ...], size: int, xla: bool = False
) -> Callable:
    """Return a function for `fit`: take the next rows of `data`, do a step on each batch of them.

    With Keras's own, an epoch whose steps are no multiple of `steps_per_execution` runs on into the
    next one.
    """
    step = tf.function(step, jit_compile=True) if xla else step

    @tf.function(input_signature=[tf.TensorSpec((None,), tf.int32)], autograph=False)
    def steps(rows):
        def one(start):
            batch = rows[start : start + size]
            step(tuple(tf.gather(part, batch) for part in data))
            return start + size

        end = tf.size(rows)
        tf.while_loop(lambda start: start < end, one, [tf.constant(0)], parallel_iterations=1)
        return network.get_metrics_result()

    return lambda iterator: steps(next(iterator))


def train(
    cell: Cell,
    model: Model,
    training: Training,
    inputs: NDArray,
    manifest: pd.DataFrame,
    *,
    threads: int,
    note: Callable[[dict[str, float]], None],
    resumed: Callable[[list[dict[str, float]]], None],
    circumstances: dict[str, Any],
    identity: dict[str, Any],
    history: str | Path,
    run: str | Path,
    early: str | Path,
    full: str | Path,
) -> None:
    """Train a cell, and write its history, its weights at both stages, and its circumstances.

    Parameters
    ----------
    cell : Cell
    model : Model
        The network's entry in the configuration.
    training : Training
    inputs : ndarray, shape (n, ...)
        uint8 images or float32 features, a row a sample of `manifest`.
    manifest : DataFrame
        With columns label and split.
    threads : int
    note : callable
        Called with every epoch's names and values as soon as it ends.
    resumed : callable
        Called with the epochs of earlier attempts, if there are some that this one goes on from.
    circumstances : dict
        What else run.json should say: `attempts.Attempt.record`.
    identity : dict
        What the training depends on, in values that JSON knows: see `checkpoint.Checkpoints`.
    history, run, early, full : str or Path
        Files to write: Parquet, JSON, weights. Checkpoints lie beside them until they are there.

    Raises
    ------
    FloatingPointError
        If the network's training loss is not finite at the end.
    """
    devices.set_up(threads, cell.seed, training.precision, deterministic=not training.xla)
    labels = manifest["label"].to_numpy(np.float32)[:, None]
    rows = {
        split: np.flatnonzero(manifest["split"] == split).astype(np.int32)
        for split in ("train", "validation")
    }
    network = networks.build(model, inputs.shape[1:])
    chosen = plugins.load("training/optimizers", model.optimizer, "optimizer")
    network.compile(
        optimizer=chosen.optimizer(model.learning_rate),
        loss=plugins.load("training/losses", cell.loss, "loss").loss,
        metrics=[
            keras.metrics.BinaryAccuracy("accuracy", threshold=0.0),
            _Extreme("raw_output_min", keras.ops.min, keras.ops.minimum, math.inf),
            _Extreme("raw_output_max", keras.ops.max, keras.ops.maximum, -math.inf),
        ],
        jit_compile=False,
    )
    data = tf.constant(inputs), tf.constant(labels)
    # a function that makes variables is traced twice
    network.optimizer.build(network.trainable_variables)
    network.compute_metrics(None, data[1][:1], data[1][:1])
    batches = partial(_batches, network, data=data, xla=training.xla)
    network.train_function = batches(network.train_step, size=cell.batch_size)
    network.test_function = batches(network.test_step, size=EVALUATION_BATCH)
    epochs: list[dict[str, float]] = []
    checkpoints = Checkpoints(
        Path(run).parent, identity, network, epochs, traced=isinstance(model, Custom)
    )
    epochs += checkpoints.resume()
    if epochs:
        resumed(epochs)
    stopping = _Stopping(training.patience, epochs)
    if len(epochs) < model.max_epochs and not stopping.over(network):
        left = range(len(epochs), model.max_epochs)
        with checkpoints:
            network.fit(
                _orders(rows["train"], CHUNK * cell.batch_size, left, cell.seed),
                initial_epoch=left.start,
                epochs=left.stop,
                steps_per_epoch=math.ceil(len(rows["train"]) / (CHUNK * cell.batch_size)),
                validation_data=_lone(tf.data.Dataset.from_tensors(rows["validation"])),
                callbacks=[
                    _Stages(epochs, training.early_epochs, model.max_epochs, note, checkpoints),
                    stopping,
                    checkpoints,
                ],
                shuffle=False,
                verbose=0,
            )
    table = pd.DataFrame(epochs)
    if not np.isfinite(table["loss"].iloc[-1]):
        raise FloatingPointError(f"{cell}: the training loss is {table['loss'].iloc[-1]}")
    kept = checkpoints.outlive()
    with replacing(full) as part:
        network.save_weights(part)
    if checkpoints.early:  # else it stopped before its early stage
        checkpoints.assign(checkpoints.early)
    with replacing(early) as part:
        network.save_weights(part)
    write_parquet(table, history)
    best = int(table["loss"].argmin())
    summary: dict[str, Any] = {
        **circumstances,
        "seed": cell.seed,
        "epochs": len(table),
        "stopped_by": "cap" if len(table) - best - 1 < training.patience else "patience",
        "parameters": network.count_params(),
        "sigmoid_cut_off": getattr(network, "cut_sigmoid", ""),
        "model": model.model_dump(mode="json"),
        "training": training.model_dump(mode="json"),
        "seconds": float(table["seconds"].sum()),
        **devices.provenance(threads),
    }
    write_json(summary, run)
    if not kept:
        checkpoints.remove()
