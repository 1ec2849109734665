"""Images in a zip or tar archive."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from sigmoid_bce.data import archives
from sigmoid_bce.data.items import Item
from sigmoid_bce.data.labels import assign
from sigmoid_bce.data.listing import DataError, printable
from sigmoid_bce.study.datasets import HttpDataset


def _content(data: bytes | Exception) -> bytes:
    """Return a member's content, or raise the error that reading it gave."""
    if isinstance(data, Exception):
        raise data
    return data


def items(dataset: HttpDataset, file: Path) -> Iterator[Item]:
    """Yield the images in the order of the archive."""
    names = archives.names(file)
    try:
        labels = assign(names, dataset)
    except DataError as error:
        raise DataError(f"{file}: {error}") from None
    print(*labels.notes, sep="\n", flush=True)
    entries = {entry.file: entry for entry in labels.entries}
    for name, data in archives.contents(file, set(entries)):
        entry = entries.pop(name, None)  # a name that occurs twice counts once
        if entry:
            read = partial(_content, data)
            yield Item(printable(entry.file), entry.label, read, entry.split, entry.class_name)
    for name in entries:
        raise archives.ArchiveError(f"{file}: {name!r} was in it, and is not found any more")
