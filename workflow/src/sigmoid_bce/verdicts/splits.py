"""What samples are for: the column `split` of a file, and raw outputs by it."""

from __future__ import annotations

import difflib
import os
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
MOST = 100
"""More values than these are no splits."""
Codes = NDArray[np.int8]


def _texts(path: Path) -> Iterator[Any]:
    """Yield the column of splits of a CSV or Parquet file in pieces; nothing if there is none."""
    import pyarrow as pa
    from pyarrow import parquet

    if path.suffix.lower() == ".csv":
        names = column_names(path)
        if SPLIT in names:
            for batch in as_texts(path, names, [SPLIT], 0):
                yield batch.column(SPLIT)
        return
    try:
        file = parquet.ParquetFile(pa.OSFile(os.fsencode(path)), buffer_size=1 << 20)
        if SPLIT in file.schema_arrow.names:
            for batch in file.iter_batches(CHUNK, columns=[SPLIT]):
                yield batch.column(SPLIT).cast(pa.string())
    except (pa.ArrowException, OSError, ValueError):
        return  # the reader of raw outputs says what is wrong


def read(path: Path) -> tuple[list[str], Codes]:
    """Return the splits that a file names, and the number of each sample's split.

    Parameters
    ----------
    path : Path
        A file that ends in .csv or .parquet; others name no splits.

    Returns
    -------
    names : list of str
        In the order in which they appear; none if there is no column, or too many names.
    codes : ndarray of int8, shape (n,)
        Indices into `names`.
    """
    names: dict[str, int] = {}
    parts = []
    if path.suffix.lower() in (".csv", ".parquet"):
        for column in _texts(path):
            coded = column.dictionary_encode()
            words = ["" if word is None else word.strip() for word in coded.dictionary.to_pylist()]
            numbers = [names.setdefault(word, len(names)) for word in words]
            if len(names) > MOST:
                return [], np.empty(0, np.int8)
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
    if not names or outputs.shape:
        return outputs
    return _one(outputs, names, codes, wanted) if wanted else _each(outputs, names, codes)


def _one(outputs: Outputs, names: list[str], codes: Codes, wanted: str) -> Outputs:
    """Return raw outputs without those of other splits."""
    kept = [name for name in names if name.lower() == wanted.strip().lower()]
    kind = kind_of_split(wanted)
    kept = kept or [name for name in names if kind and kind_of_split(name) == kind]
    if not kept:
        near = difflib.get_close_matches(wanted, names, 1) or sorted(names)[:5]
        raise BadOutputs(
            f"{outputs.name}: --split: no sample has the split {wanted!r}; "
            f"the column has {', '.join(map(repr, near))}"
        )
    outputs.split = wanted
    if len(kept) < len(names):
        flags = np.isin(codes, [names.index(name) for name in kept])
        outputs.chunks = _masked(outputs.chunks, [flags])
    return outputs


def _each(outputs: Outputs, names: list[str], codes: Codes) -> Outputs:
    """Return raw outputs whose labels are the splits, if their names tell what they are for."""
    if any(kind_of_split(name) is None for name in names):
        return outputs
    if len(names) == 1:
        outputs.split = names[0]
    elif len(outputs.labels) == 1:
        outputs.chunks = _masked(outputs.chunks, [codes == i for i in range(len(names))])
        outputs.labels, outputs.splits = tuple(names), True
        place = outputs.place
        outputs.place = lambda what, row, pixel, label: place(what, row, pixel, 0)
    return outputs


def _masked(chunks: Iterable[Chunk], kept: list[NDArray[np.bool_]]) -> Iterator[Chunk]:
    """Yield chunks repeated for each split, in which the samples of other splits are masked."""
    start, times = 0, len(kept)
    for x, y in chunks:
        rows = slice(start, start + len(x))
        start = rows.stop
        out = np.stack([~flags[rows] for flags in kept], axis=-1)[:, None, :]
        y = np.ma.array(np.ma.getdata(y), mask=np.ma.getmaskarray(y))
        y = y.repeat(times, axis=-1)
        # one split wanted: its mask holds for every label
        y.mask = np.ma.getmaskarray(y) | out
        yield np.repeat(x, times, axis=-1), y
