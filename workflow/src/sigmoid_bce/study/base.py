"""The parts that every section of a configuration is built from."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Self, Union, get_args, get_origin

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    model_validator,
)

from sigmoid_bce.jobs import plugins
from sigmoid_bce.jobs.logs import UserError

PATTERNS = {
    r"^[a-z0-9][a-z0-9_.-]*$": "lower-case letters, digits, '-', '_' and '.'",
    r"^[0-9a-f]{64}$": "64 lower-case hexadecimal digits",
    r"^https?://[^/\s@]+/\S+$": "https://... or http://..., without a user or a password",
    r"^[0-9][\w.+!]*$": "a version such as 1.0.2",
    r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*$": "module:function",
}
"""The form of strings, and the words for it in messages."""

LIMIT_MB = 20_000
"""The size at which a download of unknown size ends, if a configuration says nothing else."""

NAME, SHA256, URL, VERSION, FUNCTION = PATTERNS


def _number(value: object) -> object:
    """Refuse true and false, which Python takes for 1 and 0."""
    if isinstance(value, bool):
        raise ValueError(f"expected a number, found {value}")
    return value


LONGEST_NAME = 128
"""A file system takes 255 bytes, and names of files hold more than a name: a prefix, a suffix."""

Name = Annotated[str, Field(pattern=NAME, max_length=LONGEST_NAME)]
Sha256 = Annotated[str, Field(pattern=SHA256)]
Url = Annotated[str, Field(pattern=URL)]
Version = Annotated[str, Field(pattern=VERSION)]
Function = Annotated[str, Field(pattern=FUNCTION)]
Positive = Annotated[int, Field(ge=1, lt=2**31, strict=True)]
Pixels = Annotated[int, Field(ge=1, le=10_000, strict=True)]
Units = Annotated[int, Field(ge=1, le=1_000_000, strict=True)]
Epochs = Annotated[int, Field(ge=1, le=1_000_000, strict=True)]
Real = Annotated[float, BeforeValidator(_number, json_schema_input_type=float)]
Seed = Annotated[int, Field(ge=0, lt=2**31, strict=True)]


class ConfigError(UserError):
    """The mistakes in a configuration, one a line: where each is, and what was expected."""


def nearest(name: object, known: Iterable[object]) -> str:
    """Return a hint: the known name that is closest to `name`, or all known names.

    Examples
    --------
    >>> nearest("logit", ["logits", "hinge"])
    "did you mean 'logits'?"
    >>> nearest("lr", ["learning_rate", "dense"])
    "did you mean 'learning_rate'?"
    >>> nearest("x", ["logits", "hinge"])
    'expected one of hinge, logits'
    """
    names = sorted(map(str, known))
    short = [one for one in names if str(name) == "".join(word[:1] for word in one.split("_"))]
    match = short or difflib.get_close_matches(str(name), names, n=1, cutoff=0.5)
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

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> Any:
        return AfterValidator(self.check).__get_pydantic_core_schema__(source, handler)

    def __get_pydantic_json_schema__(
        self, schema: Any, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return {**handler(schema), "enum": plugins.names(self.folder)}


@dataclass(frozen=True)
class Local:
    """Annotates a path on the user's machine. Planning finds it before any job starts."""

    kind: Literal["file", "folder"]


FilePath = Annotated[str, Field(min_length=1), Local("file")]
FolderPath = Annotated[str, Field(min_length=1), Local("folder")]


class Strict(BaseModel):
    """A section that refuses unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


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
    limit_mb: Positive = Field(
        default=LIMIT_MB,
        description="The most megabytes that are taken from a server that does not say how many "
        "come.",
    )

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


class Kinds:
    """The sections of a module that a key tells apart, with a plug-in for each of its values.

    Parameters
    ----------
    module : str
        The ``__name__`` of the module, whose sections are defined above the call.
    key : str
        For instance "source": a key whose type is a Literal in each of the sections.
    folder : str
        The folder of the plug-ins, for instance "data/sources".

    Attributes
    ----------
    sections : dict of type by str
        The section for each value of the key.
    """

    def __init__(self, module: str, key: str, folder: str) -> None:
        self.module, self.key, self.folder = module, key, folder
        self.file = str(sys.modules[module].__file__)
        self.sections: dict[str, type[Strict]] = {}
        for value, section in self._defined():
            self.sections.setdefault(value, section)

    def _defined(self) -> Iterator[tuple[str, type[Strict]]]:
        """Yield the sections that the module has by now, with each value of their key."""
        for section in list(vars(sys.modules[self.module]).values()):
            own = isinstance(section, type) and section.__module__ == self.module
            if own and issubclass(section, Strict):
                field = section.model_fields.get(self.key)
                if field and get_origin(field.annotation) is Literal:
                    yield from ((value, section) for value in get_args(field.annotation))

    def union(self) -> Any:
        """Return the type of any of the sections, which pydantic tells apart by the key."""
        sections = tuple(self.sections.values())
        return Annotated[Union[sections], Field(discriminator=self.key)]  # noqa: UP007

    def check(self) -> None:
        """Check that each value of the key has one section and one file.

        Raises
        ------
        PluginError
            One line that names the files.
        """
        for value, section in self._defined():
            known = self.sections.get(value)
            if known is None:
                raise plugins.PluginError(
                    f"{self.key} {value!r}: {section.__name__} stands below Kinds(...) in "
                    f"{self.file}: move it above"
                )
            if known is not section:
                raise plugins.PluginError(
                    f"{self.key} {value!r} has two sections in {self.file}: {known.__name__} and "
                    f"{section.__name__}"
                )
        files = plugins.files(self.folder)
        for value in sorted(self.sections.keys() - files.keys()):
            raise plugins.PluginError(
                f"{self.key} {value!r} has a section, {self.sections[value].__name__} in "
                f"{self.file}, but no file {plugins.PACKAGE / self.folder / value}.py"
            )
        for value in sorted(files.keys() - self.sections.keys()):
            raise plugins.PluginError(
                f"{self.key} {value!r} has a file, {files[value]}, but no section in {self.file}"
            )
