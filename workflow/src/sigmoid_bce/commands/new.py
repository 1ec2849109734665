"""A study file for data or a network of the user's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from sigmoid_bce.commands import BadInput

MISSING = "{} is missing: pip install 'sigmoid-bce[workflow]'"


@click.command(name="new")
@click.argument("path")
@click.option("--positive", default="", help="The class of label 1.")
@click.option("--negative", default="", help="The class of label 0; all others if not given.")
@click.option("--label", default="", help="Column of the class, in a table.")
@click.option("--without", multiple=True, metavar="COLUMN", help="A column that is no feature.")
@click.option("--data", default="", help="The data for a network: a path, or digits.")
@click.option("--name", default="", help="The study's name.  [default: from PATH]")
@click.option("--to", type=click.Path(path_type=Path), help="The file.  [default: <name>.yaml]")
@click.option("--force", is_flag=True, help="Replace the file if it is there.")
def command(path: str, **given: Any) -> None:
    """Look at PATH, and write a small study of it, ready to run.

    PATH is a folder or an archive of images, a table (.csv, .parquet), or a network: a function
    (nets.py:build) or a saved model (.keras, .h5), with --data.
    """
    try:
        from sigmoid_bce.drafting import Options, draft
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("sigmoid_bce"):
            raise
        raise BadInput(MISSING.format(error.name)) from error
    from sigmoid_bce.jobs.logs import UserError, one_line

    try:
        click.echo(str(draft(path, Options(**given))))
    except UserError as error:
        raise BadInput("\n".join(map(one_line, str(error).split("\n")))) from error
