"""Raw outputs and labels in chunks, from the columns of CSV and Parquet files."""

from __future__ import annotations

import csv
import itertools
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

import numpy as np

from sigmoid_bce.verdicts.outputs import (
    CHUNK,
    RAW_OUTPUT,
    Array,
    BadOutputs,
    Chunk,
    Outputs,
    Place,
    as_floats,
)

BLOCK = 4 << 20  # bytes of a CSV file that are read at a time
Where = Callable[[int, str], str]
"""From a row (from 0) and a column to words that say where that value is."""


class Columns(NamedTuple):
    """Names of the labels, and for each its column of labels and of raw outputs."""

    names: tuple[str, ...]
    label: list[str]
    raw_output: list[str]


def _missing(path: Path, column: str, found: list[str], hint: str = "") -> BadOutputs:
    listed = ", ".join(repr(c) for c in found[:20]) + (", ..." if len(found) > 20 else "")
    return BadOutputs(f"{path}: the column {column!r} is missing; there are {listed}{hint}")


def _refuse_duplicates(path: Path, found: list[str], label: str, raw_output: str) -> None:
    for column in found:
        if found.count(column) > 1 and column.startswith((label, raw_output)):
            raise BadOutputs(f"{path}: two columns are called {column!r}: rename one of them")


def _pairs(path: Path, found: list[str], label: str, raw_output: str) -> Columns:
    """Return pairs of columns ``<label>_<name>`` and ``<raw_output>_<name>``, one a label."""

    def names(start: str) -> list[str]:
        return [c.removeprefix(f"{start}_") for c in found if c.startswith(f"{start}_")]

    labels, raw = names(label), names(raw_output)
    missing = [f"{label}_{n}" for n in raw if n not in labels]
    missing += [f"{raw_output}_{n}" for n in labels if n not in raw]
    if missing:
        raise _missing(path, missing[0], found)
    return Columns(tuple(raw), [f"{label}_{n}" for n in raw], [f"{raw_output}_{n}" for n in raw])


def _columns(path: Path, found: list[str], label: str, raw_output: str) -> Columns:
    """Return the columns of a file that hold labels and raw outputs."""
    _refuse_duplicates(path, found, label, raw_output)
    if label in found and raw_output in found:
        return Columns(("",), [label], [raw_output])
    if raw_output not in found and any(c.startswith(f"{raw_output}_") for c in found):
        return _pairs(path, found, label, raw_output)
    column = label if label not in found else raw_output
    separated = len(found) == 1 and any(mark in found[0] for mark in ";\t")
    hint = "; separate columns by commas" if separated else ""
    hint += "; name another with LABEL= or RAW_OUTPUT= (--label, --raw-output)"
    raise _missing(path, column, found, hint)


def _is_number(text: str) -> bool:
    """Return whether the CSV reader accepts a text as a number, or as a missing one."""
    try:
        float(text or "0")
    except ValueError:
        return False
    # Python also accepts 1_000 and surrounding blanks
    return not set(text) & set("_ \t")


def _values(column: Any, where: Callable[[int], str]) -> Array:
    """Return a column of pyarrow as an array of numbers; `where` names the place of a row."""
    import pyarrow as pa

    if column.null_count:
        row = int(np.argmax(column.is_null().to_numpy(zero_copy_only=False)))
        raise BadOutputs(f"{where(row)}: the value is missing")
    kinds = pa.types
    if kinds.is_dictionary(column.type):
        column = column.dictionary_decode()
    if kinds.is_decimal(column.type):
        column = column.cast(pa.float64())
    if not any(is_(column.type) for is_ in (kinds.is_floating, kinds.is_integer, kinds.is_boolean)):
        texts = [str(value) for value in column.to_pylist()]
        row = next((i for i, text in enumerate(texts) if not _is_number(text)), 0)
        raise BadOutputs(
            f"{where(row)}: expected a number, found {texts[row][:60]!r} (a column of "
            f"{column.type})"
        )
    return column.to_numpy(zero_copy_only=False)


def _joined(parts: list[Array]) -> Array:
    """Return the columns of a chunk as one array (rows, 1, labels); a label's values adjoin."""
    return parts[0].reshape(-1, 1, 1) if len(parts) == 1 else np.stack(parts).T[:, None, :]


def _chunks(batches: Iterable[Any], columns: Columns, where: Where) -> Iterator[Chunk]:
    """Yield the record batches of pyarrow as chunks."""
    start = 0

    def values(batch: Any, name: str) -> Array:
        return _values(batch.column(name), lambda row: where(start + row, name))

    for batch in batches:
        if len(batch):
            x = [as_floats(values(batch, name)) for name in columns.raw_output]
            y = [values(batch, name) for name in columns.label]
            start += len(batch)
            yield _joined(x), _joined(y)


