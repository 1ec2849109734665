"""Which files are looked at, and what is said of them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from sigmoid_bce.checking import modules, saved, sources
from sigmoid_bce.checking.rules import Finding
from sigmoid_bce.jobs.logs import UserError, one_line

TEXTS = {".py": sources.python, ".ipynb": sources.notebook}
MODELS = (".keras", ".h5", ".hdf5")
SKIPPED = {"node_modules", "__pycache__", "site-packages", "__pypackages__"}
ENVIRONMENTS = ("pyvenv.cfg", "conda-meta")
"""What a folder holds that is a virtual environment."""
LARGEST = 5_000_000
"""Bytes of a text that is looked at."""


class BadPath(UserError, ValueError):
    """A path with nothing to look at: one line."""


@dataclass
class Report:
    """What was looked at, and what was found.

    Attributes
    ----------
    findings : list of Finding
    notes : list of str
        What could not be seen, a line each.
    models : list of str
        A line for each saved model: its end and its compiled loss.
    files : int
        The number of files that were looked at.
    """

    findings: list[Finding] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    models: list[str] = field(default_factory=list)
    files: int = 0

    def __str__(self) -> str:
        count, places = len(self.findings), len({f.file for f in self.findings})
        found = f"{count} finding{'s' * (count != 1)} in {places} of " if count else ""
        total = f"{found}{self.files} file{'s' * (self.files != 1)}"
        lines = [*map(str, self.findings), *self.models, *self.notes]
        last = total if count else f"nothing found: {total}"
        return "\n".join(map(_printable, [*lines, last]))


def _printable(text: str) -> str:
    return "\n".join(map(one_line, text.split("\n")))


def check(path: str | Path) -> list[Finding]:
    r"""Return the places where code, or a saved model, loses what its loss should say.

    No code is run or imported. `report` also says what could not be seen.

    Parameters
    ----------
    path : path_like
        A .py file, a notebook, a model saved as .keras or .h5, or a folder of these.

    Returns
    -------
    list of Finding

    Raises
    ------
    BadPath
        If there is nothing of that kind.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     text = "import torch\nloss = -torch.log(torch.sigmoid(x))"
    ...     _ = Path(folder, "train.py").write_text(text)
    ...     [(finding.line, finding.rule) for finding in check(folder)]
    [(2, 'log-sigmoid')]
    """
    return report(path).findings


def report(*paths: str | Path) -> Report:
    """Return what `check` finds in files and folders, and what it could not see.

    Parameters
    ----------
    *paths : path_like

    Returns
    -------
    Report

    Raises
    ------
    BadPath
        If a path is not there, or holds nothing that can be looked at.
    """
    result = Report()
    modules.locate.cache_clear()
    modules.parsed.cache_clear()
    for path in map(Path, paths):
        found = list(_files(path))
        if not found:
            raise BadPath(f"{path}: expected .py, .ipynb, .keras or .h5 files, found none")
        for file in found:
            _look(file, result)
    # a module that is imported is looked at with each file that imports it
    first = {(f.file, f.cell, f.line, f.rule): f for f in reversed(result.findings)}
    result.findings = list(reversed(first.values()))
    return result


def _files(path: Path) -> Iterator[Path]:
    kinds = (*TEXTS, *MODELS)
    if path.is_dir():
        for folder, folders, files in os.walk(path):
            folders[:] = sorted(f for f in folders if not _skipped(Path(folder, f)))
            here = (Path(folder, f) for f in sorted(files))
            yield from (f for f in here if f.suffix.lower() in kinds and f.is_file())
    elif not path.exists():
        raise BadPath(f"{path}: there is no such file or folder")
    elif path.suffix.lower() not in kinds or not path.is_file():
        expected = "a folder or a .py, .ipynb, .keras or .h5 file"
        raise BadPath(f"{path}: expected {expected}, found another kind")
    else:
        yield path


def _skipped(folder: Path) -> bool:
    """Return whether a folder holds code of others: environments, version control, packages."""
    if folder.name in SKIPPED or folder.name.startswith("."):
        return True
    return any((folder / name).exists() for name in ENVIRONMENTS)


def _look(path: Path, result: Report) -> None:
    name = str(path)
    try:
        if path.suffix.lower() in MODELS:
            findings, line = saved.look(path, name)
            result.models.append(line)
        else:
            if path.stat().st_size > LARGEST:
                raise saved.Unseen(f"it has more than {LARGEST // 10**6} MB")
            text = sources.read(path)
            findings, notes = TEXTS[path.suffix.lower()](name, text)
            result.notes += notes
            if len(notes) == 1 and f"{name}: not looked at: " in notes[0]:
                return
        result.findings += findings
        result.files += 1
    except saved.Unseen as error:
        result.notes.append(f"{name}: not looked at: {error}")
    except (OSError, SyntaxError, UnicodeError) as error:
        result.notes.append(f"{name}: not looked at: it cannot be read ({error})")
