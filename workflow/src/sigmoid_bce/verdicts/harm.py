"""What each program does to some raw outputs: the levels of harm, counts, and a few words."""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from typing import Any

import numpy as np
import pandas as pd

Row = Mapping[Any, Any]
NOTICED = 0.01
"""The change of a mean loss, as a share of it, that counts."""


NUMBERS = {
    "blind": ["dead_wrong_share"],
    "flat": ["clipped_wrong_share"],
    "off": ["loss_off_wrong_share"],
    "skewed": ["gradient_off_wrong_share"],
    "right": [
        "clipped_correct_share",
        "dead_correct_share",
        "loss_off_correct_share",
        "gradient_off_correct_share",
    ],
    "broken": ["broken_share"],
    "off_right": ["loss_off_correct_share"],
    "skewed_right": ["gradient_off_correct_share"],
}
"""Numbers of samples, and the shares of which each is the largest."""


class Harm(IntEnum):
    """What is lost, by consequence."""

    NOTHING = 0
    RIGHT_SIDE = 1
    """Only right predictions are affected: their tiny loss, or their tiny gradient."""
    LOSS = 2
    """The loss, or a metric, is wrong."""
    BLIND = 3
    """Mistakes get no gradient."""
    BREAKS = 4
    """A training gets nan or inf."""


def percent(share: float) -> str:
    """Return a share as a percentage, which is 0 only if the share is.

    Examples
    --------
    >>> percent(0.0123456), percent(2e-8), percent(0.0)
    ('1.23 %', '2e-06 %', '0 %')
    """
    return f"{100 * share:.3g} %"


def number(value: float) -> str:
    """Return a number in three digits, or, from 1,000 on, as a whole number.

    Examples
    --------
    >>> number(0.12345), number(-1043.21), number(1e30)
    ('0.123', '-1,043', '1e+30')
    """
    return f"{value:,.0f}" if 1000 <= abs(value) < 1e7 else f"{value:.3g}"


def samples(number: int, one: str = "sample") -> str:
    """Return a number of things.

    Examples
    --------
    >>> samples(1), samples(1200, "mistake")
    ('1 sample', '1,200 mistakes')
    """
    return f"{number:,} {one}{'' if number == 1 else 's'}"


def of_mistakes(number: int, mistakes: int) -> str:
    """Return a number of mistakes among all.

    Examples
    --------
    >>> of_mistakes(2, 137), of_mistakes(1, 1)
    ('2 of 137 mistakes', 'the only mistake')
    """
    if number == mistakes:
        return "the only mistake" if mistakes == 1 else f"all {mistakes:,} mistakes"
    return f"{number:,} of {mistakes:,} mistakes"


def moved(change: float, mean_loss: float) -> str:
    """Return how wrong a mean loss is.

    Examples
    --------
    >>> moved(-0.03, 0.6), moved(3.0, 0.01)
    ('about 5 % too low', 'about 301 times the true one')
    """
    relative = abs(change) / mean_loss if mean_loss else np.inf
    if change < 0:
        return f"about {_short(100 * min(relative, 1.0))} % too low"
    if relative < 2:
        return f"about {_short(100 * relative)} % too high"
    return f"about {_short(relative + 1)} times the true one" if relative < 1e6 else "far too high"


def _short(value: float) -> str:
    """Return a number in two digits, without an exponent."""
    return f"{value:.0f}" if value >= 99.5 else f"{value:.2g}"


