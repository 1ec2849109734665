"""Findings: where implementations are unsafe, by criteria applied to their thresholds."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import NamedTuple, TypedDict

import ml_dtypes
import numpy as np
import pandas as pd

from sigmoid_bce.numerics.catalogue import DTYPES

PLACES = ["loss_off", "loss_flat", "gradient_off", "gradient_zero", "first_nan", "first_inf"]
"""The columns of a table of thresholds that hold an |x|."""
PROGRAM = ["framework", "version", "implementation"]
SAME = 0.01
"""Two thresholds count as the same if they differ by at most this share of the larger one."""


class Finding(NamedTuple):
    """A threshold for which a criterion holds."""

    x: float
    quantity: str
    """The column of the threshold, from `PLACES`."""
    detail: str
    """The value there, or the thresholds that it is compared with."""


Hits = Iterator[tuple[pd.Series, Finding]]
"""Findings, each with the row of the table of thresholds in which it was made."""


def underflow(dtype: str) -> float:
    """Return the |x| beyond which loss and gradient of a correctly classified sample are subnormal.

    Parameters
    ----------
    dtype : str
        The precision, from `sigmoid_bce.numerics.catalogue.DTYPES`.

    Examples
    --------
    >>> round(underflow("float32"), 2)
    87.34
    """
    return float(-int(ml_dtypes.finfo(DTYPES[dtype]).minexp) * np.log(2))


def _differ(a: float, b: float) -> bool:
    if np.isnan(a) or np.isnan(b):
        return bool(np.isnan(a) != np.isnan(b))
    return abs(a - b) > SAME * max(a, b)


def _early(table: pd.DataFrame, place: str) -> pd.Series:
    """Return which rows have a threshold that subnormals do not explain."""
    limit = table["dtype"].map({dtype: underflow(dtype) for dtype in table["dtype"].unique()})
    return table[place].notna() & ((table["side"] == "wrong") | (table[place] < limit))


class Single(NamedTuple):
    """A criterion that a single threshold decides."""

    name: str
    says: str
    place: str
    """The column of the threshold."""
    side: str | None = None
    """The side on which it is applied; None for both."""
    subnormal: bool = False
    """Whether it applies only to thresholds that subnormals explain; if not, only to the others."""

    def hits(self, table: pd.DataFrame) -> Hits:
        """Yield a finding for each row in which the criterion holds."""
        holds = table[self.place].notna() & (_early(table, self.place) != self.subnormal)
        if self.side:
            holds &= table["side"] == self.side
        for _, row in table[holds].iterrows():
            value = row["loss_flat_value"]
            detail = f"stays at {abs(value):.6g}" if self.place == "loss_flat" else ""
            yield row, Finding(row[self.place], self.place, detail)


def _compared(
    table: pd.DataFrame, across: str, detail: Callable[[pd.DataFrame], str | None]
) -> Hits:
    """Yield a finding for each threshold that differs across the rows of a group.

    A group has the rows that are equal in all keys but one. `detail` describes the difference from
    the group, whose column `seen` has the threshold; it returns None if that is no finding.
    """
    keys = [*PROGRAM, "mode", "dtype", "y", "side"]
    # thresholds that subnormals explain depend on the processor, so they do not count
    early = {place: table[place].where(_early(table, place)) for place in PLACES}
    for _, group in table.groupby([k for k in keys if k != across], sort=False):
        for place in PLACES:
            rows = group[group["has_gradient"]] if place.startswith("gradient") else group
            seen = early[place][rows.index]
            if any(_differ(a, b) for a, b in itertools.combinations(seen, 2)):
                text = detail(rows.assign(seen=seen))
                if text:
                    yield rows.loc[seen.idxmin()], Finding(seen.min(), place, text)


def _some_never(group: pd.DataFrame) -> bool:
    return bool(group["seen"].isna().any())


def _list(group: pd.DataFrame, names: str) -> str:
    """Return the threshold of each row in words, after the row's value in a column."""
    named = zip(group[names], group["seen"], strict=True)
    return ", ".join(f"{f'{k:g}' if names == 'y' else k}: {_at(x)}" for k, x in named)


def _at(x: float) -> str:
    return "never" if np.isnan(x) else f"{x:.4g}"


def _one_label_only(table: pd.DataFrame) -> Hits:
    yield from _compared(
        table, "y", lambda group: f"by label {_list(group, 'y')}" if _some_never(group) else None
    )


