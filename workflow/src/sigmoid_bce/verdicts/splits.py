"""What samples are for: the column `split` of a file, and raw outputs by it."""

from __future__ import annotations

import difflib
import itertools
import math
import os
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sigmoid_bce.verdicts.errors import BadOutputs
from sigmoid_bce.verdicts.outputs import CHUNK, Chunk, Outputs
from sigmoid_bce.verdicts.programs import kind_of_split
from sigmoid_bce.verdicts.tables import as_texts, column_names

SPLIT = "split"
"""The column that says what a sample is for."""
HEAD = 1 << 20  # bytes of a CSV file that hold its header
MOST = 100
"""More values than these are no splits."""
Codes = NDArray[np.int8]


def _of_csv(path: Path) -> Iterator[Any]:
    with open(path, "rb") as file:
        if SPLIT.encode() not in file.read(HEAD).lower():
            return
    names = column_names(path)
    if column := _named(names):
        for batch in as_texts(path, names, [column], 0):
            yield batch.column(column)


def _of_parquet(path: Path) -> Iterator[Any]:
    import pyarrow as pa
    from pyarrow import parquet

    # the reader of raw outputs has opened the file
    file = parquet.ParquetFile(pa.OSFile(os.fsencode(path)), buffer_size=1 << 20)
    if column := _named(file.schema_arrow.names):
        try:
            for batch in file.iter_batches(CHUNK, columns=[column]):
                yield batch.column(column).cast(pa.string())
        except (pa.ArrowException, OSError, ValueError) as error:
            reason = str(error).splitlines()[0]
            raise BadOutputs(f"{path}: column {column!r}: expected texts: {reason}") from None


def _of_npz(path: Path) -> Iterator[Any]:
    try:
        with zipfile.ZipFile(path) as archive:
            names = [name.removesuffix(".npy") for name in archive.namelist()]
    except (OSError, zipfile.BadZipFile):
        return  # the reader of raw outputs says what is wrong, once it reads
    if column := _named(names):
        import pyarrow as pa

        try:
            with np.load(path, allow_pickle=False) as arrays:
                yield pa.array(arrays[column].reshape(-1).astype(str))
        except ValueError:
            advice = f"save numpy.asarray({column}, str)"
            raise BadOutputs(f"{path}: array {column!r}: expected texts; {advice}") from None


KINDS = {".csv": _of_csv, ".parquet": _of_parquet, ".npz": _of_npz}
"""By a file's ending, the function that yields its splits in pieces; nothing if it has none."""


def _named(columns: list[str]) -> str:
    """Return the column of splits, in any spelling; "" if there is none, or two."""
    found = [name for name in columns if name.strip().lower() == SPLIT]
    return found[0] if len(found) == 1 else ""


def read(path: Path) -> tuple[list[str], Codes]:
    """Return the splits that a file names, and the number of each sample's split.

    Parameters
    ----------
    path : Path
        A file; those that do not end in one of `KINDS` name no splits.

    Returns
    -------
    names : list of str
        In the order in which they appear, in small letters; none if there is no column.
    codes : ndarray of int8, shape (n,)
        Indices into `names`; none if there are too many names.
    """
    names: dict[str, int] = {}
    parts = []
    if path.suffix.lower() in KINDS:
        for column in KINDS[path.suffix.lower()](path):
            coded = column.dictionary_encode()
            words = [
                "" if word is None else word.strip().lower()
                for word in coded.dictionary.to_pylist()
            ]
            numbers = [names.setdefault(word, len(names)) for word in words]
            if len(names) > MOST:
                return list(names), np.empty(0, np.int8)
            blank = names.setdefault("", len(names)) if coded.null_count else 0
            indices = coded.indices.fill_null(len(words)).to_numpy(zero_copy_only=False)
            parts.append(np.array([*numbers, blank], np.int8)[indices])
    return list(names), np.concatenate(parts) if parts else np.empty(0, np.int8)


def by_split(outputs: Outputs, names: list[str], codes: Codes, wanted: str) -> Outputs:
    """Return raw outputs of one split, or of each, as its splits' names say.

    Parameters
    ----------
    outputs : Outputs
        As its file's reader returns them.
    names, codes
        As `read` returns them.
    wanted : str
        The name of a split, or a word for it; empty for all.

    Returns
    -------
    Outputs
        With one split wanted, the samples of others are left out. Otherwise, if there is one label
        and every split's name is known, each split is counted apart, as labels are. Otherwise,
        unchanged.

    Raises
    ------
    BadOutputs
        If the file names splits, and the one that is wanted is not among them.
    """
    if not names:
        return outputs
    if wanted:
        return _one(outputs, names, codes, wanted)
    reason = _unused(outputs, names, codes)
    if reason:
        note = f"the column 'split' is not used: {reason}; --split chooses samples by it"
        outputs.notes = itertools.chain(outputs.notes, [note])
    elif len(names) == 1:
        outputs.split = names[0]
    else:
        outputs.chunks = _masked(outputs.chunks, [codes == i for i in range(len(names))])
        outputs.labels, outputs.splits = tuple(names), True
        place = outputs.place
        outputs.place = lambda what, row, pixel, label: place(what, row, pixel, 0)
    return outputs


def _unused(outputs: Outputs, names: list[str], codes: Codes) -> str:
    """Return why splits are not judged apart; "" if they are."""
    unknown = [name for name in names if kind_of_split(name) is None]
    if not len(codes):
        return f"it has more than {MOST} values"
    if unknown:
        return f"what {unknown[0]!r} is for is not known" if unknown[0] else "values are missing"
    if len(names) > 1 and (len(outputs.labels) > 1 or outputs.shape):
        return "there are several labels" if len(outputs.labels) > 1 else "rows are maps"
    return ""


def _one(outputs: Outputs, names: list[str], codes: Codes, wanted: str) -> Outputs:
    """Return raw outputs without those of other splits."""
    kept = [name for name in names if name == wanted.strip().lower()]
    kind = kind_of_split(wanted)
    kept = kept or [name for name in names if kind and kind_of_split(name) == kind]
    if not kept or not len(codes):
        near = difflib.get_close_matches(wanted, names, 1) or sorted(names)[:5]
        found = f"the column has {', '.join(map(repr, near))}"
        found = found if len(codes) else f"the column has more than {MOST} values"
        raise BadOutputs(f"{outputs.name}: --split: no sample has the split {wanted!r}; {found}")
    outputs.split = wanted
    if len(kept) < len(names):
        flags = np.isin(codes, [names.index(name) for name in kept])
        outputs.others = int((~flags).sum()) * (math.prod(outputs.shape) if outputs.shape else 1)
        outputs.chunks = _masked(outputs.chunks, [flags])
    return outputs


def _masked(chunks: Iterable[Chunk], kept: list[NDArray[np.bool_]]) -> Iterator[Chunk]:
    """Yield chunks repeated for each split, in which the samples of other splits are masked."""
    start, times = 0, len(kept)
    for x, y in chunks:
        rows = slice(start, start + len(x))
        start = rows.stop
        if start > len(kept[0]):
            raise BadOutputs(f"split: expected one for each row, found {len(kept[0])}")
        out = np.stack([~flags[rows] for flags in kept], axis=-1)[:, None, :]
        y = np.ma.array(np.ma.getdata(y), mask=np.ma.getmaskarray(y))
        y = y.repeat(times, axis=-1)
        # one split wanted: its mask holds for every label
        y.mask = np.ma.getmaskarray(y) | out
        yield np.repeat(x, times, axis=-1), y