def counts(table: pd.DataFrame, outputs: Row, trained: bool | None) -> pd.DataFrame:
    """Return programs with what they do, the worst first.

    Parameters
    ----------
    table : DataFrame
        Shares of samples by program, as `sigmoid_bce.verdicts.shares.compute` returns them.
    outputs : mapping
        The row of all labels of the table of outputs: samples, mistakes, mean_loss.
    trained : bool, optional
        Whether the network is trained on these samples, or only judged by them.

    Returns
    -------
    DataFrame
        The columns of `table`, and: trains; harm (a `Harm`); shifted, whether the mean loss is
        off by more than `NOTICED`; numbers of samples: blind (mistakes without a gradient), flat
        (with a flat loss), off (with a loss more than 1 % off), skewed (with a gradient more than
        1 % off), right (right predictions with any of these), broken (nan or inf), off_right and
        skewed_right (right predictions whose loss or gradient is off and not close to 0).
    """
    n, mean = int(outputs["samples"]), float(outputs["mean_loss"])
    out = table.assign(trains=table["dead_wrong_share"].notna())

    for name, shares in NUMBERS.items():
        largest = np.max([np.nan_to_num(table[share].to_numpy()) for share in shares], axis=0)
        out[name] = np.rint(largest * n).astype(int)
    change = out["loss_change"].abs().fillna(0)
    out["shifted"] = (change > NOTICED * mean) if mean else change > 0
    learns = trained is not False
    # of right predictions, only a loss or gradient counts that is not close to 0
    tiny = np.log1p(np.exp(-out["right_loss_off_from"])) <= NOTICED * mean
    out["off_right"] = out["off_right"].mask(tiny | (out["clipped_correct_share"] > 0), 0)
    tiny = np.exp(-out["right_gradient_off_from"]) <= NOTICED
    out["skewed_right"] = out["skewed_right"].mask(tiny | (out["dead_correct_share"] > 0), 0)
    wrong = out[["flat", "off", "broken", "off_right"]].any(axis=1) | out["shifted"]
    wrong |= out[["skewed", "skewed_right"]].any(axis=1) & learns
    out["harm"] = np.select(
        [
            (out["broken"] > 0) & out["trains"] & learns,
            (out["blind"] > 0) & learns,
            wrong,
            out["right"] > 0,
        ],
        [Harm.BREAKS, Harm.BLIND, Harm.LOSS, Harm.RIGHT_SIDE],
        Harm.NOTHING,
    )
    # of equal harm, a training comes before a metric
    size = out["blind"].where(out["harm"] == Harm.BLIND, change)
    out = out.assign(size=size.where(out["harm"] != Harm.BREAKS, out["broken"]))
    order = ["harm", "trains", "size", "flat", "off", "right"]
    return out.sort_values(order, ascending=False, kind="stable").drop(columns="size")


def wrong_quantity(row: Row) -> str:
    """Return what is wrong with a program: the loss, or else the gradient.

    Parameters
    ----------
    row : mapping
        A row of `counts`, of harm `Harm.LOSS`.
    """
    loss = row["shifted"] or any(row[name] for name in ("flat", "off", "broken", "off_right"))
    return "loss" if loss else "gradient"


def wrong(row: Row, mistakes: int) -> str:
    """Return what has a wrong loss or gradient, where the mean loss does not tell.

    Parameters
    ----------
    row : mapping
        A row of `counts`, of harm `Harm.LOSS`.
    mistakes : int
    """
    what, mistaken, right = "loss", max(row["flat"], row["off"]), row["off_right"]
    if wrong_quantity(row) == "gradient":
        what, mistaken, right = "gradient", row["skewed"], row["skewed_right"]
    who = of_mistakes(mistaken, mistakes) if mistaken else samples(right, "right prediction")
    return f"wrong {what} for {who}"


def effect(row: Row, outputs: Row) -> str:
    """Return what a program does, in a few words.

    Parameters
    ----------
    row : mapping
        A row of `counts`.
    outputs : mapping
        As for `counts`.
    """
    mistakes, kind = int(outputs["mistakes"]), Harm(row["harm"])
    loss = ""
    if row["shifted"]:
        loss = f"mean loss {moved(row['loss_change'], float(outputs['mean_loss']))}"
    if kind is Harm.BREAKS or (kind is Harm.LOSS and row["broken"]):
        return f"nan or inf for {samples(row['broken'])}"
    if kind is Harm.BLIND:
        blind = f"no gradient for {of_mistakes(row['blind'], mistakes)}"
        return f"{blind}; {loss}" if loss else blind
    if kind is Harm.LOSS:
        return loss or wrong(row, mistakes)
    if kind is Harm.RIGHT_SIDE:
        return "only right predictions are affected"
    return "nothing is lost"
