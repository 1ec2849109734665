"""A digest of the code that a result depends on: the rule reruns when it changes, and only then.

The digest covers the definitions that a script can reach by name, and the files beside a module
that its code names, such as templates. It does not cover comments, docstrings, annotations,
messages and lines for the log.
"""

from __future__ import annotations

import ast
import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from sigmoid_bce.jobs.files import FORMAT

PACKAGE = Path(__file__).parents[1]

APART = ("jobs", "planning", "slurm", "study", "tracking/live.py")
"""Code that runs, plans, configures or watches jobs. Rules get the values of a study as params."""

TALK = {"announce", "print", "debug", "info", "warning", "warn"}
"""Functions that only print or log, in statements that do not use the returned value."""

HARMLESS = {"cache", "classmethod", "contextmanager", "dataclass", "property", "staticmethod"}
"""Decorators that register nothing; under any other, a definition always counts."""


class _Meaning(ast.NodeTransformer):
    """Remove the parts of a syntax tree that cannot change a result or differ by Python release."""

    def visit_FunctionDef(self, node):
        node.returns = None
        return self.generic_visit(node)

    visit_AsyncFunctionDef = visit_FunctionDef

    def visit_ClassDef(self, node):
        # an annotation makes a name a field of a dataclass, whatever the type
        fields = [part for part in node.body if isinstance(part, ast.AnnAssign)]
        for field in fields:
            if not {"ClassVar", "InitVar"} & set(_names(field.annotation)):
                field.annotation = ast.Constant("field")
        self.generic_visit(node)
        return node

    def visit_arg(self, node):
        node.annotation = None
        return node

    def visit_AnnAssign(self, node):
        self.generic_visit(node)
        if isinstance(node.annotation, ast.Constant) and node.annotation.value == "field":
            return node
        return node.value and ast.Assign([node.target], node.value, lineno=0)

    def visit_Expr(self, node):
        if isinstance(node.value, ast.Constant):  # a docstring
            return None
        if isinstance(node.value, ast.Call):
            function = node.value.func
            name = getattr(function, "id", getattr(function, "attr", None))
            to_file = any(keyword.arg == "file" for keyword in node.value.keywords)
            if name in TALK and not to_file:
                return None
        return self.generic_visit(node)

    def visit_Raise(self, node):
        # the type of the error counts, since it may be caught; its message does not
        if isinstance(node.exc, ast.Call):
            node.exc = node.exc.func
        node.cause = None
        return self.generic_visit(node)

    def visit_Assert(self, node):
        node.msg = None
        return self.generic_visit(node)

    def visit_If(self, node):
        if isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            return None
        return self.generic_visit(node)

    def visit_JoinedStr(self, node):
        self.generic_visit(node)
        values = [value for value in node.values if getattr(value, "value", None) != ""]
        return ast.Tuple(values, ast.Load())

    def visit_FormattedValue(self, node):
        self.generic_visit(node)
        values = [node.value, ast.Constant(node.conversion), node.format_spec or ast.Constant(None)]
        return ast.Tuple(values, ast.Load())


@dataclass(frozen=True)
class _Part:
    """A statement at the top of a module, or one name that it imports."""

    defines: frozenset[str]  # empty: it always counts
    names: frozenset[str]
    text: str
    modules: frozenset[Path]  # modules of the package that it imports


def _names(node: ast.AST) -> Iterator[str]:
    """Yield every identifier in a syntax tree, and every string that may be one."""
    for part in ast.walk(node):
        if isinstance(part, ast.Name):
            yield part.id
        elif isinstance(part, ast.Attribute):
            yield part.attr
        elif isinstance(part, ast.Constant) and isinstance(part.value, str):
            yield part.value
        elif isinstance(part, ast.alias):
            yield part.name.split(".")[-1]


def _defines(node: ast.stmt) -> set[str]:
    """Return the names that a statement defines; none if it may do more than that."""
    if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef):
        words = {name for decorator in node.decorator_list for name in _names(decorator)}
        return {node.name} if not node.decorator_list or words & HARMLESS else set()
    if isinstance(node, ast.Assign):
        parts = [part for target in node.targets for part in ast.walk(target)]
        # an assignment to an attribute or an item, as in x.y = 1, defines no name
        if all(isinstance(part, ast.Name | ast.Tuple | ast.List | ast.Store) for part in parts):
            return {part.id for part in parts if isinstance(part, ast.Name)}
    return set()


def _data(node: ast.AST, file: Path) -> Iterator[str]:
    """Yield the content of files beside a module that a syntax tree names, such as templates."""
    for name in sorted(set(_names(node))):
        is_name = re.fullmatch(r"[\w-]+(\.[\w-]+)*\.(?!py$)\w+", name)
        if is_name and (path := file.with_name(name)).is_file():
            yield f"\n{name} {hashlib.sha256(path.read_bytes()).hexdigest()}"


def _wanted(node: ast.AST, file: Path, root: Path) -> Iterator[tuple[Path, str]]:
    """Yield the names that the imports in a syntax tree ask for, each with its folder."""
    for part in ast.walk(node):
        if isinstance(part, ast.Import):
            yield from ((root, alias.name) for alias in part.names)
        elif isinstance(part, ast.ImportFrom):
            base = [root, file.parent, *file.parent.parents][part.level]
            first = part.module or ""
            yield base, first
            yield from ((base, f"{first}.{alias.name}".strip(".")) for alias in part.names)


