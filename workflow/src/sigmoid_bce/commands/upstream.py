"""A report about a framework, ready for its issue tracker."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from sigmoid_bce.commands import BadInput, reads_outputs


@click.command(name="upstream")
@click.argument("finding", required=False)
@click.argument("outputs", required=False)
@reads_outputs
def command(finding: str | None, outputs: str | None, **read: Any) -> None:
    """Print a report about FINDING for its framework's issue tracker; without it, list them.

    The report says what the finding does to OUTPUTS, a file that `sigmoid-bce verdict` reads:
    .csv, .parquet, .npz or .npy with raw outputs and labels.

    For instance: sigmoid-bce upstream torch-bce-with-logits outputs.csv
    """
    from sigmoid_bce.jobs.logs import UserError
    from sigmoid_bce.upstream import findings

    if finding is None:
        rows = [findings.load(name) for name in findings.names()]
        widths = [max(len(getattr(row, part)) for row in rows) for part in ("name", "project")]
        for row in rows:
            print(f"{row.name:<{widths[0]}}  {row.project:<{widths[1]}}  {row.title}")
        return
    try:
        from sigmoid_bce.upstream.effect import effect
        from sigmoid_bce.upstream.text import text

        found = findings.load(finding)
        told = text(found)
        if outputs:
            told = text(found, effect(found, outputs, **read), Path(outputs).name)
    except (UserError, ValueError, OSError) as error:
        raise BadInput(str(error)) from error
    print(told, end="")
