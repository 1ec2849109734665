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
    """Run every sample through a network, with its weights of one stage after the other.

    Parameters
    ----------
    model : Model
        The network's entry in the configuration.
    weights : sequence of str or Path
        Its trained weights, a file a stage.
    inputs : ndarray, shape (n, ...)
        uint8 images or float32 features, a row a sample of `manifest`.
    manifest : DataFrame
        With columns sample_id, label and split.
    threads : int
    precision : str
        Keras's dtype policy that it was trained with.

    Yields
    ------
    DataFrame
        sample_id, label, split, raw_output (float32), a row a sample.
    """
    devices.set_up(threads, precision=precision)
    network = networks.build(model, inputs.shape[1:])
    batch = tf.TensorSpec((None, *inputs.shape[1:]), network.inputs[0].dtype)
    # traced once, where `predict` would be traced for every stage
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
