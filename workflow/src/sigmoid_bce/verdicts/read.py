"""Raw outputs and labels in chunks: from CSV, Parquet and NumPy files, or from arrays."""

from __future__ import annotations

import csv
import itertools
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, NoReturn

import numpy as np
from numpy.typing import ArrayLike, NDArray

CHUNK = 1 << 18
"""Values a chunk holds, about."""
LABEL, RAW_OUTPUT = "label", "raw_output"
Chunk = tuple[NDArray, NDArray]


class BadOutputs(ValueError):
    """What is wrong with raw outputs or labels, where, and what was expected: one line."""


@dataclass
class Outputs:
    """Raw outputs and labels, to be gone through once.

    Attributes
    ----------
    name : str
        What messages and results call it.
    labels : tuple of str
        Names of the labels; one, empty, if there is but one.
    chunks : iterable of (ndarray, ndarray)
        Raw outputs and labels, each of shape (rows, pixels, labels).
    shape : tuple of int
        Height and width of the maps, if rows are maps.
    place : callable
        Says where an index (row, pixel, label) is, for a message.
    """

    name: str
    labels: tuple[str, ...]
    chunks: Iterable[Chunk]
    shape: tuple[int, ...] = ()
    place: Callable[[str, int, int, int], str] = field(
        default=lambda what, row, pixel, label: f"{what}, row {row + 1}"
    )


def _floats(values: NDArray) -> NDArray:
    """Return raw outputs as float32 or float64, whichever holds them exactly.

    Long double is rounded to float64; half formats, which NumPy sorts slowly, become float32.
    """
    if values.dtype in (np.float32, np.float64):
        return values
    half = values.dtype == np.float16 or values.dtype.name == "bfloat16"
    return values.astype(np.float32 if half else np.float64)


def _numeric(name: str, what: str, values: ArrayLike) -> NDArray:
    """Return an array of numbers, or say that it is none."""
    values = np.asarray(values)
    if values.dtype.kind not in "fiub" and values.dtype.name != "bfloat16":
        raise BadOutputs(f"{name}: {what}: expected numbers, found {values.dtype}")
    return values


# --- arrays


def _shaped(name: str, x: NDArray, y: NDArray) -> Chunk:
    """Return both arrays as (rows, pixels, labels)."""
    if y.shape != x.shape:
        raise BadOutputs(
            f"{name}: expected raw outputs and labels of the same shape, "
            f"found {x.shape} and {y.shape}"
        )
    if x.ndim == 1:
        shape = (len(x), 1, 1)
    elif x.ndim == 2:
        shape = (len(x), 1, x.shape[1])
    elif x.ndim == 3:
        shape = (len(x), x.shape[1] * x.shape[2], 1)
    elif x.ndim == 4:
        shape = (len(x), x.shape[1] * x.shape[2], x.shape[3])
    else:
        raise BadOutputs(
            f"{name}: expected an array of shape (n,), (n, labels), (n, height, width) or "
            f"(n, height, width, labels), found {x.shape}"
        )
    return x.reshape(shape), y.reshape(shape)


def _array_place(name: str, shape: tuple[int, ...], several: bool):
    """Return what says where an index into arrays is."""

    def place(what: str, row: int, pixel: int, label: int) -> str:
        inner = [int(i) for i in np.unravel_index(pixel, shape)] if shape else []
        index = [row, *inner, *([label] if several else [])]
        return f"{name}: {what}[{', '.join(map(str, index))}] (row {row + 1})"

    return place


