"""The findings that frameworks are told of: one TOML file each."""

from __future__ import annotations

import difflib
import json
import tomllib
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd

from sigmoid_bce.jobs.logs import UserError

HERE = Path(__file__).parent
FOLDER = HERE / "findings"
MEASURED = HERE / "measured.json"
THREADS = HERE / "threads.csv"
LINES = 25
"""The most lines of a reproduction."""


@dataclass(frozen=True)
class Source:
    """Where the cause is: a line of an installed file, or a file of a compiled library.

    Parameters
    ----------
    text : str
        The line, or the name of the function.
    package : str
        The distribution that holds the file; empty if it was compiled.
    file : str
        The file, as it is installed.
    line : int
        The number of the line, from 1.
    upstream : str
        The file in the project's repository and the release, of compiled code.
    """

    text: str
    package: str = ""
    file: str = ""
    line: int = 0
    upstream: str = ""


@dataclass(frozen=True)
class Program:
    """Programs of a table of thresholds, which tell what a finding does to raw outputs."""

    framework: str
    implementation: str
    modes: list[str]
    dtypes: list[str]


@dataclass(frozen=True)
class Cost:
    """Code that is timed: `setup` makes what `now` and `new` compute from COUNT values of DTYPE.

    `formulas` says what both compute, where the code does not.
    """

    setup: str
    now: str
    new: str
    dtypes: list[str]
    formulas: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Mean:
    """The mean loss that is computed, as a function of the true one."""

    slope: float
    offset: float


@dataclass(frozen=True)
class Finding:
    """A finding about one framework.

    Parameters
    ----------
    name : str
        The name of its file.
    title : str
        The title of the report.
    project, tracker, form : str
        The framework, the address of its issues, and whether the report is new or a comment.
    packages : list of str
        The distributions that the reproduction needs, as pip takes them.
    summary, cause, fix : str
        Prose: what happens and to whom, why, and what would mend it.
    reproduction : str
        A script that imports this framework alone and prints a table in Markdown. It defines
        ``loss(x, y, dtype)`` or ``gradient(x, y, dtype)``, of a list of raw outputs and one label.
    known : list of str
        Threads of `threads`.
    source, program : list
        Where the cause is, and what is affected.
    cost : Cost
        What the formula in use and the proposed one cost.
    effect : Mean, optional
        How the mean loss changes, where thresholds do not tell.
    """

    name: str
    title: str
    project: str
    tracker: str
    form: str
    packages: list[str]
    summary: str
    reproduction: str
    cause: str
    fix: str
    known: list[str]
    source: list[Source]
    program: list[Program]
    cost: Cost
    effect: Mean | None = None
    measured: dict[str, Any] = field(default_factory=dict)


def names() -> list[str]:
    """Return the names of all findings.

    Examples
    --------
    >>> "torch-bce-with-logits" in names()
    True
    """
    return sorted(file.stem for file in FOLDER.glob("*.toml"))


def load(name: str) -> Finding:
    """Return a finding.

    Parameters
    ----------
    name : str
        One of `names()`.

    Raises
    ------
    UserError
        If there is none of this name; the line has the nearest ones.

    Examples
    --------
    >>> load("mlx-binary-cross-entropy").project
    'MLX'
    """
    known = names()
    if name not in known:
        word = name.strip().lower().removesuffix(".md")
        near = [one for one in known if word and word in one]
        near = near or difflib.get_close_matches(word, known, 3, 0.4)
        hint = f"did you mean {' or '.join(map(repr, near))}?" if near else ""
        raise UserError(
            f"there is no finding {name!r}; {hint or 'expected one of ' + ', '.join(known)}"
        )
    table = tomllib.loads((FOLDER / f"{name}.toml").read_text("utf-8"))
    parts: dict[str, Any] = {
        key: text.strip() if isinstance(text, str) else text for key, text in table.items()
    }
    parts["source"] = [Source(**row) for row in table["source"]]
    parts["program"] = [Program(**row) for row in table["program"]]
    parts["cost"] = Cost(**table["cost"])
    parts["effect"] = Mean(**table["effect"]) if "effect" in table else None
    return Finding(name=name, measured=_measured().get(name, {}), **parts)


@cache
def _measured() -> dict[str, Any]:
    """Return what the reproductions printed, what formulas cost, and where, by finding."""
    found: dict[str, Any] = json.loads(MEASURED.read_text("utf-8")) if MEASURED.exists() else {}
    return found


@cache
def threads() -> pd.DataFrame:
    """Return the threads about findings or their like, as they were found by a search.

    Returns
    -------
    DataFrame
        Indexed by thread, such as ``pytorch#195529``: address, about, searched (a date).

    Examples
    --------
    >>> threads().loc["pytorch#195529", "address"]
    'https://github.com/pytorch/pytorch/issues/195529'
    """
    return pd.read_csv(THREADS, dtype=str).set_index("thread")
