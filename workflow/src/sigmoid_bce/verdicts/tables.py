"""Raw outputs and labels in chunks, from the columns of CSV and Parquet files."""

from __future__ import annotations

import codecs
import csv
import functools
import itertools
import math
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

import numpy as np

from sigmoid_bce.verdicts.errors import RAW_OUTPUT, Array, BadOutputs
from sigmoid_bce.verdicts.outputs import CHUNK, Chunk, Outputs, Place, as_floats

BLOCK = 4 << 20  # bytes of a CSV file that are read at a time
LONGEST = 64 << 20  # bytes of a row, at most
SHORT = 1 << 16  # bytes that hold most headers
WORDS = {"true": 1.0, "false": 0.0}
"""Labels that are words."""
MISSING = {"na", "n/a", "<na>", "none", "null", "-", "?"}
"""Words for a label that is missing, in lower case."""
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


def _pairs(path: Path, found: list[str], label: str, raw_output: str) -> Columns:
    """Return pairs of columns ``<label>_<name>`` and ``<raw_output>_<name>``, one a label."""
    start = f"{raw_output}_"
    names = [c.removeprefix(start) for c in found if c.startswith(start)]
    labels = [f"{label}_{name}" for name in names]
    for column in labels:
        if column not in found:
            raise _missing(path, column, found)
    return Columns(tuple(names), labels, [start + name for name in names])


def _once(path: Path, found: list[str], columns: Columns) -> Columns:
    """Return columns, or raise an error if one of their names is not unique."""
    number = Counter(found)
    for column in columns.label + columns.raw_output:
        if number[column] > 1:
            raise BadOutputs(f"{path}: two columns are called {column!r}: rename one of them")
    return columns


def _columns(path: Path, found: list[str], label: str, raw_output: str) -> Columns:
    """Return the columns of a file that hold labels and raw outputs; others do not count."""
    if label == raw_output:
        raise BadOutputs(f"{path}: labels and raw outputs are one column, {label!r}: name another")
    if label in found and raw_output in found:
        return _once(path, found, Columns(("",), [label], [raw_output]))
    if raw_output not in found and any(c.startswith(f"{raw_output}_") for c in found):
        return _once(path, found, _pairs(path, found, label, raw_output))
    column = label if label not in found else raw_output
    separated = len(found) == 1 and any(mark in found[0] for mark in ";\t")
    hint = "; separate columns by commas" if separated else ""
    hint += "; name another with --label or --raw-output (make: LABEL=, RAW_OUTPUT=)"
    raise _missing(path, column, found, hint)


def _numbers(column: Any, label: bool) -> Any:
    """Return texts of pyarrow as numbers, null where a text is none; labels may be words."""
    import pyarrow as pa
    from pyarrow import compute as pc

    texts = column.cast(pa.large_string())
    texts = pc.utf8_trim(texts, characters=" \t").dictionary_encode()
    try:
        # the conversion that the CSV reader makes
        numbers = texts.dictionary.cast(pa.float64())
    except pa.ArrowInvalid:
        numbers = pa.array([_number(text, label) for text in texts.dictionary], pa.float64())
    return numbers.take(texts.indices)


def _number(text: Any, label: bool) -> float | None:
    import pyarrow as pa

    try:
        return float(text.cast(pa.float64()).as_py())
    except pa.ArrowInvalid:
        return WORDS.get(str(text).lower()) if label else None


def _not_a_number(values: Any, place: str, label: bool, alone: bool = False) -> BadOutputs:
    """Return the error for values of pyarrow of which none is a number, nor any beside them."""
    text = _is_text(values)
    of = "" if text else f" (a column of {values.type})"
    texts = sorted(map(_shown, values.unique())) if label and text else []
    advice = ""
    if MISSING.intersection(map(str.lower, texts)):
        advice = "; if labels are missing, leave their places empty and write --ignore=nan"
    elif len(texts) == 2 and alone:
        advice = f"; write 0 for one of {texts[0]!r} and {texts[1]!r}, and 1 for the other"
    return BadOutputs(f"{place}: expected a number, found {_shown(values[0])!r}{of}{advice}")


def _is_text(column: Any) -> bool:
    import pyarrow as pa

    kinds = pa.types
    return any(
        is_(column.type) for is_ in (kinds.is_string, kinds.is_large_string, kinds.is_string_view)
    )


def _shown(value: Any) -> str:
    """Return the beginning of a value; the text of a CSV file was read as Latin-1."""
    text = str(value)[:240]
    with suppress(UnicodeEncodeError):
        text = text.encode("latin-1").decode(errors="replace")
    return text[:60]


def _first(flags: Any) -> int:
    return int(np.argmax(flags.to_numpy(zero_copy_only=False)))


