"""Measure everything a framework has, and write it down."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from time import perf_counter

import numpy as np
import pandas as pd
import pyarrow as pa
from pyarrow import parquet

from sigmoid_bce.jobs.files import replacing, write_csv
from sigmoid_bce.numerics import catalogue, reference
from sigmoid_bce.numerics.catalogue import Implementation
from sigmoid_bce.numerics.search import COLUMNS, SIDES, Search
from sigmoid_bce.numerics.sweep import QUANTITIES, magnitudes, measure, special_values, table

HARD, SOFT = (0.0, 1.0), (0.125, 0.875)
"""Labels; the soft ones are the same number in every precision."""
SOFT_STEP = 8
"""Which points of the grid are written down for soft labels: one in so many."""

KEY = ["implementation", "framework", "version", "mode", "dtype"]
NUMBERS = ("y", "x", *(f"{q}{what}" for what in ("", "_exact", "_ulp") for q in QUANTITIES))
SCHEMA = pa.schema(
    [(name, pa.dictionary(pa.int32(), pa.string())) for name in KEY]
    + [(name, pa.float64()) for name in NUMBERS]
)
RECORD = Path(__file__).with_name("thresholds.csv")
"""Thresholds measured with the locked releases, for hard labels."""

THRESHOLDS = [*KEY, "from_sigmoid", "has_gradient", "y", "side", *COLUMNS]
STATUS = [*KEY, "status", "seconds", "formula", "source"]


def _measure(
    implementation: Implementation, dtype: str
) -> Iterator[tuple[float, pd.DataFrame, list[dict], pd.DataFrame]]:
    """Yield label, sweep, thresholds and what becomes of nan and inf, label by label."""
    for y in (*HARD, *(SOFT if implementation.soft else ())):
        tables, found = [], []
        for side in SIDES:
            search = Search(implementation, dtype, y, side)
            result = search.run()
            found.append({"y": y, "side": side, **result})
            grid = table(search.on_grid, search.sign * search.grid)
            tables.append(grid if y in HARD else grid.iloc[::SOFT_STEP])
            near = search.around(result)
            if len(near):
                tables.append(table(measure(implementation, near, y), near))
        rows = pd.concat(tables).drop_duplicates("x").sort_values("x")
        yield y, rows, found, special_values(implementation, dtype, y)


def measure_framework(
    name: str,
    *,
    sweep: str | Path,
    thresholds: str | Path,
    special: str | Path,
    implementations: str | Path,
) -> None:
    """Measure every implementation of a framework in every precision.

    Parameters
    ----------
    name : str
        A framework of the catalogue. Of one that is not installed, `implementations` says so.
    sweep, thresholds, special, implementations : str or Path
        Files to write: the sweep (Parquet, columns of `SCHEMA`), the thresholds (CSV), what becomes
        of nan and inf (CSV), and what was measured, or why not (CSV).
    """
    module, versions = catalogue.module(name), catalogue.versions(name)
    missing = [package for package, version in versions.items() if version is None]
    version = " ".join(f"{k} {v}" if len(versions) > 1 else str(v) for k, v in versions.items())
    head = {"framework": module.TITLE, "version": "" if missing else version}
    states, limits, oddities = [], [], []
    with replacing(sweep) as part, parquet.ParquetWriter(part, SCHEMA, compression="zstd") as out:
        entries, state = [], f"not measured: {', '.join(missing)} not installed"
        if not missing:
            try:
                entries = module.implementations()
            except Exception as error:
                state = _failed(error)
        if not entries:
            states.append({**head, "implementation": "all", "status": state})
            print(f"{module.TITLE}: {state}", flush=True)
        for implementation in entries:
            for dtype in implementation.dtypes:
                key = {**head, "implementation": implementation.name, "mode": implementation.mode}
                key["dtype"] = dtype
                start, state = perf_counter(), "measured"
                try:
                    for y, rows, found, odd in _measure(implementation, dtype):
                        rows = rows.assign(**key, y=y)[SCHEMA.names]
                        out.write_table(pa.Table.from_pandas(rows, SCHEMA, preserve_index=False))
                        about = {
                            "from_sigmoid": implementation.from_sigmoid,
                            "has_gradient": bool(rows["gradient"].notna().any()),
                        }
                        limits += [{**key, **about, **row} for row in found]
                        oddities.append(odd.assign(**key, y=y))
                except Exception as error:
                    state = _failed(error)
                seconds = round(perf_counter() - start, 2)
                about = {"formula": implementation.formula, "source": implementation.source}
                states.append({**key, "status": state, "seconds": seconds, **about})
                print(*key.values(), state, seconds, "s", sep=" | ", flush=True)
    write_csv(pd.DataFrame(limits, columns=THRESHOLDS), thresholds)
    columns = [*KEY, "y", "x", *QUANTITIES, "raises"]
    write_csv(pd.concat([pd.DataFrame(columns=columns), *oddities])[columns], special)
    write_csv(pd.DataFrame(states, columns=STATUS), implementations)


def _failed(error: Exception) -> str:
    """Return a framework's error, whatever it is, as a state: what else is measured goes on."""
    traceback.print_exception(error)
    return f"failed: {type(error).__name__}: {error}".splitlines()[0]


