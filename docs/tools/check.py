"""Compare finished studies with docs/numbers: `python docs/tools/check.py [results]`.

`docs/numbers/ranges.csv` states how far each number may move. The exit status is 1 if one lies
outside its range. `make soak` runs the default study and compares it so.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from collect import TABLES, Absent
from committed import KEYS, RANGES, ROOT, machine, read

COLUMNS = ["table", "rows", "columns", "measured again by", "same processor", "relative"]
COLUMNS += ["absolute"]
"""Of the ranges. Rows are a condition as pandas writes it; columns have `;` between them."""


def limits(name: str) -> list[dict[str, str]]:
    """Return the lines of the ranges that are about a table; a later one overrides an earlier."""
    with RANGES.open(newline="") as file:
        return [line for line in csv.DictReader(file) if line["table"] == name]


def tolerances(
    table: pd.DataFrame, lines: list[dict[str, str]], exact: bool
) -> dict[str, pd.Series]:
    """Return for each column how far its values may be from those of `table`, row by row.

    A number that no line names may be anything. 1e-8 of a number is lost in nine digits.
    """
    found: dict[str, pd.Series] = {}
    for line in lines:
        where = pd.Series(table.eval(line["rows"] or "index == index"), table.index)
        for column in line["columns"].split(";"):
            near = 1e-8 * table[column].abs()
            if not (exact and line["same processor"] == "exact"):
                near += table[column].abs() * float(line["relative"] or 0)
                near += float(line["absolute"] or 0)
            known = found.get(column, pd.Series(float("inf"), table.index))
            found[column] = known.mask(where, near)
    return found


def differences(name: str, now: pd.DataFrame, exact: bool | None = None) -> Iterator[str]:
    """Yield a line for each number that is not where docs/numbers has it.

    Parameters
    ----------
    name : str
        A table of docs/numbers.
    now : DataFrame
        The table as it was measured again; a part of the rows is enough.
    exact : bool, optional
        Whether bytes must repeat; by default, whether this is the processor, and these are the
        releases, that the table was measured with.
    """
    keys = KEYS[name]
    then = read(name)
    here = machine()
    if exact is None:
        exact = all((then[column] == here[column]).all() for column in ("processor", "releases"))
    for key in keys:
        now = now.assign(**{key: now[key].astype(then[key].dtype)})
    both = then.merge(now, on=keys, suffixes=("", "_now"), how="inner")
    if len(both) < len(now):
        missing = now.merge(then[keys], on=keys, how="left", indicator=True)
        for row in missing.loc[missing["_merge"] == "left_only", keys].to_dict("records"):
            yield f"{name}.csv: no row {row}"
    for column, near in tolerances(both, limits(name), exact).items():
        old, new = both[column], both[f"{column}_now"].astype(float)
        same = np.isinf(near) | (old.isna() & new.isna()) | ((old - new).abs() <= near)
        for index in both.index[~same]:
            where = ", ".join(str(both.loc[index, key]) for key in keys)
            yield (
                f"{name}.csv, {where}: {column} is {new[index]:.6g}, written {old[index]:.6g}"
                f"{', on the same processor with the same releases' if exact else ''}"
            )


def outside(results: Path) -> list[str]:
    """Return a line for each number outside its range, of all studies and benchmarks there."""
    found: list[str] = []
    for name, (folder, function) in TABLES.items():
        if limits(name) and (results / folder).exists():
            try:
                found += differences(name, function(results / folder))
            except Absent as error:
                print(f"{name}.csv is not compared: {error}")
    return found


if __name__ == "__main__":
    lines = outside(Path(*sys.argv[1:]) if sys.argv[1:] else ROOT / "results")
    print("\n".join(lines) or "every number is within its range")
    sys.exit(bool(lines))
