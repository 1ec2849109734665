"""The explorer's curves, each different one once, and the exact values that losses share."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np
import pandas as pd

from sigmoid_bce.figures.explorer import samples
from sigmoid_bce.numerics import reference, sweep
from sigmoid_bce.numerics.catalogue import DTYPES
from sigmoid_bce.numerics.objectives import OBJECTIVES
from sigmoid_bce.numerics.reference import Quantity
from sigmoid_bce.numerics.sweep import QUANTITIES
from sigmoid_bce.numerics.tables import HARD

HALF = 1000
"""Added to a rest whose unit is half of that of the rounded value."""
PROBES = np.arange(-60, 60, 1 / 4)
"""Where exact values are compared."""


@cache
def tables() -> dict[tuple[str, float], int]:
    """Return the number of the table of exact values, by objective and label.

    A table of label 1 is mirrored: raw outputs and gradients have the other sign. So objectives and
    labels with the same numbers share one.

    Examples
    --------
    >>> found = tables()
    >>> found["bce", 1], found["siglip", 0], found["focal", 0] == found["focal", 1]
    (0, 0, False)
    """
    known: dict[bytes, int] = {}
    found = {}
    for objective in OBJECTIVES:
        for y in HARD:
            x, labels, sign = _mirrored(PROBES, y)
            loss = reference.loss(x, labels, "float64", objective)
            gradient = sign * reference.gradient(x, labels, "float64", objective)
            content = loss.tobytes() + gradient.tobytes()
            found[objective, y] = known.setdefault(content, len(known))
    return found


def _mirrored(x: np.ndarray, y: float) -> tuple[np.ndarray, np.ndarray, int]:
    """Return raw outputs of a label from those of its table, the labels, and the mirror's sign."""
    sign = 1 if y == 0 else -1
    return x * sign + x.dtype.type(0), np.full(len(x), y, x.dtype), sign


Table = tuple[int, str]
"""A table of exact values, and the precision."""


@dataclass
class Curves:
    """Different curves, and the points at which they are measured, in the order of addition."""

    kept: list[tuple[Table, float, pd.DataFrame, dict[str, str]]] = field(default_factory=list)
    known: dict[tuple[Any, ...], int] = field(default_factory=dict)
    exact: dict[Table, dict[float, tuple[float, float]]] = field(default_factory=dict)

    def add(self, part: pd.DataFrame, objective: str, dtype: str, y: float) -> int:
        """Return the number of a curve, in the order of addition."""
        table = tables()[objective, y], dtype
        x, _, sign = _mirrored(part["x"].to_numpy(), y)
        points, format = self.exact.setdefault(table, {}), []
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
        identity = (table, y, *texts.values(), x.tobytes())
        if identity not in self.known:
            self.known[identity] = len(self.kept)
            self.kept.append((table, y, part.assign(x=x), texts))
        return self.known[identity]

    def points(self) -> dict[str, dict[str, dict[str, Any]]]:
        """Return raw outputs, exact values and their rests, by table and precision."""
        found: dict[str, dict[str, dict[str, Any]]] = {}
        for (number, dtype), points in sorted(self.exact.items(), key=lambda item: item[0][0]):
            x = np.array(sorted(points))
            entry: dict[str, Any] = {"x": samples.shortest(x, dtype)}
            format = dtype if dtype in samples.FORMATS else "float64"
            for i, quantity in enumerate(QUANTITIES):
                values = np.array([points[place][i] for place in x])
                entry[quantity] = samples.written(values, np.append(0.0, values[:-1]), format)
                if dtype in samples.FORMATS:
                    entry[f"{quantity}_rest"] = _rests(x, values, (number, dtype), quantity)
            entry["usual"] = samples.repeated(map(str, self._usual((number, dtype), x).astype(int)))
            found.setdefault(str(number), {})[dtype] = entry
        return found

    def _usual(self, table: Table, x: np.ndarray) -> np.ndarray:
        """Return which points most curves of a table have, bool of the shape of `x`."""
        there = [np.isin(x, part["x"]) for own, _, part, _ in self.kept if own == table]
        usual: np.ndarray = np.mean(there, axis=0) > 0.5
        return usual

    def order(self) -> list[int]:
        """Return the numbers of the curves so that neighbours are alike: they pack well."""

        def key(number: int) -> tuple[str, int, float]:
            (table, dtype), y, _, _ = self.kept[number]
            return dtype, table, y

        return sorted(range(len(self.kept)), key=key)

    def encoded(self) -> dict[str, list[str]]:
        """Return the curves by `order`: where their points are not the usual, and their values."""
        usual = {}
        for table, points in self.exact.items():
            x = np.array(sorted(points))
            usual[table] = x, self._usual(table, x)
        curves: dict[str, list[str]] = {name: [] for name in ("unusual", *QUANTITIES, "format")}
        for number in self.order():
            table, _, part, texts = self.kept[number]
            x, most = usual[table]
            other = np.flatnonzero(np.isin(x, part["x"]) != most)
            steps = map(samples.base36, np.diff(other, prepend=0).tolist())
            for name, text in {"unusual": samples.repeated(steps), **texts}.items():
                curves[name].append(text)
        return curves


def _rests(x: np.ndarray, exact: np.ndarray, table: Table, quantity: Quantity) -> str:
    """Return what rounding took from exact values, in hundredths of a unit in the last place."""
    number, dtype = table
    to = DTYPES[dtype]
    objective, y = next(key for key, own in tables().items() if own == number)
    at, labels, sign = _mirrored(x.astype(to), y)
    truth = reference.unrounded(at, labels, dtype, quantity, objective)
    truth = truth * sign if quantity == "gradient" else truth
    unit = sweep.spacing(truth, to)
    rest = np.rint((100 * (truth - exact) / unit).astype(np.float64)).astype(int)
    rest += HALF * (sweep.spacing(exact.astype(np.longdouble), to) != unit)
    return samples.repeated(map(str, rest.tolist()))
