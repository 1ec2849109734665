"""Tables of measurements: their columns, reading and merging them, and the committed record."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from pyarrow import parquet

from sigmoid_bce.jobs.files import replacing
from sigmoid_bce.jobs.logs import UserError
from sigmoid_bce.numerics import catalogue, reference
from sigmoid_bce.numerics.names import BCE
from sigmoid_bce.numerics.sweep import QUANTITIES, magnitudes
from sigmoid_bce.numerics.thresholds import COLUMNS

HARD = (0.0, 1.0)
"""The labels of the article."""
SOFT = (0.125, 0.875)
"""Labels in between, which are the same number in every precision."""

NAMED = (0, 1, 2, 4, 8, 12, 16, 20, 40, 80)
"""Magnitudes of raw outputs at which values are listed."""

KEY = ["implementation", "framework", "version", "objective", "mode", "dtype"]
"""The columns that every table begins with."""
NUMBERS = ("y", "x", *(f"{q}{suffix}" for suffix in ("", "_exact", "_ulp") for q in QUANTITIES))
SCHEMA = pa.schema(
    [(name, pa.dictionary(pa.int32(), pa.string())) for name in KEY]
    + [(name, pa.float64()) for name in NUMBERS]
)
"""The columns of a sweep."""
TRAITS = ["from_sigmoid", "has_gradient", "gradient_by_hand", "processor"]
THRESHOLDS = [*KEY, *TRAITS, "y", "side", *COLUMNS]
SPECIAL = [*KEY, "y", "x", *QUANTITIES, "raises"]
ABOUT = ["formula", "source", "cause", "cause_of"]
STATUS = [*KEY, "status", "seconds", "date", *ABOUT]

RECORD = Path(__file__).with_name("thresholds.csv")
"""The record: the thresholds of hard labels, measured with the locked releases and committed."""


def read_thresholds(path: str | Path, objective: str | None = BCE) -> pd.DataFrame:
    """Return a table of thresholds, of binary cross-entropy if nothing else is said.

    Parameters
    ----------
    path : str or Path
        A CSV file: the record, or thresholds of one framework or of all. Tables without the
        column `objective` are of binary cross-entropy.
    objective : str or None
        One of `sigmoid_bce.numerics.objectives.OBJECTIVES`, or None for all.

    Returns
    -------
    DataFrame
        Columns of `THRESHOLDS`: names as text, thresholds as |x| in float64, nan where there is
        none.

    Raises
    ------
    UserError
        If a column is missing.

    Examples
    --------
    >>> read_thresholds(RECORD)["y"].unique().tolist()
    [0, 1]
    """
    table = _read(path)
    missing = [column for column in THRESHOLDS if column not in table]
    if missing:
        raise UserError(
            f"{path}: not a table of thresholds: it has no column {', '.join(missing)}. Name a "
            "file results/<study>/numerics/thresholds.csv"
        )
    chosen = table[table["objective"] == objective] if objective else table
    return chosen.reset_index(drop=True)


def _read(path: str | Path) -> pd.DataFrame:
    names = [*KEY, "processor", "side", "raises", "status", *ABOUT]
    table = pd.read_csv(path, dtype=dict.fromkeys(names, str))
    if {"framework", "objective"} - set(table) == {"objective"}:
        table.insert(KEY.index("objective"), "objective", BCE)
    return table.fillna({name: "" for name in names if name in table})


def read_all(paths: list[str | Path]) -> pd.DataFrame:
    """Return the tables of all frameworks as one.

    Parameters
    ----------
    paths : list of str or Path
        CSV files of one kind: thresholds, special values or implementations.

    Returns
    -------
    DataFrame
        Their rows, in the order of the files.
    """
    tables = [_read(path) for path in paths]
    # an empty table has no column types to keep
    return pd.concat([table for table in tables if len(table)] or tables[:1], ignore_index=True)


def merge_sweeps(parts: list[str | Path], output: str | Path) -> None:
    """Write the sweeps of all frameworks into one file, one row group at a time.

    Parameters
    ----------
    parts : list of str or Path
        Parquet files with the columns of `SCHEMA`.
    output : str or Path
        The file to write, likewise.
    """
    with replacing(output) as part, parquet.ParquetWriter(part, SCHEMA, compression="zstd") as out:
        for file in parts:
            source = parquet.ParquetFile(file)
            for group in range(source.num_row_groups):
                out.write_table(source.read_row_group(group).cast(SCHEMA))


def points(sweep: str | Path) -> pd.DataFrame:
    """Return loss and gradient of every implementation at the raw outputs of `NAMED`.

    Parameters
    ----------
    sweep : str or Path
        A Parquet file with the columns of `SCHEMA`.

    Returns
    -------
    DataFrame
        The rows of hard labels at these raw outputs, with the columns of `SCHEMA` but errors in
        ulps.
    """
    named = [sign * x for x in NAMED for sign in (1.0, -1.0)]
    chosen = [("x", "in", named), ("y", "in", list(HARD))]
    columns = [name for name in SCHEMA.names if not name.endswith("_ulp")]
    return pd.read_parquet(sweep, columns=columns, filters=chosen)


def fallbacks() -> pd.DataFrame:
    """Return how often the reference needs mpmath to decide a rounding.

    Returns
    -------
    DataFrame
        A row for each precision and quantity: dtype, quantity, points (those of the sweep, on both
        sides and for both hard labels), fallback_share.
    """
    rows: list[dict[str, Any]] = []
    for dtype in catalogue.DTYPES:
        x = magnitudes(dtype)
        x = np.concatenate([x, -x, x, -x])
        y = np.repeat(np.array(HARD, x.dtype), len(x) // 2)
        for quantity in QUANTITIES:
            share = reference.fallback_share(x, y, dtype, quantity)
            row = {"dtype": dtype, "quantity": quantity, "points": len(x), "fallback_share": share}
            rows.append(row)
    return pd.DataFrame(rows)
