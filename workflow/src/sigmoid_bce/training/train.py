"""Train one cell: to its early stage, and on until the training loss stops falling."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import tensorflow as tf
from numpy.typing import NDArray

from sigmoid_bce.data.draw import of_cell, scaled
from sigmoid_bce.jobs import plugins
from sigmoid_bce.jobs.files import replacing, write_json, write_parquet
from sigmoid_bce.jobs.records import AttemptRecord, Identity, Row, RunRecord
from sigmoid_bce.models import networks
from sigmoid_bce.study.cells import Cell
from sigmoid_bce.study.config import Training
from sigmoid_bce.study.datasets import Seen
from sigmoid_bce.study.models import Custom, Model
from sigmoid_bce.training import devices, metrics, optimizers
from sigmoid_bce.training.checkpoint import Checkpoints
from sigmoid_bce.training.stack import nudged
from sigmoid_bce.training.steps import batched, chunks

EVALUATION_BATCH = 256
EVERYTHING = Seen()


def epochs_since_best(epochs: Sequence[Row]) -> int:
    """Return how many epochs have passed since the lowest training loss.

    As in Keras's EarlyStopping, an equal loss is no improvement, nor is NaN.

    Examples
    --------
    >>> epochs_since_best([{"loss": 0.7}, {"loss": 0.5}, {"loss": 0.6}, {"loss": 0.5}])
    2
    """
    best, since = float("inf"), 0
    for row in epochs:
        best, since = (row["loss"], 0) if row["loss"] < best else (best, since + 1)
    return since


def train(
    cell: Cell,
    model: Model,
    training: Training,
    inputs: NDArray,
    manifest: pd.DataFrame,
    *,
    seen: Seen = EVERYTHING,
    threads: int,
    note: Callable[[Row], None],
    resumed: Callable[[list[Row]], None],
    attempt: AttemptRecord,
    identity: Identity,
    history: str | Path,
    run: str | Path,
    early: str | Path,
    full: str | Path,
) -> None:
    """Train a cell, and write its history, its weights at both stages, and run.json.

    Parameters
    ----------
    cell : Cell
    model : Model
        The network's section of the configuration.
    training : Training
    inputs : ndarray, shape (n, ...)
        uint8 images or float32 features, one row for each sample of `manifest`.
    manifest : DataFrame
        With columns label and split.
    seen : Seen
        What the training sees of the data set; all of it, as it is, if not given.
    threads : int
    note : callable
        Called with each epoch's row of the history as soon as the epoch ends.
    resumed : callable
        Called with the epochs of earlier attempts, if a checkpoint is resumed.
    attempt : AttemptRecord
        Goes into run.json.
    identity : Identity
        Everything that the training depends on.
    history, run, early, full : str or Path
        Files to write: Parquet, JSON, weights, weights. Checkpoints are kept in the folder of `run`
        until these files are complete.

    Raises
    ------
    FloatingPointError
        If the training loss is not finite at the end.
    DataError
        If imbalance or noise leaves a class without a training sample.
    """
    devices.set_up(threads, cell.seed, training.precision, deterministic=not training.xla)
    draw = of_cell(manifest, seen)
    rows, validation_rows = draw.train.astype(np.int32), draw.validation.astype(np.int32)
    inputs = scaled(inputs, rows, seen)
    network = networks.build(model, inputs.shape[1:], prior=float(draw.labels.mean()))
    networks.check_takes(network, str(inputs.dtype))
    loss = plugins.load("training/losses", cell.loss, "loss")
    for weight in network.trainable_variables if hasattr(loss, "NUDGE") else ():
        weight.assign(nudged(weight.numpy(), loss.NUDGE))
    optimizer = optimizers.make(model.optimizer, model.learning_rate, model.weight_decay)
    # under the policy mixed_float16 Keras scales the loss by itself
    if getattr(loss, "SCALED", False) and training.precision != "mixed_float16":
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
    network.compile(
        optimizer=optimizer,
        loss=loss.loss,
        metrics=metrics.make(),
        jit_compile=False,
    )
    labels = manifest["label"].to_numpy(np.float32, copy=True)[:, None]
    labels[rows, 0] = draw.labels
    data = tf.constant(inputs), tf.constant(labels)
    # a function that makes variables would be traced twice
    network.optimizer.build(network.trainable_variables)
    network.compute_metrics(None, data[1][:1], data[1][:1])
    train_steps = batched(network.train_step, data, cell.batch_size, xla=training.xla)
    test_steps = batched(network.test_step, data, EVALUATION_BATCH, xla=training.xla)

    checkpoints = Checkpoints(Path(run).parent, identity, network, traced=isinstance(model, Custom))
    epochs = checkpoints.resume()
    if epochs:
        resumed(epochs)

    with checkpoints:
        while len(epochs) < model.max_epochs and epochs_since_best(epochs) < training.patience:
            start = time.perf_counter()
            network.reset_metrics()
            for chunk in chunks(rows, cell.batch_size, seed=cell.seed, epoch=len(epochs)):
                train_steps(chunk)
                checkpoints.steps_ended()
            trained = metrics.values(network)
            network.reset_metrics()
            test_steps(validation_rows)
            checkpoints.steps_ended()
            validated = metrics.values(network)
            seconds = time.perf_counter() - start
            epochs.append(metrics.row(len(epochs) + 1, trained, validated, seconds))
            note(epochs[-1])
            print(metrics.epoch_line(epochs[-1], model.max_epochs), flush=True)
            if len(epochs) == training.early_epochs:
                checkpoints.keep_early()
            checkpoints.epoch_ended(epochs)

    if not np.isfinite(epochs[-1]["loss"]):
        raise FloatingPointError(f"{cell}: the training loss is {epochs[-1]['loss']}")
    needed = checkpoints.outlive()
    with replacing(full) as part:
        network.save_weights(part)
    if checkpoints.early:  # none if the training stopped before its early stage
        checkpoints.assign(checkpoints.early)
    with replacing(early) as part:
        network.save_weights(part)
    table = pd.DataFrame(epochs)
    write_parquet(table, history)
    summary: RunRecord = {
        **attempt,
        "seed": cell.seed,
        "epochs": len(table),
        "stopped_by": "cap" if epochs_since_best(epochs) < training.patience else "patience",
        "parameters": network.count_params(),
        "sigmoid_cut_off": getattr(network, "cut_sigmoid", ""),
        "model": model.model_dump(mode="json"),
        "training": training.model_dump(mode="json"),
        "data": seen.model_dump(mode="json", exclude={"split"}),
        "seconds": float(table["seconds"].sum()),
        **devices.used(threads),
    }
    write_json(summary, run)
    if not needed:
        checkpoints.remove()
