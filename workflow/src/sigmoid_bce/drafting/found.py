"""What was found about data or a network of the user's, and how a class gets label 1."""

from __future__ import annotations

import os
import re
import shlex
import unicodedata
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sigmoid_bce.data.listing import DataError, Entry, few
from sigmoid_bce.study.config import TAKEN
from sigmoid_bce.study.parse import parse


@dataclass(frozen=True)
class Options:
    """What the user decides.

    Parameters
    ----------
    to : Path or None
        The study file; `<name>.yaml` in the current folder if not given.
    name : str
        The study's name; made from the path if not given.
    positive, negative : str
        The classes of label 1 and of label 0.
    label : str
        The column of the class.
    without : tuple of str
        Columns of a table that are no features.
    data : str
        The data for a network.
    force : bool
        Replace files that are there.
    """

    to: Path | None = None
    name: str = ""
    positive: str = ""
    negative: str = ""
    label: str = ""
    without: tuple[str, ...] = ()
    data: str = ""
    force: bool = False


@dataclass
class Data:
    """A data set that was looked at.

    Parameters
    ----------
    what : str
        What it is, for instance "a folder of images".
    section : dict
        Its section of a configuration, without `split` and `image_size`.
    numbers : dict of int by str
        The number of samples of each class: label 0 first, label 1 last.
    why : str
        Why the last class has label 1.
    given : dict of int by str
        The numbers of samples in both parts of a split that the data have.
    side : int
        Pixels of the median image's shorter side; 0 for a table of features.
    channels : int
    features : int
        Number of features; 0 for images.
    broken : float
        The share of images that cannot be used, as far as they were looked at.
    lines : list of str
        Further findings.
    """

    what: str
    section: dict[str, Any]
    numbers: dict[str, int]
    why: str
    given: dict[str, int] = field(default_factory=dict)
    side: int = 0
    channels: int = 3
    features: int = 0
    broken: float = 0.0
    lines: list[str] = field(default_factory=list)

    @property
    def usable(self) -> int:
        """The number of samples that are expected to be usable."""
        return int(sum(self.numbers.values()) * (1 - self.broken))


@dataclass(frozen=True)
class Network:
    """A network that was looked at.

    Parameters
    ----------
    section : dict
        Its section of a configuration.
    code : str
        The module that must be written beside the study file; "" if there is one.
    shape : tuple of (int or None), or None
        The shape of its input, if it is known.
    """

    section: dict[str, Any]
    code: str = ""
    shape: tuple[int | None, ...] | None = None


def slug(text: str) -> str:
    """Return a name that a study and a data set can have, as near to a text as possible.

    Examples
    --------
    >>> slug("Äpfel & Birnen {2}"), slug("日本"), slug("Slurm"), slug("a" * 99) == "a" * 60
    ('apfel-birnen-2', 'data', 'slurm-study', True)
    """
    letters = unicodedata.normalize("NFKD", text.replace("ß", "ss")).encode("ascii", "ignore")
    name = re.sub(r"[^a-z0-9_.-]+", "-", letters.decode().lower()).strip("-._")[:60].rstrip("-._")
    return f"{name}-study" if name in TAKEN else name or "data"


def written(path: str | Path, file: Path) -> str:
    """Return a path as a study file names it: relative to its folder if that is clear.

    Parameters
    ----------
    path : str or Path
        What it names.
    file : Path
        The study file. Relative paths are looked for in the current folder before its own.

    Examples
    --------
    >>> written("/data/photos", Path("/data/photos.yaml")), written("/tmp", Path("/data/a.yaml"))
    ('photos', '/tmp')
    """
    absolute, folder = Path(path).absolute(), file.absolute().parent
    if not absolute.is_relative_to(folder):
        return str(absolute)
    relative = str(absolute.relative_to(folder))
    elsewhere = os.path.exists(relative) and not os.path.samefile(relative, absolute)  # noqa: PTH110, PTH121
    # a leading ~ would be the home folder
    return str(absolute) if elsewhere or relative[0] in ".~" else relative


def decide(names: Iterable[str], where: str, options: Options) -> tuple[dict[str, Any], str]:
    """Return the keys that say which classes have which label, and why.

    Parameters
    ----------
    names : iterable of str
        The classes of the data, in the order of their labels.
    where : str
        The data, for messages.
    options : Options

    Raises
    ------
    DataError
        If there are not two classes and the options do not choose, or name a class that is not
        there.

    Examples
    --------
    >>> decide(["cat", "dog"], "pets", Options(positive="cat"))
    ({'classes': ['dog', 'cat']}, 'by --positive')
    >>> decide(["cat", "dog", "eel"], "pets", Options(positive="cat"))
    ({'positive': 'cat'}, 'by --positive, against all others')
    """
    names = list(dict.fromkeys(names))
    for option in ("positive", "negative"):
        name = getattr(options, option)
        if name and name not in names:
            raise DataError(f"{where}: --{option}: there is no class {name!r}: it has {few(names)}")
    if len(names) < 2:
        one = f"one class, {names[0]!r}" if names else "no class"
        raise DataError(f"{where} has {one}: expected two")
    if len(names) == 2:
        return _of_two(names, options)
    if options.positive and options.negative:
        return {"classes": [options.negative, options.positive]}, "by --positive"
    if options.positive:
        return {"positive": options.positive}, "by --positive, against all others"
    raise DataError(
        f"{where} has {len(names)} classes, {few(names)}: choose one against all others, "
        f"--positive {shlex.quote(names[0])}, or two, --negative {shlex.quote(names[0])} "
        f"--positive {shlex.quote(names[1])}"
    )


def _of_two(names: list[str], options: Options) -> tuple[dict[str, Any], str]:
    """Return what `decide` returns, of two classes."""
    if not options.positive and not options.negative:
        return {"classes": names}, "the second in order; --positive chooses the other"
    if options.positive == options.negative:
        raise DataError(f"--positive and --negative are the same class, {options.positive!r}")
    last = options.positive or next(name for name in names if name != options.negative)
    first = next(name for name in names if name != last)
    return {"classes": [first, last]}, f"by --{'positive' if options.positive else 'negative'}"


def dataset(section: dict[str, Any], file: Path, **local: Any) -> Any:
    """Return a data set as the study's reader takes it.

    Parameters
    ----------
    section : dict
        Its section of a configuration.
    file : Path
        The study file, for messages.
    **local
        Keys that replace those of the section.

    Raises
    ------
    ConfigError
        If the reader refuses it.

    Examples
    --------
    >>> photos = {"source": "folder", "path": "photos", "classes": ["cat", "dog"]}
    >>> dataset(photos, Path("a.yaml"), image_size=8).classes
    ('cat', 'dog')
    """
    datasets = {slug(file.stem): section | local}
    config = {"study": "study", "datasets": datasets, "numerics": {"frameworks": ["scipy"]}}
    (read,) = parse(config, str(file)).datasets.values()
    return read


def counted(entries: Iterable[Entry], section: dict[str, Any]) -> dict[str, int]:
    """Return the number of samples of each label by the name of its class, label 0 first."""
    labels = Counter(entry.label for entry in entries)
    zero, one = section.get("classes") or ("all others", section["positive"])
    return {zero: labels[0], one: labels[1]}


def parts(entries: Iterable[Entry]) -> dict[str, int]:
    """Return the numbers of samples in both parts of a split; empty if none is given."""
    found = Counter(entry.split for entry in entries if entry.split)
    return {name: found[name] for name in ("train", "validation") if found[name]}
