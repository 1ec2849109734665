"""A text table of programs: what they do, by consequence, and which do it."""

from __future__ import annotations

import textwrap
from collections import Counter

import pandas as pd

from sigmoid_bce.verdicts.harm import Harm
from sigmoid_bce.verdicts.programs import MEASURED

PROGRAM = ["framework", "implementation", "dtype"]
KEY = [*PROGRAM, "effect"]
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
    # by program and effect, the modes
    modes: dict[tuple[str, ...], list[str]] = {}
    for *key, mode in zip(*(table[name] for name in (*KEY, "mode")), strict=True):
        modes.setdefault(tuple(key), []).append(mode)
    effects = Counter(key[:-1] for key in modes)
    out = table.drop_duplicates(KEY).reset_index(drop=True)
    return out.assign(
        mode=[_told(list(filter(None, names)), effects[key[:-1]]) for key, names in modes.items()]
    )


def _told(modes: list[str], effects: int) -> str:
    """Return the modes of a program with one of its effects; empty where all modes do the same."""
    if effects == 1 and (len(modes) > 1 or set(modes) <= set(MEASURED)):
        return ""
    return "/".join(dict.fromkeys(modes))


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
