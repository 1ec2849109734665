"""Which code a result depends on: a rule reruns when that changes, and only then."""

from __future__ import annotations

import ast
import hashlib
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).parent
# its values reach rules through their params, so that a new key elsewhere reruns nothing
APART = {PACKAGE / "config.py"}


@cache
def _imported(file: Path) -> frozenset[Path]:
    """Return the package's own files that `file` names in its imports."""
    names = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    found = set()
    for name in names:
        first, *rest = name.split(".")
        if first == PACKAGE.name:
            path = PACKAGE.joinpath(*rest)
            found |= {path / "__init__.py", path.with_suffix(".py")}
    return frozenset(path for path in found if path.is_file() and path not in APART)


@cache
def digest(script: Path) -> str:
    """Return a digest of a script and of all the package's code that it imports.

    Parameters
    ----------
    script : Path
        A Python file.

    Returns
    -------
    str
        Sixteen hexadecimal digits, a function of the files' content alone.

    Examples
    --------
    >>> len(digest(PACKAGE / "code.py"))
    16
    """
    seen, todo = set(), [script]
    while todo:
        file = todo.pop()
        if file not in seen:
            seen.add(file)
            todo.extend(_imported(file))
    content = hashlib.sha256()
    for file in sorted(seen, key=lambda f: f.name if f == script else str(f.relative_to(PACKAGE))):
        content.update(hashlib.sha256(file.read_bytes()).digest())
    return content.hexdigest()[:16]


def files_digest(folder: Path) -> str:
    """Return a digest of the content of all files in a folder.

    Examples
    --------
    >>> len(files_digest(PACKAGE / "figures"))
    16
    """
    content = hashlib.sha256()
    for file in sorted(path for path in folder.iterdir() if path.is_file()):
        content.update(file.name.encode() + hashlib.sha256(file.read_bytes()).digest())
    return content.hexdigest()[:16]
