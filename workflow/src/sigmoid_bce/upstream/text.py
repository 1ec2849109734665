"""The text of a report, in Markdown, as trackers take it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sigmoid_bce.upstream.effect import EVENTS
from sigmoid_bce.upstream.findings import Finding, Source, threads

EXAMPLE = "docs/numbers/figure-5.csv"
"""The file in the repository whose effect is shown where none is given."""


def text(finding: Finding, effect: dict[str, Any] | None = None, file: str = EXAMPLE) -> str:
    """Return a report.

    Parameters
    ----------
    finding : Finding
    effect : dict, optional
        The result of `sigmoid_bce.upstream.effect.effect`; by default that of `EXAMPLE`.
    file : str
        The file that the effect is of.

    Examples
    --------
    >>> from sigmoid_bce.upstream.findings import load
    >>> print(text(load("xgboost-logloss")).splitlines()[0])
    # logloss of a wrong sample of label 0 jumps to 36.84 at a margin of 16.6
    """
    measured = finding.measured
    releases = ", ".join(f"{name} {release}" for name, release in measured["releases"].items())
    parts = [
        f"# {finding.title}",
        f"Project: {finding.project}, on {releases}. Form: {finding.form}. Tracker: "
        f"<{finding.tracker}>",
        finding.summary,
        "## Reproduction",
        f"    pip install {' '.join(_pinned(finding))}",
        f"```python\n{finding.reproduction}\n```",
        f"On {measured['processor']}, Python {measured['python']}, it prints:",
        measured["output"],
        "## Cause",
        finding.cause,
        "\n".join(f"- {_where(source, measured['releases'])}" for source in finding.source),
        "## A formula that mends it",
        finding.fix,
        *_cost(finding),
        "## Effect on a file of raw outputs",
        *_effect(effect or measured["effect"], file),
        *([] if effect else [_how(finding.name)]),
        "## Related threads",
        *_related(finding),
    ]
    return "\n\n".join(parts) + "\n"


def _pinned(finding: Finding) -> list[str]:
    """Return the packages of a finding at the releases that were measured."""
    releases = finding.measured["releases"]
    pins = (f"{name}=={releases[name.split('[')[0]]}" for name in finding.packages)
    return [f"'{pin}'" if "[" in pin else pin for pin in pins]


def _where(source: Source, releases: dict[str, str]) -> str:
    if source.upstream:
        where = f"{source.upstream}; compiled, so this is the path in the project's repository"
    else:
        release = releases[source.package]
        where = f"{source.file}, line {source.line}, as {source.package} {release} installs it"
    return f"`{source.text}`: {where}"


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    head = list(head)
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _cost(finding: Finding) -> list[str]:
    """Return the formula in use and the proposed one with their costs."""
    measured, cost = finding.measured, finding.cost
    rows = [
        (one["dtype"], *(f"{ns:.2f}" for ns in (one["now"], one["new"], one["new"] / one["now"])))
        for one in measured["costs"]
    ]
    now, new = cost.formulas or (cost.now, cost.new)
    code = f"{cost.setup.strip()}\n\nnow = lambda: {cost.now}\nnew = lambda: {cost.new}"
    return [
        f"- in use: `{now}`\n- proposed: `{new}`",
        f"Nanoseconds an element of {measured['count']:,}, on one core, the least of "
        f"{measured['repeats']} measurements that alternate, on {measured['processor']}:",
        _table(["dtype", "in use", "proposed", "ratio"], rows),
        f"<details><summary>What was timed</summary>\n\n```python\n{code}\n```\n\n</details>",
    ]


def _effect(found: dict[str, Any], file: str) -> list[str]:
    """Return what a finding does to raw outputs."""
    rows = []
    for row in found["rows"]:
        pairs = [row[event] for event in EVENTS]
        cells = ["not measured" if pair is None else f"{pair[0]:,} / {pair[1]:,}" for pair in pairs]
        cells.append(f"{row['broken']:,}")
        change = row["change"]
        cells.append("" if change != change else f"{change:+.2g}" if change else "0")
        rows.append([", ".join(filter(None, [row["mode"], row["dtype"]])), *cells])
    means = f"true mean loss {found['mean_loss']:.5g}"
    if found["computed"] is not None:
        means += f", computed {found['computed']:.5g}"
    head = ["mode, dtype", *EVENTS, "nan or inf", "change of the mean by constant losses"]
    return [
        f"`{file}`: {found['samples']:,} samples, {found['mistakes']:,} misclassified, "
        f"{means}. Samples beyond the thresholds, correctly classified / misclassified:",
        _table(head, rows),
    ]


def _how(name: str) -> str:
    return (
        "These are raw outputs of a small network on photographs of solar cells. Your own file "
        f"takes their place: `sigmoid-bce upstream {name} outputs.csv`."
    )


def _related(finding: Finding) -> list[str]:
    """Return the threads that a search found."""
    found = threads().loc[finding.known]
    dates = sorted(set(found["searched"]))
    rows = [(f"[{row.Index}]({row.address})", row.about) for row in found.itertuples()]
    table = _table(["thread", "about"], rows).replace("---:", "---")
    return [f"Searched on {' and '.join(dates)}.", table]
