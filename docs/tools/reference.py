"""The tables of the reference that code decides: keys, commands, plateaus."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import click
import numpy as np

from committed import read
from sigmoid_bce.commands import main as command
from sigmoid_bce.study.schema import inlined

Keys = dict[str, Any]


def cell(text: str) -> str:
    r"""Return a text as a cell of a table.

    Examples
    --------
    >>> cell("a | b\n <c>")
    'a \\| b &lt;c>'
    """
    return " ".join(text.replace("|", "\\|").replace("<", "&lt;").split())


def table(head: str, lines: Iterator[list[str]] | list[list[str]]) -> str:
    """Return a table; `head` has the columns' names, separated by bars."""
    names = head.split("|")
    rows = [names, ["---"] * len(names), *([cell(text) for text in line] for line in lines)]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def kind(key: Keys) -> str:
    """Return the type of a key in words."""
    words = {"array": "list", "integer": "whole number", "string": "text", "boolean": "true, false"}
    types = key.get("type", "section")
    listed = [one for one in ([types] if isinstance(types, str) else types) if one != "null"]
    return " or ".join(words.get(one, one) for one in listed)


def default(key: Keys, required: bool) -> str:
    """Return what holds if a key is not given."""
    if required:
        return "required"
    value = key.get("default")
    if value is None or value == "" or "properties" in key:
        return ""
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def keys(section: Keys, path: str) -> Iterator[list[str]]:
    """Yield a line for each key below a section, those of the same questions once."""
    for name, key in section.get("properties", {}).items():
        here = path + name
        if here.startswith("confirmatory."):
            continue
        given = name in section.get("required", ())
        if name != "NAME":
            yield [f"`{here}`", kind(key), key.get("description", ""), default(key, given)]
        yield from keys(key, f"{here}.")


def configuration() -> str:
    """Return a table for each section of a configuration file."""
    study, parts = inlined(), []
    tops = study["properties"]
    single = {"properties": {k: v for k, v in tops.items() if "properties" not in v}}
    single["required"] = study["required"]
    parts.append("## Top level\n\n" + table("key|value|meaning|default", keys(single, "")))
    for name, section in tops.items():
        if "properties" in section:
            lines = list(keys(section, ""))
            shorter = [[line[0].replace("`NAME.", "`"), *line[1:]] for line in lines]
            head = f"## `{name}`\n\n{section.get('description', '')}\n\n"
            parts.append(head + table("key|value|meaning|default", shorter))
    return "\n\n".join(parts)


def option(parameter: click.Parameter, context: click.Context) -> list[str]:
    """Return the line of an option, and none of an argument: the text is about these."""
    shown = parameter.get_help_record(context)
    return [f"`{shown[0]}`", shown[1]] if shown else []


def command_line() -> str:
    """Return a section for each subcommand of `sigmoid-bce`."""
    whole, parts = click.Context(command, info_name="sigmoid-bce"), []
    for name in command.list_commands(whole):
        found = command.get_command(whole, name)
        assert found is not None
        context = click.Context(found, parent=whole, info_name=name)
        usage = " ".join([context.command_path, *found.collect_usage_pieces(context)])
        help_ = "\n\n".join(
            " ".join(text.split()) for text in (found.help or "").replace("\b", "").split("\n\n")
        )
        # without the option for help, which click names by how the command was called first
        lines = [option(parameter, context) for parameter in found.params]
        shown = table("option|meaning", [line for line in lines if line])
        parts.append(f"## `{context.command_path}`\n\n```text\n{usage}\n```\n\n{help_}\n\n{shown}")
    return "\n\n".join(parts)


PLATEAUS = (
    ("Keras on TensorFlow", "Dense(1, sigmoid), Reshape, BinaryCrossentropy()", "eager",
     "Keras, where it cannot recover the raw output"),
    ("PyTorch", "BCELoss() after sigmoid", "eager", "PyTorch `BCELoss`"),
    ("Keras on JAX", "Dense(1, sigmoid), BinaryCrossentropy()", "eager", "Keras on JAX"),
    ("scikit-learn", "log_loss(y, p)", "a sample a call", "scikit-learn `log_loss`"),
    ("XGBoost", "metric logloss", "a sample a call", "XGBoost `logloss`"),
)  # fmt: skip
"""Framework, implementation and mode of programs with a plateau, and how documents name them."""


def plateaus() -> str:
    """Return at which loss mistakes stay, and from which raw output on, in float32."""
    measured, lines = read("thresholds"), []
    for framework, implementation, mode, written in PLATEAUS:
        rows = measured[
            (measured["framework"] == framework)
            & (measured["implementation"] == implementation)
            & (measured["mode"] == mode)
            & (measured["side"] == "wrong")
        ].set_index("y")
        cells = []
        for label in (0, 1):
            start, value = rows.loc[label, ["loss_flat", "loss_flat_value"]]
            flat = np.isfinite(start)
            cells += [f"{value:.2f}", f"{start:.1f}"] if flat else ["none", "never"]
        lines.append([written, *cells])
    return table("program|label 0: loss|from abs(x)|label 1: loss|from abs(x)", lines)


TABLES = {function.__name__: function for function in (configuration, command_line, plateaus)}