def _labels_differ(table: pd.DataFrame) -> Hits:
    yield from _compared(
        table, "y", lambda group: None if _some_never(group) else f"by label {_list(group, 'y')}"
    )


def _modes_disagree(table: pd.DataFrame) -> Hits:
    yield from _compared(table, "mode", lambda group: f"by mode {_list(group, 'mode')}")


def _double_gains_nothing(table: pd.DataFrame) -> Hits:
    keys = [*PROGRAM, "mode", "y", "side"]
    early = {place: _early(table, place) for place in PLACES}
    for _, group in table.groupby(keys, sort=False):
        by = {row["dtype"]: row for _, row in group.iterrows()}
        if not {"float32", "float64"} <= set(by):
            continue
        for place in PLACES:
            single, double = by["float32"][place], by["float64"][place]
            # 53 bits instead of 24 more than double the |x| that sigmoid outputs can tell apart
            if double < 1.1 * single and early[place][by["float64"].name]:
                text = f"float32: {_at(single)}, float64: {_at(double)}"
                yield by["float64"], Finding(double, place, text)


def _sigmoid_is_better(table: pd.DataFrame) -> Hits:
    keys = ["framework", "dtype", "y", "side"]
    early = {place: _early(table, place) for place in ("loss_off", "loss_flat")}
    for _, group in table.groupby(keys, sort=False):
        sigmoid = group[group["from_sigmoid"]]
        for _, row in group[~group["from_sigmoid"]].iterrows():
            for place in early:
                if not len(sigmoid) or not early[place][row.name]:
                    continue
                others = sigmoid[place].fillna(np.inf)
                best = others.idxmax()
                if others[best] > row[place] * (1 + SAME):
                    name, where = sigmoid.loc[best, ["implementation", place]]
                    yield row, Finding(row[place], place, f"{name}: {_at(where)}")


class Comparison(NamedTuple):
    """A criterion that compares rows of the table of thresholds."""

    name: str
    says: str
    hits: Callable[[pd.DataFrame], Hits]
    """Yields its findings in a table of thresholds."""


FLUSHED = "flushed"
CRITERIA = (
    Single("not a number", "Loss or gradient is nan at a finite raw output.", "first_nan"),
    Single("infinite", "Loss or gradient is infinite at a finite raw output.", "first_inf"),
    Single(
        "dead when wrong",
        "The gradient of a misclassified sample is exactly 0: the network learns nothing from it.",
        "gradient_zero",
        "wrong",
    ),
    Single(
        "dead when right",
        "The gradient of a correctly classified sample is exactly 0 though the dtype can hold it.",
        "gradient_zero",
        "correct",
    ),
    Single(
        "flat",
        "The loss is constant from there on, while the true loss still changes.",
        "loss_flat",
    ),
    Single(
        "understated",
        "The loss of a misclassified sample is more than 1 % too small.",
        "loss_under",
        "wrong",
    ),
    Single(
        "overstated",
        "The loss of a misclassified sample is more than 1 % too large.",
        "loss_over",
        "wrong",
    ),
    Single(
        "inexact",
        "The loss of a correctly classified sample is off by more than 1 %.",
        "loss_off",
        "correct",
    ),
    Single("gradient inexact", "The gradient is off by more than 1 %.", "gradient_off"),
    Comparison("one label only", "One label goes wrong, the other never does.", _one_label_only),
    Comparison("labels differ", "One label goes wrong earlier than the other.", _labels_differ),
    Comparison(
        "modes disagree",
        "The same program gives different results in different modes.",
        _modes_disagree,
    ),
    Comparison(
        "double gains nothing", "float64 goes wrong where float32 does.", _double_gains_nothing
    ),
    Comparison(
        "sigmoid is better",
        "A loss from raw outputs goes wrong before a loss from sigmoid outputs does.",
        _sigmoid_is_better,
    ),
    Single(
        FLUSHED,
        "Subnormal gradients become 0: the compiled code flushes them for speed.",
        "gradient_zero",
        "correct",
        subnormal=True,
    ),
)


