"""What to change about a user's program: a sentence, and the lines as a diff."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from typing import NamedTuple

import pandas as pd

from sigmoid_bce.numerics import catalogue
from sigmoid_bce.verdicts.harm import Harm, Row
from sigmoid_bce.verdicts.programs import HALF
from sigmoid_bce.verdicts.written import OWN, WRITTEN


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
    lines = {module.TITLE: module.INSTEAD for module in (found for _, found in catalogue.modules())}
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


def _best(row: Row, table: pd.DataFrame) -> str | None:
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
    return str(min(worst.index, key=lambda name: order[name]))


def _own(line: str) -> str:
    """Return a user's own line with a loss from raw outputs; "" if it does not have all of it.

    Examples
    --------
    >>> _own("loss = F.binary_cross_entropy(torch.sigmoid(logits), target)")
    'loss = F.binary_cross_entropy_with_logits(logits, target)'
    """
    for pattern, instead in OWN:
        if re.fullmatch(pattern, line):
            return re.sub(pattern, instead, line)
    return ""


def of_program(row: Row, table: pd.DataFrame, line: str = "") -> Change:
    """Return what to change about a program.

    Parameters
    ----------
    row : mapping
        The program: a row of `table`.
    table : DataFrame
        All programs of its framework, as `sigmoid_bce.verdicts.harm.counts` returns them.
    line : str
        The line that the user wrote.
    """
    if row["harm"] <= Harm.RIGHT_SIDE:
        return Change("Change nothing.")
    title = row["framework"]
    mine = WRITTEN.get(title, {}).get(row["implementation"])
    if mine is None:
        return Change("Change: compute the loss from raw outputs, in float32 or wider.")
    if mine.instead and not row["trains"]:
        return Change(METRIC, _diff(mine.code, mine.instead))
    best = _best(row, table)
    if best is None:
        wider = "float32" if row["dtype"] in HALF else "float64"
        return Change(f"Change: compute the loss from raw outputs, in {wider}.")
    text = "Change: compute the loss from raw outputs."
    if not row["from_sigmoid"]:
        return Change(text, _diff(mine.code, WRITTEN[title][best].code))
    if after := _own(line):
        return Change(text, _diff(line, after))
    text += " A probability is sigmoid(x) then, and p > 0.5 is x > 0"
    if "eras" in title:
        text += '; for metrics=["accuracy"] write BinaryAccuracy(threshold=0)'
    before, after = mine.code, mine.instead or WRITTEN[title][best].code
    if not row["trains"]:
        text, before, after = METRIC, _judged(before), _judged(after)
    return Change(text if text == METRIC else f"{text}.", _diff(before, after))


METRIC = "Change: compute the metric from raw outputs."


def _judged(code: str) -> str:
    """Return the code of a Keras model that is judged by its predictions, not compiled."""
    return re.sub(r"model\.compile\(loss=(.*)\)$", r"\1(y, model.predict(inputs))", code)
