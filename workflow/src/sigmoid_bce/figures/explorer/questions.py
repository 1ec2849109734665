"""Five questions of a lesson, each answered from the thresholds and with a state of the page."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from sigmoid_bce.numerics.findings import PRECISIONS
from sigmoid_bce.numerics.tables import KEY

Answer = tuple[str, dict[str, Any]] | None
"""An answer and the state of the page that shows it; None if no program of the study does."""
LISTED = ("bfloat16", "float16", "float32", "float64")
"""Precisions, by the digits that they keep."""


def five(hard: pd.DataFrame, implementations: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the questions with their answers.

    Parameters
    ----------
    hard : DataFrame
        Thresholds of hard labels.
    implementations : DataFrame
        The table of implementations, for formulas.

    Returns
    -------
    list of dict
        question, answer, and state: the page's state, or None.

    Examples
    --------
    >>> from sigmoid_bce.numerics.tables import RECORD, read_thresholds
    >>> found = five(read_thresholds(RECORD), pd.DataFrame(columns=[*KEY, "formula"]))
    >>> found[0]["question"], found[0]["state"]["x"]
    ('Why does a network learn nothing from some of its worst mistakes?', -16.2)
    """
    # a table without rows has no column of booleans
    hard = hard.astype(dict.fromkeys(("from_sigmoid", "has_gradient", "gradient_by_hand"), bool))
    order = hard["dtype"].map({dtype: i for i, dtype in enumerate(PRECISIONS)})
    # what people train in first; formulas of ours and of the past last
    ours = hard["framework"].isin(["exact", "history", "NumPy", "SciPy"]) | hard["gradient_by_hand"]
    wrong = hard.assign(order=order, ours=ours)[hard["side"] == "wrong"]
    wrong = wrong.sort_values(["order", "ours"], kind="stable")
    formulas = {tuple(row[k] for k in KEY): row["formula"] for _, row in implementations.iterrows()}
    found = []
    for question, function in QUESTIONS:
        answer = function(wrong, formulas)
        text, state = answer or (NONE, None)
        found.append({"question": question, "answer": text, "state": state})
    return found


BEYOND = 4.0
"""How far beyond its plateau a loss is shown, where it is too small by a lot."""
NONE = "No program of this study shows it."
Formulas = dict[tuple[str, ...], str]


def _named(row: pd.Series) -> str:
    """Return a program in words."""
    mode = f" ({row['mode']})" if row["mode"] else ""
    return f"{row['framework']}, {row['implementation']}{mode}"


def _state(row: pd.Series, place: float) -> dict[str, Any]:
    """Return the page's state a little beyond a threshold of the wrong side."""
    x = np.floor(place * 10 + 1) / 10
    program = {name: row[name] for name in KEY if name != "version"}
    return {**program, "x": float(x if row["y"] == 0 else -x), "label": int(row["y"])}


def _first(rows: pd.DataFrame, place: str) -> pd.Series | None:
    """Return the first row with the least threshold in the precision that comes first."""
    rows = rows[rows[place].notna()]
    if not len(rows):
        return None
    rows = rows[rows["order"] == rows["order"].min()]
    rows = rows[rows["ours"] == rows["ours"].min()]
    return rows.loc[rows[place].idxmin()]


def _dead(wrong: pd.DataFrame, formulas: Formulas) -> Answer:
    row = _first(wrong[wrong["has_gradient"]], "gradient_zero_first")
    if row is None:
        return None
    text = (
        f"{_named(row)} in {row['dtype']}: the gradient of a sample with label {row['y']:g} is "
        f"exactly 0 at the raw output {_at(row, 'gradient_zero_first')}, the first such one. The "
        "sample is on the wrong side, and the exact gradient has a size of almost 1. An optimiser "
        "that is told 0 changes nothing. Move the raw output back and forth over this place."
    )
    return text, _state(row, row["gradient_zero_first"])


def _flat(wrong: pd.DataFrame, formulas: Formulas) -> Answer:
    # one that stays below the exact loss: PyTorch's jumps above it first
    low = wrong["loss_flat_value"] < wrong["loss_flat"] + BEYOND
    row = _first(wrong[wrong["from_sigmoid"] & low], "loss_flat")
    if row is None:
        return None
    text = (
        f"{_named(row)} in {row['dtype']}, label {row['y']:g}: from the raw output "
        f"{_at(row, 'loss_flat')} on, the loss stays at {row['loss_flat_value']:.6g}. The exact "
        "loss of such a sample is about the size of its raw output and goes on growing. Between "
        "raw output and loss there is a sigmoid: its output is so close to 0 or 1 that rounding "
        "or a clip makes it one and the same number."
    )
    return text, _state(row, row["loss_flat"] + BEYOND)


