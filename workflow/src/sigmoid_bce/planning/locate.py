"""What a study names on this machine: looked for, checked and completed before any job starts."""

from __future__ import annotations

import ast
import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from sigmoid_bce.data import listing
from sigmoid_bce.study.config import (
    Classed,
    ConfigError,
    Custom,
    Download,
    FolderDataset,
    HttpDataset,
    Study,
    TableDataset,
)


def _find(path: str, folders: Sequence[Path], there: Callable[[Path], bool], kind: str) -> str:
    """Return where a path is: as it stands, or below the first folder that has it."""
    given = Path(path).expanduser()
    places = [given] if given.is_absolute() else [folder / given for folder in folders]
    for place in places:
        if there(place):
            return os.path.relpath(place) if not given.is_absolute() else str(given)
    where = " and ".join(dict.fromkeys(str(place.absolute()) for place in places))
    raise ValueError(f"there is no {kind} {path!r}: looked for {where}")


def cached(download: Download, folder: str) -> str:
    """Return where a download is kept: by its content, whichever mirror or copy it is from.

    Examples
    --------
    >>> cached(Download(url=["http://localhost/a.zip"], sha256="01" * 32), "downloads")[:20]
    'downloads/sha256-010'
    """
    return f"{folder}/sha256-{download.sha256}"


def _download(download: Download, folders: Sequence[Path], downloads: str) -> Download:
    if not download.file:
        return download
    if download.sha256 and Path(cached(download, downloads)).exists():
        return download
    file = _find(download.file, folders, Path.is_file, "file")
    return download.model_copy(update={"file": file})


def _defined(tree: ast.Module) -> set[str] | None:
    """Return the names that a module defines at its top, or None if that cannot be seen."""
    names = set()
    todo = list(tree.body)
    while todo:
        node = todo.pop()
        if isinstance(node, (ast.FunctionDef, ast.ClassDef, ast.AsyncFunctionDef)):
            names.add(node.name)
            continue
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            names |= {alias.asname or alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        todo.extend(ast.iter_child_nodes(node))
    return None if "*" in names else names


def _custom(model: Custom, folders: Sequence[Path]) -> Custom:
    module, function = model.function.split(":")
    if model.folder:
        folders = [Path(_find(model.folder, folders, Path.is_dir, "folder"))]
    places = [model.model_copy(update={"folder": str(folder)}) for folder in folders]
    found = next((place for place in places if place.file.is_file()), None)
    if found is None:
        where = " and ".join(dict.fromkeys(str(place.file.absolute()) for place in places))
        raise ValueError(f"function: there is no module {module!r}: looked for {where}")
    file = found.file
    try:
        names = _defined(ast.parse(file.read_bytes(), str(file)))
    except SyntaxError as error:
        raise ValueError(f"function: {file}, line {error.lineno}: {error.msg}") from None
    if names is not None and function not in names:
        raise ValueError(
            f"function: {file} defines no {function!r}; it has {listing.found(names) or 'nothing'}"
        )
    return found.model_copy(update={"folder": os.path.relpath(found.folder)})


def _dataset(dataset: Any, folders: Sequence[Path], downloads: str) -> Any:
    if isinstance(dataset, HttpDataset):
        archive = _download(dataset.archive, folders, downloads)
        return dataset.model_copy(update={"archive": archive})
    if isinstance(dataset, FolderDataset):
        path = _find(dataset.path, folders, Path.is_dir, "folder")
        dataset = dataset.model_copy(update={"path": path})
        if not dataset.classes and not dataset.positive:
            dataset = dataset.model_copy(update={"classes": listing.two_classes(path)})
    if isinstance(dataset, TableDataset):
        path = _find(dataset.path, folders, Path.is_file, "file")
        dataset = dataset.model_copy(update={"path": path})
        if not dataset.classes and not dataset.positive:
            dataset = dataset.model_copy(update={"classes": listing.table_classes(dataset)})
    return dataset


def locate(study: Study, folders: Iterable[Path], downloads: str, where: str) -> Study:
    """Return a study with its files and folders found and the classes of its data named.

    Parameters
    ----------
    study : Study
    folders : iterable of Path
        What relative paths are relative to: the first that has the file counts.
    downloads : str
        Where downloads are kept.
    where : str
        The configuration's name, for messages.

    Returns
    -------
    Study

    Raises
    ------
    ConfigError
        If something is not there, or is not what the study says: a line each.
    """
    folders, lines = list(folders), []

    def each(section: str, function: Callable) -> dict:
        out = {}
        for name, value in getattr(study, section).items():
            try:
                out[name] = function(value)
            except (ValueError, OSError) as error:
                lines.append(f"{where}: {section}.{name}: {error}")
        return out

    def model(value):
        if isinstance(value, Custom):
            return _custom(value, folders)
        if isinstance(getattr(value, "weights", None), Download):
            weights = _download(value.weights, folders, downloads)
            return value.model_copy(update={"weights": weights})
        return value

    found = study.model_copy(
        update={
            "datasets": each("datasets", lambda value: _dataset(value, folders, downloads)),
            "models": each("models", model),
        }
    )
    if lines:
        raise ConfigError("\n".join(lines))
    return found


def check(study: Study, where: str) -> None:
    """Look at every file that the data sets of a located study name.

    Parameters
    ----------
    study : Study
        As `locate` returned it.
    where : str
        The configuration's name, for messages.

    Raises
    ------
    ConfigError
        If a class has no files, no file of a table is there, or there are fewer training images
        than `comparison.batch_sizes` asks for: a line each.
    """
    lines = []
    for name in study.grid.dataset:
        dataset = study.datasets[name]
        try:
            if isinstance(dataset, FolderDataset):
                entries = listing.folder_entries(dataset)
            elif isinstance(dataset, TableDataset):
                entries = listing.table_entries(dataset)
                folder = Path(dataset.path).parent
                there = [entry for entry in entries if (folder / entry.file).is_file()]
                if not there:
                    raise ValueError(
                        f"{dataset.path}: none of its {len(entries)} files is there; the first is "
                        f"{folder / entries[0].file}"
                    )
                entries = there
            else:
                continue
            _enough(dataset, entries, max(study.comparison.batch_sizes))
        except (ValueError, OSError) as error:
            lines.append(f"{where}: datasets.{name}: {error}")
    if lines:
        raise ConfigError("\n".join(lines))


def _enough(dataset: Classed, entries: list[listing.Entry], largest: int) -> None:
    """Raise an error if the files cannot make the split, or a batch to compare."""
    given = sum(entry.split == "train" for entry in entries)
    if given == 0 and dataset.split is None:
        train = round(0.8 * len(entries))
    elif given == 0:
        validate = dataset.split.validation
        validate = round(validate * len(entries)) if isinstance(validate, float) else validate
        train = dataset.split.train or len(entries) - validate
        if train + validate > len(entries) or train < 1:
            raise ValueError(
                f"split: {train if train > 0 else 'some'} training and {validate} validation "
                f"images are asked for; there are {len(entries)} files"
            )
    else:
        train = given
    if largest > train:
        raise ValueError(
            f"comparison.batch_sizes: {largest} is more than the {train} training images"
        )
