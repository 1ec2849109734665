"""A report about a framework, ready for its issue tracker."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from sigmoid_bce.commands import BadInput


@click.command(name="upstream")
@click.argument("finding", required=False)
@click.argument("outputs", required=False)
@click.option("--label", default="label", help="Column of labels, or its beginning.")
@click.option("--raw-output", default="raw_output", help="Column of raw outputs, or its beginning.")
@click.option(
    "--ignore",
    type=float,
    multiple=True,
    metavar="LABEL",
    help="Leave out samples with this label, such as 255 or nan; may be given several times.",
)
@click.option("--really-raw", is_flag=True, help="Accept raw outputs that all lie within [0, 1].")
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
        print(text(found, effect(found, outputs, **read), Path(outputs).name) if outputs
              else text(found), end="")  # fmt: skip
    except (UserError, ValueError, OSError) as error:
        raise BadInput(str(error)) from error
