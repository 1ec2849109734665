"""The reports in docs/upstream that findings make, and their table."""

from __future__ import annotations

from sigmoid_bce.upstream import findings
from sigmoid_bce.upstream.text import text
from words import markdown

FOLDER = "docs/upstream"


def upstream() -> str:
    """Return the table of the reports about frameworks."""
    rows = []
    for finding in map(findings.load, findings.names()):
        known = findings.threads().loc[finding.known, "address"]
        links = ", ".join(f"[{thread}]({address})" for thread, address in known.items())
        link = f"[{finding.name}.md]({finding.name}.md)"
        rows.append([link, finding.project, finding.title, links])
    return markdown(["report", "project", "what is wrong", "related"], "llll", rows)


def written() -> dict[str, str]:
    """Return the reports, by their paths in the repository."""
    return {f"{FOLDER}/{name}.md": text(findings.load(name)) for name in findings.names()}
