"""The map of all programs: where each first goes wrong, how badly, and on which side."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from sigmoid_bce.figures import drawn, style
from sigmoid_bce.figures.inputs import LaboratoryTables
from sigmoid_bce.numerics.criteria import PLACES, explained
from sigmoid_bce.numerics.names import TITLES

TITLE = "Conformance map"
READS = ("thresholds",)
EACH = "objective"
"""A map for each objective of a study."""
DTYPES = ("float32", "bfloat16", "float16", "float64", "longdouble")
HEADINGS = {"float32": "float\n32", "bfloat16": "bfloat\n16", "float16": "float\n16",
            "float64": "float\n64", "longdouble": "long\ndouble"}  # fmt: skip
SIDES = {"wrong": "misclassified samples", "correct": "right predictions"}
PROGRAM = ["framework", "implementation", "mode", "dtype"]


class Harm(NamedTuple):
    """A way to go wrong: what the legend says, the thresholds behind it, and how it is drawn."""

    says: str
    places: tuple[str, ...]
    face: str
    ink: str


HARMS = (
    Harm("nan or inf", ("first_nan", "first_inf"), "black", "white"),
    Harm("gradient exactly 0", ("gradient_zero_first",), style.RED, "white"),
    Harm("loss off by 1 %, or constant", ("loss_off", "loss_flat"), style.AMBER, "black"),
    Harm("gradient off by 1 %", ("gradient_off",), "#c5cae6", "black"),
)
"""The worst first."""
NEVER = "never"
NONE = "No program of this loss was measured."
CELL, LINE, TOP = 0.4, 0.125, 0.62
"""Inches: the width of a cell, the height of a line of text, and of the legend."""
HEADING, GAP = 0.4, 0.1
"""Inches: the height of a framework's headings, and the gap between the two sides."""
PALE = 0.35
"""How strong the colours of right predictions are: there, little is lost."""


def first_wrong(thresholds: pd.DataFrame) -> pd.Series:
    """Return the least |x| at which each row goes wrong in any way, flushed subnormals excepted.

    Parameters
    ----------
    thresholds : DataFrame
        As `sigmoid_bce.numerics.tables.read_thresholds` returns it.

    Returns
    -------
    Series of float64
        inf where a row never goes wrong.
    """
    return _early(thresholds, PLACES)


def _early(thresholds: pd.DataFrame, places: list[str]) -> pd.Series:
    """Return the least |x| of some thresholds in each row, inf where there is none that counts."""
    least = thresholds[places].min(axis=1).fillna(np.inf)
    return least.mask(explained(thresholds, least), np.inf)


