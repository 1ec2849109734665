"""The record: the thresholds that are committed, each with its release, processor and date."""

from __future__ import annotations

import sys
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd

from sigmoid_bce.jobs.files import replacing
from sigmoid_bce.jobs.logs import UserError
from sigmoid_bce.numerics.tables import HARD, RECORD, THRESHOLDS, read_all, read_thresholds
from sigmoid_bce.numerics.thresholds import COLUMNS, NO_PLACES

PROCESSORS = RECORD.with_name("processors.csv")
"""Rows of the record as they are on other processors, where one of their thresholds moves."""
KEY = ["framework", "implementation", "version", "objective", "mode", "dtype", "y", "side"]
"""The columns that tell the rows of the record apart."""
PROGRAM = KEY[:-2]
PLACES = [column for column in COLUMNS if column not in NO_PLACES]
MOVED = 0.02
"""A threshold has moved if it differs by more than this share."""


def moved(one: pd.DataFrame, other: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of `other` that have another threshold than the same rows of `one`.

    Parameters
    ----------
    one, other : DataFrame
        Thresholds, as `read_thresholds` returns them. Places that one of them lacks are not
        compared.

    Returns
    -------
    DataFrame
        Columns of `other`.

    Examples
    --------
    >>> table = read_thresholds(RECORD).query("framework == 'exact'").head(4)
    >>> len(moved(table, table)), len(moved(table.fillna({"loss_off": 9}), table))
    (0, 4)
    """
    places = [place for place in PLACES if place in one and place in other]
    both = other.reset_index().merge(one, on=KEY, suffixes=("", "_then"))
    differs = np.zeros(len(both), bool)
    for place in places:
        a, b = both[place], both[f"{place}_then"]
        differs |= (a.isna() != b.isna()) | ((a - b).abs() > MOVED * a.abs())
    return other.loc[both["index"][differs]]


def keep(
    path: str | Path, record: Path = RECORD, processors: Path = PROCESSORS, add: bool = False
) -> None:
    """Make a table of thresholds the record.

    Rows that were measured with the same releases on another processor than those of the record,
    and have a threshold elsewhere, are kept in `processors`.

    Parameters
    ----------
    path : str or Path
        Thresholds of all frameworks. The rows of hard labels are kept, with nine significant
        digits, the date of the measurement, and `differs_on`: the processors on which a threshold
        of this row is known to lie elsewhere, by more than 2 %.
    record, processors : Path
        The files to write.
    add : bool
        Whether rows stay that the record has of the same release, and of frameworks that the table
        lacks. Then only new rows, and those of other releases, enter the record.

    Raises
    ------
    UserError
        If the file does not exist, or is not a table of thresholds.
    """
    if not Path(path).is_file():
        raise UserError(f"{path} does not exist: run `make numerics` first")
    table = read_thresholds(path, objective=None)
    table = table[table["y"].isin(HARD)][THRESHOLDS].reset_index(drop=True)
    table = table.assign(date=_days(Path(path), table))
    before = read_all([record])
    rows = _with(table, before) if add else table
    others = pd.concat([read_all([processors]), before, table], ignore_index=True)
    own = rows[[*KEY, "processor"]].rename(columns={"processor": "own"})
    known = others.merge(own, "left", on=KEY)["own"]
    others = others[others["processor"].notna() & (others["processor"] != known)]
    others = moved(rows, others.reset_index(drop=True))
    others = others.drop_duplicates([*KEY, "processor"], keep="last")
    names = others.groupby(KEY)["processor"].agg("; ".join).to_dict()
    keys = rows[KEY].itertuples(index=False, name=None)
    rows = rows.assign(differs_on=[names.get(key, "") for key in keys])
    columns = [*THRESHOLDS, "differs_on", "date"]
    for file, found in ((record, rows[columns]), (processors, others.reindex(columns=THRESHOLDS))):
        with replacing(file) as part:
            found.to_csv(part, index=False, float_format="%.9g")


def _with(table: pd.DataFrame, before: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of a record that stay, and those of a table that are new."""
    measured = table[["framework", "version"]].drop_duplicates()
    releases = before[["framework", "version"]].merge(measured, "left", indicator=True)["_merge"]
    stays = (releases == "both").to_numpy() | ~before["framework"].isin(table["framework"])
    there = table[KEY].merge(before.loc[stays, KEY], "left", on=KEY, indicator=True)["_merge"]
    rows = pd.concat([before[stays], table[there.to_numpy() == "left_only"]], ignore_index=True)
    # frameworks together, in the order of the table
    order = {name: i for i, name in enumerate(table["framework"].unique())}
    return rows.sort_values("framework", key=lambda s: s.map(order), kind="stable").reset_index(
        drop=True
    )


def _days(path: Path, table: pd.DataFrame) -> list[str]:
    """Return the date of each row: that of its program in the table of implementations beside it.

    A measurement may be of an earlier study. Without such a table, the date is that of the file.
    """
    beside = path.with_name("implementations.csv")
    status = read_all([beside]) if beside.is_file() else pd.DataFrame(columns=[*PROGRAM, "date"])
    known = {tuple(row[:-1]): row[-1] for row in status[[*PROGRAM, "date"]].to_numpy().tolist()}
    usual = date.fromtimestamp(path.stat().st_mtime).isoformat()
    return [known.get(row, usual) for row in table[PROGRAM].itertuples(index=False, name=None)]


if __name__ == "__main__":
    try:
        keep(sys.argv[1], add="--add" in sys.argv[2:])
    except UserError as error:
        sys.exit(f"error: {error}")
