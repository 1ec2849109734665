"""The record: where each loss goes wrong, in every framework, precision and mode."""

from __future__ import annotations

import difflib
import math
import sys
from typing import TYPE_CHECKING, Any

import click

from sigmoid_bce.commands import BadInput
from sigmoid_bce.numerics.names import BCE, TITLES

if TYPE_CHECKING:
    import pandas as pd

SHOWN = {
    "framework": "framework",
    "implementation": "loss",
    "mode": "mode",
    "dtype": "dtype",
    "y": "label",
    "side": "side",
    "loss_off": "off",
    "loss_flat": "flat",
    "gradient_zero_first": "gradient 0",
}
"""The columns of the record that are printed, and what they are called there."""


def chosen(table: pd.DataFrame, column: str, wanted: str, objective: str = BCE) -> pd.DataFrame:
    """Return the rows whose column is a word, or else has it somewhere; no case counts.

    Raises
    ------
    BadInput
        If there is none; the line names the nearest values.
    """
    texts, word = table[column].astype(str), wanted.strip().lower()
    values = texts.str.lower()
    for found in (values == word, values.str.contains(word, regex=False)):
        if found.any():
            return table[found]
    known = sorted(set(texts) - {""})
    near = difflib.get_close_matches(word, [value.lower() for value in known], 3, 0.5)
    names = [repr(value) for value in known if value.lower() in near or not near]
    which = "" if objective == BCE else f" for {objective}"
    raise BadInput(
        f"--{SHOWN.get(column, column).replace(' ', '-')}: the record has no {wanted!r}{which}; "
        f"{'nearest' if near else 'it has'}: {', '.join(names[:20])}"
    )


@click.command(name="record")
@click.option("--framework", help="Such as Keras, or 'Keras on TensorFlow'.")
@click.option("--loss", help="A part of what one writes, such as BCELoss.")
@click.option("--mode", help="Such as eager, graph, xla, jit, compiled.")
@click.option("--dtype", help="float16, bfloat16, float32, float64 or longdouble.")
@click.option("--label", help="0 or 1.")
@click.option("--side", help="wrong (misclassified samples) or correct.")
@click.option(
    "--objective", type=click.Choice(list(TITLES)), default=BCE, show_default=True,
    help="What the losses compute: binary cross-entropy, or another one.",
)  # fmt: skip
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV, with every column of the record.")
def command(as_csv: bool, objective: str, **wanted: Any) -> None:
    """Print where losses go wrong: the thresholds of the record, as |raw output|.

    off: the loss is wrong by more than 1 %. flat: it no longer changes. gradient 0: exactly 0.
    """
    from sigmoid_bce.numerics.tables import RECORD, read_thresholds

    table = read_thresholds(RECORD, objective)
    columns = {"loss": "implementation", "label": "y"}
    for option, value in wanted.items():
        if value:
            table = chosen(table, columns.get(option, option), value, objective)
    if as_csv:
        table.to_csv(sys.stdout, index=False)
        return
    _print([_shown(row) for row in table.to_dict("records")])
    measured = ", ".join(sorted(set(table["processor"])))
    print(f"\n{len(table)} rows, measured on {measured}. A dash: never; none: it has no gradient.")


def _shown(row: dict[Any, Any]) -> dict[str, str]:
    """Return the cells of a row, by the names of `SHOWN`."""
    cells = {}
    for column, name in SHOWN.items():
        value = row[column]
        cells[name] = str(value)
        if column.startswith(("loss_", "gradient_")):
            cells[name] = "-" if math.isnan(value) else f"{value:.4g}"
    if not row["has_gradient"]:
        cells["gradient 0"] = "none"
    return cells


def _print(rows: list[dict[str, str]]) -> None:
    """Print rows below a line for each program, so that the widest line fits a terminal."""
    program = None
    names = list(SHOWN.values())[2:]
    widths = {n: max(len(n), *(len(row[n]) for row in rows)) for n in names}
    print("  ".join(["", *(f"{n:<{widths[n]}}" for n in names)]).rstrip())
    for row in rows:
        here = f"{row['framework']}: {row['loss']}"
        if here != program:
            print(here)
            program = here
        cells = (f"{row[n]:<{widths[n]}}" for n in names)
        print("  ".join(["", *cells]).rstrip())
