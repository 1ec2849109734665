"""Which files a data set has, and the label of each: by folder, by name, or by a table."""

from __future__ import annotations

import csv
import difflib
import hashlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from sigmoid_bce.study.config import Classed, FolderDataset, TableDataset

TRAIN = ("train", "training")
VALIDATION = ("validation", "valid", "val", "test", "testing")
"""Names of a split's parts: the first of each that there is counts."""


class Entry(NamedTuple):
    """A file: its name in the data set, its label, and its part of a given split, or ""."""

    file: str
    label: int
    split: str = ""


def printable(name: str) -> str:
    """Return a name that any file can hold, also where the system's is no Unicode."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def found(names: Iterable[str]) -> str:
    """Return names for a message, the first few of them."""
    names = sorted(set(names))
    return ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")


def parts(names: Iterable[str]) -> dict[str, str]:
    """Return which of some names, in lower case, mean train and which validation.

    Examples
    --------
    >>> parts(["Train", "test", "val"])
    {'train': 'train', 'val': 'validation'}
    >>> parts(["train", "test1"])
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
    >>> from sigmoid_bce.study.config import FolderDataset
    >>> pets = FolderDataset(source="folder", path=".", image_size=8, classes=("cat", "dog"))
    >>> [label(PurePosixPath(p), pets) for p in ("PetImages/Dog/7.jpg", "train/cat.7.jpg", "a.txt")]
    [1, 0, None]
    """
    folders = [part.casefold() for part in path.parts[:-1]]
    if dataset.positive:
        return int(dataset.positive.casefold() in folders) if folders else None
    classes = [name.casefold() for name in dataset.classes]
    for folder in reversed(folders):
        if folder in classes:
            return classes.index(folder)
    name = path.name.casefold()
    for i, prefix in enumerate(classes):
        rest = name.removeprefix(prefix)
        if rest != name and rest[:1] in tuple("._-0123456789 "):
            return i
    return None


def assign(files: Iterable[str], dataset: Classed) -> list[Entry]:
    """Return the files that have a label, each with it and its part of a given split.

    Parameters
    ----------
    files : iterable of str
        Paths with forward slashes; hidden files are passed over.
    dataset : Classed
        With `classes` or `positive`.

    Returns
    -------
    list of Entry
        In the order of `files`.

    Raises
    ------
    ValueError
        If a class has no file, or a split is to be as given and there is none.
    """
    paths = [PurePosixPath(file) for file in files]
    paths = [p for p in paths if not any(part.startswith((".", "__MACOSX")) for part in p.parts)]
    labels = [(path, label(path, dataset)) for path in paths]
    labelled = [(path, y) for path, y in labels if y is not None]
    _both(labelled, paths, dataset)
    if dataset.split and dataset.split.by != "given":
        return [Entry(str(path), y) for path, y in labelled]
    names = parts(part for path, _ in labelled for part in path.parts[:-1])
    if not names and dataset.split:
        raise ValueError(
            "split.by: given, but there are no folders train and validation that hold both classes"
        )
    if not names:
        return [Entry(str(path), y) for path, y in labelled]
    out = []
    for path, y in labelled:
        part = next((names[f.casefold()] for f in path.parts[:-1] if f.casefold() in names), None)
        if part:
            out.append(Entry(str(path), y, part))
    return out


def _both(labelled: list, paths: list[PurePosixPath], dataset: Classed) -> None:
    """Raise an error if one class is missing."""
    missing = {0, 1} - {y for _, y in labelled}
    if not missing:
        return
    folders = {part for path in paths for part in path.parts[:-1]}
    there = f"there are {found(folders)}" if folders else f"there are {len(paths)} files, no folder"
    if dataset.positive and 1 not in missing:
        raise ValueError(f"every file is of the class {dataset.positive!r}: expected others too")
    name = dataset.positive or dataset.classes[min(missing)]
    folded = {folder.casefold(): folder for folder in folders}
    close = difflib.get_close_matches(name.casefold(), folded, n=1)
    advice = f"; did you mean {folded[close[0]]!r}?" if close else ""
    raise ValueError(f"no file is of the class {name!r}: {there}{advice}")


def walk(folder: str | Path) -> Iterator[tuple[str, os.stat_result]]:
    """Yield every regular file below a folder, sorted, as a relative path, and its status.

    Links are followed, to files and to folders, each folder once.
    """
    seen = set()
    for root, folders, files in os.walk(folder, followlinks=True):
        status = Path(root).stat()
        if (status.st_dev, status.st_ino) in seen:
            folders.clear()
            continue
        seen.add((status.st_dev, status.st_ino))
        folders.sort()
        for name in sorted(files):
            path = Path(root, name)
            # a link that leads nowhere is listed too, and set aside when it is read
            dangling = path.is_symlink() and not path.exists()
            if dangling or path.is_file():
                yield path.relative_to(folder).as_posix(), path.lstat() if dangling else path.stat()


def class_folders(folder: str | Path) -> list[str]:
    """Return the names of the classes in a folder: its sub-folders, or those of train/."""

    def below(path):
        return sorted(
            entry.name
            for entry in os.scandir(path)
            if entry.is_dir() and not entry.name.startswith((".", "__MACOSX"))
        )

    names = below(folder)
    split = parts(names)
    if not split:
        return names
    inner = {n for name in names if name.casefold() in split for n in below(Path(folder, name))}
    return sorted(inner) or names


def two_classes(folder: str | Path) -> tuple[str, str]:
    """Return the two classes of a folder, in alphabetical order.

    Raises
    ------
    ValueError
        If there are fewer, or more.
    """
    names = class_folders(folder)
    if not names:
        raise ValueError(
            f"{folder} has no sub-folders: expected one for each of two classes, as in "
            f"{folder}/cat and {folder}/dog"
        )
    if len(names) == 1:
        raise ValueError(
            f"{folder} has one class, {names[0]!r}: expected a sub-folder for each of two"
        )
    if len(names) > 2:
        raise ValueError(
            f"{folder} has {len(names)} classes, {found(names)}: choose two, classes: "
            f"[{names[0]}, {names[1]}], or one against all others, positive: {names[0]}"
        )
    return names[0], names[1]


def folder_entries(dataset: FolderDataset) -> list[Entry]:
    """Return the files of a folder, as `assign` does."""
    return assign((name for name, _ in walk(dataset.path)), dataset)


def _rows(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield the rows of a table with a header, each with the number of its line."""
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            header = file.readline()
            separator = max(",;\t", key=header.count)
            file.seek(0)
            reader = csv.DictReader(file, delimiter=separator, strict=True)
            for row in reader:
                yield reader.line_num, row
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not UTF-8 text: {error.reason}") from None
    except csv.Error as error:
        raise ValueError(f"{path}, line {reader.line_num}: {error}") from None


