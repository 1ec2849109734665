"""The raw outputs of a trained network."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import tensorflow as tf
from numpy.typing import NDArray

from sigmoid_bce.jobs.files import reading
from sigmoid_bce.models import networks
from sigmoid_bce.study.models import Model
from sigmoid_bce.training import devices

BATCH = 256


def raw_outputs(
    model: Model,
    weights: Sequence[str | Path],
    inputs: NDArray,
    manifest: pd.DataFrame,
    *,
    threads: int,
    precision: str,
) -> Iterator[pd.DataFrame]:
    """Run every sample through a network, with the weights of each stage.

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
    threads : int
    precision : str
        Keras's dtype policy during the training.

    Yields
    ------
    DataFrame
        sample_id, label, split, raw_output (float32), one row for each sample.
    """
    devices.set_up(threads, precision=precision)
    network = networks.build(model, inputs.shape[1:])
    batch = tf.TensorSpec((None, *inputs.shape[1:]), network.inputs[0].dtype)
    # traced once; `predict` would be traced again for each stage
    call = tf.function(
        lambda batch: network(batch, training=False), input_signature=[batch], jit_compile=False
    )
    for file in weights:
        with reading(file):
            network.load_weights(file)
        output = [call(inputs[i : i + BATCH]) for i in range(0, len(inputs), BATCH)]
        table = manifest[["sample_id", "label", "split"]].copy()
        table["raw_output"] = np.concatenate(output)[:, 0].astype(np.float32)
        yield table
