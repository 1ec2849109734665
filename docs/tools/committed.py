"""The small tables in docs/numbers: where they are, what each row says, how far it may move."""

from __future__ import annotations

import importlib.metadata
import os
from pathlib import Path

import pandas as pd

from sigmoid_bce.jobs.machine import processor

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "docs/numbers"
ORIGIN = ["processor", "cores", "releases", "commit", "date", "passed_on"]
"""Columns that every row of every table ends with: where, by what and when it was measured."""
KEYS = {
    "models": ["model", "stage"],
    "models-avx2": ["model", "stage"],
    "models-amd": ["model", "stage"],
    "thresholds-amd": ["dtype"],
    "batches": ["model", "stage", "compared_batch_size"],
    "extremes": ["model", "stage", "split"],
    "thresholds": ["framework", "implementation", "mode", "dtype", "y", "side"],
    "values": ["name"],
    "figure-3": ["y", "x"],
    "figure-5": ["sample"],
    "smoke": ["loss", "stage", "split"],
    "answer": ["name"],
    "conclusions": ["article"],
    "learning": ["part", "question", "dataset", "model", "batch_size", "loss"],
    "stuck": ["part", "question", "dataset", "model", "batch_size", "loss"],
    "learning-full": ["part", "question", "dataset", "model", "batch_size", "loss"],
    "photographs": ["model", "stage"],
    "photographs-learning": ["part", "question", "dataset", "model", "batch_size", "loss"],
    "processors": ["metric"],
    "benchmarks": ["part", "grid", "measure"],
    "releases": ["framework", "implementation", "version", "mode", "dtype", "y", "side"],
    "serving": ["model", "runtime", "precision", "output"],
    "by-hand": ["name"],
}
"""The tables, and the columns that tell their rows apart."""
KERAS = "Dense(1, sigmoid), BinaryCrossentropy()"
PROGRAMS = {
    ("Keras on TensorFlow", KERAS): "Keras on TensorFlow: `Dense(1, sigmoid)`, "
    "`BinaryCrossentropy()`",
    ("Keras on TensorFlow", "Dense(1, sigmoid), Reshape, BinaryCrossentropy()"): "the same with a "
    "`Reshape` between",
    ("Keras on JAX", KERAS): "Keras on JAX: the same",
    ("Keras on PyTorch", KERAS): "Keras on PyTorch: the same",
    ("Keras on TensorFlow", "Dense(2, softmax), BinaryCrossentropy()"): "Keras on TensorFlow: "
    "`Dense(2, softmax)`, `BinaryCrossentropy()`",
    ("PyTorch", "BCELoss() after sigmoid"): "PyTorch `BCELoss`",
    ("PyTorch", "BCEWithLogitsLoss()"): "PyTorch `BCEWithLogitsLoss`",
    ("PyTorch", "softplus((1 - 2 y) x)"): "PyTorch `softplus((1 - 2 y) x)`",
    ("JAX", "optax.sigmoid_binary_cross_entropy"): "optax `sigmoid_binary_cross_entropy`",
    ("TensorFlow", "sigmoid_cross_entropy_with_logits"): "TensorFlow "
    "`sigmoid_cross_entropy_with_logits`",
    ("SciPy", "log_expit"): "SciPy `log_expit`",
    ("scikit-learn", "log_loss(y, p)"): "scikit-learn `log_loss`",
    ("XGBoost", "metric logloss"): "XGBoost `logloss`",
}
"""Framework and implementation of the programs in the README's table, and how it writes them."""
RANGED = ("models", "models-avx2", "models-amd")
"""The default study's networks: with all instructions of a processor, with some masked, and on
another processor."""
PICTURED = "dataset~elpv/model~convnet/loss~logits/batch_size~20/seed~0"
"""The cell that figure 5 shows."""
RANGES = FOLDER / "ranges.csv"
"""How far each number may move when it is measured again, and what measures it again."""
RELEASES = ("tensorflow", "keras", "numpy")


def read(name: str, folder: Path = FOLDER) -> pd.DataFrame:
    """Return a committed table, empty text where a cell is empty and the column is text."""
    table = pd.read_csv(folder / f"{name}.csv", dtype=dict.fromkeys(ORIGIN, str))
    text = table.select_dtypes(exclude="number").columns
    return table.fillna(dict.fromkeys(text, ""))


def write(name: str, table: pd.DataFrame, origin: dict[str, str], folder: Path = FOLDER) -> None:
    """Write a table, nine significant digits a number, its origin on each row."""
    columns = [column for column in table if column not in ORIGIN]
    table = table.assign(**{column: table.get(column, origin.get(column)) for column in ORIGIN})
    table.to_csv(folder / f"{name}.csv", columns=[*columns, *ORIGIN], index=False,
                 float_format="%.9g")  # fmt: skip


def machine() -> dict[str, str]:
    """Return the columns of `ORIGIN` that this machine decides."""
    releases = " ".join(f"{name} {importlib.metadata.version(name)}" for name in RELEASES)
    return {
        "processor": processor(),
        "cores": str(len(os.sched_getaffinity(0))),
        "releases": releases,
    }
