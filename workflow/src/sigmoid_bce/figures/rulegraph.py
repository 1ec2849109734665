"""The rule graph as a document shows it."""

from __future__ import annotations

import re


def simplified(mermaid: str) -> str:
    """Return Snakemake's rule graph with fewer arrows, in an order that never varies.

    Parameters
    ----------
    mermaid : str
        The output of ``snakemake --rulegraph mermaid-js``.

    Returns
    -------
    str
        A Mermaid flowchart of rules by name. An arrow that a longer way implies is left out.

    Raises
    ------
    ValueError
        If the text holds no rules.

    Examples
    --------
    >>> text = '''id0[all]
    ... id1[b]
    ... id2[a]
    ... id1 --> id0
    ... id2 --> id1
    ... id2 --> id0'''
    >>> print(simplified(text))
    flowchart TB
        a --> b
        b --> all
    <BLANKLINE>
    """
    names = dict(re.findall(r"^\s*(id\d+)\[(\w+)\]", mermaid, re.MULTILINE))
    if not names:
        raise ValueError(f"no rules in Snakemake's rule graph: {mermaid[-1000:]}")
    after: dict[str, set[str]] = {name: set() for name in names.values()}
    for start, end in re.findall(r"(id\d+)\s*-->\s*(id\d+)", mermaid):
        after[names[start]].add(names[end])

    def reached(rule: str) -> set[str]:
        return after[rule].union(*map(reached, after[rule]))

    direct = {rule: ends.difference(*map(reached, ends)) for rule, ends in after.items()}
    arrows = sorted(f"    {rule} --> {end}" for rule, ends in direct.items() for end in ends)
    return "\n".join(["flowchart TB", *arrows, ""])
