"""The raw outputs of a trained network."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import tensorflow as tf
from numpy.typing import NDArray

from sigmoid_bce.data.draw import of_cell, scaled
from sigmoid_bce.jobs.files import reading
from sigmoid_bce.models import networks
from sigmoid_bce.models.own_code import EXPECTED, NetworkError
from sigmoid_bce.study.datasets import Seen
from sigmoid_bce.study.models import Model
from sigmoid_bce.training import devices

BATCH = 256

SATURATED = 0.1
"""Raw outputs within [0, 1] of which this share is exactly 1 are outputs of a sigmoid."""


def look(stage: str, outputs: NDArray, *, really_raw: bool) -> None:
    """Say so if raw outputs look like probabilities, or if all are of one sign.

    Early in a training, or where a class is rare, raw outputs may honestly do so.

    Parameters
    ----------
    stage : str
        For the message.
    outputs : ndarray, shape (n,)
    really_raw : bool
        Whether they are known to be raw outputs.

    Raises
    ------
    NetworkError
        If they certainly come from a sigmoid, since many are exactly 1 and none is larger.

    Examples
    --------
    >>> look("full", np.array([0.5, 2.0]), really_raw=False)
    full: every raw output is positive, 0.5 to 2: the network gives every sample the label 1
    """
    low, high = float(outputs.min()), float(outputs.max())
    if low >= 0 and high <= 1:
        text = (
            f"{stage}: every raw output is within [0, 1], as probabilities are: {low:g} to {high:g}"
        )
        if not really_raw and low < 0.5 and np.mean(outputs == 1) >= SATURATED:
            raise NetworkError(f"{text}, and many are 1: {EXPECTED}")
        print(f"{text}; does the network end in a sigmoid?", flush=True)
    elif low > 0 or high < 0:
        sign, label = ("positive", 1) if low > 0 else ("negative", 0)
        print(
            f"{stage}: every raw output is {sign}, {low:g} to {high:g}: the network gives every "
            f"sample the label {label}",
            flush=True,
        )


def raw_outputs(
    model: Model,
    weights: Sequence[str | Path],
    inputs: NDArray,
    manifest: pd.DataFrame,
    *,
    seen: Seen,
    threads: int,
    precision: str,
) -> Iterator[pd.DataFrame]:
    """Run every sample of a training through its network, with the weights of each stage.

    Parameters
    ----------
    model : Model
        The network's section of the configuration.
    weights : sequence of str or Path
        Its trained weights, one file for each stage.
    inputs : ndarray, shape (n, ...)
        uint8 images or float32 features, one row for each sample of `manifest`.
    manifest : DataFrame
        With columns sample_id, label and split.
    seen : Seen
        What the training saw of the data set.
    threads : int
    precision : str
        Keras's dtype policy during the training.

    Yields
    ------
    DataFrame
        sample_id, label, split, raw_output (float32), one row for each sample that the training
        saw, with the label that it saw.
    """
    devices.set_up(threads, precision=precision)
    train, validation, labels = of_cell(manifest, seen)
    inputs = scaled(inputs, train, seen)
    known = manifest[["sample_id", "label", "split"]].copy()
    known.iloc[train, 1] = labels.astype(known["label"].dtype)
    rows = np.sort([*train, *validation])
    known = known.iloc[rows].reset_index(drop=True)
    inputs = inputs[rows] if len(rows) < len(inputs) else inputs
    network = networks.build(model, inputs.shape[1:])
    batch = tf.TensorSpec((None, *inputs.shape[1:]), inputs.dtype)
    # traced once; `predict` would be traced again for each stage
    call = tf.function(
        lambda batch: network(batch, training=False), input_signature=[batch], jit_compile=False
    )
    for file in weights:
        with reading(file):
            network.load_weights(file)
        output = [call(inputs[i : i + BATCH]) for i in range(0, len(inputs), BATCH)]
        table = known.copy()
        table["raw_output"] = np.concatenate(output)[:, 0].astype(np.float32)
        stage = Path(file).name.split(".")[0]
        look(stage, table["raw_output"].to_numpy(), really_raw=getattr(model, "really_raw", False))
        yield table
