"""Measure a framework: every implementation in every precision, into four files."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import date
from pathlib import Path
from time import perf_counter
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from pyarrow import parquet

from sigmoid_bce.jobs.files import replacing, write_csv
from sigmoid_bce.jobs.logs import UserError
from sigmoid_bce.jobs.machine import processor
from sigmoid_bce.numerics import catalogue, frameworks, surroundings
from sigmoid_bce.numerics.catalogue import DTYPES, Framework, Implementation
from sigmoid_bce.numerics.names import BCE
from sigmoid_bce.numerics.objectives import OBJECTIVES
from sigmoid_bce.numerics.reuse import LABEL
from sigmoid_bce.numerics.search import SIDES, Search
from sigmoid_bce.numerics.sweep import measure, special_values, table
from sigmoid_bce.numerics.tables import ABOUT, HARD, SCHEMA, SOFT, SPECIAL, STATUS, THRESHOLDS
from sigmoid_bce.numerics.thresholds import around, find

SOFT_STEP = 8
"""For soft labels, one of so many points of the grid is written."""
REPEATED = 256
"""Points of a second call where each takes a call of its own."""

Row = dict[str, Any]
Program = tuple[str, str, str, str]
"""Implementation, objective, mode and precision."""
TABLES: Program = ("tables", "", "", "")
"""In place of a program, while the tables are written."""


@dataclass
class _Label:
    """The measurements of one implementation, precision and label."""

    y: float
    sweep: pd.DataFrame
    thresholds: list[Row]
    special: pd.DataFrame


@dataclass
class _Tables:
    """The rows of the three tables of a framework, and the writer of its sweep."""

    write: Callable[[pa.Table], None]
    left_out: Mapping[Program | None, str]
    begins: Callable[[Program | None], object]
    thresholds: list[Row] = field(default_factory=list)
    special: list[pd.DataFrame] = field(default_factory=list)
    implementations: list[Row] = field(default_factory=list)


def measure_framework(
    name: str,
    *,
    sweep: str | Path,
    thresholds: str | Path,
    special: str | Path,
    implementations: str | Path,
    dtypes: Collection[str] = tuple(DTYPES),
    objectives: Collection[str] = tuple(OBJECTIVES),
    device: str = "",
    left_out: Mapping[Program | None, str] = MappingProxyType({}),
    begins: Callable[[Program | None], object] = lambda program: None,
    key: str = "",
) -> None:
    """Measure every implementation of a framework in every precision.

    A framework that is not installed or cannot be imported, and an implementation that raises an
    error or returns other values in a second call, get a row in `implementations` that says so.

    Parameters
    ----------
    name : str
        One of `sigmoid_bce.numerics.frameworks.names()`.
    sweep : str or Path
        The Parquet file to write, with the columns of `sigmoid_bce.numerics.tables.SCHEMA`.
    thresholds, special, implementations : str or Path
        The CSV files to write: thresholds, results for nan and inf, and the implementations with
        their status. Their columns are THRESHOLDS, SPECIAL and STATUS in
        `sigmoid_bce.numerics.tables`.
    dtypes : collection of str
        The precisions to measure, of those that an implementation has; by default all.
    objectives : collection of str
        The losses to measure, from `sigmoid_bce.numerics.objectives.OBJECTIVES`; by default all.
    device : str
        Where a framework runs that has several devices, such as "cuda". By default, the CPU, with
        the programs of the record; else, with those of a GPU.
    left_out : mapping
        Programs that are not measured, and the reason, which becomes their status. None stands for
        the import of the framework.
    begins : callable
        Called with each program before it is measured, and with None before the import.
    key : str
        What the measurement depends on, for the sweep's metadata: `sigmoid_bce.numerics.reuse`.

    Raises
    ------
    UserError
        If the framework runs on the CPU only, or has no such device.
    """
    begins(None)
    framework = catalogue.module(name)
    version, missing = _version(name)
    head: Row = {"framework": framework.TITLE, "version": version}
    where = (None not in left_out and _device(framework, device, missing)) or processor()
    schema = SCHEMA.with_metadata({LABEL: key}) if key else SCHEMA
    with replacing(sweep) as part, parquet.ParquetWriter(part, schema, compression="zstd") as out:
        tables = _Tables(out.write_table, left_out, begins)
        reason = left_out.get(None, missing and f"not measured: {missing} not installed")
        entries, status = ([], reason) if reason else _chosen(framework, device, objectives)
        if not entries:
            tables.implementations.append({**head, "implementation": "all", "status": status})
            print(f"{framework.TITLE}: {status}", flush=True)
        for implementation in entries:
            for dtype in (dtype for dtype in implementation.dtypes if dtype in dtypes):
                _measure(implementation, dtype, head, where, tables)
        begins(TABLES)
        # the sweep, whose key tells that all is there, appears last
        write_csv(pd.DataFrame(tables.thresholds, columns=THRESHOLDS), thresholds)
        write_csv(pd.concat([pd.DataFrame(columns=SPECIAL), *tables.special])[SPECIAL], special)
        write_csv(pd.DataFrame(tables.implementations, columns=STATUS), implementations)


def _version(name: str) -> tuple[str, str]:
    """Return the releases that a framework's results depend on, and what is not installed."""
    versions = frameworks.versions(name)
    missing = ", ".join(package for package, version in versions.items() if version is None)
    version = " ".join(f"{k} {v}" if len(versions) > 1 else str(v) for k, v in versions.items())
    return "" if missing else version, missing