def _values(column: Any, where: Callable[[int], str], label: bool, missing: bool) -> Array:
    """Return a column of pyarrow as an array of numbers; `where` names the place of a row.

    Values may be missing, and are nan then, only if `missing` says so.
    """
    import pyarrow as pa
    from pyarrow import compute as pc

    kinds = pa.types
    if kinds.is_dictionary(column.type):
        column = column.dictionary_decode()
    if column.null_count and not missing:
        raise BadOutputs(f"{where(_first(column.is_null()))}: the value is missing")
    if _is_text(column):
        numbers = _numbers(column, label)
        lost = pc.and_(numbers.is_null(), column.is_valid())
        if pc.any(lost).as_py():
            alone = numbers.null_count == len(numbers)  # beside numbers, a word is no class
            raise _not_a_number(column.filter(lost), where(_first(lost)), label, alone)
        column = numbers
    if kinds.is_decimal(column.type) or (kinds.is_boolean(column.type) and column.null_count):
        column = column.cast(pa.float64())
    if not any(is_(column.type) for is_ in (kinds.is_floating, kinds.is_integer, kinds.is_boolean)):
        raise _not_a_number(column, where(0), label)
    return column.to_numpy(zero_copy_only=False)


def _joined(parts: list[Array]) -> Array:
    """Return the columns of a chunk as one array (rows, 1, labels); a label's values adjoin."""
    return parts[0].reshape(-1, 1, 1) if len(parts) == 1 else np.stack(parts).T[:, None, :]


def _chunks(
    batches: Iterable[Any], columns: Columns, where: Where, ignore: tuple[float, ...]
) -> Iterator[Chunk]:
    """Yield the record batches of pyarrow as chunks."""
    start, missing = 0, any(map(math.isnan, ignore))

    def values(batch: Any, name: str, label: bool) -> Array:
        column = batch.column(name)
        return _values(column, lambda row: where(start + row, name), label, label and missing)

    for batch in batches:
        if len(batch):
            x = [as_floats(values(batch, name, False)) for name in columns.raw_output]
            y = [values(batch, name, True) for name in columns.label]
            start += len(batch)
            yield _joined(x), _joined(y)


def _place(columns: Columns, where: Where) -> Place:
    def place(what: str, row: int, pixel: int, label: int) -> str:
        return where(row, (columns.raw_output if what == RAW_OUTPUT else columns.label)[label])

    return place


def _after_mark(path: Path) -> Any:
    """Return a CSV file, opened after its byte order mark if it has one.

    As Latin-1, the mark is text, and a quotation mark after it is none.
    """
    import pyarrow as pa

    file = pa.OSFile(os.fsencode(path))
    if file.read(len(codecs.BOM_UTF8)) != codecs.BOM_UTF8:
        file.seek(0)
    return file


def _open_csv(
    path: Path,
    names: list[str] | None,
    wanted: list[str],
    text: bool = True,
    on_ragged: Any = None,
    block: int = BLOCK,
) -> Any:
    """Open a CSV file, its columns as numbers, or as text with the rows one after the other.

    As Latin-1, any bytes are a text; `names` are then those of the columns, once they are known.
    """
    import pyarrow as pa
    from pyarrow import csv as pa_csv

    kind = pa.string() if text else pa.float64()
    return pa_csv.open_csv(
        _after_mark(path),
        read_options=pa_csv.ReadOptions(
            block_size=block,
            use_threads=not text,
            encoding="latin1" if text else "utf8",
            column_names=names if text else None,
            skip_rows_after_names=1 if text and names else 0,
        ),
        # other columns may hold texts of several lines
        parse_options=pa_csv.ParseOptions(newlines_in_values=True, invalid_row_handler=on_ragged),
        convert_options=pa_csv.ConvertOptions(
            include_columns=wanted,
            column_types=dict.fromkeys(wanted, kind),
            # "nan" is a number, to be refused as such, and not a missing value
            null_values=[""],
            strings_can_be_null=True,
        ),
    )


def column_names(path: Path) -> list[str]:
    """Return the names of a CSV file's columns."""
    import pyarrow as pa

    with open(path, "rb") as file:
        if file.read(4).removeprefix(codecs.BOM_UTF8)[:1] in (b"", b"\n", b"\r"):
            raise BadOutputs(f"{path}: the first line is empty: expected names of columns")
    skip = functools.partial(_open_csv, path, None, [], on_ragged=lambda row: "skip")
    try:
        try:
            names = skip(block=SHORT).schema.names
        except pa.ArrowInvalid:
            names = skip(block=LONGEST).schema.names
        return [name.encode("latin-1").decode() for name in names]
    except UnicodeDecodeError:
        raise BadOutputs(f"{path}: expected text in UTF-8") from None
    except pa.ArrowInvalid as error:
        empty = "Empty CSV file" in str(error)
        reason = "expected lines below the first" if empty else str(error).splitlines()[0]
        raise BadOutputs(f"{path}: {reason}") from None


