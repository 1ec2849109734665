"""The user's own table of features: CSV or Parquet, a row a sample."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sigmoid_bce.data import listed
from sigmoid_bce.data.faults import FaultError, line, stopping
from sigmoid_bce.data.items import Item
from sigmoid_bce.data.labels import same
from sigmoid_bce.data.listed import Row
from sigmoid_bce.data.listing import DataError, Entry, few
from sigmoid_bce.jobs.logs import announce
from sigmoid_bce.study.datasets import FeaturesDataset

MISSING = {"", "-", "?", "n/a", "na", "nan", "none", "null"}
"""What a table has where it has no value, in lower case."""


class _Table(NamedTuple):
    """The columns of a table by name, as PyArrow's arrays, and the names of the features."""

    columns: dict[str, Any]
    features: list[str]

    def texts(self, name: str) -> list[str]:
        """Return a column as texts, "" where it has no value."""
        return [as_text(value) for value in self.columns[name.strip()].to_pylist()]


def items(dataset: FeaturesDataset, file: Path) -> Iterator[Item]:
    """Yield the rows in the order of the table."""
    table = _read(dataset)
    labels = _assigned(table, dataset)
    print(*labels.notes, sep="\n", end="\n" if labels.notes else "", flush=True)
    rows, values = _values(table, labels.entries, dataset)
    if copies := _copies_of_the_class(table.features, labels.entries, values):
        announce(
            f"warning: {dataset.path}: {'column' if len(copies) == 1 else 'columns'} {few(copies)} "
            f"{'tells' if len(copies) == 1 else 'tell'} the class exactly: if it is the "
            "label in other words, list the features without it under columns"
        )
    names = table.texts(dataset.id_column) if dataset.id_column else []
    for row, entry, features in zip(rows, labels.entries, values, strict=True):
        name = names[row] if names else entry.file
        yield Item(name, entry.label, features.tobytes, entry.split, entry.class_name)


def classes(dataset: FeaturesDataset) -> tuple[str, str]:
    """Return the two classes of the table: numbers in ascending order, texts alphabetically."""
    return listed.classes(_rows(_read(dataset), dataset), dataset)


def entries(dataset: FeaturesDataset) -> list[Entry]:
    """Return the rows that are used, after a look at each of their values."""
    table = _read(dataset)
    found = _assigned(table, dataset).entries
    _values(table, found, dataset)
    return found


def _assigned(table: _Table, dataset: FeaturesDataset) -> listed.Labels:
    """Return the rows that have a label; their files are the rows' numbers, counted from 1."""
    return listed.assign(_rows(table, dataset), dataset)


def _rows(table: _Table, dataset: FeaturesDataset) -> list[Row]:
    """Return the class of each row and its part of a split, each row with its number."""
    names = [dataset.label_column, *filter(None, [dataset.split_column])]
    values = zip(*map(table.texts, names), strict=True)
    rows = [Row(str(number), same(label), *part) for number, (label, *part) in enumerate(values, 1)]
    if not rows:
        raise DataError(f"{dataset.path} has no rows")
    for row in rows:
        if not row.label:
            raise DataError(
                f"{dataset.path}, row {row.file}: the column {dataset.label_column!r} is empty: "
                "write its class, or leave the row out"
            )
    if dataset.id_column:
        ids: dict[str, int] = {}
        for number, name in enumerate(table.texts(dataset.id_column), 1):
            if not name or (earlier := ids.setdefault(name, number)) != number:
                found = f"{name!r}, as in row {earlier}" if name else "empty"
                raise DataError(
                    f"{dataset.path}, row {number}: the column {dataset.id_column!r} is {found}: "
                    "name each row differently, or leave id_column out"
                )
    return rows


def as_text(value: object) -> str:
    """Return a value as text: a whole number without a point, and "" for none.

    Examples
    --------
    >>> as_text(1.0), as_text(" cat "), as_text(None)
    ('1', 'cat', '')
    """
    if value is None or value != value:
        return ""
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return str(int(value))
    return str(value).strip()


# ---- reading ----


def _read(dataset: FeaturesDataset) -> _Table:
    """Return a table whose columns are there, each once."""
    names, found = columns(dataset.path)
    return _Table(dict(zip(names, found, strict=True)), _features(names, dataset))


def columns(path: str | Path) -> tuple[list[str], list[Any]]:
    """Return the columns of a table as they are in its file.

    Parameters
    ----------
    path : str or Path
        CSV with a header, or Parquet.

    Returns
    -------
    names : list of str
    values : list of pyarrow.ChunkedArray
        As many; of CSV, all of them are texts.

    Raises
    ------
    DataError
        If it cannot be read as either.
    FaultError
        If the file cannot be read at the moment.

    Examples
    --------
    >>> lines = ("a;label", "1;cat")
    >>> _ = Path("/tmp/sigmoid-bce-example.csv").write_text(chr(10).join(lines))
    >>> columns("/tmp/sigmoid-bce-example.csv")[0]
    ['a', 'label']
    """
    import pyarrow as pa

    path = Path(path)
    try:
        with stopping(path), open(path, "rb") as file:
            parquet = file.read(4) == b"PAR1"
        with stopping(path):
            return (_parquet if parquet else _csv)(path)
    except FaultError:
        raise
    except (UnicodeDecodeError, csv.Error, pa.ArrowException, OSError) as error:
        kind = "Parquet" if parquet else "CSV in UTF-8"
        raise DataError(f"{path} cannot be read as {kind}: {line(error)}") from None


