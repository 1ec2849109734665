"""Tables: of features, of images and their classes, and of raw outputs."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

from sigmoid_bce.data import items
from sigmoid_bce.data.listing import DataError, few, split_parts
from sigmoid_bce.data.sources import features, table
from sigmoid_bce.drafting import images
from sigmoid_bce.drafting.found import Data, Options, counted, dataset, decide, parts, written
from sigmoid_bce.study.base import nearest

LABELS = ("label", "labels", "class", "target", "y", "category", "outcome", "diagnosis")
"""Names of a column of classes, in lower case; the first one comes before all others."""
SPLITS = ("split", "part", "partition", "set", "subset", "fold")
IDS = ("id", "index", "uuid", "name", "key", "sample", "row", "filename", "file")
FILES = ("file", "filename", "filepath", "file_name", "path", "image", "img", "image_path")
SUFFIXES = (".csv", ".tsv")
DECIMAL_COMMA = re.compile(r"-?[\d.]*\d,\d+")
TRIED = 50
"""The values of a column that are tried as names of files."""


class Table:
    """The columns of a table.

    Parameters
    ----------
    path : Path
        CSV or Parquet.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.names, values = features.columns(path)
        self.values: dict[str, Any] = dict(zip(self.names, values, strict=True))
        if self.names and all(map(_is_number, self.names)):
            raise DataError(
                f"{path}: the first row has numbers, not names of columns: give the table a header"
            )

    def distinct(self, name: str) -> int:
        """Return how many values a column has, a missing one not counted."""
        import pyarrow.compute as pc

        return int(pc.count_distinct(self._flat(name)).as_py())

    def texts(self, name: str) -> list[str]:
        """Return the distinct values of a column as texts."""
        return [features.as_text(value) for value in self._flat(name).unique().to_pylist()]

    def first(self, name: str) -> list[str]:
        """Return the first values of a column as texts."""
        return [features.as_text(value) for value in self.values[name].slice(0, TRIED).to_pylist()]

    def is_numeric(self, name: str) -> bool:
        """Return whether most values of a column are numbers."""
        values = features.numbers(self.values[name])
        return len(values) > 0 and float(np.isfinite(values).mean()) > 0.5

    def has_decimal_commas(self, name: str) -> bool:
        """Return whether the first values of a column are numbers with a comma for a point."""
        texts = list(filter(None, self.first(name)))
        return bool(texts) and all(map(DECIMAL_COMMA.fullmatch, texts))

    def says_nothing(self, name: str) -> bool:
        """Return whether a column numbers the rows, one after the other, or has one value."""
        steps = np.diff(features.numbers(self.values[name]))
        counts = len(steps) > 1 and bool((steps == steps[0]).all()) and abs(steps[0]) == 1
        return counts or self.distinct(name) < 2

    def tells(self, name: str, label: str) -> bool:
        """Return whether a column has one value for each value of another one, and no other."""
        import pandas as pd

        if not 1 < self.distinct(name) == self.distinct(label):
            return False
        pairs = {key: self._flat(key).to_pandas().astype(str) for key in (name, label)}
        return len(pd.DataFrame(pairs).drop_duplicates()) == self.distinct(label)

    def _flat(self, name: str) -> Any:
        import pyarrow as pa

        column = self.values[name]
        encoded = pa.types.is_dictionary(column.type)
        return column.cast(column.type.value_type) if encoded else column


def is_raw(names: Iterable[str], options: Options) -> bool:
    """Return whether a table holds raw outputs and labels: a verdict needs no study.

    Examples
    --------
    >>> is_raw(["label", "raw_output"], Options()), is_raw(["label", "age"], Options())
    (True, False)
    """
    raw = [name for name in names if name == "raw_output" or name.startswith("raw_output_")]
    labels = any(name == "label" or name.startswith("label_") for name in names)
    return labels and bool(raw) and not set(raw) <= set(options.without)


def label_column(found: Table, options: Options) -> str:
    """Return the column of the class: by its name, or because it alone has two values.

    Raises
    ------
    DataError
        If there is no such column, or several.
    """
    names = [name for name in found.names if name and name not in options.without]
    if options.label:
        if options.label not in names:
            hint = nearest(options.label, names)
            raise DataError(f"{found.path} has no column {options.label!r}: {hint}")
        return options.label
    if LABELS[0] in names:
        return LABELS[0]
    candidates = list(filter(_is_label, names)) or [n for n in names if found.distinct(n) == 2]
    if len(candidates) == 1:
        return candidates[0]
    if candidates:
        raise DataError(
            f"{found.path}: the columns {few(candidates)} may each be the label: choose, for "
            f"instance, --label {shlex.quote(candidates[0])}"
        )
    raise DataError(
        f"{found.path}: no column has the name {LABELS[0]}, and none has two values: name that of "
        f"the class by --label; the columns are {few(names)}"
    )


def _is_label(name: str) -> bool:
    return name.casefold() in LABELS or name.casefold().startswith("label_")


def file_column(found: Table) -> str:
    """Return the column that names image files which are there; "" if there is none.

    Raises
    ------
    DataError
        If a column names images, and none of them is there.
    """
    for name in filter(None, found.names):
        values = [value for value in found.first(name) if value]
        named = [value for value in values if images.is_image(value)]
        if not named and name.casefold() not in FILES:
            continue
        there = [value for value in values if items.status(found.path.parent / value)]
        files = [value for value in there if (found.path.parent / value).is_file()]
        if 2 * len(files) >= len(values) > 0:
            return name
        if 2 * len(named) > len(values):
            raise DataError(
                f"{found.path}: the column {name!r} names images that are not there: the first is "
                f"{named[0]!r}, looked for in {found.path.parent.absolute()}; put the table where "
                "its names begin"
            )
    return ""


