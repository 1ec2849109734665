"""How documents write numbers, tables and where they were measured."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

NETWORKS = {"convnet": "convnet", "efficientnet_lite0": "EfficientNet-Lite0"}
"""How documents name the networks of studies."""


def number(value: float, form: str) -> str:
    """Return a number as the documents write it.

    Examples
    --------
    >>> number(4.1e-3, ".1e"), number(1234.5, ",.0f")
    ('4.1e-3', '1,234')
    """
    return re.sub(r"e([+-])0*(\d)", lambda e: f"e{e[1].strip('+')}{e[2]}", format(value, form))


def percent(share: float, form: str) -> str:
    """Return a share in percent.

    Examples
    --------
    >>> percent(0.046, ".2f"), percent(0.00095, ".2g")
    ('4.60 %', '0.095 %')
    """
    return number(100 * share, form) + " %"


def markdown(head: list[str], align: str, lines: Iterable[list[str]]) -> str:
    """Return a table; `align` has a letter a column, `l` or `r`."""
    rule = ["---" if letter == "l" else "---:" for letter in align]
    body = ["| " + " | ".join(cells) + " |" for cells in [head, *lines]]
    body.insert(1, f"|{'|'.join(rule)}|")
    return "\n".join(body)


def origin(row: Mapping[str, str]) -> str:
    """Return where a row was measured, in words."""
    return (
        f"{row['processor']}, {row['cores']} cores; {row['releases']}; commit {row['commit']}, "
        f"{row['date']}"
    )
