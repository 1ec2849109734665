"""Tables that rules wrote as CSV, read as they were."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from sigmoid_bce.jobs.files import reading

NAMES = ("part", "question", "dataset", "model", "loss", "metric", "verdict")
"""Columns that hold names, in the words of users and of the package."""


def read_csv(path: str | Path) -> pd.DataFrame:
    """Read a table: names are texts, although a data set may be called nan, or 007.

    Parameters
    ----------
    path : str or Path

    Raises
    ------
    Damaged
        As `reading`.
    """
    names = dict.fromkeys(NAMES, "str")
    with reading(path):
        return pd.read_csv(path, dtype=names, keep_default_na=False, na_values="")
