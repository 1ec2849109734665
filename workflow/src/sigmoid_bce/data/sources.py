"""Where images come from: each source lists its files, their labels, and how to read them."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import numpy as np
from PIL import Image

from sigmoid_bce.data import archives, listing
from sigmoid_bce.study.config import (
    BundledDataset,
    Classed,
    Dataset,
    FolderDataset,
    HttpDataset,
    PypiDataset,
    TableDataset,
)

FILE_BYTES = archives.MEMBER_BYTES


class Item(NamedTuple):
    """One image file: its name, its label, its bytes by a call, its part of a given split."""

    file: str
    label: int
    read: Callable[[], bytes]
    split: str = ""


def _pypi(dataset: PypiDataset, archive: Path) -> Iterator[Item]:
    table = dataset.table
    with zipfile.ZipFile(archive) as wheel:
        folder = PurePosixPath(table.path).parent
        try:
            lines = wheel.read(table.path).decode().splitlines()
        except KeyError:
            raise ValueError(f"{archive}: there is no {table.path} in it") from None
        for number, line in enumerate(lines, 1):
            columns = line.split()
            if not columns:
                continue
            try:
                file = columns[table.file_column]
                label = int(float(columns[table.label_column]) > table.positive_above)
            except (IndexError, ValueError):
                raise ValueError(
                    f"{archive}: {table.path}, line {number}: expected a file in column "
                    f"{table.file_column} and a number in column {table.label_column}, "
                    f"found {line!r}"
                ) from None
            member = str(folder / file)
            yield Item(file, label, lambda member=member: wheel.read(member))


def _bundled(dataset: BundledDataset, archive: None) -> Iterator[Item]:
    from sklearn.datasets import load_digits

    digits = load_digits()
    for i, (pixels, digit) in enumerate(zip(digits.images, digits.target, strict=True)):
        if digit in (*dataset.negative, *dataset.positive):
            png = io.BytesIO()
            Image.fromarray(np.uint8(pixels * 15)).save(png, "png")
            yield Item(f"digit-{i:04}.png", int(digit in dataset.positive), png.getvalue)


def _http(dataset: HttpDataset, archive: Path) -> Iterator[Item]:
    def content(data):
        if isinstance(data, Exception):
            raise data
        return data

    try:
        entries = {e.file: e for e in listing.assign(archives.names(archive), dataset)}
    except archives.ArchiveError:
        raise
    except ValueError as error:
        raise ValueError(f"{archive}: {error}") from None
    for name, data in archives.contents(archive, set(entries)):
        entry = entries.pop(name, None)  # a name that comes twice counts once
        if entry:
            yield Item(entry.file, entry.label, lambda data=data: content(data), entry.split)


def _read(path: Path) -> bytes:
    if not path.is_file():
        raise FileNotFoundError("no such file")
    if path.stat().st_size > FILE_BYTES:
        raise OSError(f"{path.stat().st_size:,} bytes: no image has more than {FILE_BYTES:,}")
    return path.read_bytes()


def _files(dataset: Classed, folder: Path, entries: list[listing.Entry]) -> Iterator[Item]:
    for entry in entries:
        path = folder / entry.file
        yield Item(listing.printable(entry.file), entry.label, lambda p=path: _read(p), entry.split)


def _folder(dataset: FolderDataset, archive: None) -> Iterator[Item]:
    yield from _files(dataset, Path(dataset.path), listing.folder_entries(dataset))


def _table(dataset: TableDataset, archive: Path) -> Iterator[Item]:
    yield from _files(dataset, Path(dataset.path).parent, listing.table_entries(dataset))


SOURCES = {
    "pypi": _pypi,
    "bundled": _bundled,
    "http": _http,
    "folder": _folder,
    "table": _table,
}


def items(dataset: Dataset, archive: Path | None) -> Iterator[Item]:
    """Yield every image of a data set, in the source's order.

    Parameters
    ----------
    dataset : Dataset
        Its entry in the configuration.
    archive : Path or None
        The downloaded file, for sources that have one.

    Yields
    ------
    Item

    Raises
    ------
    ValueError
        If the source is not what the configuration says it is.
    """
    yield from SOURCES[dataset.source](dataset, archive)