def _hard(thresholds: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of the labels 0 and 1, with `least`, where each first goes wrong."""
    hard = thresholds[thresholds["y"].isin([0, 1])]
    return hard.assign(least=first_wrong(hard))


def cells(thresholds: pd.DataFrame) -> pd.DataFrame:
    """Return the map's cells: for each program, precision and side the worst harm and its place.

    Parameters
    ----------
    thresholds : DataFrame
        As `sigmoid_bce.numerics.tables.read_thresholds` returns it.

    Returns
    -------
    DataFrame
        framework, implementation, mode, dtype, side, harm (its place in `HARMS`, len(HARMS) for
        never), x (the least |raw output| over both labels, inf for never).
    """
    hard = thresholds[thresholds["y"].isin([0, 1])].reset_index(drop=True)
    parts = []
    for number, harm in enumerate(HARMS):
        x = _early(hard, list(harm.places))
        parts.append(hard[[*PROGRAM, "side"]].assign(harm=number, x=x)[np.isfinite(x)])
    parts.append(hard[[*PROGRAM, "side"]].assign(harm=len(HARMS), x=np.inf))
    table = pd.concat(parts, ignore_index=True).sort_values(["harm", "x"], kind="stable")
    return table.drop_duplicates([*PROGRAM, "side"])


class Row(NamedTuple):
    """A line of the map: the modes of a program that behave alike."""

    framework: str
    name: str
    cells: dict[tuple[str, str], tuple[int, float]]  # by side and dtype


def rows(thresholds: pd.DataFrame) -> list[Row]:
    """Return the lines of the map: frameworks together, the worst consequence first.

    Parameters
    ----------
    thresholds : DataFrame
        As `sigmoid_bce.numerics.tables.read_thresholds` returns it.

    Returns
    -------
    list of Row
    """
    found: dict[tuple[str, str, str], list[str]] = {}
    by_key: dict[tuple[str, str, str], dict[tuple[str, str], tuple[int, float]]] = {}
    programs = cells(thresholds).groupby(PROGRAM[:3], sort=True, observed=True)
    for (framework, implementation, mode), part in programs:
        here = {
            (side, dtype): (int(harm), float(f"{x:.3g}"))
            for side, dtype, harm, x in part[["side", "dtype", "harm", "x"]].itertuples(index=False)
        }
        key = framework, implementation, repr(sorted(here.items()))
        found.setdefault(key, []).append(str(mode))
        by_key[key] = here
    lines = [
        Row(key[0], f"{key[1]}: {', '.join(modes)}" if any(modes) else key[1], by_key[key])
        for key, modes in found.items()
    ]
    worst: dict[str, tuple[tuple[int, float], ...]] = {}
    for line in sorted(lines, key=_consequence):
        worst.setdefault(line.framework, _consequence(line))
    return sorted(
        lines,
        key=lambda row: (
            worst[row.framework],
            row.framework.casefold(),
            _consequence(row),
            row.name,
        ),
    )


def _consequence(row: Row) -> tuple[tuple[int, float], ...]:
    """Return what rows are sorted by: float32 on the wrong side first, then all else."""
    never = len(HARMS), np.inf
    order = [(side, dtype) for side in SIDES for dtype in DTYPES]
    return tuple(row.cells.get(place, never) for place in order)


def _blocks(lines: list[Row]) -> Iterator[tuple[str, list[Row]]]:
    """Yield each framework with its lines."""
    names = list(dict.fromkeys(line.framework for line in lines))
    for name in names:
        yield name, [line for line in lines if line.framework == name]


def _legend(axis: Axes, y: float) -> None:
    """Draw what the colours mean, in one line, below a line on the numbers."""
    says = "Number: the smallest |raw output| at which the worst of these happens. Pale: right "
    says += "predictions, of which little is lost."
    axis.text(0.05, y - 0.12, says, va="center", fontsize=style.SMALL)
    names = [(harm.says, {"fc": harm.face}) for harm in HARMS]
    names += [(NEVER, {"fc": "white"}), ("not measured", {"fc": "0.93", "hatch": "//////"})]
    x = 0.05
    for name, look in names:
        axis.add_patch(Rectangle((x, y - 0.4), 0.16, 0.12, ec="0.6", lw=0.5, label=name, **look))
        axis.text(x + 0.21, y - 0.34, name, va="center", fontsize=style.SMALL)
        x += 0.33 + style.width(name, style.SMALL)


def _headings(axis: Axes, name: str, dtypes: list[str], left: float, y: float) -> None:
    """Write a framework's name, and above its cells the sides and precisions."""
    options = {"ha": "center", "va": "center", "fontsize": style.SMALL}
    axis.text(0.05, y - 0.3, name, va="center", fontsize=8, fontweight="bold")
    for part, says in enumerate(SIDES.values()):
        start = left + part * (len(dtypes) * CELL + GAP)
        room = len(dtypes) * CELL + GAP / 2
        for line, text in enumerate(reversed(style.wrap(says, room, style.SMALL))):
            axis.text(start + len(dtypes) * CELL / 2, y - 0.05 + 0.11 * line, text, **options)
        for i, dtype in enumerate(dtypes):
            place = start + (i + 0.5) * CELL, y - 0.26
            axis.text(*place, HEADINGS[dtype], color="0.35", linespacing=0.95, **options)


def _line(axis: Axes, row: Row, dtypes: list[str], left: float, y: float, text: list[str]) -> None:
    """Draw the cells of a line of the map, and its name beside them."""
    height = LINE * len(text) + 0.035
    axis.text(0.15, y - height / 2, "\n".join(text), va="center", fontsize=style.SMALL,
              linespacing=1.05)  # fmt: skip
    for part, side in enumerate(SIDES):
        for i, dtype in enumerate(dtypes):
            x = left + part * (len(dtypes) * CELL + GAP) + i * CELL
            box = {"xy": (x, y - height), "width": CELL, "height": height, "ec": "0.75", "lw": 0.4}
            if (side, dtype) not in row.cells:
                axis.add_patch(Rectangle(**box, fc="0.93", hatch="//////"))
                continue
            harm, place = row.cells[side, dtype]
            face, ink = HARMS[harm][2:] if harm < len(HARMS) else ("white", "0.5")
            if side == "correct" and 0 < harm < len(HARMS):  # nan spoils a mean on either side
                ink, face = "black", to_rgb(1 - PALE * (1 - np.array(to_rgb(face))))
            axis.add_patch(Rectangle(**box, fc=face))
            axis.text(x + CELL / 2, y - height / 2, f"{place:.3g}" if harm < len(HARMS) else "–",
                      ha="center", va="center", fontsize=style.SMALL, color=ink)  # fmt: skip


def draw(tables: LaboratoryTables) -> Figure:
    """Draw a line for each program: a cell for each side and precision, coloured by the harm."""
    style.use()
    lines = rows(tables.thresholds)
    known = {dtype for line in lines for _, dtype in line.cells}
    dtypes = [dtype for dtype in DTYPES if dtype in known]
    left = style.PAGE - 0.05 - 2 * len(dtypes) * CELL - GAP
    texts = {id(line): style.wrap(line.name, left - 0.25, style.SMALL) for line in lines}
    blocks = list(_blocks(lines))
    height = TOP + sum(LINE * len(text) + 0.035 for text in texts.values())
    height += len(blocks) * (HEADING + 0.2) or 0.2
    figure = plt.figure(figsize=(style.PAGE, height), layout="none")
    axis = figure.add_axes((0, 0, 1, 1), xlim=(0, style.PAGE), ylim=(0, height))
    axis.axis("off")
    _legend(axis, height)
    y = height - TOP
    if not lines:
        axis.text(0.05, y, NONE, fontsize=style.SMALL)
    for name, some in blocks:
        _headings(axis, name, dtypes, left, y)
        y -= HEADING
        for line in some:
            _line(axis, line, dtypes, left, y, texts[id(line)])
            y -= LINE * len(texts[id(line)]) + 0.035
        y -= 0.2
    setattr(figure, drawn.OWN, _table(lines))
    return figure


def _table(lines: list[Row]) -> pd.DataFrame:
    """Return the map as a table, a row for each cell."""
    shown = [
        {
            "framework": line.framework,
            "program": line.name,
            "side": side,
            "dtype": dtype,
            "harm": HARMS[harm].says if harm < len(HARMS) else NEVER,
            "raw_output": x if harm < len(HARMS) else np.nan,
        }
        for line in lines
        for (side, dtype), (harm, x) in line.cells.items()
    ]
    return pd.DataFrame(shown)


def values(tables: LaboratoryTables) -> dict[str, int | str]:
    """Return the numbers that the caption quotes.

    Parameters
    ----------
    tables : LaboratoryTables

    Returns
    -------
    dict
        The objective, the number of programs (an implementation in a mode and a precision), and of
        those that never go wrong, go wrong on misclassified samples, and go wrong below a raw
        output of 10.
    """
    hard = _hard(tables.thresholds)
    least = hard.groupby(PROGRAM)["least"].min()
    wrong = hard[hard["side"] == "wrong"].groupby(PROGRAM)["least"].min()
    return {
        "objective": TITLES[tables.objective],
        "programs": len(least),
        "never": int(np.isinf(least).sum()),
        "wrong_side": int(np.isfinite(wrong).sum()),
        "below_ten": int((least < 10).sum()),
    }
