"""Equal files in a data set: counted by their digests, and dropped or refused if asked to."""

from __future__ import annotations

from typing import Any, NamedTuple

import pandas as pd


class Copies(NamedTuple):
    """Numbers of equal images.

    Parameters
    ----------
    copies : int
        Images that are equal to an earlier one.
    copies_across_split : int
        Validation images that are equal to a training image.
    copies_across_classes : int
        Different images that are in both classes.
    """

    copies: int
    copies_across_split: int
    copies_across_classes: int

    def __str__(self) -> str:
        """Return the numbers in words.

        Examples
        --------
        >>> str(Copies(3, 1, 0))
        '3, 1 across the split, 0 across classes'
        """
        total, split, classes = self
        return f"{total}, {split} across the split, {classes} across classes"


def _across_split(table: pd.DataFrame) -> pd.DataFrame:
    """Return the validation images that are equal to a training image."""
    train = table.loc[table["split"] == "train", "sha256"]
    return table[(table["split"] == "validation") & table["sha256"].isin(train)]


def _across_classes(table: pd.DataFrame) -> pd.DataFrame:
    """Return the images that are in both classes."""
    return table[table.groupby("sha256")["label"].transform("nunique") > 1]


def count(table: pd.DataFrame) -> Copies:
    """Count the equal images of a data set.

    Parameters
    ----------
    table : DataFrame
        Columns label, split, sha256.

    Examples
    --------
    >>> split = ["train", "train", "validation"]
    >>> count(pd.DataFrame({"label": [0, 1, 1], "split": split, "sha256": list("aba")}))
    Copies(copies=1, copies_across_split=1, copies_across_classes=1)
    """
    return Copies(
        int(table["sha256"].duplicated().sum()),
        len(_across_split(table)),
        _across_classes(table)["sha256"].nunique(),
    )


def _pair(part: pd.DataFrame, table: pd.DataFrame, column: str) -> str:
    """Return the first image of a part, and an equal one that differs from it in a column."""
    first = part.iloc[0]
    other = (table["sha256"] == first["sha256"]) & (table[column] != first[column])
    return f"{first['file']} = {table.loc[other, 'file'].iloc[0]}"


def described(table: pd.DataFrame) -> str:
    """Return what is wrong about equal images, on one line; "" if none is in both of something.

    Parameters
    ----------
    table : DataFrame
        Columns file, label, split, sha256.

    Examples
    --------
    >>> split = ["train", "validation"]
    >>> values = {"file": ["1.jpg", "2.jpg"], "label": [0, 0], "split": split, "sha256": ["a", "a"]}
    >>> described(pd.DataFrame(values))
    '1 of 1 validation samples are equal to a training sample (2.jpg = 1.jpg)'
    """
    inside, both = _across_split(table), _across_classes(table)
    found = []
    if len(inside):
        of = f"{len(inside)} of {(table['split'] == 'validation').sum()}"
        pair = _pair(inside, table, "split")
        found.append(f"{of} validation samples are equal to a training sample ({pair})")
    if len(both):
        pair = _pair(both, table, "label")
        found.append(f"{both['sha256'].nunique()} samples are in both classes ({pair})")
    return "; ".join(found)


def drop(table: pd.DataFrame) -> tuple[pd.DataFrame, list[tuple[str, str]]]:
    """Drop equal images.

    The first of them stays, a training image if the data give a split. None stays that is in both
    classes.

    Parameters
    ----------
    table : DataFrame
        Columns file, label, split, sha256. The split may be empty.

    Returns
    -------
    table : DataFrame
        The rows that stay, in their order and with their index.
    dropped : list of (file, reason)

    Examples
    --------
    >>> values = {"file": list("pqrs"), "label": [0, 0, 1, 1], "split": "", "sha256": list("aabc")}
    >>> kept, dropped = drop(pd.DataFrame(values))
    >>> list(kept["file"]), dropped
    (['p', 'r', 's'], [('q', 'equal to p')])
    """
    order = table.sort_values("split", key=lambda split: split == "validation", kind="stable")
    first: dict[tuple[str, int], Any] = {}
    for row in order.itertuples():
        first.setdefault((row.sha256, row.label), row)
    dropped = {}
    for row in table.itertuples():
        other, same = first.get((row.sha256, 1 - row.label)), first[row.sha256, row.label]
        if other:
            dropped[row.Index] = (row.file, f"equal to {other.file}, of the other class")
        elif same.Index != row.Index:
            dropped[row.Index] = (row.file, f"equal to {same.file}")
    return table.drop(index=list(dropped)), list(dropped.values())