def find(thresholds: pd.DataFrame) -> pd.DataFrame:
    """Apply every criterion to every implementation, for hard labels.

    Parameters
    ----------
    thresholds : DataFrame
        The result of `sigmoid_bce.numerics.tables.read_thresholds`.

    Returns
    -------
    DataFrame
        rank, x, finding, criterion, framework, version, implementation, mode, dtype, y, side,
        quantity, detail; sorted by x, the smallest |raw output| at which it happens. Modes of one
        program with the same finding at the same x share a row. Flushed subnormals come last.

    Examples
    --------
    >>> from sigmoid_bce.numerics.tables import RECORD, read_thresholds
    >>> list(find(read_thresholds(RECORD).head(24)).columns[:3])
    ['rank', 'x', 'finding']
    """
    table = thresholds[thresholds["y"].isin([0, 1])].reset_index(drop=True)
    hits = [(criterion, *hit) for criterion in CRITERIA for hit in criterion.hits(table)]
    rows = [
        {
            "x": finding.x,
            "finding": criterion.name,
            "criterion": criterion.says,
            **row[[*PROGRAM, "mode", "dtype", "y", "side"]],
            "quantity": finding.quantity,
            "detail": finding.detail,
            "near": round(finding.x, 3),
        }
        for criterion, row, finding in hits
    ]
    columns = ["x", "finding", "criterion", *PROGRAM, "mode", "dtype", "y", "side"]
    columns += ["quantity", "detail"]
    found = pd.DataFrame(rows, columns=[*columns, "near"])
    together = [c for c in found.columns if c not in ("x", "mode")]
    found = (
        found.groupby(together, sort=False)
        .agg(x=("x", "min"), mode=("mode", lambda modes: ", ".join(dict.fromkeys(modes))))
        .reset_index()
    )
    last = found["finding"] == FLUSHED
    found = found.assign(last=last).sort_values(["last", "x"], kind="stable", ignore_index=True)
    return found[columns].rename_axis("rank").reset_index().assign(rank=lambda t: t["rank"] + 1)


def summary(found: pd.DataFrame) -> pd.DataFrame:
    """Return each finding of each program once, at its least x over labels, sides and precisions.

    Parameters
    ----------
    found : DataFrame
        The result of `find`.

    Returns
    -------
    DataFrame
        x, finding, framework, version, implementation, mode, dtype, y, side, quantity, detail,
        criterion; sorted as `found`.

    Examples
    --------
    >>> from sigmoid_bce.numerics.tables import RECORD, read_thresholds
    >>> found = find(read_thresholds(RECORD).head(24))
    >>> len(summary(found)) < len(found)
    True
    """
    keys = ["finding", "framework", "implementation", "mode"]
    columns = ["x", "finding", *PROGRAM, "mode", "dtype", "y", "side", "quantity", "detail"]
    return found.drop_duplicates(keys)[[*columns, "criterion"]]


class Values(TypedDict):
    """The numbers that captions quote."""

    programs: int
    """Implementations measured, counted in each precision."""
    frameworks: int
    missing: int
    """Frameworks that were not measured."""
    findings: int
    thresholds: int
    """Rows of the table of thresholds."""
    dead_half: float | str
    """The least |x| of a misclassified sample whose gradient is 0, in any precision, or "none"."""
    dead_single: float | str
    """The same in float32."""
    raising: int
    """Results for nan and inf that were errors."""
    fallback_percent: float
    """The reference's largest share of fallbacks."""


def values(
    findings: pd.DataFrame,
    implementations: pd.DataFrame,
    thresholds: pd.DataFrame,
    special: pd.DataFrame,
    reference: pd.DataFrame,
) -> Values:
    """Return the numbers that captions quote.

    Parameters
    ----------
    findings, implementations, thresholds, special, reference : DataFrame
        The tables of all frameworks.

    Returns
    -------
    Values
    """
    measured = implementations["status"] == "measured"
    dead = findings[findings["finding"] == "dead when wrong"]
    share = reference.loc[reference["dtype"] != "longdouble", "fallback_share"].max()
    return {
        "programs": int(measured.sum()),
        "frameworks": implementations.loc[measured, "framework"].nunique(),
        "missing": implementations.loc[~measured, "framework"].nunique(),
        "findings": len(findings),
        "thresholds": len(thresholds),
        "dead_half": _least(dead),
        "dead_single": _least(dead[dead["dtype"] == "float32"]),
        "raising": int((special["raises"] != "").sum()),
        "fallback_percent": float(100 * share),
    }


def _least(found: pd.DataFrame) -> float | str:
    """Return the x of the first finding, which is the least."""
    return float(found["x"].iloc[0]) if len(found) else "none"
