"""The label of each row of a user's table, and its part of a split."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from typing import NamedTuple

from sigmoid_bce.data.labels import Labels, same
from sigmoid_bce.data.listing import DataError, Entry, counts, few, split_parts
from sigmoid_bce.study.datasets import Listed


class Row(NamedTuple):
    """The values of a row that count: a name, the class, and the part of a split or ""."""

    file: str
    label: str
    split: str = ""


def _meaning(label: str) -> tuple[float, str]:
    """Return what a label means: its number, or its text in any case.

    Examples
    --------
    >>> _meaning("+1"), _meaning("1.0"), _meaning("Cat")
    ((1.0, ''), (1.0, ''), (inf, 'cat'))
    """
    with suppress(ValueError):
        if math.isfinite(number := float(label)):
            return number, ""
    return math.inf, label.casefold()


def classes(rows: Iterable[Row], dataset: Listed) -> tuple[str, str]:
    """Return the two classes of a table: numbers in ascending order, texts alphabetically."""
    names = sorted({row.label for row in rows}, key=lambda name: (_meaning(name)[0], name))
    if len(names) != 2:
        raise DataError(
            f"{dataset.path}: the column {dataset.label_column!r} has {len(names)} "
            f"{'class' if len(names) == 1 else 'classes'}, {few(names)}: expected two; of more, "
            "choose two by classes, or one against all others by positive"
        )
    return names[0], names[1]


def _labels(rows: list[Row], dataset: Listed) -> dict[str, int]:
    """Return the label of each class that counts, or raise an error if one has no row."""
    there = {row.label for row in rows}
    if dataset.positive:
        one = same(dataset.positive)
        zeros = there - {one}
    else:
        zero, one = map(same, dataset.classes or classes(rows, dataset))
        zeros = {zero}
    has = f"the column {dataset.label_column!r} has {few(there)}"
    if not zeros:
        raise DataError(f"{dataset.path}: no row is of another class than {one!r}: {has}")
    for name in (*sorted(zeros), one):
        if name not in there:
            raise DataError(f"{dataset.path}: no row is of the class {name!r}: {has}")
    for name in sorted(there):
        for chosen in (one,) if dataset.positive else (zero, one):
            if name != chosen and _meaning(name) == _meaning(chosen):
                raise DataError(
                    f"{dataset.path}: {chosen!r} and {name!r} are one class, written in two ways: "
                    f"write {chosen!r} in every row"
                )
    return dict.fromkeys(zeros, 0) | {one: 1}


def assign(rows: list[Row], dataset: Listed) -> Labels:
    """Return the rows that have a label, each with its label and its part of a given split.

    Parameters
    ----------
    rows : list of Row
    dataset : Listed
        With `classes` or `positive`, or rows of two classes.

    Returns
    -------
    Labels
        Its entries are in the order of the rows.

    Raises
    ------
    DataError
        If a class has no row, or is written in two ways, or the split should be given and is not.
    """
    labels = _labels(rows, dataset)
    out = Counter(row.label for row in rows if row.label not in labels)
    notes = [f"left out, of no class of this data set: {counts(out)}"] if out else []
    rows = [row for row in rows if row.label in labels]
    by = dataset.split.by if dataset.split else "given" if dataset.split_column else "seed"
    parts = _parts(rows, dataset) if by == "given" else {}
    entries = [
        Entry(row.file, labels[row.label], parts.get(row.split.casefold(), ""), row.label)
        for row in rows
        if not parts or row.split.casefold() in parts
    ]
    if len(entries) < len(rows):
        notes.append(f"left out, in neither part of the split: {len(rows) - len(entries)} rows")
    return Labels(entries, notes)


def _parts(rows: list[Row], dataset: Listed) -> dict[str, str]:
    """Return the part of the split that each value in the split's column means."""
    if not dataset.split_column:
        raise DataError("split.by: given, but there is no split_column")
    parts = split_parts(row.split for row in rows)
    if not parts:
        raise DataError(
            f"{dataset.path}: the column {dataset.split_column!r} has "
            f"{few(row.split or 'nothing' for row in rows)}: expected train and validation"
        )
    return parts
