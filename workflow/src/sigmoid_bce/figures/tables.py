"""Tables as pages of the report."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd
from pandas.api.types import is_numeric_dtype

from sigmoid_bce.figures import html
from sigmoid_bce.figures.columns import column, shown

FIRST = (
    "primary", "part", "question", "dataset", "model", "batch_size", "loss", "metric", "verdict",
    "mean_reference", "mean", "difference", "t_low", "t_high", "margin", "n",
)  # fmt: skip
"""What a reader of paired differences looks for; all that it is made from comes after it."""


ROOM, PADDING = 950, 12
"""Pixels: the width of a table beside the menu, in a window of 1,400, and a column's padding."""


def in_short(learning: pd.DataFrame) -> pd.DataFrame:
    """Return paired differences as a page shows them: the primary rows and `FIRST` come first.

    Examples
    --------
    >>> table = pd.DataFrame({"sd": [1, 2], "primary": [False, True], "verdict": ["open", "harms"]})
    >>> in_short(table).to_dict("split")["data"]
    [[True, 'harms', 2], [False, 'open', 1]]
    """
    first = [name for name in FIRST if name in learning]
    rest = [name for name in learning if name not in first]
    return learning[first + rest].sort_values("primary", ascending=False, kind="stable")


def _width(name: str, texts: list[str], words: bool) -> int:
    """Return the pixels that a column takes at least; words break after 14 letters and at _."""
    longest = max((len(word) for word in name.split()), default=1)
    if not words:
        return max(9 * longest, 8 * max(map(len, texts), default=0))
    parts = (len(part) for text in texts for part in re.split(r"\s|(?<=_)", text))
    return max(9 * longest, 8 * min(14, max(parts, default=0)))


def _unneeded(table: pd.DataFrame) -> tuple[list[str], list[str]]:
    """Return the columns that name the same in all rows, and those without any value."""
    unique = {name: table[name].astype(object).fillna("").unique().tolist() for name in table}
    empty = [name for name, values in unique.items() if values == [""]]
    same = [
        name
        for name, values in unique.items()
        if len(table) > 1 and len(values) == 1 and column(name).names and name not in empty
    ]
    return same, empty


def listing(table: pd.DataFrame, file: str = "") -> html.Listing:
    """Return a table as a reader meets it: named columns with units, and what all rows share.

    Parameters
    ----------
    table : DataFrame
        Named as its CSV file is.
    file : str, optional
        The CSV file with every digit, which the page names.

    Examples
    --------
    >>> found = listing(pd.DataFrame({"seed": [0, 0], "accuracy": [0.5, 0.97651]}))
    >>> found.shared, found.rows, found.heads[0].unit
    ('seed 0', [['50'], ['97.65']], '%')
    """
    same, empty = _unneeded(table)
    known = {name: column(name) for name in table if name not in (*same, *empty)}
    texts = {
        name: [shown(value, one.scale) for value in table[name].tolist()]
        for name, one in known.items()
    }
    heads, room = [], ROOM
    for name, one in known.items():
        words = not is_numeric_dtype(table[name])
        width = _width(one.name, texts[name], words)
        first = one.first and room >= width + PADDING
        room -= (width + PADDING) * first
        heads.append(html.Head(one.name, one.unit, first, words, width))
    shared = (f"{column(name).name} {shown(table[name].iloc[0])}".strip() for name in same)
    rows = [list(row) for row in zip(*texts.values(), strict=True)]
    return html.Listing(heads, rows, ", ".join(shared), file)


def write_html(table: pd.DataFrame, title: str, path: str | Path, *, sources: str = "") -> None:
    """Write a table as an HTML page that can be searched and sorted.

    Parameters
    ----------
    table : DataFrame
    title : str
    path : str or Path
        The file to write. The CSV file of the same name lies beside it.
    sources : str
        What the table is made from, for the page's metadata.

    Examples
    --------
    >>> write_html(pd.DataFrame({"loss": [0.123456]}), "Losses", "/tmp/sigmoid-bce-example.html")
    >>> "<td>0.1235" in Path("/tmp/sigmoid-bce-example.html").read_text()
    True
    """
    found = listing(table, Path(path).with_suffix(".csv").name)
    html.write(path, title, [html.Section(listing=found)], sources)