def read_thresholds(path: str | Path) -> pd.DataFrame:
    """Return a table of thresholds.

    Parameters
    ----------
    path : str or Path
        CSV that `measure_framework` wrote, or several of them in one.

    Returns
    -------
    DataFrame
        Columns of `THRESHOLDS`: names as text, thresholds as |x| in float64, nan where there is
        none.

    Raises
    ------
    ValueError
        If a column is missing.
    """
    table = _read(path)
    missing = [column for column in THRESHOLDS if column not in table]
    if missing:
        raise ValueError(f"{path}: no table of thresholds: {', '.join(missing)} missing")
    return table


def _read(path: str | Path) -> pd.DataFrame:
    names = [*KEY, "side", "raises", "status", "formula", "source"]
    table = pd.read_csv(path, dtype=dict.fromkeys(names, str))
    return table.fillna({name: "" for name in names if name in table})


def read_all(paths: list[str | Path]) -> pd.DataFrame:
    """Return the tables of all frameworks as one.

    Parameters
    ----------
    paths : list of str or Path
        Thresholds, special values or states that `measure_framework` wrote.

    Returns
    -------
    DataFrame
    """
    tables = [_read(path) for path in paths]
    # an empty table's columns have no types to keep
    return pd.concat([table for table in tables if len(table)] or tables[:1], ignore_index=True)


def merge(parts: list[str | Path], output: str | Path) -> None:
    """Put the sweeps of all frameworks into one file, a row group at a time.

    Parameters
    ----------
    parts : list of str or Path
        What `measure_framework` wrote as `sweep`.
    output : str or Path
        Parquet, columns of `SCHEMA`.
    """
    with replacing(output) as part, parquet.ParquetWriter(part, SCHEMA, compression="zstd") as out:
        for file in parts:
            source = parquet.ParquetFile(file)
            for group in range(source.num_row_groups):
                out.write_table(source.read_row_group(group).cast(SCHEMA))


def fallbacks() -> pd.DataFrame:
    """Return how often the reference needs mpmath to decide a rounding.

    Returns
    -------
    DataFrame
        dtype, quantity, points, fallback_share; over the points of the sweeps, both hard labels.
    """
    rows = []
    for dtype in catalogue.DTYPES:
        x = magnitudes(dtype)
        x = np.concatenate([x, -x, x, -x])
        y = np.repeat(np.array(HARD, x.dtype), len(x) // 2)
        rows += [
            {
                "dtype": dtype,
                "quantity": quantity,
                "points": len(x),
                "fallback_share": reference.fallback_share(x, y, dtype, quantity),
            }
            for quantity in QUANTITIES
        ]
    return pd.DataFrame(rows)


def keep(path: str | Path) -> None:
    """Make a table of thresholds the record.

    Parameters
    ----------
    path : str or Path
        Thresholds of all frameworks; hard labels are kept, with nine significant digits.

    Raises
    ------
    ValueError
        If the file is no such table.
    """
    table = read_thresholds(path)
    table = table[table["y"].isin(HARD)][THRESHOLDS]
    with replacing(RECORD) as part:
        table.to_csv(part, index=False, float_format="%.9g")


if __name__ == "__main__":
    keep(sys.argv[1])