def from_arrays(
    raw_output: Any, label: Any = None, name: str = "", names: Iterable[str] = ()
) -> Outputs:
    """Return raw outputs and labels that are at hand.

    Parameters
    ----------
    raw_output : array_like, shape (n,), (n, labels), (n, height, width) or (..., labels)
        Raw outputs; or, without `label`, an iterable of pairs (raw outputs, labels): chunks.
    label : array_like, shape of `raw_output`
        Labels in [0, 1].
    name : str
        What messages call it.
    names : iterable of str
        Names of the labels, if there are several; else 0, 1, and so on.

    Returns
    -------
    Outputs

    Raises
    ------
    BadOutputs
        For arrays of other shapes, of different shapes, or of no numbers.
    """
    where = name or "raw outputs"
    pairs = iter(raw_output if label is None else [(raw_output, label)])
    if not names and hasattr(raw_output, "columns"):
        names = map(str, raw_output.columns)

    def checked() -> Iterator[Chunk]:
        for pair in pairs:
            if not isinstance(pair, tuple | list) or len(pair) != 2:
                raise BadOutputs(
                    f"{where}: without labels, expected pairs (raw outputs, labels), "
                    f"found {type(pair).__name__}"
                )
            yield (_numeric(where, RAW_OUTPUT, pair[0]), _numeric(where, LABEL, pair[1]))

    arrays = checked()
    first = next(arrays, None)
    if first is None:
        raise BadOutputs(f"{where}: expected at least one raw output, found none")
    raw = first[0]
    chunk = _shaped(where, *first)
    count, shape = chunk[0].shape[2], raw.shape[1:3] if raw.ndim > 2 else ()
    names = tuple(names) or (tuple(map(str, range(count))) if count > 1 else ("",))
    if len(names) != count:
        raise BadOutputs(f"{where}: expected {count} names of labels, found {len(names)}")

    def chunks() -> Iterator[Chunk]:
        yield from _pieces(*chunk)
        for x, y in arrays:
            if x.shape[1:] != raw.shape[1:]:
                rest = ", ".join(map(str, raw.shape[1:]))
                raise BadOutputs(f"{where}: expected chunks of (rows, {rest}), found {x.shape}")
            yield from _pieces(*_shaped(where, x, y))

    return Outputs(where, names, chunks(), shape, _array_place(where, shape, count > 1))


