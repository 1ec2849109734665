"""The files of a data set, and the words for them in messages."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple, NoReturn

from sigmoid_bce.data.faults import MISSING, stopping
from sigmoid_bce.jobs.logs import UserError

TRAIN = ("train", "training")
VALIDATION = ("validation", "valid", "val", "test", "testing")
"""Names of a split's parts. The first name that occurs counts."""


class DataError(UserError, ValueError):
    """Data that differ from their description in the configuration."""


class Entry(NamedTuple):
    """A file: path with forward slashes, label, part of a given split or "", name of its class."""

    file: str
    label: int
    split: str = ""
    class_name: str = ""


class Listing(NamedTuple):
    """The loose files of a data set, with paths relative to a folder, and lines for the log."""

    folder: Path
    entries: list[Entry]
    notes: list[str]


def printable(name: str) -> str:
    """Return a file name as text that any file can hold, even if it is not valid Unicode."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def few(names: Iterable[str]) -> str:
    """Return names for a message: the first eight in alphabetical order, and how many follow.

    Examples
    --------
    >>> few("cab")
    'a, b, c'
    """
    names = sorted(set(map(printable, names)))
    return ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")


def hidden(name: str) -> bool:
    """Return whether a file or folder is hidden, or is a folder that macOS adds to archives."""
    return name.startswith((".", "__MACOSX"))


def split_parts(names: Iterable[str]) -> dict[str, str]:
    """Return the names that mean a part of a split, in lower case, with that part.

    Examples
    --------
    >>> split_parts(["Train", "test", "val"])
    {'train': 'train', 'val': 'validation'}
    >>> split_parts(["train", "test1"])
    {}
    """
    known = {name.casefold() for name in names}
    train = next((name for name in TRAIN if name in known), None)
    validation = next((name for name in VALIDATION if name in known), None)
    return {train: "train", validation: "validation"} if train and validation else {}


def counts(numbers: Counter[str]) -> str:
    """Return numbers by name for a message: the eight largest, and how many follow.

    Examples
    --------
    >>> counts(Counter(bird=2, wolf=30))
    'wolf 30, bird 2'
    """
    shown = ", ".join(f"{printable(name)} {number}" for name, number in numbers.most_common(8))
    return shown + (f" and {len(numbers) - 8} more" if len(numbers) > 8 else "")


def _stop(error: OSError) -> NoReturn:
    """Raise the error of a folder that cannot be listed."""
    raise error


def _broken(path: str) -> bool:
    """Return whether a path that is no file is a broken link, and not a pipe or a device."""
    try:
        os.stat(path)  # noqa: PTH116
    except OSError as error:
        if error.errno not in MISSING:
            raise
        return True
    return False


def walk(folder: str | Path) -> Iterator[str]:
    """Yield the relative path of every regular file below a folder, sorted within each folder.

    Links to files and folders are followed, but no folder is entered twice. Broken links are
    included: reading them fails, and they are quarantined with a reason.

    Raises
    ------
    FaultError
        If a folder cannot be read: without it, images would be missing in silence.
    """
    seen = set()
    with stopping(folder):
        for root, folders, files in os.walk(folder, onerror=_stop, followlinks=True):
            status = Path(root).stat()
            if (status.st_dev, status.st_ino) in seen:
                folders.clear()
                continue
            seen.add((status.st_dev, status.st_ino))
            folders.sort()
            inside = os.path.relpath(root, folder)
            prefix = "" if inside == "." else f"{Path(inside).as_posix()}/"
            for name in sorted(files):
                path = os.path.join(root, name)  # noqa: PTH118 (half a second for 25,000 files)
                if os.path.isfile(path) or _broken(path):  # noqa: PTH113
                    yield f"{prefix}{name}"
