"""Criteria: what makes an implementation unsafe, told from its thresholds."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import NamedTuple

import ml_dtypes
import numpy as np
import pandas as pd

from sigmoid_bce.numerics.catalogue import DTYPES
from sigmoid_bce.numerics.objectives import OBJECTIVES

PLACES = ["loss_off", "loss_flat", "gradient_off", "gradient_zero_first", "first_nan", "first_inf"]
"""The columns of a table of thresholds that modes, labels and precisions are compared by."""
PROGRAM = ["framework", "version", "objective", "implementation"]
SAME = 0.01
"""Two thresholds count as the same if they differ by at most this share of the larger one."""


class Finding(NamedTuple):
    """A threshold for which a criterion holds."""

    x: float
    quantity: str
    """The column of the threshold, from `PLACES`."""
    detail: str
    """How wrong it is there, or the thresholds that it is compared with."""


Hits = Iterator[tuple[pd.Series, Finding]]
"""Findings, each with the row of the table of thresholds in which it was made."""


def underflow(dtype: str, objective: str) -> float:
    """Return the |x| beyond which loss or gradient of a correctly classified sample are subnormal.

    Parameters
    ----------
    dtype : str
        The precision, from `sigmoid_bce.numerics.catalogue.DTYPES`.
    objective : str
        One of `sigmoid_bce.numerics.objectives.OBJECTIVES`.

    Returns
    -------
    float
        inf for an objective that does not fall to 0.

    Examples
    --------
    >>> round(underflow("float32", "softmax-2"), 2), round(underflow("float32", "focal"), 2)
    (87.34, 28.65)
    """
    known = OBJECTIVES[objective]
    if not known.rate:
        return np.inf
    powers = -int(ml_dtypes.finfo(DTYPES[dtype]).minexp) * np.log(2)
    return float((powers + np.log(known.least)) / known.rate)


def explained(table: pd.DataFrame, places: pd.Series) -> pd.Series:
    """Return which |x| of a table of thresholds subnormals explain: those of right predictions.

    Parameters
    ----------
    table : DataFrame
        As `sigmoid_bce.numerics.tables.read_thresholds` returns it.
    places : Series of float64
        An |x| for each row.

    Returns
    -------
    Series of bool
    """
    pairs = table[["dtype", "objective"]].drop_duplicates().itertuples(index=False, name=None)
    limits = {pair: underflow(*pair) for pair in pairs}
    own = [limits[pair] for pair in zip(table["dtype"], table["objective"], strict=True)]
    return (table["side"] == "correct") & ~(places < own)


def _differ(a: float, b: float) -> bool:
    if np.isnan(a) or np.isnan(b):
        return bool(np.isnan(a) != np.isnan(b))
    return abs(a - b) > SAME * max(a, b)


def _early(table: pd.DataFrame, place: str) -> pd.Series:
    """Return which rows have a threshold that subnormals do not explain."""
    return table[place].notna() & ~explained(table, table[place])


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

    most: float = np.inf
    """The greatest |x| at which it applies."""

    def hits(self, table: pd.DataFrame) -> Hits:
        """Yield a finding for each row in which the criterion holds."""
        holds = table[self.place].notna() & (_early(table, self.place) != self.subnormal)
        holds &= table[self.place] <= self.most
        if self.side:
            holds &= table["side"] == self.side
        for _, row in table[holds].iterrows():
            yield row, Finding(row[self.place], self.place, _detail(row, self.place))


def _detail(row: pd.Series, place: str) -> str:
    """Return how wrong a program is at a threshold: values, factors, shares."""
    parts = []
    if place == "loss_flat":
        parts.append(f"stays at {abs(row['loss_flat_value']):.6g}")
    if place in ("loss_over", "loss_off", "loss_under") and row["side"] == "wrong":
        if np.isfinite(row["loss_jump"]):
            parts.append(f"jumps to {row['loss_jump_value']:.4g} at {row['loss_jump']:.4g}")
        ratio, at = row["loss_worst_ratio"], row["loss_worst"]
        if ratio > 1 if place == "loss_over" else ratio < 1:
            parts.append(f"{ratio:.3g} times the true loss at {at:.4g}")
    if place == "gradient_zero_first" and row["gradient_zero"] != row[place]:
        good, share = row["gradient_zero"], row["gradient_zero_share"]
        nan = (
            f"nan from {_at(row['first_nan'])}" if row["first_nan"] > row[place] else "not for good"
        )
        parts.append(f"for good from {_at(good)}" if np.isfinite(good) else nan)
        if np.isfinite(share):
            where = "before" if np.isfinite(good) else "up to the last of them"
            parts.append(f"{share:.0%} of the floats {where}")
    return ", ".join(parts)


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
    keys = ["framework", "objective", "dtype", "y", "side"]
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
ORDINARY = 4.0
"""The |x| of samples that every training meets: sigmoid outputs between 0.018 and 0.982."""
CRITERIA: tuple[Single | Comparison, ...] = (
    Single(
        "dead when wrong",
        "The gradient of a misclassified sample is exactly 0: the network learns nothing from it.",
        "gradient_zero_first",
        "wrong",
    ),
    Single(
        "ordinary samples wrong",
        f"The loss is off by more than 1 % and 4 ulps at a raw output within {ORDINARY:g} of 0.",
        "loss_off",
        most=ORDINARY,
    ),
    Single("not a number", "Loss or gradient is nan at a finite raw output.", "first_nan"),
    Single("infinite", "Loss or gradient is infinite at a finite raw output.", "first_inf"),
    Single(
        "overstated",
        "The loss of a misclassified sample is too large by more than 1 % and 4 ulps.",
        "loss_over",
        "wrong",
    ),
    Single(
        "understated",
        "The loss of a misclassified sample is too small by more than 1 % and 4 ulps.",
        "loss_under",
        "wrong",
    ),
    Single(
        "flat",
        "The loss is constant from there on, while the true loss still changes.",
        "loss_flat",
    ),
    Single("gradient inexact", "The gradient is off by more than 1 % and 4 ulps.", "gradient_off"),
    Single(
        "dead when right",
        "The gradient of a correctly classified sample is exactly 0 though the dtype can hold it.",
        "gradient_zero_first",
        "correct",
    ),
    Single(
        "inexact",
        "The loss of a correctly classified sample is off by more than 1 % and 4 ulps.",
        "loss_off",
        "correct",
    ),
    Comparison(
        "modes disagree",
        "The same program gives different results in different modes.",
        _modes_disagree,
    ),
    Comparison(
        "sigmoid is better",
        "A loss from raw outputs goes wrong before a loss from sigmoid outputs does.",
        _sigmoid_is_better,
    ),
    Comparison("one label only", "One label goes wrong, the other never does.", _one_label_only),
    Comparison("labels differ", "One label goes wrong earlier than the other.", _labels_differ),
    Comparison(
        "double gains nothing", "float64 goes wrong where float32 does.", _double_gains_nothing
    ),
    Single(
        FLUSHED,
        "Subnormal gradients become 0: the compiled code flushes them for speed.",
        "gradient_zero_first",
        "correct",
        subnormal=True,
    ),
)
"""By consequence, the worst first."""
