"""Plug-ins: a file in a folder of the package is one more loss, figure or framework."""

from __future__ import annotations

import ast
import importlib
import importlib.util
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import TypeVar

from sigmoid_bce.jobs.logs import UserError

PACKAGE = Path(__file__).parents[1]
BROUGHT = {"numerics/frameworks": "sigmoid_bce.frameworks"}
"""The folders whose plug-ins other packages may bring, and the group of their entry points."""

Kind = TypeVar("Kind")


class PluginError(UserError):
    """A plug-in that is registered twice, or lacks a part: one line that names its files."""


@cache
def brought(folder: str) -> dict[str, EntryPoint]:
    """Return the plug-ins that other installed packages bring, by name. Nothing is imported.

    Raises
    ------
    PluginError
        If two packages bring the same name.

    Examples
    --------
    >>> brought("training/losses")
    {}
    """
    found: dict[str, EntryPoint] = {}
    for entry in entry_points(group=BROUGHT[folder]) if folder in BROUGHT else ():
        # an editable package may be listed twice
        if entry.name in found and found[entry.name].value != entry.value:
            raise PluginError(
                f"{BROUGHT[folder]}: {entry.name!r} is brought twice: {found[entry.name].value} "
                f"and {entry.value}; uninstall one of the packages"
            )
        found[entry.name] = entry
    return found


def _file(entry: EntryPoint) -> Path:
    """Return the file of a module that another package brings, whether it is there or not."""
    path = entry.value.replace(".", "/")
    for ending in (".py", "/__init__.py"):
        if entry.dist and (file := Path(str(entry.dist.locate_file(path + ending)))).is_file():
            return file
    with suppress(Exception):  # parents of the module are imported, and may raise anything
        found = importlib.util.find_spec(entry.value)
        if found and found.origin:
            return Path(found.origin)
    return Path(f"{path}.py")  # whoever asks for it is told


@cache
def files(folder: str) -> dict[str, Path]:
    """Return the plug-ins in a folder of the package, and those of other packages, by name.

    Nothing of the folder is imported.

    Parameters
    ----------
    folder : str
        For instance "training/losses". Files whose name begins with _ are helpers, not plug-ins.

    Returns
    -------
    dict of Path by str
        In alphabetical order.

    Raises
    ------
    PluginError
        If two files have the same name.

    Examples
    --------
    >>> "scipy" in files("numerics/frameworks")
    True
    """
    found: dict[str, Path] = {}
    modules = (PACKAGE / folder).glob("*.py")
    packages = (PACKAGE / folder).glob("*/__init__.py")
    for file in sorted([*modules, *packages]):
        name = file.parent.name if file.name == "__init__.py" else file.stem
        if name.startswith("_") or (file.parent == PACKAGE / folder and file.name == "__init__.py"):
            continue
        if name in found:
            raise PluginError(f"{folder}: {name!r} is registered twice: {found[name]} and {file}")
        found[name] = file
    for name, entry in brought(folder).items():
        if name in found:
            raise PluginError(
                f"{folder}: {name!r} is registered twice: {found[name]} and {entry.value}, which "
                "another package brings"
            )
        if not name.isidentifier():
            raise PluginError(f"{entry.value}: the entry point {name!r} is no name of Python")
        found[name] = _file(entry)
    return dict(sorted(found.items()))


def names(folder: str) -> list[str]:
    """Return the names of the plug-ins of a folder, in alphabetical order.

    Examples
    --------
    >>> "scipy" in names("numerics/frameworks")
    True
    """
    return list(files(folder))


def load(folder: str, name: str, *parts: str) -> ModuleType:
    """Return a plug-in's module.

    Parameters
    ----------
    folder : str
        For instance "training/losses".
    name : str
        One of `names(folder)`.
    *parts : str
        The names that its file must define.

    Raises
    ------
    PluginError
        If the file cannot be imported, or lacks one of the parts.

    Examples
    --------
    >>> load("numerics/frameworks", "scipy", "TITLE").TITLE
    'SciPy'
    """
    file = files(folder)[name]
    try:
        others = brought(folder)
        own = f"sigmoid_bce.{folder.replace('/', '.')}.{name}"
        found = importlib.import_module(others[name].value if name in others else own)
    except Exception as error:  # a plug-in may raise anything
        raise PluginError(f"{file}: {type(error).__name__}: {error}") from error
    if missing := [part for part in parts if not hasattr(found, part)]:
        raise PluginError(f"{file}: it does not define {', '.join(missing)}")
    return found


@cache
def definitions(file: Path) -> dict[str, ast.expr | None]:
    """Return the names that a module defines, with the values of assignments at its top level.

    The file is read, not run. Names that are only defined inside functions and classes do not
    count. A name "*" stands for all the names of an imported module.

    Raises
    ------
    PluginError
        If the file has a syntax error, or cannot be read.

    Examples
    --------
    >>> found = definitions(files("numerics/frameworks")["scipy"])
    >>> ast.unparse(found["PACKAGES"]), "implementations" in found
    ("('scipy',)", True)
    """
    try:
        tree = ast.parse(file.read_bytes(), file.name)
    except SyntaxError as error:
        raise PluginError(f"{file}, line {error.lineno}: {error.msg}") from None
    except OSError as error:
        raise PluginError(f"{file}: it cannot be read: {error.strerror}") from None
    found: dict[str, ast.expr | None] = {}
    todo: list[ast.AST] = list(tree.body)
    while todo:
        node = todo.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found[node.name] = None
            continue
        if isinstance(node, ast.alias):
            found[node.asname or node.name.split(".")[0]] = None
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found[node.id] = None
        todo.extend(ast.iter_child_nodes(node))
    for node in tree.body:
        if isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            found |= {name.id: node.value for name in targets if isinstance(name, ast.Name)}
    return found


def check(folder: str, *choices: Sequence[str]) -> None:
    """Check that each plug-in in a folder defines its parts. The files are read, not run.

    Parameters
    ----------
    folder : str
        For instance "training/losses".
    *choices : sequence of str
        The names that a file must define: those of one of the choices.

    Raises
    ------
    PluginError
        If a file has a syntax error, or lacks a part.

    Examples
    --------
    >>> check("training/losses", ["loss"])
    """
    for file in files(folder).values():
        names = definitions(file)
        missing = [[part for part in parts if part not in names] for parts in choices]
        if all(missing) and "*" not in names:
            lacks = " or ".join(" and ".join(parts) for parts in missing)
            raise PluginError(f"{file}: it does not define {lacks}")


def constant(file: Path, name: str, kind: type[Kind]) -> Kind:
    """Return a literal that a plug-in's file assigns to a name. The file is read, not run.

    Parameters
    ----------
    file : Path
        One of the values of `files(folder)`.
    name : str
        The name of the constant.
    kind : type
        Its type, for instance tuple.

    Raises
    ------
    PluginError
        If the file has a syntax error, or does not assign such a literal to the name.

    Examples
    --------
    >>> constant(files("numerics/frameworks")["scipy"], "PACKAGES", tuple)
    ('scipy',)
    """
    if name not in definitions(file):
        raise PluginError(f"{file}: it does not define {name}")
    value, found = definitions(file)[name], None
    if value:
        with suppress(ValueError):  # not a literal
            found = ast.literal_eval(value)
    if not isinstance(found, kind):
        written = f", found {ast.unparse(value)[:60]}" if value else ""
        raise PluginError(f"{file}: {name} must be a {kind.__name__} literal{written}")
    return found
