"""Measure a framework: its own, or one that another package brings."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sigmoid_bce.commands import FINDING, BadInput
from sigmoid_bce.numerics.names import DTYPES, TITLES

if TYPE_CHECKING:
    import pandas as pd

FILES = {
    "sweep": "sweep.parquet",
    "thresholds": "thresholds.csv",
    "special": "special.csv",
    "implementations": "implementations.csv",
}


@click.command(name="measure")
@click.argument("framework")
@click.option(
    "--against",
    metavar="record|FILE",
    help="Exit code 3 if a threshold moved since the record that is shipped, or since FILE, the "
    "thresholds.csv of an earlier run.",
)
@click.option(
    "--dtype", "dtypes", multiple=True, type=click.Choice(DTYPES), default=DTYPES,
    help="Only this precision; may be given several times.  [default: all]",
)  # fmt: skip
@click.option(
    "--objective", "objectives", multiple=True, type=click.Choice(list(TITLES)), default=TITLES,
    help="Only this loss; may be given several times.  [default: all]",
)  # fmt: skip
@click.option(
    "--device", default="", metavar="NAME", help="Where it runs, such as cuda: torch and jax only. "
    "Then with a layer whose product TF32 may round.  [default: the CPU]",
)  # fmt: skip
@click.option(
    "--limit", type=click.IntRange(1, 10**6), default=600, show_default=True,
    metavar="SECONDS", help="How long one program in one precision may take; one that takes longer "
    "is left out.",
)  # fmt: skip
@click.option("--to", help="Folder of the tables.  [default: results/measure-<framework>]")
def command(
    framework: str, against: str | None, dtypes: tuple[str, ...], objectives: tuple[str, ...],
    device: str, limit: int, to: str | None,
) -> None:  # fmt: skip
    """Measure where the losses of FRAMEWORK go wrong, in every precision and mode.

    FRAMEWORK is a file in sigmoid_bce/numerics/frameworks, such as torch, or what an installed
    package brings by an entry point in the group sigmoid_bce.frameworks.

    For instance: sigmoid-bce measure torch --against record
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    if not device:
        os.environ["CUDA_VISIBLE_DEVICES"] = ""  # the record is of CPUs
    from sigmoid_bce.jobs.logs import UserError
    from sigmoid_bce.numerics.tables import read_all, read_thresholds
    from sigmoid_bce.numerics.watched import measure_watched

    folder = Path(to or f"results/measure-{framework}")
    try:
        title = _title(framework)
        then = None if against is None else _earlier(against, title)
        if then is not None:
            then = then[then["objective"].isin(objectives)]
        folder.mkdir(parents=True, exist_ok=True)
        start = time.perf_counter()
        files: dict[str, Any] = {part: folder / name for part, name in FILES.items()}
        measure_watched(
            framework, **files, dtypes=dtypes, objectives=objectives,
            device=device, limit=limit,
        )  # fmt: skip
        now = read_thresholds(files["thresholds"], objective=None)
        status = read_all([files["implementations"]])
    except (UserError, OSError) as error:
        raise BadInput(str(error)) from error
    print(f"\n{title}: measured in {time.perf_counter() - start:.0f} s; tables: {folder}/")
    if not len(now):
        asked = f" has no program in {', '.join(dtypes)}" if not len(status) else ""
        raise BadInput(f"{title}{asked or ': nothing was measured: the reasons are above'}")
    moved = _tell(now, status, then, against)
    if moved or (against is not None and status["status"].ne("measured").any()):
        sys.exit(FINDING)


def _title(framework: str) -> str:
    """Return a framework's title, or raise with the nearest name."""
    import difflib

    from sigmoid_bce.numerics import catalogue, frameworks

    known = frameworks.names()
    if framework not in known:
        word = framework.lower()
        near = [name for name in known if word in name]
        near = near or difflib.get_close_matches(word, known, 1, 0.5)
        near_ones = " or ".join(map(repr, near))
        hint = f"did you mean {near_ones}?" if near else f"expected one of {', '.join(known)}."
        raise BadInput(
            f"there is no framework {framework!r}; {hint} Another package brings one by an entry "
            "point in the group sigmoid_bce.frameworks: docs/measure.md"
        )
    return catalogue.module(framework).TITLE


def _earlier(against: str, title: str) -> pd.DataFrame:
    """Return the thresholds to compare with."""
    from sigmoid_bce.numerics.tables import RECORD, read_thresholds

    path = RECORD if against == "record" else Path(against)
    if not path.is_file():
        raise BadInput(f"--against: {path}: there is no such file; expected record or a file")
    table = read_thresholds(path, objective=None)
    if title not in set(table["framework"]):
        raise BadInput(
            f"--against: {'the record' if against == 'record' else path} has no {title!r}. Keep "
            "thresholds.csv of a first run, and name it"
        )
    return table[table["framework"] == title]


def _tell(
    now: pd.DataFrame, status: pd.DataFrame, then: pd.DataFrame | None, against: str | None
) -> int:
    """Print the findings, or what moved; return how many thresholds did."""
    from sigmoid_bce.numerics.against import compared, named, sentence
    from sigmoid_bce.numerics.findings import find, summary

    if then is None:
        found = summary(find(now, status))
        for row in found.to_dict("records"):
            print(f"{row['finding']}, from {row['x']:.5g}: {named(row)}, label {row['y']}")
        print(f"{len(found)} findings; {_counted(now)}")
        return 0
    moved = compared(then, now, status)
    for row in moved.to_dict("records"):
        print(sentence(row))
    where = {frozenset(table["processor"]) for table in (then, now)}
    counts = moved["change"].value_counts()
    said = ", ".join(f"{counts[kind]} {kind}" for kind in ("worse", "gone", "better", "new")
                     if kind in counts)  # fmt: skip
    print(f"against {against}, releases {_releases(then)} and {_releases(now)}: "
          f"{said or 'nothing moved'}")  # fmt: skip
    if len(where) > 1:
        print("note: the other table was measured on another processor")
    return int(moved["change"].ne("new").sum())


def _counted(now: pd.DataFrame) -> str:
    """Return how many programs and precisions were measured."""
    from sigmoid_bce.comparison.words import counted

    programs = now[["implementation", "objective", "mode", "dtype"]].drop_duplicates()
    number = counted(len(programs), "program and precision", "programs and precisions")
    return f"{number} {'was' if len(programs) == 1 else 'were'} measured"


def _releases(table: pd.DataFrame) -> str:
    return "; ".join(dict.fromkeys(table["version"]))
