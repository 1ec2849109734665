"""Images listed in a table with a header."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

from sigmoid_bce.data import listed
from sigmoid_bce.data.faults import stopping
from sigmoid_bce.data.items import Item, loose_items
from sigmoid_bce.data.labels import same
from sigmoid_bce.data.listed import Row
from sigmoid_bce.data.listing import DataError, Listing
from sigmoid_bce.study.datasets import TableDataset


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


def _row(dataset: TableDataset, number: int, line: dict[str, str | None]) -> Row:
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
    return Row(*values)


def _rows(dataset: TableDataset) -> list[Row]:
    """Return the rows of a table, each file once."""
    rows: dict[str, Row] = {}
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


def classes(dataset: TableDataset) -> tuple[str, str]:
    """Return the two classes of the table: numbers in ascending order, texts alphabetically."""
    return listed.classes(_rows(dataset), dataset)


def listing(dataset: TableDataset) -> Listing:
    """Return the images of the table, in its order."""
    return Listing(Path(dataset.path).parent, *listed.assign(_rows(dataset), dataset))