def _targets(node: ast.AST, file: Path, root: Path, package: str) -> frozenset[Path]:
    """Return the files below `root` that the imports in a syntax tree run.

    `package` is the name that `root` is imported by, "" if its modules are imported by their own.
    """
    found: set[Path] = set()
    for base, name in _wanted(node, file, root):
        names = name.split(".") if name else []
        if base == root and package:
            if names[:1] != [package]:
                continue
            names = names[1:]
        path = base.joinpath(*names)
        # a package is run before the modules in it
        found |= {p / "__init__.py" for p in (path, *path.parents) if p.is_relative_to(base)}
        if names:
            found.add(path.with_suffix(".py"))
    return frozenset(path for path in found if path.is_file() and not _apart(path))


def _apart(file: Path) -> bool:
    return any(file.is_relative_to(PACKAGE / place) for place in APART)


def _import_parts(
    node: ast.Import | ast.ImportFrom, modules: frozenset[Path], own: bool, used: set[str]
) -> Iterator[_Part]:
    """Yield a part for each name that a statement imports; `used` are the names in the module."""
    # an import runs the whole module, whichever of its names are used
    yield _Part(frozenset(), frozenset(), "", modules)
    source = getattr(node, "module", None) or ""
    for alias in node.names if source != "__future__" else ():
        name = alias.asname or alias.name.split(".")[0]
        leaf = frozenset({alias.name.split(".")[-1]})
        # the library of a name counts; the module of a function of the package does not
        text = "" if own else f"{source} {alias.name} {alias.asname}"
        # an unused import is there for its side effects, and always counts
        yield _Part(frozenset({name} & used), leaf, text, frozenset())


@cache
def parts(file: Path, root: Path = PACKAGE, package: str = PACKAGE.name) -> tuple[_Part, ...]:
    """Return the parts of a module that may change a result."""
    tree = _Meaning().visit(ast.parse(file.read_bytes(), str(file)))
    imports = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
    found = [
        _Part(
            frozenset(_defines(node)),
            frozenset(_names(node)),
            ast.unparse(node) + "".join(_data(node, file)),
            _targets(node, file, root, package),
        )
        for node in tree.body
        if node not in imports
    ]
    used = {name for part in found for name in part.names}
    for node in imports:
        modules = _targets(node, file, root, package)
        first = (getattr(node, "module", None) or "").split(".")[0]
        own = first == package if package else bool(modules)
        found.extend(_import_parts(node, modules, own, used))
    return tuple(found)


def _hash(texts: Iterable[str]) -> str:
    content = hashlib.sha256(f"format {FORMAT}".encode())
    for text in texts:
        content.update(hashlib.sha256(text.encode()).digest())
    return content.hexdigest()[:16]


def reached(files: Iterable[Path]) -> list[tuple[Path, _Part]]:
    """Return the parts of the package that files can reach by name, and all parts of these files.

    A definition in an imported module counts if its name occurs in code that counts. Names are
    compared without regard to their origin, so that too much is covered rather than too little.
    """
    starts = list(files)
    modules = set(starts)
    names: set[str] = set()
    waiting = [(file, part) for file in starts for part in parts(file)]
    found: list[tuple[Path, _Part]] = []
    more = True
    while more:
        more, left = False, []
        for file, part in waiting:
            if part.defines and not part.defines & names and file not in starts:
                left.append((file, part))
                continue
            more = True
            found.append((file, part))
            names |= part.names
            for module in part.modules - modules:
                modules.add(module)
                left += [(module, part) for part in parts(module)]
        waiting = left
    return found


@cache
def digest(*files: Path) -> str:
    """Return a digest of a script, and of the package's code that it can reach by name.

    Parameters
    ----------
    *files : Path
        The script, and the plug-ins and templates that it loads: all of each counts.

    Returns
    -------
    str
        Sixteen hexadecimal digits, a function of the code's meaning alone.

    Examples
    --------
    >>> len(digest(PACKAGE / "planning/digest.py"))
    16
    """
    return _hash(sorted(part.text for _, part in reached(files)))


@cache
def module_digest(file: Path) -> str:
    """Return a digest of a user's module and of all modules beside or below it that it imports.

    Examples
    --------
    >>> len(module_digest(PACKAGE / "planning/digest.py"))
    16
    """
    seen: set[Path] = set()
    todo, texts = [file], []
    while todo:
        module = todo.pop()
        if module not in seen:
            seen.add(module)
            for part in parts(module, file.parent, ""):
                texts.append(part.text)
                todo += part.modules
    return _hash(sorted(texts))


def files_digest(folder: Path) -> str:
    """Return a digest of the content of all files in a folder.

    Examples
    --------
    >>> len(files_digest(PACKAGE / "figures"))
    16
    """
    files = sorted(path for path in folder.iterdir() if path.is_file())
    return _hash(text for file in files for text in (file.name, file.read_bytes().hex()))
