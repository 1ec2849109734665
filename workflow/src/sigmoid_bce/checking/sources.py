"""The text of Python files and notebooks: parsed, with lines and comments."""

from __future__ import annotations

import ast
import io
import json
import re
import tokenize
import warnings
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from sigmoid_bce.checking.flow import Flow
from sigmoid_bce.checking.rules import RULES, Finding, instead
from sigmoid_bce.checking.walk import Found

IGNORE = re.compile(r"#\s*sigmoid-bce:\s*ignore(?:\s*\[([^\]]*)\])?")
WORDS = re.compile(
    r"BCE|binary_?cross|sigmoid|focal|MultiLabelSoftMargin|multilabel_soft|\.compile\(|log1p"
    r"|\blog(2|10)?_?\(",
    re.IGNORECASE,
)
"""A text without any of these holds no finding."""
ENVIRONMENT = re.compile(r"^\s*%(?:set_)?env\s+KERAS_BACKEND\s*[= ]\s*(\w+)\s*$")
BETWEEN = (tokenize.COMMENT, tokenize.NL, tokenize.INDENT, tokenize.DEDENT, tokenize.ENCODING)
"""Tokens that begin no statement."""
PASSED = ("%%time", "%%timeit", "%%capture", "%%prun", "%%memit")
"""Cell magics around Python."""


class Cell(NamedTuple):
    """A part of a file: the whole, or a cell of a notebook, from 1."""

    number: int
    text: str


class Ignored(NamedTuple):
    """A comment that silences the checker: its line, the lines it is about, and rules or none."""

    line: int
    first: int
    last: int
    rules: set[str]

    def moved(self, by: int) -> Ignored:
        """Return it as many lines further down."""
        return Ignored(self.line + by, self.first + by, self.last + by, self.rules)


def python(file: str, text: str) -> tuple[list[Finding], list[str]]:
    r"""Return what is found in a Python file's text, and what could not be seen.

    Parameters
    ----------
    file : str
        Its name.
    text : str

    Returns
    -------
    findings : list of Finding
    notes : list of str

    Examples
    --------
    >>> python("a.py", "import torch\nlog_p = torch.log(torch.sigmoid(x))")[0][0].place
    'a.py:2'
    """
    return _looked(file, [Cell(0, text)])


def notebook(file: str, text: str) -> tuple[list[Finding], list[str]]:
    """Return what is found in the code cells of a notebook, and what could not be seen."""
    try:
        content = json.loads(text)
        cells = [
            Cell(number, _without_magic("".join(cell["source"])))
            for number, cell in enumerate(content["cells"], 1)
            if cell["cell_type"] == "code"
        ]
    except (ValueError, KeyError, TypeError):
        return [], [f"{file}: not looked at: it is no notebook of version 4"]
    return _looked(file, cells)


def read(path: Path) -> str:
    """Return the text of a file, in the encoding that it declares."""
    with tokenize.open(path) as file:
        return file.read()


def _without_magic(text: str) -> str:
    """Return a cell's Python: magics and shell commands become empty lines."""
    lines = text.split("\n")
    if lines[0].startswith("%%") and not lines[0].startswith(PASSED):
        return ""
    return "\n".join(_line(line) for line in lines)


def _line(line: str) -> str:
    if found := ENVIRONMENT.match(line):
        return f"import os; os.environ['KERAS_BACKEND'] = '{found[1]}'"
    if re.match(r"\s*[%!?]", line) or re.match(r"[\w.]+\?+$", line):
        return line[: len(line) - len(line.lstrip())] + "pass"
    return line


