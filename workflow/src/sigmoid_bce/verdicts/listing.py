"""A text table of programs: what they do, by consequence, and which do it."""

from __future__ import annotations

import textwrap

import pandas as pd

from sigmoid_bce.verdicts.harm import Harm
from sigmoid_bce.verdicts.programs import MEASURED

PROGRAM = ["framework", "implementation", "dtype"]
WIDTH = 98
"""Columns, with room for an indent within 100."""


def distinct(table: pd.DataFrame) -> pd.DataFrame:
    """Return one row for the modes of a program that do the same.

    Parameters
    ----------
    table : DataFrame
        Programs with the column effect, as `sigmoid_bce.verdicts.words.answer` returns them.

    Returns
    -------
    DataFrame
        The modes are joined; empty where all modes of a program do the same.
    """
    # of the ways in which one program was measured, which no user chooses, the worst counts
    told = ~table["mode"].isin(MEASURED)
    table = table[told | ~table.assign(told=told).duplicated([*PROGRAM, "told"])]
    groups = table.groupby([*PROGRAM, "effect"], sort=False)
    out = groups.first().reset_index()
    alone = out.groupby(PROGRAM, sort=False)["effect"].transform("size") == 1
    modes = groups["mode"].agg(lambda names: "/".join(dict.fromkeys(filter(None, names))))
    out["mode"] = modes.to_numpy()
    out["mode"] = out["mode"].mask(alone & out["mode"].isin(MEASURED), "")
    several = table.groupby(PROGRAM, sort=False)["mode"].nunique()
    several = out.set_index(PROGRAM).index.map(several) > 1
    return out.assign(mode=out["mode"].mask(alone & several, ""))


def listing(table: pd.DataFrame) -> str:
    """Return programs as a text of at most 100 columns.

    Parameters
    ----------
    table : DataFrame
        As for `distinct`. Of several frameworks, each has one line: its worst program.
    """
    rows = distinct(table)
    several = rows["framework"].nunique() > 1
    if several:
        rows = rows.drop_duplicates("framework")
    precisions = rows["dtype"].nunique() > 1
    width = max(map(len, rows["framework"])) if several else 0
    lines = []
    for effect, part in rows.groupby("effect", sort=False):
        tie = "  (a tie)" if several and len(part) > 1 and part["harm"].iloc[0] else ""
        lines.append(f"{effect}{tie}")
        for row in part.to_dict("records"):
            details = ", ".join(filter(None, [row["mode"], row["dtype"] if precisions else ""]))
            loss = row["implementation"] + (f" ({details})" if details else "")
            if several and row["harm"] <= Harm.RIGHT_SIDE:
                loss = "every loss and metric"
            start = f"    {row['framework']:{width}}  " if several else "    "
            after = " " * len(start)
            lines += textwrap.wrap(start + loss, WIDTH, subsequent_indent=after) or [start]
    return "\n".join(lines)
