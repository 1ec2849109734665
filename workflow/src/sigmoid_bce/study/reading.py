"""Configuration files, read strictly: one line for each mistake, with its file and its line.

Snakemake reads a configuration too, and takes the last of two equal keys and every guess of YAML
1.1. It names no line. The profiles call `check_arguments` before Snakemake reads a file.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from yaml import MappingNode, Node, ScalarNode, SequenceNode

from sigmoid_bce.jobs.logs import one_line
from sigmoid_bce.study.base import ConfigError
from sigmoid_bce.study.config import Study
from sigmoid_bce.study.parse import parse, sections_below

DEFAULT = Path("config/config.yaml")
LARGEST = 100_000
"""Values in a configuration: a few lines of YAML can stand for more than the memory holds."""

DEEPEST = 50
QUOTE, DATE = "put it in quotes", "a date"
TAG = "tag:yaml.org,2002:"


def _line(file: object, line: int | None, text: str) -> ConfigError:
    place = f"{file}, line {line}" if line else f"{file}"
    return ConfigError(one_line(f"{place}: {text}"))


def _text(file: Path) -> str:
    """Return the text of a configuration file, or raise an error that says why it has none."""
    try:
        content = file.read_bytes()
    except IsADirectoryError:
        raise _line(file, None, "this is a folder: expected a configuration file") from None
    except FileNotFoundError:
        raise _line(
            file, None, "there is no such configuration file; targets stand before --configfile"
        ) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise _line(file, None, f"it cannot be read: {reason}") from None
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        byte = content[error.start]
        line = content[: error.start].count(b"\n") + 1
        raise _line(file, line, f"byte {byte:#x} is not UTF-8: save the file as UTF-8") from None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object of JSON, or raise an error if it has a key twice."""
    keys = [key for key, _ in pairs]
    if twice := sorted({key for key in keys if keys.count(key) > 1}):
        raise ConfigError(f"the key {twice[0]!r} is given twice")
    return dict(pairs)


def _problem(error: yaml.YAMLError, text: str) -> tuple[int | None, str]:
    """Return the line of an error of YAML, and what is wrong there."""
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    if isinstance(error, yaml.reader.ReaderError):
        wrong = error.character
        wrong = chr(wrong) if isinstance(wrong, int) else wrong
        return text.count("\n", 0, error.position) + 1, f"YAML does not allow {wrong!r}"
    problem = getattr(error, "problem", None) or str(error)
    if "'\\t'" in problem:
        problem = "a tab: indent with spaces"
    elif "cannot start any token" in problem or "constructor" in problem:
        problem = f"{problem}: if this is text, {QUOTE}"
    return mark and mark.line + 1, problem


@cache
def _keys_of(kind: type) -> frozenset[str]:
    """Return the keys, wherever in a configuration, whose values are of a type."""
    fields = (field for s in sections_below(Study) for field in s.model_fields.items())
    return frozenset(key for key, field in fields if field.annotation is kind)


@cache
def _texts() -> frozenset[str]:
    """Return the keys of texts in sections that take a number for one."""
    loose = [s for s in sections_below(Study) if s.model_config.get("coerce_numbers_to_str")]
    fields = (field for section in loose for field in section.model_fields.items())
    return frozenset(key for key, field in fields if "str" in str(field.annotation))


def _guess(node: ScalarNode, key: str) -> str:
    """Return what YAML 1.1 makes of an unquoted value that looks like another; "" if nothing."""
    text, kind = node.value, node.tag.removeprefix(TAG)
    if node.style is not None:
        return ""
    if kind == "timestamp":
        return DATE
    if kind == "bool" and text.lower() not in ("true", "false") and key not in _keys_of(bool):
        return "true" if text.lower() in ("yes", "on") else "false"
    if kind not in ("int", "float"):
        return ""
    value = yaml.load(text, yaml.SafeLoader)
    # in base 60, octal, or a text that would be written in another way
    other = ":" in text or (kind == "int" and re.match(r"[-+]?0[0-7_]", text))
    return str(value) if other or (key in _texts() and str(value) != text) else ""


def _mistakes(node: Node, key: str, file: Path) -> Iterator[ConfigError]:
    """Yield the keys that are given twice, and the values and keys that YAML 1.1 guesses."""
    line = node.start_mark.line + 1
    if isinstance(node, ScalarNode):
        if guess := _guess(node, key):
            name = f"{key}: " if key else ""
            instead = "" if guess == DATE else f"write {guess}, or "
            yield _line(file, line, f"{name}{node.value} is read as {guess}: {instead}{QUOTE}")
    elif isinstance(node, SequenceNode):
        for item in node.value:
            yield from _mistakes(item, key, file)
    elif isinstance(node, MappingNode):
        seen: dict[tuple[str, str], int] = {}  # the line of each key
        for name, value in node.value:
            here = name.start_mark.line + 1
            if isinstance(name, ScalarNode):
                if first := seen.get((name.tag, name.value)):
                    yield _line(
                        file, here, f"the key {name.value!r} is given twice, first in line {first}"
                    )
                seen[name.tag, name.value] = here
                yield from _mistakes(name, "", file)
            yield from _mistakes(value, str(name.value), file)


