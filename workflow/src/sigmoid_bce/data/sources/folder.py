"""Images in a folder with one sub-folder a class."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from sigmoid_bce.data.faults import stopping
from sigmoid_bce.data.items import Item, loose_items
from sigmoid_bce.data.labels import assign
from sigmoid_bce.data.listing import DataError, Listing, few, hidden, split_parts, walk
from sigmoid_bce.study.datasets import FolderDataset


def items(dataset: FolderDataset, file: None) -> Iterator[Item]:
    """Yield the images in the order of their paths."""
    yield from loose_items(listing(dataset))


def listing(dataset: FolderDataset) -> Listing:
    """Return the images of the folder."""
    return Listing(Path(dataset.path), *assign(walk(dataset.path), dataset))


def _sub_folders(path: Path) -> list[str]:
    """Return the names of the visible sub-folders, sorted."""
    with stopping(path):
        return sorted(e.name for e in path.iterdir() if not hidden(e.name) and e.is_dir())


def _class_folders(folder: Path) -> list[str]:
    """Return the names of the classes in a folder: its sub-folders, or those of train/."""
    names = _sub_folders(folder)
    split = split_parts(names)
    inner = {
        name for part in names if part.casefold() in split for name in _sub_folders(folder / part)
    }
    return sorted(inner) or names


def classes(dataset: FolderDataset) -> tuple[str, str]:
    """Return the two classes of the folder, in alphabetical order."""
    folder = dataset.path
    names = _class_folders(Path(folder))
    if not names:
        raise DataError(
            f"{folder} has no sub-folders: expected one for each of two classes, as in "
            f"{folder}/cat and {folder}/dog"
        )
    if len(names) == 1:
        raise DataError(
            f"{folder} has one class, {names[0]!r}: expected a sub-folder for each of two"
        )
    if len(names) > 2:
        raise DataError(
            f"{folder} has {len(names)} classes, {few(names)}: choose two, classes: "
            f"[{names[0]}, {names[1]}], or one against all others, positive: {names[0]}"
        )
    return names[0], names[1]
