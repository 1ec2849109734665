"""The command `sigmoid-bce`: a file for each subcommand, which defines `command`.

Such a file imports what it needs inside the function, so that `--help` is quick.

| exit code | meaning |
|---|---|
| 0 | done |
| 1 | an internal error |
| 2 | wrong usage, or bad input |
| 3 | a finding: done, and something was found that one asked to be told of |
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

import click

from sigmoid_bce.jobs.releases import installed

BAD_INPUT, FINDING = 2, 3
"""Exit codes."""


def nobody_reads() -> None:
    """Let what is still to be printed go nowhere: its reader has gone."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def reads_outputs(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of how a file of raw outputs and labels is read."""
    options = (
        click.option("--label", default="label", help="Column of labels, or its beginning."),
        click.option(
            "--raw-output", default="raw_output", help="Column of raw outputs, or its beginning."
        ),
        click.option(
            "--ignore", type=float, multiple=True, metavar="LABEL", help="Leave out samples with "
            "this label, such as 255 or nan; may be given several times.",
        ),
        click.option(
            "--really-raw", is_flag=True, help="Accept raw outputs that all lie within [0, 1]."
        ),
    )  # fmt: skip
    for option in reversed(options):
        command = option(command)
    return command


class Commands(click.Group):
    """The subcommands, by the names of the files in this folder."""

    def list_commands(self, context: click.Context) -> list[str]:
        """Return the names of all subcommands."""
        return sorted(module.name for module in iter_modules(__path__))

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        """Return a subcommand."""
        if name not in self.list_commands(context):
            return None
        command: click.Command = import_module(f"{__name__}.{name}").command
        return command

    def invoke(self, context: click.Context) -> Any:
        """Run a subcommand; whoever reads only its beginning, as `head` does, wants no more."""
        try:
            result = super().invoke(context)
            sys.stdout.flush()
        except BrokenPipeError:
            nobody_reads()
            return None
        return result

    def resolve_command(
        self, context: click.Context, arguments: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the subcommand that arguments name; of an unknown one, tell the known."""
        if arguments and arguments[0] not in (known := self.list_commands(context)):
            raise click.UsageError(
                f"there is no command {arguments[0]!r}: expected {', '.join(known)}", context
            )
        return super().resolve_command(context, arguments)


class BadInput(click.ClickException):
    """A bad input, in a line."""

    exit_code = BAD_INPUT

    def show(self, file: Any = None) -> None:
        """Print the line."""
        click.echo(f"error: {self.message}", file=file, err=True)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(installed("sigmoid-bce") or "not installed", message="%(version)s")
def main() -> None:
    """Tell whether it matters that cross-entropy is computed from sigmoid outputs, not from logits.

    Exit codes: 0 done, 1 internal error, 2 wrong usage or bad input, 3 a finding.
    """