def _device(framework: Framework, device: str, missing: str) -> str:
    """Return the name of a device; nothing for the CPU."""
    named = getattr(framework, "device_name", None)
    if device and not named:
        raise UserError(f"{framework.TITLE} is measured on the CPU only: leave out the device")
    if not named or device in ("", "cpu") or missing:
        return ""
    try:
        return str(named(device))
    except Exception as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise UserError(f"{framework.TITLE} has no device {device!r} here: {reason}") from error


def _chosen(
    framework: Framework, device: str, objectives: Collection[str]
) -> tuple[list[Implementation], str]:
    """Return the implementations of objectives, or none and the reason."""
    surroundings.clear()
    place = {"device": device} if device else {}
    try:
        entries = framework.implementations(**place)
    except Exception as error:
        return [], _failed(error)
    if not entries:
        return [], "not measured: no implementations"
    chosen = [entry for entry in entries if entry.objective in objectives]
    return chosen, f"not measured: no program of {', '.join(objectives)}"


def _measure(
    implementation: Implementation, dtype: str, head: Row, where: str, tables: _Tables
) -> None:
    """Measure an implementation in one precision and add its rows to the tables."""
    key = {**head, "implementation": implementation.name, "mode": implementation.mode}
    key["objective"] = implementation.objective
    key["dtype"] = dtype
    program = implementation.name, implementation.objective, implementation.mode, dtype
    start, status = perf_counter(), tables.left_out.get(program, "measured")
    tables.begins(program)
    try:
        for label in _labels(implementation, dtype) if status == "measured" else ():
            rows = label.sweep.assign(**key, y=label.y)[SCHEMA.names]
            tables.write(pa.Table.from_pandas(rows, SCHEMA, preserve_index=False))
            traits = {
                "from_sigmoid": implementation.from_sigmoid,
                "has_gradient": bool(rows["gradient"].notna().any()),
                "gradient_by_hand": implementation.gradient_by_hand,
                "processor": where,
            }
            tables.thresholds += [{**key, **traits, **row} for row in label.thresholds]
            tables.special.append(label.special.assign(**key, y=label.y))
    except NotRepeatableError as error:
        status = f"not repeatable: {error}"
    except Exception as error:
        status = _failed(error)
    seconds = round(perf_counter() - start, 2)
    about = {name: getattr(implementation, name) for name in ABOUT}
    today = date.today().isoformat()
    tables.implementations.append(
        {**key, "status": status, "seconds": seconds, "date": today, **about}
    )
    print(*key.values(), status, seconds, "s", sep=" | ", flush=True)


class NotRepeatableError(Exception):
    """An implementation that returns another value for the same raw output in a second call."""


def _check_repeated(search: Search) -> None:
    """Raise if a second call with the points of the sweep returns other values.

    Raises
    ------
    NotRepeatableError
        With the first raw output that differs and both values.
    """
    first = search.on_grid
    points = first.x[:REPEATED] if search.implementation.per_sample else first.x
    second = measure(search.implementation, points, search.y)
    for quantity, values in second.value.items():
        before = first.value[quantity][: len(points)]
        other = np.flatnonzero((values != before) & ~(np.isnan(values) & np.isnan(before)))
        if other.size:
            i = other[0]
            raise NotRepeatableError(
                f"the {quantity} of raw output {points[i]:.9g} and label {search.y:g} is "
                f"{before[i]:.9g} in one call and {values[i]:.9g} in the next"
            )


def _labels(implementation: Implementation, dtype: str) -> Iterator[_Label]:
    """Measure an implementation in one precision, label by label."""
    soft = implementation.soft and implementation.objective == BCE
    for y in (*HARD, *(SOFT if soft else ())):
        tables, thresholds = [], []
        for side in SIDES:
            search = Search(implementation, dtype, y, side)
            _check_repeated(search)
            result = find(search)
            thresholds.append({"y": y, "side": side, **asdict(result)})
            grid = table(search.on_grid)
            tables.append(grid if y in HARD else grid.iloc[::SOFT_STEP])
            near = around(search, result)
            if len(near):
                tables.append(table(measure(implementation, near, y)))
        rows = pd.concat(tables).drop_duplicates("x").sort_values("x")
        yield _Label(y, rows, thresholds, special_values(implementation, dtype, y))


def _failed(error: Exception) -> str:
    """Log an error of a framework, and return it in one line as a status."""
    traceback.print_exception(error)
    return f"failed: {type(error).__name__}: {error}".splitlines()[0]
