"""The data of the committed explorer: the conformance suite with every framework."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from sigmoid_bce.figures.explorer.content import content
from sigmoid_bce.figures.explorer.page import as_json
from sigmoid_bce.numerics.record import KEY
from sigmoid_bce.numerics.tables import HARD, RECORD, read_thresholds
from sigmoid_bce.numerics.thresholds import COLUMNS

NOTE = (
    "{} thresholds of another run were elsewhere, where rounding noise crosses a limit: this page "
    "has those of the record."
)
DIGITS = "%.9g"
"""The digits that the record has."""


def data(numerics: Path, check: Callable[[Path], object]) -> tuple[str, int]:
    """Return the explorer's data as JSON, and how many thresholds differ from the record.

    Parameters
    ----------
    numerics : Path
        The folder `numerics` of a study.
    check : callable
        Raises if the study in a folder lacks a framework.
    """
    check(numerics.parent)
    record = read_thresholds(RECORD, objective=None)
    table = read_thresholds(numerics / "thresholds.csv", objective=None)
    table = table[table["y"].isin(HARD)].reset_index(drop=True)
    table, differ = recorded(table, record)
    day = pd.read_csv(RECORD, usecols=["date"])["date"].max()
    files = numerics / "sweep.parquet", numerics / "implementations.csv"
    shown = content(files[0], table, files[1], numerics.parent.name, str(day))
    if differ:
        shown["about"]["note"] = NOTE.format(differ)
    return as_json(shown), differ


def recorded(table: pd.DataFrame, record: pd.DataFrame) -> tuple[pd.DataFrame, int]:
    """Return thresholds as the record has them, and how many differ from those measured.

    A threshold that is the same in the digits of the record keeps all its digits.

    Examples
    --------
    >>> record = read_thresholds(RECORD).query("framework == 'exact'").head(8)
    >>> recorded(record.fillna({"loss_off": 9.0}), record)[1]
    8
    """
    both = table[KEY].merge(record, "left", on=KEY, validate="one_to_one")
    table, differ = table.copy(), 0
    for name in COLUMNS:
        now, then = table[name].to_numpy(float), both[name].to_numpy(float)
        same = np.char.mod(DIGITS, now) == np.char.mod(DIGITS, then)
        table[name] = np.where(same, now, then)
        differ += int((~same).sum())
    return table, differ
