"""The raw outputs of a trained network."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sigmoid_bce.config import Model
from sigmoid_bce.models import networks
from sigmoid_bce.training import devices

BATCH = 256


def raw_outputs(
    model: Model, weights: str | Path, inputs: NDArray, manifest: pd.DataFrame, *, threads: int
) -> pd.DataFrame:
    """Run every sample through a network.

    Parameters
    ----------
    model : Model
        The network's entry in the configuration.
    weights : str or Path
        Its trained weights.
    inputs : ndarray, shape (n, ...)
        uint8 images or float32 features, a row a sample of `manifest`.
    manifest : DataFrame
        With columns sample_id, label and split.
    threads : int

    Returns
    -------
    DataFrame
        sample_id, label, split, raw_output (float32), a row a sample.
    """
    devices.set_up(threads)
    network = networks.build(model, inputs.shape[1:])
    network.load_weights(weights)
    output = network.predict(np.asarray(inputs), batch_size=BATCH, verbose=0)[:, 0]
    table = manifest[["sample_id", "label", "split"]].copy()
    table["raw_output"] = output.astype(np.float32)
    return table
