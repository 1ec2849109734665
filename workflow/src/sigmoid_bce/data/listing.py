"""The files of a data set, and the label of each by its folders or its name."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from sigmoid_bce.jobs.logs import UserError
from sigmoid_bce.study.datasets import Classed

TRAIN = ("train", "training")
VALIDATION = ("validation", "valid", "val", "test", "testing")
"""Names of a split's parts. The first name that occurs counts."""


class DataError(UserError, ValueError):
    """Data that differ from their description in the configuration."""


class Entry(NamedTuple):
    """A file: its path, with forward slashes; its label; its part of a given split, or ""."""

    file: str
    label: int
    split: str = ""


class Listing(NamedTuple):
    """The loose files of a data set, with paths relative to a folder."""

    folder: Path
    entries: list[Entry]


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
    names = sorted(set(names))
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


def label(path: PurePosixPath, dataset: Classed) -> int | None:
    """Return the label of a file by its folders or its name, or None if it has none.

    Examples
    --------
    >>> from sigmoid_bce.study.datasets import FolderDataset
    >>> pets = FolderDataset(source="folder", path=".", image_size=8, classes=("cat", "dog"))
    >>> [label(PurePosixPath(p), pets) for p in ("PetImages/Dog/7.jpg", "train/cat.7.jpg", "a.txt")]
    [1, 0, None]
    """
    folders = [part.casefold() for part in path.parts[:-1]]
    if dataset.positive:
        return int(dataset.positive.casefold() in folders) if folders else None
    classes = [name.casefold() for name in dataset.classes or ()]
    for folder in reversed(folders):
        if folder in classes:
            return classes.index(folder)
    name = path.name.casefold()
    for y, prefix in enumerate(classes):
        rest = name.removeprefix(prefix)
        if rest != name and rest[:1] in tuple("._-0123456789 "):
            return y
    return None


def assign(files: Iterable[str], dataset: Classed) -> list[Entry]:
    """Return the files that have a label, each with its label and its part of a given split.

    Parameters
    ----------
    files : iterable of str
        Paths with forward slashes. Hidden files are left out.
    dataset : Classed
        With `classes` or `positive`.

    Returns
    -------
    list of Entry
        In the order of `files`.

    Raises
    ------
    DataError
        If a class has no file, or the split should be given by the data but is not.
    """
    labelled = _labelled(files, dataset)
    names = split_parts(part for file in labelled for part in PurePosixPath(file).parts[:-1])
    by = dataset.split.by if dataset.split else "given" if names else "seed"
    if by != "given":
        return [Entry(file, y) for file, y in labelled.items()]
    if not names:
        raise DataError(
            "split.by: given, but there are no folders train and validation that hold both classes"
        )
    parts = {file: _part(PurePosixPath(file), names) for file in labelled}
    return [Entry(file, y, parts[file]) for file, y in labelled.items() if parts[file]]


def _labelled(files: Iterable[str], dataset: Classed) -> dict[str, int]:
    """Return the label of each file that has one; raise an error if a class has no file."""
    paths = {file: PurePosixPath(file) for file in files}
    visible = {f: path for f, path in paths.items() if not any(map(hidden, path.parts))}
    labels = {file: label(path, dataset) for file, path in visible.items()}
    labelled = {file: y for file, y in labels.items() if y is not None}
    _check_classes(set(labelled.values()), list(visible.values()), dataset)
    return labelled


def _part(path: PurePosixPath, names: dict[str, str]) -> str:
    """Return the part of a split that the folders of a file name, or ""."""
    folders = [folder.casefold() for folder in path.parts[:-1]]
    return next((names[folder] for folder in folders if folder in names), "")


def _check_classes(labels: set[int], paths: list[PurePosixPath], dataset: Classed) -> None:
    """Raise an error if one class has no file."""
    missing = {0, 1} - labels
    if not missing:
        return
    if dataset.positive and 1 not in missing:
        raise DataError(f"every file is of the class {dataset.positive!r}: expected others too")
    name = dataset.positive or (dataset.classes or ("", ""))[min(missing)]
    folders = {part for path in paths for part in path.parts[:-1]}
    there = f"there are {few(folders)}" if folders else f"there are {len(paths)} files, no folder"
    folded = {folder.casefold(): folder for folder in folders}
    close = difflib.get_close_matches(name.casefold(), folded, n=1)
    advice = f"; did you mean {folded[close[0]]!r}?" if close else ""
    raise DataError(f"no file is of the class {name!r}: {there}{advice}")


def walk(folder: str | Path) -> Iterator[str]:
    """Yield the relative path of every regular file below a folder, sorted within each folder.

    Links to files and folders are followed, but no folder is entered twice. Broken links are
    included: reading them fails, and they are quarantined with a reason.
    """
    seen = set()
    for root, folders, files in os.walk(folder, followlinks=True):
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
            if os.path.isfile(path) or not os.path.exists(path):  # noqa: PTH110, PTH113
                yield f"{prefix}{name}"
