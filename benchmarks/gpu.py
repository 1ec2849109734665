"""Measure the losses of PyTorch and JAX on a GPU: `python benchmarks/gpu.py`, at most 8 minutes.

It needs the light core, PyTorch and JAX only; neither TensorFlow nor Snakemake. Each framework and
precision is measured in a process of its own, the precision that most people train in first. What
the limit cuts off is named, and the rest is kept.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from datetime import date
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "workflow/src"))

import pandas as pd

from sigmoid_bce.numerics import catalogue
from sigmoid_bce.numerics.against import compared, sentence
from sigmoid_bce.numerics.names import BCE
from sigmoid_bce.numerics.tables import HARD, RECORD, THRESHOLDS, read_all, read_thresholds

SOURCE = Path(__file__).resolve().parents[1] / "workflow/src"
FRAMEWORKS = ("torch", "jax")
DTYPES = ("float32", "bfloat16", "float16")
COMMAND = "from sigmoid_bce.commands import main; main()"
SHOWN = 40
"""Lines about what differs from the CPU."""


def measured(framework: str, dtype: str, device: str, folder: Path, seconds: float) -> str:
    """Measure a framework in a precision; return what went wrong, or nothing.

    Parameters
    ----------
    framework, dtype, device : str
        As for `sigmoid-bce measure`.
    folder : Path
        For the tables, and for the log.
    seconds : float
        The process is ended after so many.
    """
    folder.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-c", COMMAND, "measure", framework, "--device", device]
    command += ["--objective", BCE]
    with open(folder / "log", "w") as log:
        try:
            done = subprocess.run(
                [*command, "--dtype", dtype, "--to", str(folder)],
                env={**os.environ, "PYTHONPATH": str(SOURCE)}, timeout=seconds,
                stdout=log, stderr=subprocess.STDOUT,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            return "the time was up"
    if done.returncode:
        return (folder / "log").read_text().strip().splitlines()[-1]
    return ""


def record(folders: list[Path]) -> pd.DataFrame:
    """Return the thresholds of hard labels of all folders, with today's date.

    Parameters
    ----------
    folders : list of Path
        Those of finished measurements.
    """
    table = read_all([folder / "thresholds.csv" for folder in folders])
    return table[table["y"].isin(HARD)][THRESHOLDS].assign(date=date.today().isoformat())


def differences(now: pd.DataFrame, folders: list[Path]) -> list[str]:
    """Return a line for each threshold that is elsewhere than in the record of CPUs.

    Parameters
    ----------
    now : DataFrame
        As `record` returns it.
    folders : list of Path
        As for `record`.
    """
    then, status = read_thresholds(RECORD), read_all([f / "implementations.csv" for f in folders])
    lines = []
    for title, rows in now.groupby("framework", sort=False):
        old = then[(then["framework"] == title) & then["dtype"].isin(rows["dtype"].unique())]
        moved = compared(old, rows, status[status["framework"] == title])
        lines += [f"{title}: {sentence(row)}" for row in moved.to_dict("records")]
    return lines


def main(arguments: list[str] | None = None) -> int:
    """Measure, write record.csv, and print what differs from the record of CPUs."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cuda", help="cuda, or cpu to try the script")
    parser.add_argument("--limit", type=float, default=480, metavar="SECONDS")
    parser.add_argument("--to", type=Path, default=Path("results/gpu"), metavar="FOLDER")
    parser.add_argument("--frameworks", nargs="+", choices=FRAMEWORKS, default=FRAMEWORKS)
    parser.add_argument("--dtypes", nargs="+", choices=DTYPES, default=DTYPES)
    given = parser.parse_args(arguments)
    end, done, wrong = time.monotonic() + given.limit, [], 0
    for dtype in given.dtypes:
        for framework in given.frameworks:
            folder, start = given.to / f"{framework}-{dtype}", time.monotonic()
            left = end - start
            problem = measured(framework, dtype, given.device, folder, max(left, 0.1))
            took = f"{time.monotonic() - start:.0f} s"
            print(f"{catalogue.module(framework).TITLE}, {dtype}: {problem or took}", flush=True)
            wrong += bool(problem)
            done += [] if problem else [folder]
    if not done:
        print("error: nothing was measured; the logs are in the folders above", file=sys.stderr)
        return 2
    table = record(done)
    table.to_csv(given.to / "record.csv", index=False, float_format="%.9g")
    lines = differences(table, done)
    print("\n".join(lines[:SHOWN]) or "nothing differs from the record of CPUs")
    if len(lines) > SHOWN:
        print(f"... and {len(lines) - SHOWN} more")
    where = "; ".join(table["processor"].unique())
    print(f"{len(table)} rows of thresholds on {where}: {given.to / 'record.csv'}")
    return 3 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
