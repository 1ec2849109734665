"""A data set's samples, one by one, whatever their source: see `data/sources/`."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

from sigmoid_bce.data.archives import MEMBER_BYTES
from sigmoid_bce.data.faults import MISSING, BrokenImageError, stopping
from sigmoid_bce.data.listing import Entry, Listing, printable
from sigmoid_bce.jobs import plugins
from sigmoid_bce.study.datasets import Dataset

FOLDER = "data/sources"


class Item(NamedTuple):
    """One sample: file name, label, a function that reads its bytes, and its part of a split.

    The name of its class is needed where a section names only the class of label 1.
    """

    file: str
    label: int
    read: Callable[[], bytes]
    split: str = ""
    class_name: str = ""


def status(path: Path) -> os.stat_result | None:
    """Return what is known of a file; None if there is none of that name.

    Raises
    ------
    OSError
        If it cannot be known at the moment.

    Examples
    --------
    >>> status(Path("none.jpg")) is None
    True
    """
    try:
        return path.stat()
    except ValueError:  # a name that no file can have
        return None
    except OSError as error:
        if error.errno in MISSING:
            return None
        raise


def _read(path: Path) -> bytes:
    """Return the content of a file of one image.

    Raises
    ------
    BrokenImageError
        If there is no such file, or it is too large for an image.
    FaultError
        If it cannot be read at the moment.
    """
    with stopping(path):
        known = status(path)
        if known is None or not stat.S_ISREG(known.st_mode):
            raise BrokenImageError("no such file")
        if known.st_size > MEMBER_BYTES:
            raise BrokenImageError(
                f"{known.st_size:,} bytes: more than the {MEMBER_BYTES:,} bytes allowed"
            )
        return path.read_bytes()


def loose_items(listing: Listing) -> Iterator[Item]:
    """Yield an item for each file of a listing, and print the listing's notes."""
    for note in listing.notes:
        print(note, flush=True)
    for file, label, split, name in listing.entries:
        yield Item(printable(file), label, partial(_read, listing.folder / file), split, name)


def items(dataset: Dataset, file: Path | None) -> Iterator[Item]:
    """Yield every sample of a data set, in the source's order.

    Parameters
    ----------
    dataset : Dataset
        Its section of the configuration.
    file : Path or None
        The downloaded or local file, for sources that have one.

    Yields
    ------
    Item

    Raises
    ------
    DataError
        If the source differs from its description in the configuration.
    """
    yield from plugins.load(FOLDER, dataset.source, "items").items(dataset, file)


def listing(dataset: Dataset) -> Listing | None:
    """Return the loose files of a data set; None if its images come in one file.

    Raises
    ------
    DataError
        As `items`.
    """
    source = plugins.load(FOLDER, dataset.source, "items")
    return source.listing(dataset) if hasattr(source, "listing") else None


def entries(dataset: Dataset) -> list[Entry] | None:
    """Return the samples whose labels are known before any job; None if a data set has none.

    Raises
    ------
    DataError
        As `items`.
    """
    source = plugins.load(FOLDER, dataset.source, "items")
    return source.entries(dataset) if hasattr(source, "entries") else None


def classes(dataset: Dataset) -> tuple[str, str] | None:
    """Return the two classes of a data set whose section names none; None if they are unknown.

    Raises
    ------
    DataError
        If the data do not have two classes.
    """
    source = plugins.load(FOLDER, dataset.source, "items")
    return source.classes(dataset) if hasattr(source, "classes") else None


def contents(dataset: Dataset) -> str:
    """Return a digest of the names, sizes and dates of a data set's loose files.

    Returns
    -------
    str
        Sixteen hexadecimal digits that change when an image is edited, added or removed; "" if the
        data set has no loose files.

    Raises
    ------
    FaultError
        If a file cannot be looked at.
    """
    listed = listing(dataset)
    if listed is None:
        return ""
    digest = hashlib.sha256()
    for file in dict.fromkeys(entry.file for entry in listed.entries):
        digest.update(f"{printable(file)}\0".encode())
        path = listed.folder / file
        with stopping(path):
            if known := status(path):  # of a missing file, the name alone counts
                digest.update(f"{known.st_size}\0{known.st_mtime_ns}\n".encode())
    return digest.hexdigest()[:16]
