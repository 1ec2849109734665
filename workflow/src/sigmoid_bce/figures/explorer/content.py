"""The explorer's data: programs, their curves and thresholds, five questions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from pyarrow import compute as pc
from pyarrow import parquet

from sigmoid_bce.figures.explorer import questions, samples
from sigmoid_bce.jobs.files import reading
from sigmoid_bce.numerics import reference, sweep
from sigmoid_bce.numerics.catalogue import DTYPES
from sigmoid_bce.numerics.criteria import CRITERIA, Single
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
HALF = 1000
"""Added to a rest whose unit is half of that of the rounded value."""


def content(
    sweep: str | Path, thresholds: pd.DataFrame, implementations: str | Path, study: str, day: str
) -> dict[str, Any]:
    """Return the explorer's data, as JSON holds it.

    Parameters
    ----------
    sweep, implementations : str or Path
        `sweep.parquet` and `implementations.csv` of the conformance suite.
    thresholds : DataFrame
        As `sigmoid_bce.numerics.tables.read_thresholds` returns them.
    study, day : str
        The study's name, and the date of the measurement.

    Returns
    -------
    dict
        `about`; `points`, the raw outputs and exact values by precision; `curves`, each different
        one once; `programs` with the numbers of their curves; `rows` of thresholds;
        `questions`.
    """
    hard = thresholds[thresholds["y"].isin(HARD)].reset_index(drop=True)
    about = read_all([implementations])
    curves = _Curves()
    programs: dict[tuple[str, ...], dict[str, Any]] = {}
    of_hard = dict(iter(hard.groupby([*KEY, "y"])))
    of_about = {tuple(row[name] for name in KEY): row for row in about.to_dict("records")}
    for key, y, table in _labels(sweep):
        rows = of_hard.get((*key, y), hard.iloc[:0])
        places = rows[PLACES].to_numpy().ravel()
        part = table[samples.kept(table, places[~np.isnan(places)])]
        program = programs.setdefault(key, _program(key, rows, of_about.get(key, {})))
        program["curves"][int(y)] = curves.add(part, key[-1], y)
    measured = list(programs.values())
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
        "points": curves.points(),
        "curves": curves.encoded(),
        "programs": measured,
        "rows": list(_rows(hard, numbers)),
        "questions": questions.five(hard, about),
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
            else samples.shortest(np.array([row[name]]), _kind(name, key[-1]))[0]
            for name in SHOWN
        ]
        side = SIDES.index(row["side"])
        # infinity is no JSON
        values = [value if value == "" or np.isfinite(value) else str(value) for value in values]
        yield [numbers[key], int(row["y"]), side, hits.get(i, []), *values]


def _kind(name: str, dtype: str) -> str:
    """Return the precision of a threshold; a loss may have another one than the raw output."""
    return "float64" if name in NO_PLACES else dtype


@dataclass
class _Curves:
    """Different curves, and the points at which they are measured, in the order of addition."""

    kept: list[tuple[str, float, pd.DataFrame, dict[str, str]]] = field(default_factory=list)
    known: dict[tuple[Any, ...], int] = field(default_factory=dict)
    exact: dict[str, dict[float, tuple[float, float]]] = field(default_factory=dict)

    def add(self, part: pd.DataFrame, dtype: str, y: float) -> int:
        """Return the number of a curve."""
        # label 1 is label 0 mirrored: the loss the same, the gradient with the other sign
        sign = 1 if y == 0 else -1
        x = part["x"].to_numpy() * sign + 0.0
        points, format = self.exact.setdefault(dtype, {}), []
        texts: dict[str, str] = {}
        for place, loss, gradient in zip(
            x, part["loss_exact"], part["gradient_exact"] * sign, strict=True
        ):
            # long doubles that are one float64 have several exact values: the first stands for them
            points.setdefault(place, (loss, gradient))
        for number, quantity in enumerate(QUANTITIES):
            values = part[quantity].to_numpy()
            near = np.array([points[place][number] for place in x]) * (sign if number else 1)
            format.append(samples.format_of(values, dtype))
            texts[quantity] = samples.written(values, near, format[-1])
        texts["format"] = " ".join(format)
        identity = (dtype, y, *texts.values(), x.tobytes())
        if identity not in self.known:
            self.known[identity] = len(self.kept)
            self.kept.append((dtype, y, part.assign(x=x), texts))
        return self.known[identity]

    def points(self) -> dict[str, dict[str, Any]]:
        """Return raw outputs of label 0, exact values and their rests, by precision."""
        found = {}
        for dtype, points in self.exact.items():
            x = np.array(sorted(points))
            entry: dict[str, Any] = {"x": samples.shortest(x, dtype)}
            format = dtype if dtype in samples.FORMATS else "float64"
            for number, quantity in enumerate(QUANTITIES):
                values = np.array([points[place][number] for place in x])
                entry[quantity] = samples.written(values, np.append(0.0, values[:-1]), format)
                if dtype in samples.FORMATS:
                    entry[f"{quantity}_rest"] = _rests(x, values, dtype, quantity)
            entry["usual"] = samples.repeated(map(str, self._usual(dtype, x).astype(int)))
            found[dtype] = entry
        return found

    def _usual(self, dtype: str, x: np.ndarray) -> np.ndarray:
        """Return which points most curves of a precision have, bool of the shape of `x`."""
        there = [np.isin(x, part["x"]) for own, _, part, _ in self.kept if own == dtype]
        usual: np.ndarray = np.mean(there, axis=0) > 0.5
        return usual

    def encoded(self) -> list[dict[str, str]]:
        """Return the curves: where their points are not the usual ones, and their values."""
        usual = {}
        for dtype, points in self.exact.items():
            x = np.array(sorted(points))
            usual[dtype] = x, self._usual(dtype, x)
        curves = []
        for dtype, _, part, texts in self.kept:
            x, most = usual[dtype]
            other = np.flatnonzero(np.isin(x, part["x"]) != most)
            steps = map(samples.base36, np.diff(other, prepend=0).tolist())
            curves.append({"unusual": samples.repeated(steps), **texts})
        return curves


def _rests(x: np.ndarray, exact: np.ndarray, dtype: str, quantity: Any) -> str:
    """Return what rounding took from exact values, in hundredths of a unit in the last place."""
    to = DTYPES[dtype]
    truth = reference.unrounded(x.astype(to), np.zeros(len(x), to), dtype, quantity)
    unit = sweep.spacing(truth, to)
    rest = np.rint((100 * (truth - exact) / unit).astype(np.float64)).astype(int)
    rest += HALF * (sweep.spacing(exact.astype(np.longdouble), to) != unit)
    return samples.repeated(map(str, rest.tolist()))


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
        "curves": len(content["curves"]),
    }
