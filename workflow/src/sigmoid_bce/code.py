"""Which code a result depends on: a rule reruns when that changes, and only then."""

from __future__ import annotations

import ast
import hashlib
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).parent
# the values of one reach rules through their params; the other starts jobs, whatever they do
APART = {PACKAGE / "config.py", PACKAGE / "forkserver.py"}


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


def module_digest(file: Path) -> str:
    """Return a digest of a module and of all modules beside or below it that it imports.

    Examples
    --------
    >>> len(module_digest(PACKAGE / "code.py"))
    16
    """
    root, seen, todo = file.parent, set(), [file]
    while todo:
        module = todo.pop()
        if module in seen:
            continue
        seen.add(module)
        for node in ast.walk(ast.parse(module.read_bytes())):
            base, names = root, []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                base = [root, module.parent, *module.parent.parents][node.level]
                first = node.module or ""
                names = [first, *(f"{first}.{a.name}".strip(".") for a in node.names)]
            for name in filter(None, names):
                path = base.joinpath(*name.split("."))
                # a package is run before what is in it
                inits = [p / "__init__.py" for p in (path, *path.parents) if p.is_relative_to(base)]
                todo += [p for p in (*inits, path.with_suffix(".py")) if p.is_file()]
    content = hashlib.sha256()
    for module in sorted(seen):
        content.update(hashlib.sha256(module.read_bytes()).digest())
    return content.hexdigest()[:16]


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
