"""Folders and archives of images."""

from __future__ import annotations

import io
import re
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from statistics import median
from typing import NamedTuple

from PIL import Image

from sigmoid_bce.data import archives, items
from sigmoid_bce.data.decode import FORMATS, decode
from sigmoid_bce.data.faults import BrokenImageError, is_fault
from sigmoid_bce.data.labels import assign
from sigmoid_bce.data.listing import (
    TRAIN,
    VALIDATION,
    DataError,
    Entry,
    Listing,
    hidden,
    split_parts,
    walk,
)
from sigmoid_bce.drafting.found import Data, Options, counted, dataset, decide, parts, written

LOOKED_AT, SECONDS = 200, 8.0
"""The most images that are decoded, and the most seconds that it may take."""
GREY = ("1", "L", "LA", "I", "I;16", "I;16B", "I;16L", "F")
SUFFIXES = frozenset(
    suffix for suffix, kind in Image.registered_extensions().items() if kind in FORMATS
)


class Looks(NamedTuple):
    """Some images: their shorter and longer sides, whether all are grey, and what is broken."""

    sides: list[tuple[int, int]]
    grey: bool
    broken: dict[str, str]

    @property
    def number(self) -> int:
        """The number of images that were looked at."""
        return len(self.sides) + len(self.broken)


def is_image(name: str) -> bool:
    """Return whether a file has the name of an image."""
    return Path(name).suffix.lower() in SUFFIXES


def look(images: Iterable[tuple[str, Callable[[], bytes]]]) -> Looks:
    """Decode images until the time is over.

    Parameters
    ----------
    images : iterable of (str, function)
        The name of each, and a function that returns its bytes.
    """
    end, sides, grey, broken = time.monotonic() + SECONDS, [], True, {}
    for name, read in images:
        try:
            data = read()
            decode(data, 8, 3)
            with Image.open(io.BytesIO(data), formats=FORMATS) as image:
                sides.append((min(image.size), max(image.size)))
                grey = grey and image.mode in GREY
        except BrokenImageError as error:
            broken[name] = str(error)
        except Exception as error:
            if is_fault(error):
                raise
            broken[name] = str(error)
        if time.monotonic() > end:
            break
    return Looks(sides, grey, broken)


