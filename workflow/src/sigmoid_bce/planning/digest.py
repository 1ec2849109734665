"""A digest of the code that a result depends on: the rule reruns when it changes, and only then.

The digest covers the definitions that a script can reach by name, and the files beside a module
that its code names, such as templates. It does not cover comments, docstrings, annotations,
messages and lines for the log.
"""

from __future__ import annotations

import ast
import hashlib
import os
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from sigmoid_bce.jobs.files import FORMAT

PACKAGE = Path(__file__).parents[1]

APART = ("jobs", "planning", "slurm", "study", "tracking/live.py")
"""Code that runs, plans, configures or watches jobs. Rules get the values of a study as params."""

TALK = re.compile(
    r"announce|print|warn|(\w*log\w*|warnings)\.(debug|info|warn(ing)?|error|exception|critical)",
    re.I,
)
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
            if not {"ClassVar", "InitVar"} & set(_names(ast.walk(field.annotation))):
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
        return None if _tells(node.value) else self.generic_visit(node)

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
        self.generic_visit(node)
        if isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            return node.orelse or None
        only_talks = not node.body and not node.orelse
        return None if only_talks and not _acts(node.test) else node

    def visit_JoinedStr(self, node):
        self.generic_visit(node)
        values = [value for value in node.values if getattr(value, "value", None) != ""]
        return ast.Tuple(values, ast.Load())

    def visit_FormattedValue(self, node):
        self.generic_visit(node)
        values = [node.value, ast.Constant(node.conversion), node.format_spec or ast.Constant(None)]
        return ast.Tuple(values, ast.Load())


KEEPS = (ast.NamedExpr, ast.Await, ast.Yield, ast.YieldFrom)
PURE = {"abs", "all", "any", "float", "int", "isinstance", "len", "max", "min", "round"}
"""Expressions that do more than give a value, and functions that do not."""


def _acts(node: ast.AST) -> bool:
    """Return whether an expression may do more than give a value."""
    parts = list(ast.walk(node))
    calls = [ast.unparse(part.func) for part in parts if isinstance(part, ast.Call)]
    return any(isinstance(p, KEEPS) for p in parts) or any(call not in PURE for call in calls)


def _tells(node: ast.AST) -> bool:
    """Return whether an expression only writes to the terminal or the log."""
    if not isinstance(node, ast.Call) or any(isinstance(p, KEEPS) for p in ast.walk(node)):
        return False
    name = ast.unparse(node.func)
    files = [ast.unparse(word.value) for word in node.keywords if word.arg in ("file", None)]
    shown = {*files} <= {"sys.stderr", "sys.stdout"}
    return shown and TALK.fullmatch(name) is not None


@dataclass(frozen=True)
class _Part:
    """A statement at the top of a module, or one name that it imports."""

    defines: frozenset[str]  # empty: it always counts
    names: frozenset[str]
    text: str
    modules: frozenset[Path]  # modules of the package that it imports
    origin: str = ""  # of an import from the package: where the name is from


def _names(nodes: Iterable[ast.AST]) -> Iterator[str]:
    """Yield every identifier in the nodes of a syntax tree, and every string that may be one."""
    for part in nodes:
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
        calls = [d.func if isinstance(d, ast.Call) else d for d in node.decorator_list]
        words = {ast.unparse(call).split(".")[-1] for call in calls}
        return {node.name} if words <= HARMLESS else set()
    if isinstance(node, ast.Assign):
        parts = [part for target in node.targets for part in ast.walk(target)]
        # an assignment to an attribute or an item, as in x.y = 1, defines no name
        if all(isinstance(part, ast.Name | ast.Tuple | ast.List | ast.Store) for part in parts):
            return {part.id for part in parts if isinstance(part, ast.Name)}
    return set()


def _data(names: Iterable[str], file: Path) -> Iterator[str]:
    """Yield the content of files beside a module that its code names, such as templates."""
    beside = _folder(file.parent)
    for name in sorted(names):
        # of a path, only its first part is looked for among the names
        if name.split("/")[0] not in beside or len(name) > 200 or "\0" in name:
            continue
        path = file.parent / name
        if path.is_file() and path.suffix != ".py":
            yield f"\n{name} {hashlib.sha256(path.read_bytes()).hexdigest()}"


@cache
def _folder(folder: Path) -> frozenset[str]:
    return frozenset(path.name for path in folder.iterdir())


def _wanted(nodes: list[ast.AST], file: Path, root: Path) -> Iterator[tuple[Path, str]]:
    """Yield the names that the imports among nodes ask for, each with its folder."""
    for part in nodes:
        if isinstance(part, ast.Import):
            yield from ((root, alias.name) for alias in part.names)
        elif isinstance(part, ast.ImportFrom):
            base = [root, file.parent, *file.parent.parents][part.level]
            first = part.module or ""
            yield base, first
            yield from ((base, f"{first}.{alias.name}".strip(".")) for alias in part.names)


def _targets(nodes: list[ast.AST], file: Path, root: Path, package: str) -> frozenset[Path]:
    """Return the files below `root` that the imports among nodes run.

    `package` is the name that `root` is imported by, "" if its modules are imported by their own.
    """
    found: set[Path] = set()
    for base, name in _wanted(nodes, file, root):
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


