"""Modules of the user's that a file imports: found beside it and read, never run."""

from __future__ import annotations

import ast
import sys
import tokenize
import warnings
from functools import lru_cache
from pathlib import Path

from sigmoid_bce.checking.library import MATHS, framework

UP = 4
"""Folders above a file in which its imports are looked for."""
MANY = 50
"""Modules that are followed from one file."""
LARGEST = 1_000_000
"""Bytes of a module that is followed."""


@lru_cache(maxsize=4096)
def locate(here: Path, name: str, level: int) -> Path | None:
    """Return the file of a module that is imported; None if it is not one of the user's.

    Parameters
    ----------
    here : Path
        The file that imports it, as an absolute path.
    name : str
        The module's name, without its leading dots.
    level : int
        The number of leading dots.
    """
    first = name.split(".")[0]
    if not level and (framework(first) in MATHS or first in sys.stdlib_module_names):
        return None
    folders = here.parents
    inside = Path(*name.split(".")) if name else Path()
    for folder in folders[level - 1 : level] if level else folders[: UP + 1]:
        for file in (folder / inside).with_suffix(".py"), folder / inside / "__init__.py":
            if file.is_file() and file != here:
                return file
    return None


@lru_cache(maxsize=1024)
def parsed(file: Path) -> ast.Module | None:
    """Return the syntax tree of a module, its nodes marked as another file's.

    None if it cannot be read.
    """
    try:
        if file.stat().st_size > LARGEST:
            return None
        with tokenize.open(file) as opened, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(opened.read())
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    for node in ast.walk(tree):
        node.file = str(file)  # type: ignore[attr-defined]
    return tree
