"""The explorer's data: programs, their curves and thresholds, five questions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from pyarrow import compute as pc
from pyarrow import parquet

from sigmoid_bce.figures.explorer import questions, samples
from sigmoid_bce.figures.explorer.curves import Curves, tables
from sigmoid_bce.jobs.files import reading
from sigmoid_bce.numerics.criteria import CRITERIA, Single
from sigmoid_bce.numerics.names import BCE
from sigmoid_bce.numerics.objectives import OBJECTIVES
from sigmoid_bce.numerics.sweep import QUANTITIES
from sigmoid_bce.numerics.tables import HARD, KEY, read_all
from sigmoid_bce.numerics.thresholds import COLUMNS, NO_PLACES

PLACES = [column for column in COLUMNS if column not in NO_PLACES]
SHOWN = (
    "loss_off", "loss_off_for_good", "loss_flat", "loss_flat_value", "gradient_off",
    "gradient_zero_first", "gradient_zero", "first_nan", "first_inf",
)  # fmt: skip
"""The thresholds that the page shows, in this order."""
VALUES = ["x", *QUANTITIES, *(f"{quantity}_exact" for quantity in QUANTITIES)]
SIDES = ("correct", "wrong")


def content(
    sweep: str | Path, thresholds: pd.DataFrame, implementations: str | Path, study: str, day: str
) -> dict[str, Any]:
    """Return the explorer's data, as JSON holds it.

    Parameters
    ----------
    sweep, implementations : str or Path
        `sweep.parquet` and `implementations.csv` of the conformance suite.
    thresholds : DataFrame
        As `sigmoid_bce.numerics.tables.read_thresholds` returns them, of all objectives.
    study, day : str
        The study's name, and the date of the measurement.

    Returns
    -------
    dict
        `about`; `objectives`, each with the tables of exact values of both labels; `points`, the
        raw outputs and exact values by table and precision; `curves`, each different one once, in
        columns;
        `programs` with the numbers of their curves; `rows` of thresholds; `questions` about binary
        cross-entropy.
    """
    hard = thresholds[thresholds["y"].isin(HARD)].reset_index(drop=True)
    about = read_all([implementations])
    curves = Curves()
    programs: dict[tuple[str, ...], dict[str, Any]] = {}
    of_hard = dict(iter(hard.groupby([*KEY, "y"])))
    of_about = {tuple(row[name] for name in KEY): row for row in about.to_dict("records")}
    for key, y, table in _labels(sweep):
        rows = of_hard.get((*key, y), hard.iloc[:0])
        places = rows[PLACES].to_numpy().ravel()
        objective, dtype = key[KEY.index("objective")], key[KEY.index("dtype")]
        part = table[samples.chosen(table, places[~np.isnan(places)], objective)]
        program = programs.setdefault(key, _program(key, rows, of_about.get(key, {})))
        program["curves"][int(y)] = curves.add(part, objective, dtype, y)
    measured = list(programs.values())
    order = {number: place for place, number in enumerate(curves.order())}
    for program in measured:
        program["curves"] = [order.get(number) for number in program["curves"]]
    numbers = {tuple(program[name] for name in KEY): i for i, program in enumerate(measured)}
    states = about["status"] if "status" in about else pd.Series(dtype=str)
    missing = about[states != "measured"]
    return {
        "about": {
            "study": study,
            "date": day,
            "processors": sorted(set(hard["processor"]) - {""}),
            "missing": sorted({f"{row.framework}: {row.status}" for row in missing.itertuples()}),
        },
        "shown": SHOWN,
        "consequences": [[c.name, c.says] for c in CRITERIA if isinstance(c, Single)],
        "objectives": _objectives({program["objective"] for program in measured}),
        "points": curves.points(),
        "curves": curves.encoded(),
        "programs": measured,
        "rows": list(_rows(hard, numbers)),
        "questions": questions.five(hard[hard["objective"] == BCE], about),
    }


def _labels(path: str | Path) -> Iterator[tuple[tuple[str, ...], float, pd.DataFrame]]:
    """Yield the samples of each program and hard label, sorted by x; a row group has them all."""
    with reading(path):
        file = parquet.ParquetFile(path)
        for group in range(file.num_row_groups):
            table = file.read_row_group(group, columns=[*KEY, "y", *VALUES])
            table = table.filter(pc.is_in(table["y"], pa.array(HARD)))
            keys = table.group_by([*KEY, "y"]).aggregate([]).to_pylist()
            for key in keys:
                own = table
                for name, value in key.items() if len(keys) > 1 else ():
                    own = own.filter(pc.equal(own[name], value))
                part = own.select(VALUES).to_pandas().sort_values("x", kind="stable")
                # long doubles that are one float64 are one sample here
                part = part.drop_duplicates("x")
                yield tuple(key[name] for name in KEY), key["y"], part


def _objectives(measured: set[str]) -> list[dict[str, Any]]:
    """Return what the page knows of the objectives that were measured, in the order of all."""
    return [
        {
            "name": name,
            "title": objective.title,
            "says": objective.says,
            "terms": objective.terms,
            "tables": [tables()[name, y] for y in HARD],
        }
        for name, objective in OBJECTIVES.items()
        if name in measured
    ]


def _program(key: tuple[str, ...], rows: pd.DataFrame, about: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is said of a program."""
    program: dict[str, Any] = {**dict(zip(KEY, key, strict=True)), "curves": [None, None]}
    for trait in ("from_sigmoid", "has_gradient", "gradient_by_hand"):
        program[trait] = bool(rows[trait].any())
    return {**program, **{name: str(about.get(name, "")) for name in ("formula", "cause")}}


def _rows(hard: pd.DataFrame, numbers: dict[tuple[str, ...], int]) -> Iterator[list[Any]]:
    """Yield program, label, side, consequences and thresholds of each row; "" is no threshold."""
    singles = [criterion for criterion in CRITERIA if isinstance(criterion, Single)]
    hits: dict[Any, list[int]] = {}
    for number, criterion in enumerate(singles):
        for row, _ in criterion.hits(hard):
            hits.setdefault(row.name, []).append(number)
    keys = hard[KEY].itertuples(index=False, name=None)
    for i, key in enumerate(keys):
        row = hard.loc[i]
        if key not in numbers:
            continue
        values = [
            ""
            if np.isnan(row[name])
            else samples.shortest(np.array([row[name]]), _kind(name, key[KEY.index("dtype")]))[0]
            for name in SHOWN
        ]
        side = SIDES.index(row["side"])
        # infinity is no JSON
        values = [value if value == "" or np.isfinite(value) else str(value) for value in values]
        yield [numbers[key], int(row["y"]), side, hits.get(i, []), *values]


def _kind(name: str, dtype: str) -> str:
    """Return the precision of a threshold; a loss may have another one than the raw output."""
    return "float64" if name in NO_PLACES else dtype


def values(content: Mapping[str, Any]) -> dict[str, int]:
    """Return the numbers that the caption quotes, from the explorer's data."""
    dead = SHOWN.index("gradient_zero_first")
    ills: dict[int, list[Any]] = {}
    for program, _, side, _, *places in content["rows"]:
        if SIDES[side] == "wrong":
            ills.setdefault(program, []).append(places)
    return {
        "programs": len(content["programs"]),
        "wrong": sum(any(v != "" for row in rows for v in row) for rows in ills.values()),
        "dead": sum(any(row[dead] != "" for row in rows) for rows in ills.values()),
        "rows": len(content["rows"]),
        "curves": len(content["curves"]["format"]),
    }
