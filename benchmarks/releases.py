"""Measure old releases of frameworks, or nightly ones: `make releases`, `make canary`.

Each release is installed alone in a throw-away environment, measured with this checkout's light
core, and deleted, one at a time. What is measured is kept: a second run goes on where the first
ended, and tries again what failed.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from datetime import date
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "workflow/src"))

import pandas as pd

from sigmoid_bce.numerics import catalogue
from sigmoid_bce.numerics.against import compared, sentence
from sigmoid_bce.numerics.names import BCE
from sigmoid_bce.numerics.tables import HARD, RECORD, THRESHOLDS, read_all, read_thresholds

SOURCE = Path(__file__).resolve().parents[1] / "workflow/src"
COMMAND = "from sigmoid_bce.commands import main; main()"
CORE = ("pandas", "pyarrow", "mpmath<1.4", "ml-dtypes", "click")
"""What measuring needs of the light core, in the releases that suit the framework's own."""
OLD = ("numpy<2", "pyarrow<18", "pandas<2.3")
"""Beside releases from before NumPy 2."""


class Release(NamedTuple):
    """A release to measure."""

    framework: str
    """A file in sigmoid_bce/numerics/frameworks."""
    packages: tuple[str, ...]
    """What to install: the release itself first."""
    dtypes: tuple[str, ...] = ("float32",)

    @property
    def name(self) -> str:
        """Return the name of the folder of its tables."""
        return f"{self.framework}-{self.packages[0].partition('==')[2] or 'nightly'}"


def _of(framework: str, package: str, versions: dict[str, tuple[str, ...]], *dtypes: str):
    """Return some releases of a framework, each with the packages that it needs beside it."""
    return tuple(
        Release(framework, (f"{package}=={version}", *more), dtypes or ("float32",))
        for version, more in versions.items()
    )


RELEASES: tuple[Release, ...] = (
    *_of("tensorflow", "tensorflow-cpu", {
        "2.12.1": OLD, "2.13.1": OLD, "2.14.1": OLD, "2.15.1": OLD, "2.16.2": OLD, "2.18.1": (),
        "2.20.0": (),
    }),
    *_of("jax", "optax", {
        "0.1.7": ("jax==0.4.20", "jaxlib==0.4.20", "scipy<1.13", *OLD),
        "0.2.2": ("jax==0.4.28", "jaxlib==0.4.28", *OLD),
        "0.2.4": ("jax==0.5.3", "jaxlib==0.5.3"), "0.2.5": ("jax==0.7.2", "jaxlib==0.7.2"),
    }),
    *_of("keras_tensorflow", "keras", {
        "3.0.5": ("tensorflow-cpu==2.16.2", *OLD), "3.3.3": ("tensorflow-cpu==2.16.2", *OLD),
        "3.6.0": ("tensorflow-cpu==2.18.1",), "3.9.2": ("tensorflow-cpu==2.18.1",),
        "3.12.4": ("tensorflow-cpu==2.20.0",),
    }),
    *_of("xgboost", "xgboost", {"1.7.6": OLD, "2.0.3": OLD, "2.1.4": (), "3.0.5": ()}),
    *_of("torch", "torch", {
        "2.1.2": OLD, "2.2.2": OLD, "2.4.1": OLD, "2.6.0": (), "2.8.0": (), "2.10.0": (),
    }),
    *_of("scikit_learn", "scikit-learn", {
        "1.2.2": OLD, "1.3.2": OLD, "1.4.2": OLD, "1.5.2": (), "1.6.1": (), "1.7.2": (),
    }),
    *_of("lightgbm", "lightgbm", {
        "3.3.5": OLD, "4.1.0": OLD, "4.3.0": OLD, "4.5.0": OLD,
    }, "float64"),
)  # fmt: skip
"""The releases, those that are quick to measure first."""
NIGHTLY = (
    Release("tensorflow", ("tf-nightly-cpu",)),
    Release("keras_tensorflow", ("keras-nightly", "tf-nightly-cpu")),
)
"""What `make canary` measures."""


class Failed(Exception):
    """A release that cannot be installed or measured: the reason, in a line."""


def _run(command: list[str], log: Path, seconds: float, **options) -> None:
    """Run a command with its output in a log; raise with the last line if it fails."""
    with open(log, "a") as file:
        try:
            done = subprocess.run(
                command, stdout=file, stderr=subprocess.STDOUT, timeout=seconds, **options
            )
        except subprocess.TimeoutExpired:
            raise Failed(f"not done after {seconds:.0f} s") from None
    if done.returncode:
        lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
        raise Failed(lines[-1] if lines else f"exit code {done.returncode}")