def _table(dataset: TableDataset) -> list[list[str]]:
    """Return a table's files, classes and, if it has them, parts of a split."""
    path = Path(dataset.path)
    columns = [dataset.file_column, dataset.label_column]
    columns += [dataset.split_column] if dataset.split_column else []
    rows: dict[str, list[str]] = {}
    for number, row in _rows(path):
        for key in columns:
            if key not in row:
                names = ", ".join(str(name) for name in row if name is not None)
                raise ValueError(f"{path} has no column {key!r}: its columns are {names}")
            if not (row[key] or "").strip() and key != dataset.split_column:
                raise ValueError(f"{path}, line {number}: the column {key!r} is empty")
        values = [(row[key] or "").strip() for key in columns]
        earlier = rows.setdefault(values[0], values)
        if earlier != values:
            raise ValueError(
                f"{path}, line {number}: {values[0]} is {' and '.join(values[1:])} here, and "
                f"{' and '.join(earlier[1:])} in a line above"
            )
    if not rows:
        raise ValueError(f"{path} has no rows below its header")
    return list(rows.values())


def table_classes(dataset: TableDataset) -> tuple[str, str]:
    """Return the two classes that a table has, sorted.

    Raises
    ------
    ValueError
        If there are fewer, or more, or the table is not readable.
    """
    names = sorted({row[1] for row in _table(dataset)})
    if len(names) != 2:
        raise ValueError(
            f"{dataset.path}: the column {dataset.label_column!r} has {len(names)} "
            f"{'class' if len(names) == 1 else 'classes'}, {found(names)}: expected two; of more, "
            f"choose two by classes, or one against all others by positive"
        )
    return names[0], names[1]


def table_entries(dataset: TableDataset) -> list[Entry]:
    """Return the files of a table, in its order.

    Raises
    ------
    ValueError
        If a column is missing, a row has no file or no label, or a class has no row.
    """
    rows = _table(dataset)
    values = {row[1] for row in rows}
    one = {dataset.positive or dataset.classes[1]}
    zero = values - one if dataset.positive else {dataset.classes[0]}
    for side in (zero, one):
        if not side & values:
            name = f"the class {min(side)!r}" if side else f"another class than {min(one)!r}"
            raise ValueError(
                f"{dataset.path}: no row is of {name}: the column {dataset.label_column!r} has "
                f"{found(values)}"
            )
    rows = [row for row in rows if row[1] in zero | one]
    by = dataset.split.by if dataset.split else "given" if dataset.split_column else "seed"
    if by != "given":
        return [Entry(row[0], int(row[1] in one)) for row in rows]
    if not dataset.split_column:
        raise ValueError("split.by: given, but there is no split_column")
    names = parts(row[2] for row in rows)
    if not names:
        raise ValueError(
            f"{dataset.path}: the column {dataset.split_column!r} has "
            f"{found(row[2] or 'nothing' for row in rows)}: expected train and validation"
        )
    return [
        Entry(row[0], int(row[1] in one), names[row[2].casefold()])
        for row in rows
        if row[2].casefold() in names
    ]


def contents(dataset: Classed) -> str:
    """Return a digest of the names, sizes and dates of a data set's local files.

    Sixteen hexadecimal digits; an edited, added or removed image moves them.
    """
    digest = hashlib.sha256()
    if isinstance(dataset, FolderDataset):
        listed = walk(dataset.path)
    else:
        folder = Path(dataset.path).parent
        files = dict.fromkeys(entry.file for entry in table_entries(dataset))
        listed = ((f, (folder / f).stat()) for f in files if (folder / f).is_file())
    for name, status in listed:
        digest.update(f"{printable(name)}\0{status.st_size}\0{status.st_mtime_ns}\n".encode())
    return digest.hexdigest()[:16]