@cache
def _apart(file: Path) -> bool:
    return any(file.is_relative_to(PACKAGE / place) for place in APART)


def _import_parts(
    node: ast.Import | ast.ImportFrom,
    modules: frozenset[Path],
    own: bool,
    used: set[str],
    written: set[str],
) -> Iterator[_Part]:
    """Yield a part for each name that a statement imports.

    `used` are the names in what counts of the module, `written` those in all of it.
    """
    # an import runs the whole module, whichever of its names are used
    yield _Part(frozenset(), frozenset(), "", modules)
    source = getattr(node, "module", None) or ""
    for alias in node.names if source != "__future__" else ():
        name = alias.asname or alias.name.split(".")[0]
        if name in written and name not in used:  # for annotations, messages and the log
            continue
        leaf = alias.name.split(".")[-1]
        text = origin = f"{source} {alias.name} {alias.asname}"
        if own:  # where a function of the package lives is no matter, what it is called here is
            text = f"{leaf} {alias.asname}" if alias.asname else ""
        else:
            origin = ""
        # an unused import is there for its side effects, and always counts
        yield _Part(frozenset({name} & used), frozenset({leaf}), text, frozenset(), origin)


def _side_effect(node: ast.stmt, loaded: set[str]) -> bool:
    """Return whether an assignment is there for its side effects, as _ = f()."""
    private = all(name.startswith("_") and name not in loaded for name in _defines(node))
    return isinstance(node, ast.Assign) and private and _acts(node.value)


def _statements(
    nodes: list[ast.stmt],
) -> Iterator[tuple[list[ast.AST], frozenset[str], str]]:
    """Yield statements at the top of a module: all nodes, the names it defines, and its text."""
    walked = [list(ast.walk(node)) for node in nodes]
    parts = [part for inner in walked for part in inner if isinstance(part, ast.Name)]
    loaded = {part.id for part in parts if isinstance(part.ctx, ast.Load)}
    defined = [
        frozenset() if _side_effect(node, loaded) else frozenset(_defines(node)) for node in nodes
    ]
    times = Counter(name for names in defined for name in names)
    ordered = 0
    for node, inner, defines in zip(nodes, walked, defined, strict=True):
        text = ast.unparse(node)
        # the order of definitions does not count, that of other statements does
        if not defines or any(times[name] > 1 for name in defines):
            ordered += 1
            text = f"{ordered} {text}"
        yield inner, defines, text


@cache
def parts(file: Path, root: Path = PACKAGE, package: str = PACKAGE.name) -> tuple[_Part, ...]:
    """Return the parts of a module that may change a result."""
    tree = ast.parse(file.read_bytes(), str(file))
    written = {part.id for part in ast.walk(tree) if isinstance(part, ast.Name)}
    body = _Meaning().visit(tree).body
    imports = [node for node in body if isinstance(node, ast.Import | ast.ImportFrom)]
    found = []
    for nodes, defines, text in _statements([node for node in body if node not in imports]):
        names = frozenset(_names(nodes))
        data = "".join(_data(names, file))
        found.append(_Part(defines, names, text + data, _targets(nodes, file, root, package)))
    used = {name for part in found for name in part.names}
    for node in imports:
        modules = _targets([node], file, root, package)
        first = (getattr(node, "module", None) or "").split(".")[0]
        # of a user's modules, it counts which of them a name is from
        own = bool(package) and first == package
        found.extend(_import_parts(node, modules, own, used, written))
    return tuple(found)


def _hash(texts: Iterable[str]) -> str:
    content = hashlib.sha256(f"format {FORMAT}".encode())
    for text in filter(None, texts):
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
    found = reached(files)
    places: dict[str, set[Path]] = defaultdict(set)
    for file, part in found:
        places[file.parent.name if file.stem == "__init__" else file.stem].add(file)
        for name in () if part.origin else part.defines:
            places[name].add(file)
    twice = {name for name, where in places.items() if len(where) > 1}

    def text(file: Path, part: _Part) -> str:
        # of two things of one name, it counts which is which
        if part.origin:
            return part.origin if part.names & twice else part.text
        of_file = file in files or part.defines & twice
        return f"{_title(file)} {part.text}" if part.text and of_file else part.text

    return _hash(sorted(text(file, part) for file, part in found))


def _title(file: Path) -> str:
    return "/".join(file.with_suffix("").parts[-2:]).removesuffix("/__init__")


@cache
def module_digest(file: Path, root: Path | None = None) -> str:
    """Return a digest of a user's module and of all of the user's modules that it imports.

    Parameters
    ----------
    file : Path
        The module.
    root : Path, optional
        The folder that its imports are looked for in, besides its own; by default its own.
    """
    root = root or file.parent
    seen: set[Path] = set()
    todo, texts = [file], []
    while todo:
        module = todo.pop()
        if module not in seen:
            seen.add(module)
            place = os.path.relpath(module, root)
            for part in parts(module, root, ""):
                texts.append(part.text and f"{place} {part.text}")
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