def _looked(file: str, cells: list[Cell]) -> tuple[list[Finding], list[str]]:
    body: list[ast.stmt] = []
    notes: list[str] = []
    ignored: list[Ignored] = []
    places: dict[int, tuple[int, int]] = {}
    for cell in cells:
        tree = _parsed(file, cell, notes)
        if tree is None:
            continue
        first, lines = len(places), cell.text.count("\n") + 1
        body += (ast.increment_lineno(statement, first) for statement in tree.body)
        places |= {first + n: (cell.number, n) for n in range(1, lines + 1)}
        comments = list(_ignored(cell.text))
        ignored += (one.moved(first) for one in comments)
        notes += _unknown(file, comments)
    if not any(WORDS.search(cell.text) for cell in cells):
        return [], notes
    findings = []
    silent = _Silent(ignored)
    for place, (seen, framework) in _found(file, body, notes).items():
        if silent(place):
            continue
        number, line = (0, place.line) if place.file else places.get(place.line, (0, place.line))
        said = re.sub(r"of line (\d+)", lambda m: _line_of(places.get(int(m[1]))), seen)
        if place.file:  # lines that are told are this file's
            said = re.sub(r"of (line|cell)", rf"of {file}, \1", said)
        text = (said, RULES[place.rule].why, instead(place.rule, framework))
        findings.append(Finding(_shown(place.file, file), line, place.rule, *text, number))
    return sorted(findings, key=lambda f: (f.file, f.cell, f.line, f.rule)), notes


class _Silent:
    """Whether a comment silences a finding, in a file or in another that it imports."""

    def __init__(self, own: list[Ignored]) -> None:
        self.comments = {"": own}

    def __call__(self, place: Found) -> bool:
        if place.file not in self.comments:
            self.comments[place.file] = list(_ignored(read(Path(place.file))))
        return any(
            one.first <= place.last and place.first <= one.last
            for one in self.comments[place.file]
            if not one.rules or place.rule in one.rules
        )


def _shown(other: str, file: str) -> str:
    """Return the name of a file that is imported, in the way that the importing file is named."""
    if other and not Path(file).is_absolute():
        with suppress(ValueError):
            return str(Path(other).relative_to(Path.cwd()))
    return other or file


def _line_of(place: tuple[int, int] | None) -> str:
    cell, line = place or (0, 0)
    return f"of cell {cell}, line {line}" if cell else f"of line {line}"


def _parsed(file: str, cell: Cell, notes: list[str]) -> ast.Module | None:
    """Return the statements of a cell; None, and a note, if it does not parse."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the user's strings
            return ast.parse(cell.text)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        at = f" in cell {cell.number}" if cell.number else ""
        line = f", line {error.lineno}" if isinstance(error, SyntaxError) else ""
        reason = getattr(error, "msg", None) or type(error).__name__
        notes.append(f"{file}: not looked at{at}: it does not parse ({reason}{line})")
        return None


def _found(file: str, body: list[ast.stmt], notes: list[str]) -> dict[Found, tuple[str, str]]:
    """Return what a walk finds; a note, if it did not come to its end."""
    flow = Flow()
    try:
        flow.module(ast.Module(body, []), Path(file).absolute())
    except RecursionError:
        notes.append(f"{file}: not looked at to its end: it is nested too deeply")
    except Exception as error:  # one odd file among thousands
        notes.append(f"{file}: not looked at to its end: an error of the checker's: {error!r}")
    if flow.long:
        notes.append(f"{file}: calls between its functions are not all followed: it is too long")
    return flow.found


def _ignored(text: str) -> Iterator[Ignored]:
    """Yield the comments that silence the checker.

    One on the first or last line of a statement is about all of it: formatters break long lines.
    """
    readline: Callable[[], str] = io.StringIO(text).readline
    comments: dict[int, set[str]] = {}
    first = 0
    with suppress(tokenize.TokenError, SyntaxError):
        for token in tokenize.generate_tokens(readline):
            line = token.start[0]
            if token.type == tokenize.COMMENT and (found := IGNORE.search(token.string)):
                comments[line] = set(filter(None, re.split(r"[\s,]+", found[1] or "")))
            elif token.type == tokenize.NEWLINE:
                for at, rules in comments.items():
                    top, end = (first, line) if at in (first, line) else (at, at)
                    yield Ignored(at, top, end, rules)
                comments, first = {}, 0
            elif token.type not in BETWEEN:
                first = first or line
    yield from (Ignored(at, at, at, rules) for at, rules in comments.items())


def _unknown(file: str, ignored: list[Ignored]) -> Iterator[str]:
    for one in ignored:
        for rule in sorted(one.rules - set(RULES)):
            known = ", ".join(RULES)
            yield f"{file}:{one.line}: ignore[{rule}]: there is no such rule: expected {known}"
