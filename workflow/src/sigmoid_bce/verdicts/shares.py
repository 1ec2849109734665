"""Counts of raw outputs, held against where the laboratory saw each implementation break."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from sigmoid_bce.verdicts.count import GROUPS, Edges, Tally

RECORD = Path(__file__).parents[1] / "numerics" / "thresholds.csv"
"""Thresholds measured with the locked releases."""
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
"""Columns of the record, each a magnitude, and what the share of samples there is called."""


def read(path: str | Path | None = None) -> pd.DataFrame:
    """Return the thresholds of every implementation.

    Parameters
    ----------
    path : str or Path, optional
        A study's ``numerics/thresholds.csv``; else the package's own record.

    Returns
    -------
    DataFrame
        A row for each implementation, dtype, label (0 or 1) and side.

    Raises
    ------
    ValueError
        If a column is missing, or an implementation lacks a label or side.
    """
    path = Path(path or RECORD)
    text = dict.fromkeys([*KEYS, "side"], str)
    table = pd.read_csv(path, dtype=text, keep_default_na=False, na_values=[""])
    columns = {*KEYS, *TRAITS, "y", "side", *SHARES, "loss_flat_value"}
    missing = columns - set(table.columns)
    if missing:
        raise ValueError(f"{path}: the column {sorted(missing)[0]!r} is missing")
    table[[*KEYS, "side"]] = table[[*KEYS, "side"]].fillna("")
    # soft labels have thresholds of their own, which this comparison does not use
    table = table[table["y"].isin([0, 1])].astype({"y": int}).reset_index(drop=True)
    sizes = table.groupby(KEYS, sort=False).size()
    if (sizes != len(GROUPS)).any():
        name = ", ".join(sizes.index[sizes != len(GROUPS)][0])
        raise ValueError(f"{path}: {name}: expected a row for each label and side")
    # as GROUPS are, implementation by implementation
    order = table.groupby(KEYS, sort=False).ngroup()
    order = table.assign(order=order).sort_values(["order", "y", "side"]).index
    return table.loc[order].reset_index(drop=True)


def edges(table: pd.DataFrame) -> Edges:
    """Return the distinct thresholds of each label and side, ascending."""
    at, flat = {}, {}
    for y, side in GROUPS:
        part = table[(table["y"] == y) & (table["side"] == side)]
        values = np.unique(part[list(SHARES)].to_numpy(np.float64))
        at[y, side] = values[~np.isnan(values)]
        flat[y, side] = np.flatnonzero(np.isin(at[y, side], part["loss_flat"]))
    return Edges(at, flat)


def shares(tally: Tally, table: pd.DataFrame, at: Edges) -> pd.DataFrame:
    """Return the share of samples at which each implementation breaks.

    Parameters
    ----------
    tally : Tally
        Counts, made with `at`.
    table : DataFrame
        What `read` returned.
    at : Edges
        What `edges` returned for it.

    Returns
    -------
    DataFrame
        A row for each implementation and dtype, in the record's order: whether it starts from the
        sigmoid; shares of all samples, by side: loss_off and gradient_off (more than 1 % from the
        truth, from there on), clipped (the loss is flat), dead (the gradient is exactly 0), those
        of gradients nan where there is none; nan and inf of both sides; loss_change, what the flat
        losses add to the mean loss.
    """
    found: defaultdict[tuple[str, str], Any] = defaultdict(float)
    change = 0.0
    for i, (y, side) in enumerate(GROUPS):
        rows = table.iloc[i :: len(GROUPS)]
        edges, flat = at.at[y, side], at.flat[y, side]
        # no threshold is nan, which is sorted beyond the last
        beyond = np.append(tally.beyond[y, side], 0)
        for column, name in SHARES.items():
            found[name, side] += beyond[np.searchsorted(edges, rows[column].to_numpy())]
        clipped = beyond[np.searchsorted(edges, rows["loss_flat"].to_numpy())]
        true = np.append(tally.flat_loss[y, side], 0.0)
        true = true[np.searchsorted(edges[flat], rows["loss_flat"].to_numpy())]
        change += clipped * rows["loss_flat_value"].fillna(0).to_numpy() - true
    wide = table.iloc[:: len(GROUPS)][[*KEYS, "from_sigmoid"]].reset_index(drop=True)
    # a metric has no gradient that could be dead
    has = table.iloc[:: len(GROUPS)]["has_gradient"].to_numpy(bool)
    for name in ("loss_off", "clipped", "gradient_off", "dead"):
        for side in ("correct", "wrong"):
            lacks = name in ("gradient_off", "dead") and ~has
            share = found[name, side] / tally.samples
            wide[f"{name}_{side}_share"] = np.where(lacks, np.nan, share)
    for name in ("nan", "inf"):
        wide[f"{name}_share"] = (found[name, "correct"] + found[name, "wrong"]) / tally.samples
    # the flat value of a soft label is another
    wide["loss_change"] = change / tally.samples if not tally.soft else np.nan
    return wide
