"""The picture "when did it change": what each program does wrong, release by release."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from packaging.version import Version

from committed import read
from sigmoid_bce.comparison.words import counted
from sigmoid_bce.figures import style
from sigmoid_bce.figures.laboratory.conformance import HARMS, cells
from sigmoid_bce.numerics.catalogue import PAST
from sigmoid_bce.numerics.names import BCE
from sigmoid_bce.numerics.tables import RECORD, read_thresholds
from words import number

LEFT, CELL, LINE, HEADING, GAP, LEGEND = 2.75, 0.49, 0.125, 0.34, 0.3, 0.42
"""Inches: the names of programs, the width of a cell, the heights of a line of text, of a
framework's heading, of the gap below it, and of the legend."""
SIDES = {"wrong": "", "correct": " (right predictions)"}
Cell = tuple[int, str]
"""The harm's place in `HARMS`, and the raw output in three digits."""
Line = tuple[str, dict[str, Cell]]
"""A program with its modes and side, and its cell by release."""


def release(version: str) -> str:
    """Return the release of a framework itself, of all the packages that it was measured with.

    Examples
    --------
    >>> release("keras 3.15.1 tensorflow 2.21.0"), release("jax 0.10.2 jaxlib 0.10.2 optax 0.2.8")
    ('3.15.1', '0.2.8')
    >>> release("2.13.0+cpu")
    '2.13.0'
    """
    words = version.split()
    named = dict(zip(words[::2], words[1::2], strict=False)) if len(words) > 1 else {"": version}
    return named.get("optax", next(iter(named.values()))).split("+")[0]


def measured() -> pd.DataFrame:
    """Return the thresholds of old releases and those of the record, in one precision each."""
    old, now = read("releases").assign(objective=BCE), read_thresholds(RECORD)
    pairs = old[["framework", "dtype"]].drop_duplicates()
    now = now[~now["framework"].isin(PAST)].merge(pairs, on=["framework", "dtype"])
    table = pd.concat([old, now], ignore_index=True)
    return table.assign(release=table["version"].map(release))


def blocks(table: pd.DataFrame) -> dict[str, tuple[list[str], list[Line], int]]:
    """Return for each framework its releases, the lines that tell something, and how many changed.

    Parameters
    ----------
    table : DataFrame
        As `measured` returns it.

    Returns
    -------
    dict
        By framework: releases, the oldest first; a line for each program and side whose worst harm
        or its place is another in two releases, or that goes wrong on misclassified samples; how
        many lines changed.
    """
    out = {}
    for framework, rows in table.groupby("framework", sort=False):
        versions = sorted(rows["release"].unique(), key=Version)
        found: dict[tuple[str, str, str], dict[str, Cell]] = {}
        for version in versions:
            part = cells(rows[rows["release"] == version])
            for name, mode, side, harm, x in part[
                ["implementation", "mode", "side", "harm", "x"]
            ].itertuples(index=False):
                found.setdefault((name, mode, side), {})[version] = (int(harm), f"{x:.3g}")
        alike: dict[tuple[str, str, str], list[str]] = {}
        for (name, mode, side), seen in found.items():
            wrong = side == "wrong" and any(harm < len(HARMS) for harm, _ in seen.values())
            if wrong or len(set(seen.values())) > 1:
                alike.setdefault((name, side, repr(sorted(seen.items()))), []).append(mode)
        lines = [
            (
                f"{name}{': ' if any(modes) else ''}{', '.join(filter(None, modes))}{SIDES[side]}",
                found[name, modes[0], side],
            )
            for (name, side, _), modes in sorted(
                alike.items(), key=lambda item: (item[0][1] != "wrong", item[0][0])
            )
        ]
        changed = sum(len(set(seen.values())) > 1 for _, seen in lines)
        out[str(framework)] = (versions, lines, changed)
    return dict(sorted(out.items(), key=lambda item: (not item[1][2], item[0].casefold())))


def quotes() -> dict[str, str]:
    """Return the numbers of the page about releases, by name."""
    table = read("releases")
    pairs = table[["framework", "version"]].drop_duplicates()
    return {
        "old releases": number(len(pairs), "d"),
        "old frameworks": number(pairs["framework"].nunique(), "d"),
        "origin of releases": "; ".join(table["processor"].unique()),
    }


def _legend(axis: Axes, y: float) -> None:
    x = 0.05
    says = (
        "Number: the smallest |raw output| at which the worst of these happens, for either label."
    )
    axis.text(x, y - 0.1, says, va="center", fontsize=style.SMALL)
    names = [(harm.says, harm.face) for harm in HARMS] + [
        ("never", "white"),
        ("not measured", "0.93"),
    ]
    for name, face in names:
        axis.add_patch(Rectangle((x, y - 0.34), 0.16, 0.12, fc=face, ec="0.6", lw=0.5))
        axis.text(x + 0.21, y - 0.28, name, va="center", fontsize=style.SMALL)
        x += 0.33 + style.width(name, style.SMALL)


def draw(folder: Path) -> Figure:
    """Draw a block for each framework: a line for what changed, a column for each release."""
    style.use()
    shown = blocks(measured())
    texts = {
        (framework, text): style.wrap(text, LEFT - 0.25, style.SMALL)
        for framework, (_, lines, _) in shown.items()
        for text, _ in lines
    }
    heights = {key: LINE * len(lines) + 0.035 for key, lines in texts.items()}
    height = LEGEND + 0.1 + sum(heights.values()) + len(shown) * (HEADING + GAP)
    figure = plt.figure(figsize=(style.PAGE, height), layout="none")
    axis = figure.add_axes((0, 0, 1, 1), xlim=(0, style.PAGE), ylim=(0, height))
    axis.axis("off")
    _legend(axis, height)
    y = height - LEGEND - 0.1
    small = {"va": "center", "fontsize": style.SMALL}
    for framework, (versions, lines, changed) in shown.items():
        name = f"{framework}, by release of optax" if framework == "JAX" else framework
        axis.text(0.05, y - 0.2, name, va="center", fontsize=8, fontweight="bold")
        for i, version in enumerate(versions):
            axis.text(LEFT + (i + 0.5) * CELL, y - 0.2, version, ha="center", color="0.35", **small)
        y -= HEADING
        for text, seen in lines:
            high = heights[framework, text]
            axis.text(
                0.15, y - high / 2, "\n".join(texts[framework, text]), linespacing=1.05, **small
            )
            for i, version in enumerate(versions):
                box = {"xy": (LEFT + i * CELL, y - high), "width": CELL, "height": high}
                harm, x = seen.get(version, (-1, ""))
                face, ink = "0.93", "0.5"
                if harm >= 0:
                    face, ink = HARMS[harm][2:] if harm < len(HARMS) else ("white", "0.5")
                axis.add_patch(Rectangle(**box, fc=face, ec="0.75", lw=0.4))
                number = x if 0 <= harm < len(HARMS) else "" if harm < 0 else "–"
                place = LEFT + (i + 0.5) * CELL, y - high / 2
                axis.text(*place, number, ha="center", color=ink, **small)
            y -= high
        says = f"{counted(changed, 'line')} changed" if changed else "nothing changed"
        says = says if lines else "no program goes wrong on misclassified samples; nothing changed"
        axis.text(0.15, y - 0.1, says, color="0.35", **small)
        y -= GAP
    return figure