def as_texts(path: Path, header: list[str], wanted: list[str], done: int) -> Iterator[Any]:
    """Yield the rows of a CSV file as text, after those that are done.

    Raises
    ------
    BadOutputs
        At a row with more or fewer columns than the header.
    """
    import pyarrow as pa

    ragged: list[Any] = []

    def on_ragged(row: Any) -> str:
        ragged[1:] = [row]  # the first and the last
        return "skip"

    def refuse() -> NoReturn:
        row = ragged[0].number - 2
        raise BadOutputs(
            f"{path}: row {row + 1} (line {_line_of(path, row)}): expected {len(header)} columns, "
            f"found {ragged[0].actual_columns}"
        )

    start = 0
    try:
        for batch in _open_csv(path, header, wanted, on_ragged=on_ragged, block=LONGEST):
            end = min(len(batch), ragged[0].number - 2 - start) if ragged else len(batch)
            yield batch.slice(max(0, done - start), max(0, end - max(0, done - start)))
            if end < len(batch):
                refuse()
            start += len(batch)
    except pa.ArrowInvalid as error:
        raise BadOutputs(f"{path}: {str(error).splitlines()[0]}") from None
    if ragged:
        refuse()


def from_csv(path: Path, label: str, raw_output: str, ignore: tuple[float, ...] = ()) -> Outputs:
    """Return the raw outputs and labels of a CSV file.

    Parameters
    ----------
    path : Path
    label, raw_output : str
        The columns, or with several labels the beginning of their names.
    ignore : tuple of float
        Labels that mark a sample to be left out.

    Raises
    ------
    BadOutputs
        If the file is not CSV text in UTF-8, or lacks a column.
    """
    import pyarrow as pa

    header = column_names(path)
    columns = _columns(path, header, label, raw_output)
    wanted = columns.label + columns.raw_output

    def where(row: int, column: str) -> str:
        return f"{path}: row {row + 1} (line {_line_of(path, row)}), column {column!r}"

    def batches() -> Iterator[Any]:
        done = 0
        try:
            for batch in _open_csv(path, None, wanted, text=False):
                yield batch
                done += len(batch)
        except pa.ArrowInvalid:  # words, or an error, which is found among texts
            yield from as_texts(path, header, wanted, done)

    chunks = _chunks(batches(), columns, where, ignore)
    return Outputs(str(path), columns.names, chunks, _place(columns, where), ignore=ignore)


def _line_of(path: Path, row: int) -> int:
    """Return the line (from 1) on which a data row (from 0) of a CSV file ends."""
    limit = csv.field_size_limit(1 << 30)
    try:
        with open(path, encoding="latin-1", newline="") as file, suppress(csv.Error):
            reader = csv.reader(file)
            rows = filter(None, reader)
            next(itertools.islice(rows, row + 1, None), None)  # one more, for the header
        return reader.line_num
    finally:
        csv.field_size_limit(limit)


def from_parquet(
    path: Path, label: str, raw_output: str, ignore: tuple[float, ...] = ()
) -> Outputs:
    """Return the raw outputs and labels of a Parquet file.

    Parameters
    ----------
    path : Path
    label, raw_output : str
        The columns, or with several labels the beginning of their names.
    ignore : tuple of float
        Labels that mark a sample to be left out.

    Raises
    ------
    BadOutputs
        If the file is not Parquet, or lacks a column.
    """
    import pyarrow as pa
    from pyarrow import parquet

    try:
        # a buffered stream, because a row group may be larger than memory
        opened = pa.OSFile(os.fsencode(path))
        file = parquet.ParquetFile(opened, buffer_size=1 << 20, pre_buffer=False)
        names = file.schema_arrow.names
    except (pa.ArrowException, OSError, ValueError) as error:
        raise BadOutputs(f"{path}: not a Parquet file: {str(error).splitlines()[0]}") from None
    columns = _columns(path, names, label, raw_output)

    def where(row: int, column: str) -> str:
        return f"{path}: row {row + 1}, column {column!r}"

    def batches() -> Iterator[Any]:
        try:
            yield from file.iter_batches(CHUNK, columns=columns.label + columns.raw_output)
        except (pa.ArrowException, OSError, ValueError) as error:
            raise BadOutputs(f"{path}: damaged: {str(error).splitlines()[0]}") from None

    chunks = _chunks(batches(), columns, where, ignore)
    return Outputs(str(path), columns.names, chunks, _place(columns, where), ignore=ignore)
