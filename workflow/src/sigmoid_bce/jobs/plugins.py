"""Plug-ins: a file in a folder of the package is one more loss, figure or framework."""

from __future__ import annotations

import ast
import importlib
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from sigmoid_bce.jobs.logs import UserError

PACKAGE = Path(__file__).parents[1]


class PluginError(UserError):
    """A plug-in that is registered twice, or lacks a part: one line that names its files."""


@cache
def files(folder: str) -> dict[str, Path]:
    """Return the plug-ins in a folder of the package, by name. Nothing is imported.

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
    return dict(sorted(found.items()))


def names(folder: str) -> list[str]:
    """Return the names of the plug-ins in a folder of the package, in alphabetical order.

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
        found = importlib.import_module(f"sigmoid_bce.{folder.replace('/', '.')}.{name}")
    except Exception as error:  # a plug-in may raise anything
        raise PluginError(f"{file}: {type(error).__name__}: {error}") from error
    if missing := [part for part in parts if not hasattr(found, part)]:
        raise PluginError(f"{file}: it does not define {', '.join(missing)}")
    return found


def _defined(tree: ast.Module) -> set[str]:
    """Return the names that a module assigns, defines or imports, in any of its scopes."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.alias):
            names.add(node.asname or node.name)
    return names


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
        If a file has a syntax error, or certainly lacks a part.

    Examples
    --------
    >>> check("training/losses", ["loss"])
    """
    for file in files(folder).values():
        try:
            names = _defined(ast.parse(file.read_bytes(), file.name))
        except SyntaxError as error:
            raise PluginError(f"{file}, line {error.lineno}: {error.msg}") from None
        missing = [[part for part in parts if part not in names] for parts in choices]
        if all(missing) and "*" not in names:
            lacks = " or ".join(" and ".join(parts) for parts in missing)
            raise PluginError(f"{file}: it does not define {lacks}")


@cache
def constant(folder: str, name: str, part: str) -> Any:
    """Return a literal that a plug-in's file assigns to a name. The file is read, not run.

    Parameters
    ----------
    folder : str
        For instance "numerics/frameworks".
    name : str
        One of `names(folder)`.
    part : str
        The name of the constant.

    Raises
    ------
    PluginError
        If the file has a syntax error, or does not assign a literal to the name at its top level.

    Examples
    --------
    >>> constant("numerics/frameworks", "scipy", "PACKAGES")
    ('scipy',)
    """
    file = files(folder)[name]
    try:
        body = ast.parse(file.read_bytes(), file.name).body
    except SyntaxError as error:
        raise PluginError(f"{file}: SyntaxError: {error}") from error
    for node in body:
        if not isinstance(node, ast.Assign | ast.AnnAssign) or node.value is None:
            continue
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        if part in map(ast.unparse, targets):
            try:
                return ast.literal_eval(node.value)
            except ValueError as error:
                raise PluginError(f"{file}: {part}: expected a literal") from error
    raise PluginError(f"{file}: it does not define {part}")
