"""The label of each file: by its folders, and by its name where no folder decides."""

from __future__ import annotations

import difflib
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from sigmoid_bce.data.listing import (
    TRAIN,
    VALIDATION,
    DataError,
    Entry,
    counts,
    few,
    hidden,
    printable,
    split_parts,
)
from sigmoid_bce.study.datasets import Classed

AFTER = tuple("._-0123456789 ")
"""What may follow the name of a class in a file's name."""

Folder = tuple[str, ...]
"""A folder, as the names on the way to it."""


class Labels(NamedTuple):
    """Files that have a label, and lines for the log that count how they got it."""

    entries: list[Entry]
    notes: list[str]


def _visible(files: Iterable[str]) -> dict[str, Folder]:
    """Return the names on the way to each file that is not hidden, and its own."""
    paths = {}
    for file in files:
        path = tuple(part for part in file.split("/") if part not in ("", "."))
        if path and not any(map(hidden, path)):
            paths[file] = path
    return paths


def same(name: str) -> str:
    r"""Return a name without regard to how its letters are encoded: an é may be one sign or two.

    Examples
    --------
    >>> same("e\u0301") == same("\u00e9")
    True
    """
    return unicodedata.normalize("NFC", name)


def _fold(name: str) -> str:
    """Return a name without regard to case, and to how its letters are encoded."""
    return same(same(name).casefold())


def _begins(name: str, prefix: str) -> bool:
    """Return whether a file's name begins with the name of a class, which ends there."""
    rest = name.removeprefix(prefix)
    if rest == name or not rest.startswith(AFTER):
        return False
    return not (prefix[-1:].isdigit() and rest[0].isdigit())


def by_name(name: str, classes: Sequence[str]) -> str | None:
    """Return the class that begins a file's name; None if none does.

    The exact case comes before another one, and a longer class before a shorter one.

    Raises
    ------
    DataError
        If two classes fit equally well.

    Examples
    --------
    >>> by_name("cat-big.7.jpg", ["cat", "cat-big"]), by_name("catalogue.jpg", ["cat", "dog"])
    ('cat-big', None)
    """
    exact = [one for one in classes if _begins(same(name), same(one))]
    folded = [one for one in classes if _begins(_fold(name), _fold(one))]
    if not folded:
        return None
    longest = max(len(_fold(one)) for one in folded)
    best = [one for one in folded if len(_fold(one)) == longest]
    fits = [one for one in exact if one in best] or ([] if exact else best)
    if len(fits) == 1:
        return fits[0]
    raise DataError(
        f"the file {name!r} may be of the class {' or '.join(map(repr, sorted({*exact, *best})))}: "
        "put it into a folder of its class"
    )


class _Folders:
    """The classes that the folders of a data set decide on.

    Parameters
    ----------
    folders : iterable of Folder
        The folders that hold files.
    classes : sequence of str

    Attributes
    ----------
    named : dict of str by Folder
        The folders that have the name of a class.
    """

    def __init__(self, folders: Iterable[Folder], classes: Sequence[str]):
        every = {folder[:i] for folder in folders for i in range(1, len(folder) + 1)}
        self.classes = classes
        self.parts = split_parts(folder[-1] for folder in every)
        self.named = self._named(every)
        self.levels = {folder[:-1] for folder in self.named}
        self.above = {folder[:i] for folder in self.named for i in range(len(folder))}

    def _named(self, every: Iterable[Folder]) -> dict[Folder, str]:
        """Return the folders that have the name of a class."""
        beside = defaultdict(set)
        for folder in every:
            beside[folder[:-1]].add(folder[-1])
        found = ((folder, self._match(folder, beside[folder[:-1]])) for folder in every)
        named = {folder: name for folder, name in found if name is not None}
        # a class may be called train: its folders are not the parts of a split that it is in
        proper = {name for folder, name in named.items() if not self._is_part(folder)}
        return {f: name for f, name in named.items() if name not in proper or not self._is_part(f)}

    def _match(self, folder: Folder, beside: set[str]) -> str | None:
        """Return the class whose name a folder has; another case counts if no folder is exact."""
        name, where = folder[-1], "/".join(folder)
        if exact := [one for one in self.classes if same(one) == same(name)]:
            return exact[0]
        found = [one for one in self.classes if _fold(one) == _fold(name)]
        if not found or {same(one) for one in found}.intersection(map(same, beside)):
            return None
        twins = sorted(other for other in beside if _fold(other) == _fold(name))
        if len({same(twin) for twin in twins}) > 1:
            raise DataError(
                f"the folders {' and '.join(map(repr, twins))} may both be of the class "
                f"{found[0]!r}: write the one that you mean"
            )
        if len(found) > 1:
            raise DataError(
                f"the folder {where!r} may be of the class {' or '.join(map(repr, found))}: "
                "rename it"
            )
        return found[0]

    def _is_part(self, folder: Folder) -> bool:
        """Return whether a folder is a part of a split."""
        return folder[-1].casefold() in self.parts and not any(
            name.casefold() in self.parts for name in folder[:-1]
        )

    def of(self, folder: Folder) -> str | None:
        """Return the class of the files in a folder, by the deepest folder that has its name."""
        inside = (self.named.get(folder[:i]) for i in range(len(folder), 0, -1))
        return next(filter(None, inside), None)

    def decides(self, folder: Folder) -> bool:
        """Return whether a folder without the name of a class decides: it is another class."""
        return bool(self.named) and any(
            not self._neutral(folder[:i]) for i in range(1, len(folder) + 1)
        )

    def _neutral(self, folder: Folder) -> bool:
        """Return whether a folder says nothing: it is above those of the classes, or a part."""
        part = folder[-1].casefold() in (*TRAIN, *VALIDATION)
        return folder in self.above or (part and folder[:-1] not in self.levels)

    def other(self, folder: Folder) -> str:
        """Return the name of the other class that a folder decides on."""
        level = next(i for i in range(1, len(folder) + 1) if not self._neutral(folder[:i]))
        return folder[level - 1]


