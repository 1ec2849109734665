"""Reading a configuration: every mistake becomes one line that names the file and the key."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date
from typing import Any, get_args

from pydantic import ValidationError

from sigmoid_bce.jobs.credentials import masked
from sigmoid_bce.jobs.logs import one_line
from sigmoid_bce.study.base import PATTERNS, ConfigError, Strict, nearest
from sigmoid_bce.study.config import Study
from sigmoid_bce.study.datasets import SOURCES
from sigmoid_bce.study.models import ARCHITECTURES

KINDS = {"datasets": SOURCES, "models": ARCHITECTURES}
"""Sections of several kinds. pydantic puts the kind third in a location, though it is no key."""

Location = tuple[int | str, ...]
Mistake = Mapping[str, Any]
"""A mistake as pydantic describes it."""


def _sections(annotation: Any) -> list[type[Strict]]:
    """Return the sections that an annotation mentions, however deep."""
    if isinstance(annotation, type) and issubclass(annotation, Strict):
        return [annotation]
    return [section for part in get_args(annotation) for section in _sections(part)]


def sections_below(section: type[Strict]) -> list[type[Strict]]:
    """Return a section and all sections in it, however deep.

    Examples
    --------
    >>> from sigmoid_bce.study.config import Grid
    >>> [section.__name__ for section in sections_below(Grid)]
    ['Grid']
    """
    found, todo = [], [section]
    while todo:
        one = todo.pop()
        if one not in found:
            found.append(one)
            todo += [s for field in one.model_fields.values() for s in _sections(field.annotation)]
    return found


def _keys(location: Location) -> list[str]:
    """Return the keys of the section at a location."""
    sections: list[type[Strict]] = [Study]
    if location[:1] and location[0] in KINDS:
        sections = [KINDS[str(location[0])].sections[str(location[2])]]
        location = location[3:]
    for part in location:
        tagged = [section for section in sections if part == f"<{section.__name__}>"]
        fields = [s.model_fields[str(part)] for s in sections if part in s.model_fields]
        below = [section for field in fields for section in _sections(field.annotation)]
        sections = tagged or below or sections  # the index of a list leads to no other section
    return [key for section in sections for key in section.model_fields]


def _key(location: Location) -> str:
    """Return a location as the user knows it."""
    if location[:1] and location[0] in KINDS:
        location = location[:2] + location[3:]
    # pydantic puts [key] after a key that is wrong itself
    return ".".join(s for s in map(str, location) if not s.startswith("<") and s != "[key]")


def _unknown_key(error: Mistake) -> str:
    *section, key = error["loc"]
    return f"{_key(error['loc'])}: unknown key; {nearest(key, _keys(tuple(section)))}"


def _unknown_kind(error: Mistake) -> str:
    kind, key = error["ctx"]["tag"], error["ctx"]["discriminator"].strip("'")
    known = [name.strip(" '") for name in error["ctx"]["expected_tags"].split(",")]
    return f"{_key(error['loc'])}.{key}: there is no {key} {kind!r}; {nearest(kind, known)}"


def _no_kind(error: Mistake) -> str:
    return f"{_key(error['loc'])}: the key {error['ctx']['discriminator']} is missing"


def _missing(error: Mistake) -> str:
    return f"{_key(error['loc'])}: this key is missing"


def _refused(error: Mistake) -> str:
    key = _key(error["loc"])
    return f"{key}{': ' if key else ''}{error['msg'].removeprefix('Value error, ')}"


def _wrong_value(error: Mistake) -> str:
    message = re.sub(r"^(Input should be|\w+ should have)", "expected", error["msg"])
    if error["type"] in ("model_type", "dict_type", "model_attributes_type"):
        message = "expected a section of keys and values"
    if error["type"] == "string_pattern_mismatch":
        message = f"expected {PATTERNS[error['ctx']['pattern']]}"
    found = masked(repr(error["input"]))
    found = found if len(found) < 60 else f"{found[:57]}..."
    unquoted = error["type"] == "string_type" and isinstance(error["input"], int | float | date)
    hint = ": put it in quotes" if unquoted else ""
    if error["type"] == "literal_error":
        hint = _near(error["input"], re.findall("'([^']*)'", error["ctx"]["expected"]))
    return f"{_key(error['loc'])}: {message}, found {found}{hint}"


def _near(value: object, known: list[str]) -> str:
    """Return the nearest of some values as a question; nothing, if none is near."""
    hint = nearest(value, known) if known else ""
    return f"; {hint}" if hint.startswith("did") else ""


LINES: dict[str, Callable[[Mistake], str]] = {
    "extra_forbidden": _unknown_key,
    "missing": _missing,
    "union_tag_invalid": _unknown_kind,
    "union_tag_not_found": _no_kind,
    "value_error": _refused,
}
"""How a mistake is put into words, by pydantic's type of error; any other is a wrong value."""


def parse(config: object, where: str = "configuration") -> Study:
    """Return the study that a configuration describes.

    Parameters
    ----------
    config : dict
        The content of a configuration file.
    where : str
        The file's name, for messages.

    Returns
    -------
    Study

    Raises
    ------
    ConfigError
        If a key is unknown or missing, or has a wrong value. Each mistake is a line with the file,
        the key, the expected value and, for names, the nearest valid one.
    PluginError
        If a source or an architecture of the package lacks its section or its file.

    Examples
    --------
    >>> parse({"stduy": "x"}, "my.yaml")
    Traceback (most recent call last):
    sigmoid_bce.study.base.ConfigError: my.yaml: study: this key is missing
    my.yaml: stduy: unknown key; did you mean 'study'?
    """
    for kinds in KINDS.values():
        kinds.check()
    if not isinstance(config, dict):
        raise ConfigError(f"{where}: expected keys and values, found {type(config).__name__}")
    try:
        return Study.model_validate(config)
    except ValidationError as error:
        lines = [LINES.get(e["type"], _wrong_value)(e) for e in error.errors()]
        raise ConfigError("\n".join(one_line(f"{where}: {line}") for line in lines)) from None