def _features(names: list[str], dataset: FeaturesDataset) -> list[str]:
    """Return the names of the features, after a look at the names of all columns."""
    path = dataset.path
    for name in names:
        if (number := names.count(name)) > 1:
            raise DataError(f"{path} has {number} columns {name!r}: give each a name of its own")
    others = [*filter(None, [dataset.label_column, dataset.split_column, dataset.id_column])]
    others, chosen = ([name.strip() for name in some] for some in (others, dataset.columns))
    features = chosen or [name for name in names if name not in others]
    for name in (*others, *features):
        if not name:
            raise DataError(
                f"{path}: its column {names.index(name) + 1} has no name: give it one, or list the "
                "features under columns (pandas leaves its index out by to_csv(index=False))"
            )
        if name not in names:
            raise DataError(f"{path} has no column {name!r}: its columns are {few(names)}")
    if not features:
        raise DataError(f"{path} has no column of features beside {few(others)}")
    return features


def _parquet(path: Path) -> tuple[list[str], list[Any]]:
    """Return the names and the values of the columns, without an index that pandas wrote."""
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:  # read_table would take folders k=v for columns
        table = file.read()
    index = [i for i, name in enumerate(table.column_names) if name.startswith("__index_level_")]
    kept = [i for i in range(table.num_columns) if i not in index]
    return [table.column_names[i].strip() for i in kept], [table.column(i) for i in kept]


def _csv(path: Path) -> tuple[list[str], list[Any]]:
    """Return the names and the values of the columns, all of them texts."""
    import pyarrow as pa
    from pyarrow import csv as arrow

    with open(path, encoding="utf-8-sig", newline="") as file:
        header = file.readline()
        separator = max(",;\t", key=header.count)
        file.seek(0)
        reader = csv.reader(file, delimiter=separator, strict=True)
        names = [name.strip() for name in next(reader, [])]
    numbered = [str(i) for i in range(len(names))]
    if not names:
        raise DataError(f"{path} is empty")
    table = arrow.read_csv(
        path,
        read_options=arrow.ReadOptions(
            column_names=numbered, skip_rows=reader.line_num, use_threads=False
        ),
        parse_options=arrow.ParseOptions(delimiter=separator, newlines_in_values=True),
        convert_options=arrow.ConvertOptions(column_types=dict.fromkeys(numbered, pa.string())),
    )
    return names, table.columns


# ---- values ----


def _values(
    table: _Table, used: list[Entry], dataset: FeaturesDataset
) -> tuple[list[int], NDArray[np.float32]]:
    """Return the positions of the rows that are used, and their features, (n, features)."""
    rows = [int(entry.file) - 1 for entry in used]
    values = np.empty((len(rows), len(table.features)), np.float32)
    for i, name in enumerate(table.features):
        column = numbers(table.columns[name].take(rows))
        with np.errstate(over="ignore"):
            values[:, i] = column
        wrong = np.flatnonzero(~np.isfinite(values[:, i]))
        if len(wrong):
            at = int(wrong[0])
            found = _fault(table.columns[name][rows[at]].as_py())
            raise DataError(f"{dataset.path}, row {rows[at] + 1}: the column {name!r} {found}")
    return rows, values


def _copies_of_the_class(
    features: list[str], used: list[Entry], values: NDArray[np.float32]
) -> list[str]:
    """Return the features that have one value in each class, another one for each label."""
    classes = np.array([entry.class_name for entry in used])
    label_of = {entry.class_name: entry.label for entry in used}
    low = {name: values[classes == name].min(axis=0) for name in label_of}
    found = np.ones(len(features), bool)
    for name, label in label_of.items():
        found &= values[classes == name].max(axis=0) == low[name]
        for other in (one for one in label_of if label_of[one] < label):
            found &= low[name] != low[other]
    return [name for name, copy in zip(features, found, strict=True) if copy]


def numbers(column: Any) -> NDArray[np.float64]:
    """Return a column as numbers, nan where a value is none.

    Examples
    --------
    >>> import pyarrow as pa
    >>> numbers(pa.chunked_array([["1.5", "cat"]])).tolist()
    [1.5, nan]
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        try:
            column = pc.utf8_trim_whitespace(column).cast(pa.float64())
        except pa.ArrowInvalid:
            return np.array([_number(text) for text in column.to_pylist()])
    elif pa.types.is_boolean(column.type):
        column = column.cast(pa.uint8())
    elif not (pa.types.is_integer(column.type) or pa.types.is_floating(column.type)):
        return np.array([_number(value) for value in column.to_pylist()])
    return column.to_numpy().astype(np.float64)


def _number(value: object) -> float:
    """Return a value as a number, nan if it is none."""
    try:
        return float("nan" if "_" in str(value) else str(value))
    except ValueError:
        return np.nan


def _fault(value: object) -> str:
    """Return what is wrong about the value of a feature, and what to write."""
    text = as_text(value)
    if text.lower() in MISSING:
        return "has no value: write a number, or leave the row or the column out"
    if np.isinf(_number(text)) or np.isfinite(_number(text)):
        return f"has {text[:60]!r}: write a finite number that float32 can hold, up to 3.4e38"
    if re.fullmatch(r"[+-]?[1-9]\d{0,2},\d{3}", text):
        return (
            f"has the text {text!r}: write {text.replace(',', '')}, or {text.replace(',', '.')} "
            "with a point"
        )
    if re.fullmatch(r"[+-]?\d+,\d+", text):
        return f"has the text {text!r}: write {text.replace(',', '.')}, with a point"
    return (
        f"has the text {text[:60]!r}: write numbers in it, or list the features without it under "
        "columns"
    )