def _class(
    name: str, folder: Folder, folders: _Folders, dataset: Classed
) -> tuple[str | None, str, str]:
    """Return what a file shows.

    Returns
    -------
    found : str or None
        The class of the data set that it is of.
    decided : {"folder", "name", ""}
        By what.
    other : str
        The name of another class, or "" if it shows no class.
    """
    found = folders.of(folder)
    if found is not None:
        return found, "folder", ""
    if folders.decides(folder):
        return None, "folder", folders.other(folder)
    found = None if dataset.positive else by_name(name, folders.classes)
    return found, "name" if found is not None else "", ""


def assign(files: Iterable[str], dataset: Classed) -> Labels:
    """Return the files that have a label, each with its label and its part of a given split.

    Parameters
    ----------
    files : iterable of str
        Paths with forward slashes. Hidden files are left out.
    dataset : Classed
        With `classes` or `positive`.

    Returns
    -------
    Labels
        Its entries are in the order of `files`.

    Raises
    ------
    DataError
        If a class has no file or may be one of two, or the split should be given by the data but is
        not.

    Examples
    --------
    >>> from sigmoid_bce.study.datasets import FolderDataset
    >>> pets = FolderDataset(source="folder", path=".", image_size=8, classes=("cat", "dog"))
    >>> names = ["PetImages/Dog/7.jpg", "PetImages/Cat/dog.jpg", "PetImages/Wolf/dog.9.jpg"]
    >>> [(entry.file, entry.label) for entry in assign(names, pets).entries]
    [('PetImages/Dog/7.jpg', 1), ('PetImages/Cat/dog.jpg', 0)]
    """
    paths = _visible(files)
    classes = [dataset.positive] if dataset.positive else list(dataset.classes or ())
    folders = _Folders({path[:-1] for path in paths.values()}, classes)
    entries, by_names, out = [], [], Counter[str]()
    for file, path in paths.items():
        found, decided, other = _class(path[-1], path[:-1], folders, dataset)
        if found is None and not (dataset.positive and other):
            out[other or "no class"] += 1
            continue
        if decided == "name":
            by_names.append(file)
        y = int(found is not None) if dataset.positive else classes.index(str(found))
        entries.append(Entry(file, y, "", found or other))
    _check_classes({entry.label for entry in entries}, list(paths.values()), dataset)
    return _in_parts(entries, _notes(len(entries), by_names, out), dataset)


def _notes(number: int, by_names: list[str], out: Counter[str]) -> list[str]:
    """Return lines that count the files with a label, those labelled by names, and the rest."""
    notes = [f"{number - len(by_names)} files have their class from a folder"]
    if by_names:
        notes.append(
            f"{len(by_names)} files have their class from their name, since no folder decides: the "
            f"first is {printable(by_names[0])}"
        )
    if out:
        notes.append(f"left out, of no class of this data set: {counts(out)}")
    return notes


def _in_parts(entries: list[Entry], notes: list[str], dataset: Classed) -> Labels:
    """Return the files with their parts of a given split, without those that are in none."""
    folders = {entry.file: entry.file.split("/")[:-1] for entry in entries}
    names = split_parts(name for path in folders.values() for name in path)
    by = dataset.split.by if dataset.split else "given" if names else "seed"
    if by != "given":
        return Labels(entries, notes)
    if not names:
        raise DataError(
            "split.by: given, but there are no folders train and validation that hold both classes"
        )
    inside = []
    for entry in entries:
        found = (names[name.casefold()] for name in folders[entry.file] if name.casefold() in names)
        inside.append(entry._replace(split=next(found, "")))
    kept = [entry for entry in inside if entry.split]
    if len(kept) < len(inside):
        notes = [*notes, f"left out, in neither part of the split: {len(inside) - len(kept)} files"]
    return Labels(kept, notes)


def _check_classes(labels: set[int], paths: list[Folder], dataset: Classed) -> None:
    """Raise an error if one class has no file."""
    missing = {0, 1} - labels
    if not missing:
        return
    if dataset.positive and 1 not in missing:
        raise DataError(f"every file is of the class {dataset.positive!r}: expected others too")
    name = dataset.positive or (dataset.classes or ("", ""))[min(missing)]
    folders = {part for path in paths for part in path[:-1]}
    there = f"there are {few(folders)}" if folders else f"there are {len(paths)} files, no folder"
    folded = {folder.casefold(): folder for folder in folders}
    close = difflib.get_close_matches(name.casefold(), folded, n=1)
    advice = f"; did you mean {folded[close[0]]!r}?" if close else ""
    raise DataError(f"no file is of the class {name!r}: {there}{advice}")
