"""Counts of raw outputs, held against where the laboratory saw each implementation break."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from sigmoid_bce.outputs.tally import GROUPS, Edges, Tally

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
    return table


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
    out = table[[*KEYS, "side"]].copy()
    for y, side in GROUPS:
        rows = (table["y"] == y) & (table["side"] == side)
        edges, flat = at.at[y, side], at.flat[y, side]
        beyond = np.append(tally.beyond[y, side], 0)
        for column, name in SHARES.items():
            # no threshold: a nan, sorted beyond the last
            out.loc[rows, name] = beyond[np.searchsorted(edges, table.loc[rows, column])]
        where = np.searchsorted(edges[flat], table.loc[rows, "loss_flat"])
        true = np.append(tally.flat_loss[y, side], 0.0)[where]
        value = table.loc[rows, "loss_flat_value"].fillna(0).to_numpy()
        out.loc[rows, "loss_change"] = out.loc[rows, "clipped"] * value - true
    numbers = [*SHARES.values(), "loss_change"]
    out[numbers] /= tally.samples
    by_side = out.groupby([*KEYS, "side"], sort=False)[numbers].sum().unstack("side")
    traits = table.drop_duplicates(KEYS).set_index(KEYS)[TRAITS].astype(bool)
    by_side = by_side.reindex(traits.index)
    # a metric has no gradient that could be dead
    by_side.loc[~traits["has_gradient"], ["gradient_off", "dead"]] = np.nan
    wide = traits[["from_sigmoid"]].copy()
    for name in ("loss_off", "clipped", "gradient_off", "dead"):
        for side in ("correct", "wrong"):
            wide[f"{name}_{side}_share"] = by_side[name, side]
    for name in ("nan", "inf"):
        wide[f"{name}_share"] = by_side[name].sum(axis=1)
    # the flat value of a soft label is another
    wide["loss_change"] = by_side["loss_change"].sum(axis=1) if not tally.soft else np.nan
    return wide.reset_index()