def _pieces(x: NDArray, y: NDArray) -> Iterator[Chunk]:
    """Yield arrays in chunks, raw outputs as floats."""
    rows = max(1, CHUNK // max(1, x[:1].size))
    for start in range(0, len(x), rows):
        yield _floats(x[start : start + rows]), y[start : start + rows]


# --- tables


def _columns(
    path: Path, found: list[str], label: str, raw_output: str
) -> tuple[tuple[str, ...], list[str], list[str]]:
    """Return names of the labels, and the columns of labels and of raw outputs."""
    listed = ", ".join(repr(c) for c in found[:20]) + (", ..." if len(found) > 20 else "")
    for column in {c for c in found if found.count(c) > 1}:
        if column.startswith((label, raw_output)):
            raise BadOutputs(f"{path}: two columns are called {column!r}: give each its own name")
    if label in found and raw_output in found:
        return ("",), [label], [raw_output]
    starts = {c: f"{c}_" for c in (label, raw_output)}
    names = {c: [f.removeprefix(s) for f in found if f.startswith(s)] for c, s in starts.items()}
    if raw_output not in found and names[raw_output]:
        missing = [n for n in names[raw_output] if n not in names[label]]
        alone = [n for n in names[label] if n not in names[raw_output]]
        if missing or alone:
            column = f"{label}_{missing[0]}" if missing else f"{raw_output}_{alone[0]}"
            raise BadOutputs(f"{path}: the column {column!r} is missing; there are {listed}")
        kept = tuple(names[raw_output])
        return kept, [f"{label}_{n}" for n in kept], [f"{raw_output}_{n}" for n in kept]
    column = label if label not in found else raw_output
    hint = ""
    if len(found) == 1 and any(mark in found[0] for mark in ";\t"):
        hint = "; separate columns by commas"
    raise BadOutputs(
        f"{path}: the column {column!r} is missing; there are {listed}{hint}; "
        "name another with LABEL= or RAW_OUTPUT= (--label, --raw-output)"
    )


def _values(column: Any, where: Callable[[int], str]) -> NDArray:
    """Return a column of pyarrow as an array of numbers; `where` says where a row is."""
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


def _from_batches(
    batches: Iterable[Any],
    label_columns: list[str],
    raw_columns: list[str],
    where: Callable[[int, str], str],
) -> Iterator[Chunk]:
    """Yield chunks of record batches of pyarrow; `where` says where a row and column is."""
    start = 0
    for batch in batches:
        if not len(batch):
            continue
        x, y = (
            [
                _values(batch.column(name), lambda row, name=name: where(start + row, name))  # noqa: B023
                for name in columns
            ]
            for columns in (raw_columns, label_columns)
        )
        x = list(map(_floats, x))
        start += len(batch)
        # several labels: each one's values lie together
        yield tuple(
            v[0].reshape(-1, 1, 1) if len(v) == 1 else np.stack(v).T[:, None, :] for v in (x, y)
        )


def _csv(path: Path, label: str, raw_output: str) -> Outputs:
    """Return the raw outputs of a CSV file."""
    import pyarrow as pa
    from pyarrow import csv as pa_csv

    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            header = next(csv.reader(file), None)
    except UnicodeDecodeError:
        raise BadOutputs(f"{path}: expected text in UTF-8") from None
    if not header:
        raise BadOutputs(f"{path}: the first line is empty: expected names of columns")
    names, label_columns, raw_columns = _columns(path, header, label, raw_output)
    wanted = label_columns + raw_columns

    def where(row: int, column: str) -> str:
        return f"{path}: row {row + 1} (line {_line_of(path, row)}), column {column!r}"

    def batches() -> Iterator[Any]:
        try:
            yield from pa_csv.open_csv(
                path,
                read_options=pa_csv.ReadOptions(block_size=4 << 20),
                # a column of texts may stand beside them
                parse_options=pa_csv.ParseOptions(newlines_in_values=True),
                convert_options=pa_csv.ConvertOptions(
                    include_columns=wanted,
                    column_types=dict.fromkeys(wanted, pa.float64()),
                    # "nan" is a number to be refused as such, not a missing value
                    null_values=[""],
                ),
            )
        except pa.ArrowInvalid as error:
            _explain(path, header, wanted, error)

    def place(what: str, row: int, pixel: int, label: int) -> str:
        return where(row, (raw_columns if what == RAW_OUTPUT else label_columns)[label])

    chunks = _from_batches(batches(), label_columns, raw_columns, where)
    return Outputs(str(path), names, chunks, place=place)


def _line_of(path: Path, row: int) -> int:
    """Return the line of a CSV file, from 1, on which a data row, from 0, is."""
    with open(path, encoding="utf-8-sig", newline="", errors="replace") as file:
        reader = csv.reader(file)
        rows = filter(None, reader)
        # the header is one more
        next(itertools.islice(rows, row + 1, None), None)
        return reader.line_num


def _explain(path: Path, header: list[str], wanted: list[str], error: Exception) -> NoReturn:
    """Say in which row of a CSV file the value is that pyarrow could not read."""
    at = {name: header.index(name) for name in wanted}
    row = 0
    with open(path, encoding="utf-8-sig", newline="", errors="replace") as file:
        reader = csv.reader(file)
        next(reader)
        for values in reader:
            if not values:
                continue
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


def _is_number(text: str) -> bool:
    """Return whether CSV's reader takes a text for a number, or for a missing one."""
    try:
        float(text or "0")
    except ValueError:
        return False
    # Python takes 1_000 and blanks around
    return not set(text) & set("_ \t")


def _parquet(path: Path, label: str, raw_output: str) -> Outputs:
    """Return the raw outputs of a Parquet file."""
    import pyarrow as pa
    from pyarrow import parquet

    try:
        # a buffered stream, for a row group may be larger than memory
        file = parquet.ParquetFile(path, buffer_size=1 << 20, pre_buffer=False)
    except pa.ArrowInvalid as error:
        raise BadOutputs(f"{path}: no Parquet file: {str(error).splitlines()[0]}") from None
    names, label_columns, raw_columns = _columns(path, file.schema_arrow.names, label, raw_output)

    def where(row: int, column: str) -> str:
        return f"{path}: row {row + 1}, column {column!r}"

    def batches() -> Iterator[Any]:
        try:
            yield from file.iter_batches(CHUNK, columns=label_columns + raw_columns)
        except (pa.ArrowInvalid, OSError) as error:
            raise BadOutputs(f"{path}: damaged: {str(error).splitlines()[0]}") from None

    def place(what: str, row: int, pixel: int, label: int) -> str:
        return where(row, (raw_columns if what == RAW_OUTPUT else label_columns)[label])

    chunks = _from_batches(batches(), label_columns, raw_columns, where)
    return Outputs(str(path), names, chunks, place=place)


# --- NumPy files


class _Member:
    """An array inside a .npz file, read piece by piece, compressed or not."""

    def __init__(self, file: IO[bytes], where: str):
        self.file, self.where = file, where
        version = np.lib.format.read_magic(self.file)
        read = np.lib.format.read_array_header_1_0
        if version != (1, 0):
            read = np.lib.format.read_array_header_2_0
        self.shape, fortran, self.dtype = read(self.file)
        if self.dtype.hasobject or self.dtype.kind not in "fiub":
            raise BadOutputs(f"{self.where}: expected numbers, found {self.dtype}")
        if fortran and len(self.shape) > 1:
            raise BadOutputs(
                f"{self.where}: expected rows one after the other (C order), found Fortran order; "
                "save numpy.ascontiguousarray of it"
            )

    def rows(self, count: int) -> NDArray:
        """Return the next `count` rows."""
        shape = (count, *self.shape[1:])
        size = int(np.prod(shape)) * self.dtype.itemsize
        data = self.file.read(size)
        if len(data) != size:
            raise BadOutputs(f"{self.where}: the file ends too early")
        return np.frombuffer(data, self.dtype).reshape(shape)


def _npz(path: Path, label: str, raw_output: str) -> Outputs:
    """Return the raw outputs of a .npz file with two arrays."""

    def pairs() -> Iterator[Chunk]:
        with zipfile.ZipFile(path) as archive, ExitStack() as opened:
            found = [name.removesuffix(".npy") for name in archive.namelist()]
            for name in (label, raw_output):
                if name not in found:
                    raise BadOutputs(
                        f"{path}: the array {name!r} is missing; there are "
                        f"{', '.join(map(repr, found)) or 'none'}; "
                        "name another with LABEL= or RAW_OUTPUT= (--label, --raw-output)"
                    )
            x, y = (
                _Member(
                    opened.enter_context(archive.open(f"{name}.npy")), f"{path}: array {name!r}"
                )
                for name in (raw_output, label)
            )
            if x.shape != y.shape:
                raise BadOutputs(
                    f"{path}: expected {raw_output} and {label} of the same shape, "
                    f"found {x.shape} and {y.shape}"
                )
            size = int(np.prod(x.shape[1:]))
            rows = max(1, CHUNK // max(1, size))
            for start in range(0, x.shape[0] if x.shape and size else 0, rows):
                count = min(rows, x.shape[0] - start)
                yield x.rows(count), y.rows(count)

    def mended() -> Iterator[Chunk]:
        try:
            yield from pairs()
        except BadOutputs:
            raise
        except (zipfile.BadZipFile, zlib.error, EOFError, ValueError) as error:
            raise BadOutputs(f"{path}: no .npz file, or damaged: {error}") from None

    return from_arrays(mended(), name=str(path))


def _npy(path: Path, label: str, raw_output: str) -> Outputs:
    """Return the raw outputs of a .npy file, the labels' file beside it."""
    other = Path(label)
    if other.suffix != ".npy":
        raise BadOutputs(
            f"{path}: a .npy file holds one array: name the labels' file with LABEL=labels.npy "
            "(--label), or save both in one .npz file"
        )
    _checked(other)
    arrays = []
    for file in (path, other):
        try:
            arrays.append(np.load(file, mmap_mode="r", allow_pickle=False))
        except (ValueError, EOFError, OSError) as error:
            raise BadOutputs(f"{file}: no .npy file of numbers: {error}") from None
    return from_arrays(*arrays, name=str(path))


READERS = {".csv": _csv, ".parquet": _parquet, ".npz": _npz, ".npy": _npy}


def _checked(path: Path) -> None:
    """Say so if there is nothing to read at a path."""
    if path.is_dir():
        raise BadOutputs(f"{path}: expected a file, found a folder")
    if not path.exists():
        raise BadOutputs(f"{path}: there is no such file")
    if path.stat().st_size == 0:
        raise BadOutputs(f"{path}: the file is empty")


def from_file(path: str | Path, label: str = LABEL, raw_output: str = RAW_OUTPUT) -> Outputs:
    """Return the raw outputs and labels that a file holds.

    Parameters
    ----------
    path : str or Path
        A .csv or .parquet file with the columns `label` and `raw_output`, or, for several labels,
        pairs of columns ``label_<name>`` and ``raw_output_<name>``; a .npz file with the arrays
        `label` and `raw_output`; or a .npy file of raw outputs.
    label, raw_output : str
        Other names of the columns or arrays. For .npy, `label` is the file of labels.

    Returns
    -------
    Outputs

    Raises
    ------
    BadOutputs
        If the file is absent, empty, of another kind or damaged, or lacks a column.
    """
    path = Path(path)
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        raise BadOutputs(
            f"{path}: expected a file ending in {', '.join(READERS)}, found {path.suffix or 'none'}"
        )
    _checked(path)
    return reader(path, label, raw_output)
