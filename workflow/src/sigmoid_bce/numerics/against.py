"""What moved between two measurements of a framework, in words."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from sigmoid_bce.numerics.names import BCE
from sigmoid_bce.numerics.record import MOVED, PLACES
from sigmoid_bce.numerics.tables import HARD

PROGRAM = ["implementation", "objective", "mode", "dtype"]
ROW = [*PROGRAM, "y", "side"]
"""The columns that tell the rows of a framework apart; its release is what may change."""
HAPPENS = {
    "loss_off": "the loss is off",
    "loss_off_for_good": "the loss is off for good",
    "loss_over": "the loss is too large",
    "loss_under": "the loss is too small",
    "loss_flat": "the loss stops changing",
    "loss_jump": "the loss jumps",
    "gradient_off": "the gradient is off",
    "gradient_zero_first": "the gradient is 0",
    "gradient_zero": "the gradient stays 0",
    "first_nan": "nan appears",
    "first_inf": "inf appears",
}
"""The thresholds that are compared, as what happens from that |raw output| on."""


def compared(then: pd.DataFrame, now: pd.DataFrame, status: pd.DataFrame) -> pd.DataFrame:
    """Return what moved between two tables of thresholds of one framework.

    Parameters
    ----------
    then, now : DataFrame
        As `sigmoid_bce.numerics.tables.read_thresholds` returns them. Only the precisions and
        labels that both have are compared. A threshold that differs by more than 2 % has moved.
    status : DataFrame
        The programs of `now` with their status, for the reasons of those that were not measured.

    Returns
    -------
    DataFrame
        A row for each threshold that moved, the worse first: implementation, mode, dtype, y, side,
        threshold, then, now (|raw output|, nan for never), change ("worse", "better", "gone" for a
        program that is no longer measured, "new") and reason.

    Examples
    --------
    >>> from sigmoid_bce.numerics.tables import RECORD, read_thresholds
    >>> then = read_thresholds(RECORD).query("framework == 'SciPy'")
    >>> now = then.assign(loss_off=then["loss_off"] / 2)
    >>> set(compared(then, now, pd.DataFrame(columns=[*PROGRAM, "status"]))["change"])
    {'worse'}
    """
    then, now = (table[table["y"].isin(HARD)] for table in (then, now))
    asked = now["dtype"].unique() if len(now) else status["dtype"].unique()
    then = then[then["dtype"].isin(asked)]
    both = then.merge(now, on=ROW, suffixes=("", "_now"))
    rows = [
        {**{key: row[key] for key in ROW}, **change}
        for row in both.to_dict("records")
        for change in _changes(row)
    ]
    rows += _programs(then, now, status)
    order = ["worse", "gone", "better", "new"]
    columns = [*ROW, "threshold", "then", "now", "change", "reason"]
    found = pd.DataFrame(rows, columns=columns)
    return found.sort_values("change", key=lambda s: s.map(order.index), kind="stable")


def _changes(row: dict[Any, Any]) -> list[dict[str, object]]:
    """Return the thresholds of one row that moved."""
    found = []
    for place in PLACES:
        then, now = row[place], row[f"{place}_now"]
        if place not in HAPPENS or (np.isnan(then) and np.isnan(now)):
            continue
        if np.isnan(then) or np.isnan(now) or abs(then - now) > MOVED * abs(then):
            worse = np.isnan(then) or now < then
            change = "worse" if worse else "better"
            found.append({"threshold": place, "then": then, "now": now, "change": change})
    return found


def _programs(
    then: pd.DataFrame, now: pd.DataFrame, status: pd.DataFrame
) -> list[dict[Any, object]]:
    """Return the programs that only one of two tables has."""
    old, new = (table[PROGRAM].drop_duplicates() for table in (then, now))
    both = old.merge(new, on=PROGRAM, how="outer", indicator=True)
    failed = {tuple(row[:-1]): row[-1] for row in status[[*PROGRAM, "status"]].to_numpy().tolist()}
    said = {"left_only": "gone", "right_only": "new"}
    return [
        {
            **{key: row[key] for key in PROGRAM},
            "change": said[row["_merge"]],
            "reason": failed.get(tuple(row[key] for key in PROGRAM), "it is no longer listed")
            if row["_merge"] == "left_only"
            else "",
        }
        for row in both.to_dict("records")
        if row["_merge"] != "both"
    ]


def named(row: dict[Any, Any]) -> str:
    """Return a program in words: its objective too, unless it is binary cross-entropy.

    Examples
    --------
    >>> named({"implementation": "focal", "objective": "focal", "mode": "", "dtype": "float32"})
    'focal, focal, float32'
    """
    objective = "" if row["objective"] == BCE else row["objective"]
    return ", ".join(filter(None, [row["implementation"], objective, row["mode"], row["dtype"]]))


def sentence(row: dict[Any, Any]) -> str:
    """Return a line for a row of `compared`.

    Examples
    --------
    >>> row = {"implementation": "BCELoss()", "objective": "bce", "mode": "eager", "y": 0.0}
    >>> row |= {"dtype": "float32", "side": "wrong", "threshold": "gradient_zero_first"}
    >>> sentence(row | {"then": 16.6, "now": np.nan, "change": "better", "reason": ""})
    'better: BCELoss(), eager, float32, label 0, wrong side: the gradient is 0 never, before 16.6'
    """
    program = named(row)
    if row["change"] in ("gone", "new"):
        return f"{row['change']}: {program}" + (f": {row['reason']}" if row["reason"] else "")
    then, now = ("never" if np.isnan(row[when]) else f"{row[when]:.5g}" for when in ("then", "now"))
    now = now if now == "never" else f"from {now}"
    happens = HAPPENS[row["threshold"]]
    return (
        f"{row['change']}: {program}, label {row['y']:g}, {row['side']} side: {happens} {now}, "
        f"before {then}"
    )