def _labels(wrong: pd.DataFrame, formulas: Formulas) -> Answer:
    keys = [name for name in KEY if name != "version"]
    for _, group in wrong[wrong["from_sigmoid"]].groupby(keys, sort=False):
        by = {row["y"]: row for _, row in group.iterrows() if not np.isnan(row["loss_off"])}
        if len(by) == 2 and abs(by[0]["loss_off"] - by[1]["loss_off"]) > 0.1 * by[0]["loss_off"]:
            row = min(by.values(), key=lambda row: row["loss_off"])
            text = (
                f"{_named(row)} in {row['dtype']}: for label 0 the loss goes wrong at the raw "
                f"output {_at(by[0], 'loss_off')}, for label 1 at {_at(by[1], 'loss_off')}. Floats "
                "are dense near 0 and sparse near 1. With label 0, a sample is wrong where the "
                "sigmoid output is close to 1, and 1 minus it loses its digits. With label 1 it is "
                "wrong where the sigmoid output is close to 0, and a float near 0 keeps them."
            )
            return text, _state(row, row["loss_off"])
    return None


def _precision(wrong: pd.DataFrame, formulas: Formulas) -> Answer:
    keys = ["framework", "implementation", "mode", "y"]
    best: tuple[int, pd.DataFrame] | None = None
    sigmoid = wrong[wrong["from_sigmoid"] & wrong["loss_off"].notna()]
    for _, group in sigmoid.groupby(keys, sort=False):
        group = group[group["dtype"].isin(LISTED)].drop_duplicates("dtype")
        if len(group) > 1 and (best is None or len(group) > best[0]):
            best = len(group), group
    if best is None:
        return None
    by = best[1].set_index("dtype", drop=False)
    row = by.iloc[0]
    list_ = ", ".join(f"{d}: {_at(by.loc[d], 'loss_off')}" for d in LISTED if d in by.index)
    text = (
        f"{_named(row)}, label {row['y']:g}: the loss goes wrong from these raw outputs on. "
        f"{list_}. "
        "More digits move the place outward where the sigmoid output becomes 0 or 1; they do not "
        "remove it. Where two precisions have nearly the same place, a fixed clip decides, and the "
        "digits gain nothing. Change the precision and watch the bits."
    )
    return text, _state(row, row["loss_off"])


def _cure(wrong: pd.DataFrame, formulas: Formulas) -> Answer:
    places = ["loss_off", "loss_flat", "gradient_off", "gradient_zero_first", "first_nan"]
    good = wrong[~wrong["from_sigmoid"] & wrong["has_gradient"] & (wrong["framework"] != "exact")]
    sick = good[places].notna().any(axis=1).groupby([good[k] for k in KEY]).transform("any")
    rows = good[~sick]
    if not len(rows):
        return None
    ills = wrong[wrong["gradient_zero_first"].notna()]["framework"]
    # of a framework in which the sigmoid does harm, if there is one
    rows = rows.sort_values("order", kind="stable")
    own = rows[rows["framework"].isin(ills) & (rows["order"] == rows["order"].iloc[0])]
    row = (own if len(own) else rows).iloc[0]
    formula = formulas.get(tuple(row[k] for k in KEY), "")
    text = (
        f"Compute the loss from the raw output: {_named(row)}. In {row['dtype']}, its loss and "
        "gradient are right on the whole wrong side that was measured, for both labels. "
        + (f"It computes {formula}: no sigmoid comes in between. " if formula else "")
        + "The list beside the curves shows which programs are wrong at this raw output; this one "
        "is not among them."
    )
    return text, _state(row, 30)


def _at(row: pd.Series, place: str) -> str:
    """Return a threshold of the wrong side as a raw output with its sign."""
    return f"{row[place] if row['y'] == 0 else -row[place]:.4g}"


QUESTIONS: tuple[tuple[str, Callable[[pd.DataFrame, Formulas], Answer]], ...] = (
    ("Why does a network learn nothing from some of its worst mistakes?", _dead),
    ("Why does a loss stop growing?", _flat),
    ("Why does it matter which label the sample has?", _labels),
    ("Does a higher precision help?", _precision),
    ("What should one write instead?", _cure),
)
