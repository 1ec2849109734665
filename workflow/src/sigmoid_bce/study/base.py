"""The parts that every section of a configuration is built from."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Self, get_args, get_origin

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from sigmoid_bce.jobs import plugins
from sigmoid_bce.jobs.logs import UserError

PATTERNS = {
    r"^[a-z0-9][a-z0-9_.-]*$": "lower-case letters, digits, '-', '_' and '.'",
    r"^[0-9a-f]{64}$": "64 lower-case hexadecimal digits",
    r"^https?://[^/\s]+/\S+$": "https://... or http://...",
    r"^[0-9][\w.+!]*$": "a version such as 1.0.2",
    r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*$": "module:function",
}
"""The form of strings, and the words for it in messages."""

NAME, SHA256, URL, VERSION, FUNCTION = PATTERNS

Name = Annotated[str, Field(pattern=NAME)]
Sha256 = Annotated[str, Field(pattern=SHA256)]
Url = Annotated[str, Field(pattern=URL)]
Version = Annotated[str, Field(pattern=VERSION)]
Function = Annotated[str, Field(pattern=FUNCTION)]
Positive = Annotated[int, Field(ge=1, strict=True)]
Seed = Annotated[int, Field(ge=0, lt=2**31, strict=True)]


class ConfigError(UserError):
    """The mistakes in a configuration, one a line: where each is, and what was expected."""


def nearest(name: object, known: Iterable[object]) -> str:
    """Return a hint: the known name that is closest to `name`, or all known names.

    Examples
    --------
    >>> nearest("logit", ["logits", "hinge"])
    "did you mean 'logits'?"
    >>> nearest("x", ["logits", "hinge"])
    'expected one of hinge, logits'
    """
    names = sorted(map(str, known))
    match = difflib.get_close_matches(str(name), names, n=1, cutoff=0.5)
    return f"did you mean {match[0]!r}?" if match else f"expected one of {', '.join(names)}"


@dataclass(frozen=True)
class Plugin:
    """Annotates a string that is the name of a plug-in: a file in a folder of the package.

    Parameters
    ----------
    kind : str
        The word for the plug-in in messages, for instance "loss".
    folder : str
        For instance "training/losses".

    Examples
    --------
    >>> Plugin("framework", "numerics/frameworks").check("scipi")
    Traceback (most recent call last):
    ValueError: there is no framework 'scipi'; did you mean 'scipy'?
    """

    kind: str
    folder: str

    def check(self, name: str) -> str:
        """Return the name, or raise ValueError if no plug-in has it."""
        known = plugins.names(self.folder)
        if name not in known:
            raise ValueError(f"there is no {self.kind} {name!r}; {nearest(name, known)}")
        return name

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self.check, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return {**handler(schema), "enum": plugins.names(self.folder)}


@dataclass(frozen=True)
class Local:
    """Annotates a path on the user's machine. Planning finds it before any job starts."""

    kind: Literal["file", "folder"]


FilePath = Annotated[str, Field(min_length=1), Local("file")]
FolderPath = Annotated[str, Field(min_length=1), Local("folder")]


class Strict(BaseModel):
    """A section that refuses unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Wheel(Strict):
    """A file from the Python package index."""

    package: Name = Field(description="Name of the package.")
    version: Version = Field(description="Its exact version.")
    sha256: Sha256 = Field(description="SHA-256 of its wheel.")


class Download(Strict):
    """A file from a URL, or a local file."""

    url: Annotated[
        list[Url],
        BeforeValidator(
            lambda value: [value] if isinstance(value, str) else value,
            json_schema_input_type=Url | list[Url],
        ),
    ] = Field(default=[], description="Address of the file, or a list of mirrors.")
    sha256: Annotated[
        Sha256 | None, BeforeValidator(lambda value: None if value in ("", "null") else value)
    ] = Field(default=None, description="Its SHA-256; required with `url`.")
    file: str = Field(default="", description="A local file, used instead of the URL.")

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if not self.url and not self.file:
            raise ValueError("expected url and sha256, or file")
        if self.url and not self.file and not self.sha256:
            raise ValueError("sha256: this key is missing; a download is checked against it")
        return self


def files(section: Strict) -> dict[str, Wheel | Download | str]:
    """Return the files that a section names, by key: wheels, downloads and paths of local files.

    Examples
    --------
    >>> from sigmoid_bce.study.datasets import TableDataset
    >>> files(TableDataset(source="table", path="labels.csv", image_size=8))
    {'path': 'labels.csv'}
    """
    found = {}
    for key, field in type(section).model_fields.items():
        value = getattr(section, key)
        if isinstance(value, Wheel | Download) or Local("file") in field.metadata:
            found[key] = value
    return found


def kinds(module: str, key: str, folder: str = "") -> dict[str, type[Strict]]:
    """Return the sections that a module defines, by the value of the key that tells them apart.

    Parameters
    ----------
    module : str
        Its ``__name__``.
    key : str
        For instance "source": the key whose type, in each section, is a Literal.
    folder : str
        The plug-ins that carry the sections out: a file for each value.

    Raises
    ------
    PluginError
        If two sections share a value, or a value has a section or a file but not both.
    """
    source = sys.modules[module]
    own = [part for part in vars(source).values() if getattr(part, "__module__", "") == module]
    found: dict[str, type[Strict]] = {}
    for section in own:
        for value in _values(section, key):
            if value in found:
                raise plugins.PluginError(
                    f"{source.__file__}: {key} {value!r} has two sections, "
                    f"{found[value].__name__} and {section.__name__}"
                )
            found[value] = section
    if not folder:
        return found
    files = plugins.files(folder)
    for value in sorted(found.keys() ^ files.keys()):
        if value in found:
            missing = f"{found[value].__name__} in {source.__file__}, but no file"
            raise plugins.PluginError(
                f"{key} {value!r} has a section, {missing} {plugins.PACKAGE / folder / value}.py"
            )
        raise plugins.PluginError(
            f"{key} {value!r} has a file, {files[value]}, but no section in {source.__file__}"
        )
    return found


def _values(section: object, key: str) -> tuple[str, ...]:
    """Return the values of a key that is a Literal in a section; none for anything else."""
    if not (isinstance(section, type) and issubclass(section, Strict)):
        return ()
    field = section.model_fields.get(key)
    literal = field is not None and get_origin(field.annotation) is Literal
    return get_args(field.annotation) if field and literal else ()