def split_column(found: Table, others: Iterable[str]) -> str:
    """Return the column with the parts of a split; "" if there is none."""
    for name in found.names:
        if name.casefold() in SPLITS and name not in others and split_parts(found.texts(name)):
            return name
    return ""


def of_images(found: Table, files: str, file: Path, options: Options) -> Data:
    """Return what a table of images and their classes holds."""
    label = label_column(found, options)
    split = split_column(found, (files, label))
    keys = {"file_column": files, "label_column": label, "split_column": split}
    # what the reader would take anyway is not written
    keys = {key: name for key, name in keys.items() if name != key.removesuffix("_column") and name}
    if split:
        keys["split_column"] = split
    chosen, why = _classes(found, label, options)
    section = {"source": "table", "path": written(found.path, file), **keys, **chosen}
    read = dataset(section, file, path=str(found.path), image_size=8)
    data = images.loose("a table of images", section, table.listing(read), why)
    data.lines.insert(0, f"columns {files!r} (the image) and {label!r} (its class)")
    return data


def of_features(found: Table, file: Path, options: Options) -> Data:
    """Return what a table of features holds."""
    label = label_column(found, options)
    split = split_column(found, (label,))
    taken = [label, split, *_id_column(found, (label, split))]
    others = [name for name in found.names if name not in taken]
    chosen, copies, counters = _chosen(found, others, label, options)
    keys = dict(zip(("label_column", "split_column", "id_column"), taken, strict=False))
    columns = {"columns": chosen} if len(chosen) < len(others) else {}
    classes, why = _classes(found, label, options)
    section: dict[str, Any] = {"source": "features", "path": written(found.path, file)}
    section |= {key: name for key, name in keys.items() if name} | columns | classes
    entries = features.entries(dataset(section, file, path=str(found.path)))
    data = Data("a table of features", section, counted(entries, section), why, parts(entries))
    data.features = len(chosen)
    data.lines.append(f"the class is in the column {label!r}")
    data.lines.append(f"features {len(chosen)}: {few(chosen)}")
    if "id_column" in keys:
        data.lines.append(f"the column {keys['id_column']!r} names the rows")
    known = {*chosen, *copies, *counters}
    left = [name or "one without a name" for name in others if name not in known]
    for names, reason in (
        (copies, "tells the class exactly"),
        (counters, "numbers the rows, or has one value"),
        (left, "no numbers, another label, or --without"),
    ):
        if names:
            data.lines.append(f"left out ({reason}): {few(names)}")
    return data


def _id_column(found: Table, others: Iterable[str]) -> list[str]:
    """Return the column that names the rows, or none."""
    rows = max(map(len, found.values.values()), default=0)
    names = (name for name in found.names if name not in others and _is_id(name))
    return [name for name in names if found.distinct(name) == rows > 2][:1]


def _chosen(
    found: Table, others: list[str], label: str, options: Options
) -> tuple[list[str], list[str], list[str]]:
    """Return the features; what would be, but tells the class; and what numbers rows, or nothing.

    Raises
    ------
    DataError
        If there is no feature, or numbers have a comma for a point.
    """
    names = [name for name in others if name and name not in options.without]
    names = [name for name in names if not name.casefold().startswith(LABELS[0])]
    for name in filter(found.has_decimal_commas, names):
        raise DataError(
            f"{found.path}: the column {name!r} has commas for decimal points: write points, for "
            "instance by pandas.read_csv(..., decimal=',') and to_csv(..., index=False)"
        )
    numeric = list(filter(found.is_numeric, names))
    if not numeric:
        raise DataError(f"{found.path} has no column of numbers beside {label!r}")
    chosen, counters = _without(numeric, found.says_nothing)
    chosen, copies = _without(chosen, lambda name: found.tells(name, label))
    return chosen, copies, counters


def _without(names: list[str], bad: Callable[[str], bool]) -> tuple[list[str], list[str]]:
    """Return names that are not bad, and the others; where all are, none is left out."""
    left = list(filter(bad, names))
    left = left if len(left) < len(names) else []
    return [name for name in names if name not in left], left


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _is_id(name: str) -> bool:
    lower = name.casefold()
    return lower in IDS or lower.endswith(("_id", " id")) or lower.startswith("unnamed:")


def _classes(found: Table, label: str, options: Options) -> tuple[dict[str, Any], str]:
    """Return the keys for the classes of a column, and why the last has label 1."""
    names = {name for name in map(str.strip, found.texts(label)) if name}
    where = f"{found.path}: the column {label!r}"
    return decide(sorted(names, key=_order), where, options)


def _order(name: str) -> tuple[float, str]:
    """Return by what classes are sorted: numbers first, as the reader of tables does."""
    try:
        return (number, name) if np.isfinite(number := float(name)) else (np.inf, name)
    except ValueError:
        return np.inf, name


def in_folder(folder: Path) -> list[Path]:
    """Return the tables in a folder, or beside it, whose files are there."""
    for place in (folder, folder.absolute().parent):
        tables = sorted(path for path in place.iterdir() if path.suffix.lower() in SUFFIXES)
        if found := [path for path in tables if _names_files(path, folder)]:
            return found
    return []


def _names_files(path: Path, folder: Path) -> bool:
    """Return whether a table names files in a folder."""
    try:
        found = Table(path)
        name = file_column(found)
    except DataError:
        return False
    values = [path.parent / value for value in found.first(name)] if name else []
    return any(value.absolute().is_relative_to(folder.absolute()) for value in values)
