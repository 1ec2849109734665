"""Findings: where implementations are unsafe, the worst consequence first."""

from __future__ import annotations

from typing import TypedDict

import pandas as pd
from pandas.api.types import is_numeric_dtype

from sigmoid_bce.numerics.criteria import CRITERIA, PROGRAM

PRECISIONS = ("float32", "float64", "bfloat16", "float16", "longdouble")
"""The order of findings with the same consequence: what most people train in comes first."""
CAUSED = ["framework", "objective", "implementation", "mode"]
"""The columns by which a program has a cause."""


def find(thresholds: pd.DataFrame, implementations: pd.DataFrame | None = None) -> pd.DataFrame:
    """Apply every criterion to every implementation, for hard labels.

    Parameters
    ----------
    thresholds : DataFrame
        The result of `sigmoid_bce.numerics.tables.read_thresholds`.
    implementations : DataFrame, optional
        The table of implementations, for their causes. A finding has the cause of its program if
        that explains its quantity, precision, label and side.

    Returns
    -------
    DataFrame
        rank, x, finding, criterion, framework, version, objective, implementation, mode, dtype, y,
        side, quantity, detail, cause; sorted by consequence, precision and x, the smallest
        |raw output| at which it happens. Modes of one program with the same finding at the same x
        share a row.

    Examples
    --------
    >>> from sigmoid_bce.numerics.tables import RECORD, read_thresholds
    >>> list(find(read_thresholds(RECORD).head(24)).columns[:3])
    ['rank', 'x', 'finding']
    """
    table = thresholds[thresholds["y"].isin([0, 1])].reset_index(drop=True)
    causes = _causes(implementations)
    hits = [(i, criterion, *hit) for i, criterion in enumerate(CRITERIA)
            for hit in criterion.hits(table)]  # fmt: skip
    rows = []
    for i, criterion, row, finding in hits:
        by_hand = bool(finding.quantity.startswith("gradient") and row["gradient_by_hand"])
        rows.append(
            {
                "x": finding.x,
                "finding": criterion.name,
                "criterion": criterion.says,
                **row[[*PROGRAM, "mode", "dtype", "y", "side"]],
                "quantity": finding.quantity,
                "detail": ", ".join(filter(None, ["gradient by hand" * by_hand, finding.detail])),
                "cause": _cause(causes, row, finding.quantity),
                "order": (i, by_hand, PRECISIONS.index(row["dtype"])),
                "near": round(finding.x, 3),
            }
        )
    columns = ["x", "finding", "criterion", *PROGRAM, "mode", "dtype", "y", "side"]
    columns += ["quantity", "detail", "cause"]
    found = pd.DataFrame(rows, columns=[*columns, "order", "near"])
    together = [c for c in found.columns if c not in ("x", "mode")]
    found = (
        found.groupby(together, sort=False)
        .agg(x=("x", "min"), mode=("mode", _joined))
        .reset_index()
        .sort_values(["order", "x"], kind="stable", ignore_index=True)
    )
    return found[columns].rename_axis("rank").reset_index().assign(rank=lambda t: t["rank"] + 1)


def _causes(implementations: pd.DataFrame | None) -> dict[tuple[str, ...], tuple[str, str]]:
    """Return the cause of each program in each mode and what it explains, where one is known."""
    if implementations is None:
        return {}
    rows = implementations[[*CAUSED, "cause", "cause_of"]]
    return {tuple(keys): (cause, of) for *keys, cause, of in rows.itertuples(index=False)}


def _cause(causes: dict[tuple[str, ...], tuple[str, str]], row: pd.Series, quantity: str) -> str:
    """Return the cause of a program, if it explains a quantity in a row of thresholds."""
    cause, of = causes.get(tuple(row[CAUSED]), ("", ""))
    said = {"", quantity, quantity.split("_")[0]}
    said |= {row["dtype"], f"label {row['y']:g}", f"{row['side']} side"}
    return cause if all(said.intersection(part.split(" or ")) for part in of.split(", ")) else ""


def _joined(names: pd.Series) -> str:
    """Return the different names or numbers in their order."""
    if is_numeric_dtype(names):
        return "; ".join(f"{number:g}" for number in dict.fromkeys(names))
    return "; ".join(dict.fromkeys(part for name in names for part in name.split("; ")))


def summary(found: pd.DataFrame) -> pd.DataFrame:
    """Return each finding of each program once, at its least x in the first of its precisions.

    Parameters
    ----------
    found : DataFrame
        The result of `find`.

    Returns
    -------
    DataFrame
        x, finding, framework, version, objective, implementation, mode, dtype, y, side, quantity,
        detail, cause, criterion; sorted as `found`. Modes, precisions, labels and sides are lists
        in words; x, detail and cause are those of the first of each list.

    Examples
    --------
    >>> from sigmoid_bce.numerics.tables import RECORD, read_thresholds
    >>> found = find(read_thresholds(RECORD).head(24))
    >>> len(summary(found)) < len(found)
    True
    """
    columns = ["x", "finding", *PROGRAM, "mode", "dtype", "y", "side", "quantity", "detail"]
    columns += ["cause", "criterion"]
    keys = ["finding", "framework", "objective", "implementation"]
    grouped = found.groupby(keys, sort=False)
    lists = ("mode", "dtype", "y", "side")
    first = grouped.agg(
        {c: _joined if c in lists else "first" for c in columns if c not in keys}
    ).reset_index()
    return first[columns]


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
    return float(found["x"].min()) if len(found) else "none"