def _place(columns: Columns, where: Where) -> Place:
    def place(what: str, row: int, pixel: int, label: int) -> str:
        return where(row, (columns.raw_output if what == RAW_OUTPUT else columns.label)[label])

    return place


def from_csv(path: Path, label: str, raw_output: str) -> Outputs:
    """Return the raw outputs and labels of a CSV file.

    Parameters
    ----------
    path : Path
    label, raw_output : str
        The columns, or with several labels the beginning of their names.

    Raises
    ------
    BadOutputs
        If the file is not CSV text in UTF-8, or lacks a column.
    """
    import pyarrow as pa
    from pyarrow import csv as pa_csv

    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            header = next(csv.reader(file), None)
    except UnicodeDecodeError:
        raise BadOutputs(f"{path}: expected text in UTF-8") from None
    if not header:
        raise BadOutputs(f"{path}: the first line is empty: expected names of columns")
    columns = _columns(path, header, label, raw_output)
    wanted = columns.label + columns.raw_output

    def where(row: int, column: str) -> str:
        return f"{path}: row {row + 1} (line {_line_of(path, row)}), column {column!r}"

    def batches() -> Iterator[Any]:
        try:
            yield from pa_csv.open_csv(
                path,
                read_options=pa_csv.ReadOptions(block_size=BLOCK),
                # other columns may hold texts of several lines
                parse_options=pa_csv.ParseOptions(newlines_in_values=True),
                convert_options=pa_csv.ConvertOptions(
                    include_columns=wanted,
                    column_types=dict.fromkeys(wanted, pa.float64()),
                    # "nan" is a number, to be refused as such, and not a missing value
                    null_values=[""],
                ),
            )
        except pa.ArrowInvalid as error:
            _explain(path, header, wanted, error)

    chunks = _chunks(batches(), columns, where)
    return Outputs(str(path), columns.names, chunks, _place(columns, where))


def _line_of(path: Path, row: int) -> int:
    """Return the line (from 1) on which a data row (from 0) of a CSV file ends."""
    with open(path, encoding="utf-8-sig", newline="", errors="replace") as file:
        reader = csv.reader(file)
        rows = filter(None, reader)
        next(itertools.islice(rows, row + 1, None), None)  # one more, for the header
        return reader.line_num


def _explain(path: Path, header: list[str], wanted: list[str], error: Exception) -> NoReturn:
    """Raise an error that names the row of a CSV file that pyarrow could not read."""
    at = {name: header.index(name) for name in wanted}
    row = 0
    with open(path, encoding="utf-8-sig", newline="", errors="replace") as file:
        reader = csv.reader(file)
        next(reader)
        for values in filter(None, reader):
            row += 1
            where = f"{path}: row {row} (line {reader.line_num})"
            if len(values) != len(header):
                raise BadOutputs(
                    f"{where}: expected {len(header)} columns, found {len(values)}"
                ) from None
            for name, index in at.items():
                if not _is_number(values[index]):
                    found = values[index][:60]
                    raise BadOutputs(
                        f"{where}, column {name!r}: expected a number, found {found!r}"
                    ) from None
    raise BadOutputs(f"{path}: {str(error).splitlines()[0]}") from None


def from_parquet(path: Path, label: str, raw_output: str) -> Outputs:
    """Return the raw outputs and labels of a Parquet file.

    Parameters
    ----------
    path : Path
    label, raw_output : str
        The columns, or with several labels the beginning of their names.

    Raises
    ------
    BadOutputs
        If the file is not Parquet, or lacks a column.
    """
    import pyarrow as pa
    from pyarrow import parquet

    try:
        # a buffered stream, because a row group may be larger than memory
        file = parquet.ParquetFile(path, buffer_size=1 << 20, pre_buffer=False)
    except pa.ArrowInvalid as error:
        raise BadOutputs(f"{path}: not a Parquet file: {str(error).splitlines()[0]}") from None
    columns = _columns(path, file.schema_arrow.names, label, raw_output)

    def where(row: int, column: str) -> str:
        return f"{path}: row {row + 1}, column {column!r}"

    def batches() -> Iterator[Any]:
        try:
            yield from file.iter_batches(CHUNK, columns=columns.label + columns.raw_output)
        except (pa.ArrowInvalid, OSError) as error:
            raise BadOutputs(f"{path}: damaged: {str(error).splitlines()[0]}") from None

    chunks = _chunks(batches(), columns, where)
    return Outputs(str(path), columns.names, chunks, _place(columns, where))