def measure(release: Release, folder: Path, given: argparse.Namespace) -> None:
    """Install a release, measure it, and delete its environment.

    Parameters
    ----------
    release : Release
    folder : Path
        For its tables; they are there completely, or not at all.
    given : argparse.Namespace
        python, pip and limit of the command line.

    Raises
    ------
    Failed
        With the reason; the log is kept beside the folder.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    log = folder.with_name(f"{folder.name}.log")
    log.write_text("")
    part = folder.with_name(f"{folder.name}.part")
    with tempfile.TemporaryDirectory(prefix=".venv-", dir=folder.parent) as venv:
        _run([given.python, "-m", "venv", venv], log, given.limit)
        own = str(Path(venv, "bin/python"))
        pip = [own, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *given.pip]
        _run([*pip, *release.packages, *CORE], log, given.limit)
        command = [own, "-c", COMMAND, "measure", release.framework, "--to", str(part)]
        command += ["--objective", BCE]
        command += [word for dtype in release.dtypes for word in ("--dtype", dtype)]
        clean = {k: v for k, v in os.environ.items() if k != "VIRTUAL_ENV"}
        _run(command, log, given.limit, env={**clean, "PYTHONPATH": str(SOURCE)})
    for large in ("sweep.parquet", "special.csv"):
        (part / large).unlink()
    shutil.rmtree(folder, ignore_errors=True)
    part.rename(folder)


def every(releases: tuple[Release, ...], given: argparse.Namespace) -> list[Path]:
    """Measure the releases that have not been, and return the folders of all that have.

    Parameters
    ----------
    releases : tuple of Release
    given : argparse.Namespace
        As for `measure`, and `to`.
    """
    done = []
    for release in releases:
        folder, start = given.to / release.name, time.monotonic()
        if not folder.is_dir():
            print(f"{release.name} ...", flush=True)
            try:
                measure(release, folder, given)
            except Failed as error:
                print(f"{release.name}: {error}", flush=True)
                continue
            print(f"{release.name}: {time.monotonic() - start:.0f} s", flush=True)
        done.append(folder)
    return done


def record(folders: list[Path]) -> pd.DataFrame:
    """Return the thresholds of hard labels of some releases, each with the day it was measured.

    Parameters
    ----------
    folders : list of Path
    """
    tables = []
    for file in (folder / "thresholds.csv" for folder in folders):
        day = date.fromtimestamp(file.stat().st_mtime).isoformat()
        tables.append(read_all([file]).assign(date=day))
    table = pd.concat(tables, ignore_index=True)
    return table[table["y"].isin(HARD)][[*THRESHOLDS, "date"]]


def moved(folders: list[Path]) -> list[str]:
    """Return a line for each threshold of some releases that is elsewhere in the record.

    Parameters
    ----------
    folders : list of Path
    """
    then, lines = read_thresholds(RECORD), []
    for folder in folders:
        now = read_thresholds(folder / "thresholds.csv")
        status = read_all([folder / "implementations.csv"])
        title = status["framework"].iloc[0]
        old = then[(then["framework"] == title) & then["dtype"].isin(status["dtype"].unique())]
        found = compared(old, now, status).to_dict("records")
        releases = "; ".join(status["version"].unique())
        lines += [f"{title} {releases}: {sentence(row)}" for row in found]
        lines += [] if found else [f"{title} {releases}: nothing moved"]
    return lines


def asked(words: list[str]) -> tuple[Release, ...]:
    """Return the releases that a user names, FRAMEWORK:PACKAGE[,PACKAGE...].

    Parameters
    ----------
    words : list of str

    Examples
    --------
    >>> asked(["torch:torch==2.5.1,numpy==1.26.4"])[0].packages
    ('torch==2.5.1', 'numpy==1.26.4')
    """
    found = []
    for word in words:
        framework, _, packages = word.partition(":")
        catalogue.module(framework)  # a name that is none is an error at once
        found.append(Release(framework, tuple(packages.split(","))))
    return tuple(found)


def options() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("only", nargs="*", metavar="RELEASE", help="such as torch-2.6.0, or "
                        "FRAMEWORK:PACKAGE==VERSION for one that is not listed")  # fmt: skip
    parser.add_argument("--canary", action="store_true", help="nightly releases; or those named")
    parser.add_argument("--list", action="store_true", help="print the releases, and end")
    parser.add_argument("--to", type=Path, default=Path("results/releases"), metavar="FOLDER")
    parser.add_argument("--python", default="python3.11", help="one that all have wheels for")
    parser.add_argument("--pip", nargs="*", default=[], help="further options of pip install, such "
                        "as --pip=--pre, or --pip=--extra-index-url=URL")  # fmt: skip
    parser.add_argument("--limit", type=float, default=1800, metavar="SECONDS", help="of a step")
    return parser


def chosen(given: argparse.Namespace, parser: argparse.ArgumentParser) -> tuple[Release, ...]:
    """Return the releases that a command line asks for; all, if it names none.

    Parameters
    ----------
    given : argparse.Namespace
    parser : argparse.ArgumentParser
        For the error about a name that is none.
    """
    releases = NIGHTLY if given.canary else RELEASES
    names = {release.name: release for release in releases}
    unknown = [word for word in given.only if word not in names and ":" not in word]
    if unknown:
        parser.error(f"there is no release {unknown[0]!r}: --list prints all")
    if not given.only:
        return releases
    own = asked([word for word in given.only if ":" in word])
    return (*(names[word] for word in given.only if word in names), *own)


def main(arguments: list[str] | None = None) -> int:
    """Measure, write releases.csv, or print what a canary saw."""
    parser = options()
    given = parser.parse_args(arguments)
    releases = chosen(given, parser)
    if given.list:
        print("\n".join(release.name for release in releases))
        return 0
    if given.canary:
        given.pip = ["--pre", *given.pip]
        for release in releases:  # a nightly release is another one tomorrow
            shutil.rmtree(given.to / release.name, ignore_errors=True)
    done = every(releases, given)
    if done and given.canary:
        print("\n".join(moved(done)))
    elif done:
        # of all that were ever measured, whatever was asked for now
        folders = sorted(f for f in given.to.iterdir() if f.suffix != ".part" and f.is_dir())
        table = record([folder for folder in folders if (folder / "thresholds.csv").is_file()])
        table.to_csv(given.to / "releases.csv", index=False, float_format="%.9g")
        print(f"{len(done)} of {len(releases)} releases: {given.to / 'releases.csv'}")
    return 0 if len(done) == len(releases) else 1


if __name__ == "__main__":
    sys.exit(main())
