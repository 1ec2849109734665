"""What to change in code and saved models."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict

import click

from sigmoid_bce.commands import FINDING, BadInput


@click.command(name="check")
@click.argument("paths", nargs=-1, required=True, metavar="PATH...")
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
def command(paths: tuple[str, ...], as_json: bool) -> None:
    """Find losses in Python code and saved models that lose gradients of misclassified samples.

    PATH is a .py file, a notebook, a model saved as .keras or .h5, or a folder of these. No code
    is run. A comment `# sigmoid-bce: ignore` silences its line. Exit code 3 says that something
    was found. See docs/check.md.
    """
    from sigmoid_bce.checking import BadPath, report

    try:
        found = report(*paths)
    except BadPath as error:
        raise BadInput(str(error)) from error
    click.echo(json.dumps(asdict(found), indent=2) if as_json else str(found))
    if found.findings:
        sys.exit(FINDING)
    if not found.files:
        sys.exit(BadInput.exit_code)
