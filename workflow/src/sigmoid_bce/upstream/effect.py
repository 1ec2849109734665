"""What a finding does to a file of raw outputs, from the thresholds of its programs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from sigmoid_bce.jobs.logs import UserError
from sigmoid_bce.upstream.findings import HERE, Finding
from sigmoid_bce.verdicts import count, shares
from sigmoid_bce.verdicts.judge import refuse_probabilities
from sigmoid_bce.verdicts.read import from_file

BESIDE = HERE / "thresholds.csv"
"""Thresholds of programs that the record does not hold."""
EVENTS = {
    "loss off by more than 1 %": "loss_off",
    "loss constant": "clipped",
    "gradient exactly 0": "dead",
}
"""What is counted, and the shares of `sigmoid_bce.verdicts.shares` behind it."""


def thresholds(finding: Finding) -> pd.DataFrame:
    """Return the thresholds of a finding's programs.

    Raises
    ------
    UserError
        If neither the record nor the table beside it holds one of them.

    Examples
    --------
    >>> from sigmoid_bce.upstream.findings import load
    >>> thresholds(load("xgboost-logloss"))["side"].tolist()
    ['correct', 'wrong', 'correct', 'wrong']
    """
    tables = [shares.read(), *([shares.read(BESIDE)] if BESIDE.exists() else [])]
    found = []
    for program in finding.program:
        for mode in program.modes:
            for dtype in program.dtypes:
                wanted = [program.framework, program.implementation, mode, dtype]
                keys = ["framework", "implementation", "mode", "dtype"]
                parts = (table[(table[keys] == wanted).all(axis=1)] for table in tables)
                rows = next((part for part in parts if len(part)), None)
                if rows is None:
                    raise UserError(
                        f"{finding.name}: no thresholds of {', '.join(filter(None, wanted))}: "
                        "run benchmarks/upstream.py"
                    )
                found.append(rows)
    return pd.concat(found, ignore_index=True)


def effect(
    finding: Finding, file: str | Path, really_raw: bool = False, **read: Any
) -> dict[str, Any]:
    """Return what a finding does to raw outputs.

    Parameters
    ----------
    finding : Finding
    file : str or Path
        Raw outputs and labels, as `sigmoid_bce.verdicts.read.from_file` reads them.
    really_raw : bool
        Accept raw outputs that all lie within [0, 1], as probabilities do.
    **read
        The columns, and labels to leave out, as for `from_file`.

    Returns
    -------
    dict
        samples, mistakes, mean_loss (the true one), computed (the mean loss that the finding
        gives, or None), and rows: mode, dtype, one pair of counts for each of `EVENTS` (correctly
        classified samples and mistakes; None without a gradient), broken (nan or inf), change
        (of the mean loss).

    Raises
    ------
    ValueError
        If the file cannot be read, or holds probabilities.
    """
    table = thresholds(finding)
    edges = shares.edges(table)
    outputs = from_file(file, **read)
    counted = count.run(outputs, edges)
    if not really_raw:
        refuse_probabilities(outputs, counted)
    total = counted.total()
    rows = []
    for row in shares.compute(total, table, edges).to_dict("records"):
        counts: dict[str, list[int] | None] = {}
        for event, share in EVENTS.items():
            both = [row[f"{share}_{side}_share"] for side in ("correct", "wrong")]
            known = not any(pd.isna(one) for one in both)
            counts[event] = [round(one * total.samples) for one in both] if known else None
        rows.append(
            {
                "mode": row["mode"],
                "dtype": row["dtype"],
                **counts,
                "broken": round(row["broken_share"] * total.samples),
                "change": float(row["loss_change"]),
            }
        )
    mean = total.loss / total.samples
    computed = finding.effect and finding.effect.slope * mean + finding.effect.offset
    return {
        "samples": total.samples,
        "mistakes": total.samples - total.correct - total.sideless,
        "mean_loss": mean,
        "computed": computed,
        "rows": rows,
    }