def _size(node: Node, above: tuple[int, ...], sizes: dict[int, int]) -> int:
    """Return the number of values that a node stands for, aliases followed."""
    if id(node) in above:
        raise yaml.MarkedYAMLError(problem="it holds itself", problem_mark=node.start_mark)
    if len(above) > DEEPEST:
        raise yaml.MarkedYAMLError(problem="nested too deep", problem_mark=node.start_mark)
    if id(node) not in sizes:
        children = node.value if isinstance(node, SequenceNode | MappingNode) else []
        flat = [part for child in children for part in (child if type(child) is tuple else [child])]
        sizes[id(node)] = 1 + sum(_size(child, (*above, id(node)), sizes) for child in flat)
    return sizes[id(node)]


def load(file: str | Path) -> dict[str, Any]:
    """Return the content of a configuration file.

    Parameters
    ----------
    file : str or Path
        YAML or JSON.

    Returns
    -------
    dict

    Raises
    ------
    ConfigError
        A line for each mistake: the file cannot be read, a key is given twice, or a value without
        quotes is something else in YAML 1.1 than it looks like.

    Examples
    --------
    >>> _ = Path("/tmp/sigmoid-bce-example.yaml").write_text("study: no")
    >>> load("/tmp/sigmoid-bce-example.yaml")
    Traceback (most recent call last):
    sigmoid_bce.study.base.ConfigError: /tmp/sigmoid-bce-example.yaml, line 1: study: no is read ...
    """
    file = Path(file)
    text = _text(file)
    try:
        return _mapping(json.loads(text, object_pairs_hook=_once), file)
    except ConfigError as error:
        raise _line(file, None, str(error).removeprefix(f"{file}: ")) from None
    except (ValueError, RecursionError):
        pass  # not JSON
    try:
        node = yaml.compose(text, yaml.SafeLoader)
        if node is None:
            raise _line(file, None, "it is empty: expected keys and values")
        if _size(node, (), {}) > LARGEST:
            raise _line(file, None, f"it stands for more than {LARGEST:,} values")
        if mistakes := list(_mistakes(node, "", file)):
            raise ConfigError("\n".join(dict.fromkeys(map(str, mistakes))))
        return _mapping(yaml.load(text, yaml.SafeLoader), file)
    except yaml.YAMLError as error:
        raise _line(file, *_problem(error, text)) from None
    except RecursionError:
        raise _line(file, None, "it is nested too deep") from None
    except (ValueError, OverflowError, TypeError) as error:  # a date that is none, and such
        raise _line(file, None, f"{error}: if this is text, {QUOTE}") from None


def _mapping(content: object, file: Path) -> dict[str, Any]:
    if not isinstance(content, dict):
        raise _line(file, None, f"expected keys and values, found {type(content).__name__}")
    return content


def check(files: Iterable[str | Path]) -> None:
    """Check configuration files.

    Raises
    ------
    ConfigError
        As `load`, for all files.

    Examples
    --------
    >>> check(["config/none.yaml"])
    Traceback (most recent call last):
    sigmoid_bce.study.base.ConfigError: config/none.yaml: there is no such configuration file; ...
    """
    lines = []
    for file in files:
        try:
            load(file)
        except ConfigError as error:
            lines.append(str(error))
    if lines:
        raise ConfigError("\n".join(lines))


def check_arguments(arguments: list[str]) -> None:
    """Check the folder and the configuration files that the arguments of a `snakemake` name.

    Parameters
    ----------
    arguments : list of str

    Raises
    ------
    SystemExit
        With the lines of `check`, or one for a folder that cannot be written.

    Examples
    --------
    >>> check_arguments(["all", "--configfile=config/none.yaml"])
    Traceback (most recent call last):
    SystemExit: the configuration has mistakes:
    config/none.yaml: there is no such configuration file; targets stand before --configfile
    """
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    parser.add_argument("--configfile", "--configfiles", nargs="+", default=[])
    parser.add_argument("--directory", "-d", default=".")
    try:
        found = parser.parse_known_args(arguments)[0]
    except argparse.ArgumentError:
        return  # Snakemake explains it
    files = found.configfile
    for folder in (Path(found.directory), Path(found.directory, ".snakemake")):
        if folder.is_dir() and not os.access(folder, os.W_OK | os.X_OK):
            sys.exit(
                f"{folder.resolve()}: it cannot be written by this user: work in a copy of your "
                "own, or name another folder by --directory"
            )
    try:
        check(files or filter(Path.is_file, [DEFAULT]))
    except ConfigError as error:
        sys.exit(f"the configuration has mistakes:\n{error}")


if __name__ == "__main__":
    try:
        print(parse(load(sys.argv[1]), sys.argv[1]).study)
    except ConfigError as mistakes:
        sys.exit(str(mistakes))
