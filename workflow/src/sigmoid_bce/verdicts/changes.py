"""What to change about a user's program: a sentence, and the lines as a diff."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import NamedTuple

import pandas as pd

from sigmoid_bce.numerics import catalogue, frameworks
from sigmoid_bce.verdicts.harm import Harm, Row
from sigmoid_bce.verdicts.programs import HALF
from sigmoid_bce.verdicts.written import WRITTEN


class Change(NamedTuple):
    """What to change, and the lines that go (-), come (+) and stay; empty if there are none."""

    text: str
    diff: str = ""


def instead(titles: Iterable[str]) -> dict[str, str]:
    """Return the code for a loss from raw outputs, by title of the framework.

    Examples
    --------
    >>> list(instead(["SciPy", "SciPy", "history"]))
    ['SciPy']
    """
    lines = {module.TITLE: module.INSTEAD for module in map(catalogue.module, frameworks.names())}
    return {title: lines[title] for title in dict.fromkeys(titles) if lines.get(title)}


def _diff(before: str, after: str) -> str:
    """Return two pieces of code as the lines that go, come and stay."""
    old, new = before.splitlines(), after.splitlines()
    lines = []
    for kind, i, j, k, m in difflib.SequenceMatcher(None, old, new).get_opcodes():
        if kind == "equal":
            lines += [f"  {line}" for line in old[i:j]]
        else:
            lines += [f"- {line}" for line in old[i:j]] + [f"+ {line}" for line in new[k:m]]
    return "\n".join(lines)


def _best(row: Row, table: pd.DataFrame) -> tuple[str, Harm] | None:
    """Return the loss from raw outputs, in the framework and precision of a program, that is best.

    Of those that are right at every mistake it is the usual one: the first in `WRITTEN`.
    """
    order = {name: i for i, name in enumerate(WRITTEN[row["framework"]])}
    raw = table[table["trains"] & ~table["from_sigmoid"] & (table["dtype"] == row["dtype"])]
    raw = raw[raw["implementation"].isin(order)]
    worst = raw.groupby("implementation")["harm"].max()
    worst = worst[worst <= Harm.RIGHT_SIDE]
    if worst.empty:
        return None
    name = min(worst.index, key=lambda name: order[name])
    return name, Harm(worst[name])


def _exact(row: Row, table: pd.DataFrame) -> str:
    """Return which loss from raw outputs is right everywhere; "" if there is none."""
    same = table[table["trains"] & (table["dtype"] == row["dtype"]) & ~table["from_sigmoid"]]
    worst = same.groupby("implementation", sort=False)["harm"].max()
    exact = worst.index[worst == Harm.NOTHING]
    return f"; {exact[0]} is right for right predictions, too" if len(exact) else ""


def of_program(row: Row, table: pd.DataFrame) -> Change:
    """Return what to change about a program.

    Parameters
    ----------
    row : mapping
        The program: a row of `table`.
    table : DataFrame
        All programs of its framework, as `sigmoid_bce.verdicts.harm.counts` returns them.
    """
    if row["harm"] <= Harm.RIGHT_SIDE:
        return Change("Change nothing.")
    title = row["framework"]
    mine = WRITTEN.get(title, {}).get(row["implementation"])
    if mine is None:
        return Change("Change: compute the loss from raw outputs, in float32 or wider.")
    if mine.instead:
        return Change(
            "Change: compute the metric from raw outputs.", _diff(mine.code, mine.instead)
        )
    best = _best(row, table)
    if best is None:
        wider = "float32" if row["dtype"] in HALF else "float64"
        return Change(f"Change: compute the loss from raw outputs, in {wider}.")
    text = "Change: compute the loss from raw outputs."
    if row["from_sigmoid"]:
        text += " A probability is sigmoid(x) then, and p > 0.5 is x > 0."
    if best[1] is Harm.RIGHT_SIDE:
        text += f" {best[0]} is right at every mistake{_exact(row, table)}."
    return Change(text, _diff(mine.code, WRITTEN[title][best[0]].code))
