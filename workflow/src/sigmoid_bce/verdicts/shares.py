"""Shares of samples at which each implementation breaks, from counts and thresholds."""

from __future__ import annotations

import functools
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from sigmoid_bce.numerics.names import BCE
from sigmoid_bce.verdicts.tally import GROUPS, Edges, Tally

RECORD = Path(__file__).parents[1] / "numerics" / "thresholds.csv"
"""The committed thresholds, measured with the locked releases."""
DTYPES = ("float16", "bfloat16", "float32", "float64", "longdouble")
KEYS = ["implementation", "framework", "version", "mode", "dtype"]
TRAITS = ["from_sigmoid", "has_gradient"]
SHARES = {
    "loss_off": "loss_off",
    "loss_flat": "clipped",
    "gradient_off": "gradient_off",
    "gradient_zero": "dead",
    "first_nan": "nan",
    "first_inf": "inf",
}
"""The columns of thresholds, each a magnitude, and the name of the share of samples beyond it."""

AFFECTED = ("loss_flat", "gradient_zero", "first_nan", "first_inf")
"""The thresholds beyond which a mistake is lost to a training or a loss."""


def read(path: str | Path | None = None) -> pd.DataFrame:
    """Return the thresholds of every implementation.

    Parameters
    ----------
    path : str or Path, optional
        A study's ``numerics/thresholds.csv``; by default the committed record.

    Returns
    -------
    DataFrame
        One row for each implementation, dtype, label (0 or 1) and side.

    Raises
    ------
    ValueError
        If a column is missing, or an implementation lacks a label or side.

    Examples
    --------
    >>> sorted(read()["side"].unique())
    ['correct', 'wrong']
    """
    return _record().copy() if path is None else _read(Path(path))


@functools.cache
def _record() -> pd.DataFrame:
    return _read(RECORD)


def _read(path: Path) -> pd.DataFrame:
    text = dict.fromkeys([*KEYS, "side"], str)
    try:
        table = pd.read_csv(path, dtype=text, keep_default_na=False, na_values=[""])
    except ValueError as error:
        raise ValueError(f"{path}: not a table: {str(error).splitlines()[0]}") from None
    numbers = ["y", *SHARES, "loss_flat_value"]
    missing = {*KEYS, *TRAITS, *numbers, "side"} - set(table.columns)
    if missing:
        raise ValueError(f"{path}: the column {sorted(missing)[0]!r} is missing")
    if "objective" in table:
        table = table[table["objective"] == BCE].copy()
    table[[*KEYS, "side"]] = table[[*KEYS, "side"]].fillna("")
    _check(path, table, numbers)
    # thresholds of soft labels have no place in this comparison
    table = table[table["y"].isin([0, 1])].astype({"y": int}).reset_index(drop=True)
    if table.empty:
        raise ValueError(f"{path}: expected a row for each label and side, found none")
    # implementation by implementation, in the order of GROUPS
    table["order"] = table.groupby(KEYS, sort=False).ngroup()
    table = table.sort_values(["order", "y", "side"]).reset_index(drop=True)
    wanted = GROUPS * (int(table["order"].iloc[-1]) + 1)
    found = list(zip(table["y"], table["side"], strict=True))
    if found != wanted:
        pairs = zip(found, wanted, strict=False)
        at = next((i for i, (one, other) in enumerate(pairs) if one != other), len(found) - 1)
        key = table[KEYS].iloc[at]
        raise ValueError(f"{path}: {', '.join(key)}: expected a row for each label and side")
    return table.drop(columns="order")


def _check(path: Path, table: pd.DataFrame, numbers: list[str]) -> None:
    """Raise an error if a column has values of another kind."""
    wanted = {**dict.fromkeys(numbers, "iuf"), **dict.fromkeys(TRAITS, "b")}
    for column, kinds in wanted.items():
        if table[column].dtype.kind not in kinds:
            kind = "True or False" if kinds == "b" else "numbers"
            raise ValueError(f"{path}: the column {column!r}: expected {kind}")
    for name in table["dtype"].unique():
        if name not in DTYPES:
            raise ValueError(
                f"{path}: the column 'dtype': expected {', '.join(DTYPES)}, not {name!r}"
            )


def edges(thresholds: pd.DataFrame) -> Edges:
    """Return the distinct thresholds of each label and side, ascending.

    Parameters
    ----------
    thresholds : DataFrame
        From `read`.

    Examples
    --------
    >>> bool((np.diff(edges(read()).at[1, "wrong"]) > 0).all())
    True
    """
    at, flat = {}, {}
    for y, side in GROUPS:
        part = thresholds[(thresholds["y"] == y) & (thresholds["side"] == side)]
        values = np.unique(part[list(SHARES)].to_numpy(np.float64))
        at[y, side] = values[~np.isnan(values)]
        flat[y, side] = np.flatnonzero(np.isin(at[y, side], part["loss_flat"]))
    return Edges(at, flat)


