"""What it means that a loss is stuck."""

from __future__ import annotations

import click

from sigmoid_bce.commands import BadInput


@click.command(name="explain", context_settings={"ignore_unknown_options": True})
@click.argument("loss")
@click.option("--framework", help="The framework that displays the loss, such as PyTorch.")
@click.option("--class-share", help="The share of samples with label 1, such as 0.35.")
def command(loss: str, framework: str | None, class_share: str | None) -> None:
    """Say what it can mean that a training's loss is stuck at LOSS.

    For instance: sigmoid-bce explain 7.9712
    """
    from sigmoid_bce.verdicts.stuck_loss import explain_stuck_loss

    value = _number("LOSS", loss)
    share = None if class_share is None else _number("--class-share", class_share)
    try:
        print(explain_stuck_loss(value, framework, share))
    except ValueError as error:
        raise BadInput(str(error)) from error


def _number(name: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise BadInput(f"{name}: expected a number such as 7.9712, found {text!r}") from None
