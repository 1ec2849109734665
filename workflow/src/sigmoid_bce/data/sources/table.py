"""Images listed in a table with a header."""

from __future__ import annotations

import csv
import math
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from sigmoid_bce.data.faults import stopping
from sigmoid_bce.data.items import Item, loose_items
from sigmoid_bce.data.labels import same
from sigmoid_bce.data.listing import DataError, Entry, Listing, counts, few, split_parts
from sigmoid_bce.study.datasets import TableDataset


class _Row(NamedTuple):
    """The values of a row that count; `split` is "" in a table without such a column."""

    file: str
    label: str
    split: str = ""


def items(dataset: TableDataset, file: Path) -> Iterator[Item]:
    """Yield the images in the order of the table."""
    yield from loose_items(listing(dataset))


def _lines(path: Path, columns: list[str]) -> Iterator[tuple[int, dict[str, str | None]]]:
    """Yield the rows of a table whose header has `columns`, each with the number of its line."""
    try:
        with stopping(path), open(path, encoding="utf-8-sig", newline="") as file:
            header = file.readline()
            separator = max(",;\t", key=header.count)
            file.seek(0)
            reader = csv.DictReader(file, delimiter=separator, strict=True)
            for name in columns:
                if (number := list(reader.fieldnames or ()).count(name)) > 1:
                    raise DataError(f"{path} has {number} columns {name!r}: expected one")
            for row in reader:
                if any(value.strip() for value in row.pop(None, ())):
                    raise DataError(
                        f"{path}, line {reader.line_num}: it has more values than the header: put "
                        f"a value with {separator!r} in it in quotes"
                    )
                yield reader.line_num, row
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8 text: {error.reason}") from None
    except csv.Error as error:
        raise DataError(f"{path}, line {reader.line_num}: {error}") from None


def _columns(dataset: TableDataset) -> list[str]:
    """Return the names of the columns that count."""
    return list(filter(None, [dataset.file_column, dataset.label_column, dataset.split_column]))


def _row(dataset: TableDataset, number: int, line: dict[str, str | None]) -> _Row:
    """Return the values of a row, or raise an error if one is missing."""
    path, values = dataset.path, []
    for key in _columns(dataset):
        if key not in line:
            names = ", ".join(filter(None, line))
            raise DataError(f"{path} has no column {key!r}: its columns are {names}")
        value = (line[key] or "").strip()
        values.append(same(value) if key == dataset.label_column else value)
        if not values[-1] and key != dataset.split_column:
            raise DataError(f"{path}, line {number}: the column {key!r} is empty")
    return _Row(*values)


def _rows(dataset: TableDataset) -> list[_Row]:
    """Return the rows of a table, each file once."""
    rows: dict[str, _Row] = {}
    for number, line in _lines(Path(dataset.path), _columns(dataset)):
        row = _row(dataset, number, line)
        earlier = rows.setdefault(row.file, row)
        if earlier != row:
            here, above = (" and ".join(filter(None, values[1:])) for values in (row, earlier))
            raise DataError(
                f"{dataset.path}, line {number}: {row.file} is {here} here, and {above} in a line "
                "above"
            )
    if not rows:
        raise DataError(f"{dataset.path} has no rows below its header")
    return list(rows.values())


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


def classes(dataset: TableDataset) -> tuple[str, str]:
    """Return the two classes of the table: numbers in ascending order, texts alphabetically."""
    names = sorted(
        {row.label for row in _rows(dataset)}, key=lambda name: (_meaning(name)[0], name)
    )
    if len(names) != 2:
        raise DataError(
            f"{dataset.path}: the column {dataset.label_column!r} has {len(names)} "
            f"{'class' if len(names) == 1 else 'classes'}, {few(names)}: expected two; of more, "
            "choose two by classes, or one against all others by positive"
        )
    return names[0], names[1]


def _labels(dataset: TableDataset, there: set[str]) -> dict[str, int]:
    """Return the label of each class that counts, or raise an error if one has no row."""
    if dataset.positive:
        one = same(dataset.positive)
        zeros = there - {one}
    else:
        zero, one = map(same, dataset.classes or classes(dataset))
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


def listing(dataset: TableDataset) -> Listing:
    """Return the images of the table, in its order."""
    rows = _rows(dataset)
    labels = _labels(dataset, {row.label for row in rows})
    out = Counter(row.label for row in rows if row.label not in labels)
    notes = [f"left out, of no class of this data set: {counts(out)}"] if out else []
    rows = [row for row in rows if row.label in labels]
    by = dataset.split.by if dataset.split else "given" if dataset.split_column else "seed"
    parts = _parts(dataset, rows) if by == "given" else {}
    entries = [
        Entry(row.file, labels[row.label], parts.get(row.split.casefold(), ""), row.label)
        for row in rows
        if not parts or row.split.casefold() in parts
    ]
    if len(entries) < len(rows):
        notes.append(f"left out, in neither part of the split: {len(rows) - len(entries)} files")
    return Listing(Path(dataset.path).parent, entries, notes)


def _parts(dataset: TableDataset, rows: list[_Row]) -> dict[str, str]:
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