def compute(tally: Tally, thresholds: pd.DataFrame, at: Edges) -> pd.DataFrame:
    """Return the shares of samples at which each implementation breaks.

    Parameters
    ----------
    tally : Tally
        Counts made with `at`.
    thresholds : DataFrame
        From `read`.
    at : Edges
        From `edges` of these thresholds.

    Returns
    -------
    DataFrame
        One row for each implementation and dtype, in the order of the thresholds: from_sigmoid,
        whether it starts from the sigmoid output. By side, shares of all samples: loss_off and
        gradient_off (at or beyond the first threshold of a 1 % error), clipped (the loss is flat),
        dead (the gradient is exactly 0); nan for the gradient of an implementation without one. Of
        both sides: nan and inf. wrong_from_0 and wrong_from_1, the magnitude from which a mistake
        of that label is flat, dead, nan or inf, with lost_0_share and lost_1_share;
        loss_off_from_0 and gradient_off_from_0, from which its loss or gradient is off, and
        right_until_0, up to which nothing of all this happens; the same of label 1; broken_share,
        of nan or inf; right_flat_from, right_loss_off_from and right_gradient_off_from, the
        magnitude from which a right prediction's is flat or off. loss_change, the amount that the
        flat losses add to the mean loss.

    Examples
    --------
    >>> from sigmoid_bce.verdicts.tally import count
    >>> thresholds = read()
    >>> at = edges(thresholds)
    >>> tally = count(np.float32([-50.0, 3.0]), np.array([1, 1]), at)
    >>> float(compute(tally, thresholds, at)["clipped_wrong_share"].max())
    0.5
    """
    found: defaultdict[tuple[str, str], Any] = defaultdict(float)
    change = 0.0
    for i, (y, side) in enumerate(GROUPS):
        rows = thresholds.iloc[i :: len(GROUPS)]
        here, flat = at.at[y, side], at.flat[y, side]
        # a missing threshold is nan, which searchsorted places after the last
        beyond = np.append(tally.beyond[y, side], 0)
        for column, name in SHARES.items():
            found[name, side] += beyond[np.searchsorted(here, rows[column].to_numpy())]
        clipped = beyond[np.searchsorted(here, rows["loss_flat"].to_numpy())]
        true = np.append(tally.flat_loss[y, side], 0.0)
        true = true[np.searchsorted(here[flat], rows["loss_flat"].to_numpy())]
        change += clipped * rows["loss_flat_value"].fillna(0).to_numpy() - true
    wide = thresholds.iloc[:: len(GROUPS)][[*KEYS, "from_sigmoid"]].reset_index(drop=True)
    # a metric has no gradient that could be dead
    has = thresholds.iloc[:: len(GROUPS)]["has_gradient"].to_numpy(bool)
    for name in ("loss_off", "clipped", "gradient_off", "dead"):
        for side in ("correct", "wrong"):
            lacks = name in ("gradient_off", "dead") and ~has
            share = found[name, side] / tally.samples
            wide[f"{name}_{side}_share"] = np.where(lacks, np.nan, share)
    for name in ("nan", "inf"):
        wide[f"{name}_share"] = (found[name, "correct"] + found[name, "wrong"]) / tally.samples
    # a sample may give nan, or inf, or one after the other
    broken = 0.0
    for i, (y, side) in enumerate(GROUPS):
        rows = thresholds.iloc[i :: len(GROUPS)]
        first = rows[["first_nan", "first_inf"]].min(axis=1).to_numpy()
        beyond = np.append(tally.beyond[y, side], 0)
        broken = broken + beyond[np.searchsorted(at.at[y, side], first)]
    wide["broken_share"] = broken / tally.samples
    # from where on mistakes of each label are affected, and right predictions are off
    flats: list[Any] = []
    off: dict[str, list[Any]] = {"loss": [], "gradient": []}
    for i, (y, side) in enumerate(GROUPS):
        rows = thresholds.iloc[i :: len(GROUPS)]
        if side == "wrong":
            first = rows[list(AFFECTED)].min(axis=1).to_numpy()
            wide[f"wrong_from_{y}"] = first
            wide[f"right_until_{y}"] = rows[list(SHARES)].min(axis=1).to_numpy()
            for name in off:
                wide[f"{name}_off_from_{y}"] = rows[f"{name}_off"].to_numpy()
            beyond = np.append(tally.beyond[y, side], 0)
            wide[f"lost_{y}_share"] = beyond[np.searchsorted(at.at[y, side], first)] / tally.samples
        else:
            flats.append(rows["loss_flat"].to_numpy())
            for name, parts in off.items():
                parts.append(rows[f"{name}_off"].to_numpy())
    wide["right_flat_from"] = np.fmin(*flats)
    for name, parts in off.items():
        wide[f"right_{name}_off_from"] = np.fmin(*parts)
    # a soft label has another flat value
    wide["loss_change"] = change / tally.samples if not tally.soft else np.nan
    return wide