def _spread(entries: Sequence[Entry]) -> list[Entry]:
    """Return some entries, from everywhere, in an order in which any beginning is as spread."""
    step = max(1, -(-len(entries) // LOOKED_AT))
    some = list(entries[::step])
    return [entry for start in range(7) for entry in some[start::7]]


def described(data: Data, looks: Looks, empty: int = 0) -> Data:
    """Return a data set with what its images look like.

    Raises
    ------
    DataError
        If no image can be read.
    """
    where = data.section.get("path") or data.section["archive"]["file"]
    if not looks.sides:
        name, why = next(iter(looks.broken.items()))
        raise DataError(
            f"{where}: none of the {looks.number} files that were looked at can be read as an "
            f"image; the first is {name} ({why})"
        )
    data.side = int(median(short for short, _ in looks.sides))
    data.channels = 1 if looks.grey else 3
    data.broken = len(looks.broken) / looks.number
    low, high = min(short for short, _ in looks.sides), max(long for _, long in looks.sides)
    size = f"{low}" if low == high else f"{low} to {high}"
    data.lines.append(f"{'grey' if looks.grey else 'colour'}, sides of {size} pixels")
    if empty:
        data.lines.append(f"empty files: {empty}")
    if looks.broken:
        name, why = next(iter(looks.broken.items()))
        data.lines.append(
            f"{len(looks.broken)} of {looks.number} that were looked at are broken, and will be "
            f"left out; the first is {name} ({why})"
        )
    else:
        data.lines.append(f"none of {looks.number} that were looked at is broken")
    return data


# ---- classes ----


def _levels(paths: list[list[str]]) -> Iterator[str]:
    """Yield the folder of each file that decides: the first level with several, below a split."""
    while paths:
        names = {path[0] for path in paths if len(path) > 1}
        known = {name.casefold() for name in names} <= {*TRAIN, *VALIDATION}
        if len(names) > 1 and not (known and split_parts(names)):
            yield from (path[0] for path in paths if len(path) > 1)
            return
        paths = [path[1:] for path in paths if len(path) > 1]


def classes(files: Iterable[str]) -> list[str]:
    """Return the classes of images: their folders, or else the words that begin their names.

    Examples
    --------
    >>> classes(["PetImages/Cat/1.jpg", "PetImages/Dog/1.jpg"])
    ['Cat', 'Dog']
    >>> classes([f"train/{kind}.{i}.jpg" for kind in ("cat", "dog") for i in range(9)])
    ['cat', 'dog']
    """
    paths = [file.split("/") for file in files]
    paths = [path for path in paths if not any(map(hidden, path)) and is_image(path[-1])]
    inside = sorted(dict.fromkeys(_levels(paths)))
    folded = {name.casefold(): name for name in inside}  # train/Cat, validation/cat
    inside = sorted(folded.values()) if len(folded) == 2 else inside
    if len(inside) > 1:
        return inside
    return _named(paths) or inside or sorted({path[-2] for path in paths if len(path) > 1})


def _named(paths: list[list[str]]) -> list[str]:
    """Return the two words that begin the names of a folder's files, if folders do not decide."""
    words: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for path in paths:
        words["/".join(path[:-1])][_word(path[-1])] += 1
    largest = max(words.values(), key=Counter.total, default=Counter[str]())
    two = sorted(word for word in largest if word)
    every = all(word in two for word in largest)
    return two if len(two) == 2 and every and min(largest.values()) > 1 else []


def _word(name: str) -> str:
    """Return the letters that begin a file's name, before a number."""
    found = re.match(r"([^\W\d_]+)[._ -]*\d", name)
    return found[1] if found else ""


# ---- sources ----


def folder(path: Path, file: Path, options: Options) -> Data:
    """Return what a folder of images holds.

    Raises
    ------
    DataError
        If it has no images, or its classes cannot be told.
    """
    names = [name for name in walk(path)]
    found = classes(names)
    if not any(map(is_image, names)):
        raise DataError(f"{path} has no images: expected a sub-folder of images for each class")
    if not found:
        raise DataError(
            f"{path} has images and no sub-folders: expected one for each of two classes, as in "
            f"{path}/cat and {path}/dog, or a table with the columns file and label in it"
        )
    chosen, why = decide(found, str(path), options)
    section = {"source": "folder", "path": written(path, file), **chosen}
    entries = assign(names, dataset(section, file, path=str(path), image_size=8)).entries
    return loose("a folder of images", section, Listing(path, entries, []), why)


def loose(what: str, section: dict, listing: Listing, why: str) -> Data:
    """Return what loose files hold, after a quick look at some of them."""
    entries = listing.entries
    sizes = [items.status(listing.folder / entry.file) for entry in entries]
    empty = sum(size is not None and size.st_size == 0 for size in sizes)
    images = items.loose_items(Listing(listing.folder, _spread(entries), []))
    data = Data(what, section, counted(entries, section), why, parts(entries))
    return described(data, look((item.file, item.read) for item in images), empty)


def archive(path: Path, file: Path, options: Options) -> Data:
    """Return what an archive of images holds.

    Raises
    ------
    DataError or ArchiveError
        If it has no images or is refused, or its classes cannot be told.
    """
    names = archives.names(path)
    if not any(map(is_image, names)):
        raise DataError(f"{path} has no images: expected a folder of images for each class")
    chosen, why = decide(classes(names), str(path), options)
    section = {"source": "http", "archive": {"file": written(path, file)}, **chosen}
    entries = assign(names, dataset(section, file, image_size=8)).entries
    wanted = {entry.file for entry in _spread(entries)}
    data = Data("an archive of images", section, counted(entries, section), why, parts(entries))
    return described(data, look(_members(path, wanted)))


def _members(path: Path, wanted: set[str]) -> Iterator[tuple[str, Callable[[], bytes]]]:
    for name, content in archives.contents(path, wanted):

        def read(content: bytes | Exception = content) -> bytes:
            if isinstance(content, Exception):
                raise content
            return content

        yield name, read
