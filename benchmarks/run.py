"""Run the benchmarks: `make bench`, or `make bench PARTS="floor peers"`.

Each part writes results/benchmarks/<part>.json and updates the table and the plot of all parts.
Compare ratios first: both sides of a ratio come from the same run. Seconds belong to one machine.
"""

from __future__ import annotations

import argparse
import importlib
import json
import math
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import pandas as pd

from measured import HERE, ROOT, environment, machine

PARTS = ("throughput", "jobs", "floor", "peers", "growth")
"""Modules whose `measure` returns rows."""
BY_NAME = ("roofline", "setup", "slow_peers")
"""The same, run only where they are named."""
SCRIPTS = ("checkpoints", "extraction", "monitor", "verdict", "tracking")
"""Scripts whose printed lines are kept; see `python benchmarks/<name>.py --help`."""
COLUMNS = ["part", "grid", "measure", "value", "unit", "note"]


class Given:
    """The settings that each part receives."""

    def __init__(self, part: str, options, work: Path):
        self.part, self.work = part, work
        self.scale, self.limit, self.whole = options.scale, options.limit, options.whole
        self.cores, self.start = options.cores, time.monotonic()

    def say(self, what: str) -> None:
        """Print the step that begins now, with the seconds since the part began."""
        print(f"  {time.monotonic() - self.start:6.0f} s  {what}", flush=True)


def measured(part: str, options) -> dict:
    """Run a part in a folder of its own and return its record."""
    record = {"part": part, "scale": options.scale, "machine": machine()}
    start = time.monotonic()
    work = Path(tempfile.mkdtemp(prefix=f"sigmoid-bce-{part}-", dir=options.work))
    try:
        if part in SCRIPTS:
            command = [sys.executable, "-W", "ignore", HERE / f"{part}.py"]
            done = subprocess.run(
                command, cwd=work, env=environment(), capture_output=True, text=True
            )
            if done.returncode:
                raise RuntimeError(done.stderr[-3000:])
            record["lines"] = done.stdout.splitlines()
            print(done.stdout)
        else:
            record["rows"] = importlib.import_module(part).measure(Given(part, options, work))
    finally:
        if options.keep:
            print(f"  kept: {work}")
        else:
            shutil.rmtree(work, ignore_errors=True)
    record["minutes"] = (time.monotonic() - start) / 60
    return record


def _shown(value: float | None) -> str:
    if value is None or math.isnan(value):
        return ""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def write(folder: Path) -> None:
    """Write the table and the plot of every part in the folder."""
    kept = [json.loads(file.read_text()) for file in sorted(folder.glob("*.json"))]
    rows = [[k["part"], *row] for k in kept for row in k.get("rows", ())]
    table = pd.DataFrame(rows, columns=COLUMNS)
    table.to_csv(folder / "benchmarks.csv", index=False)
    text = ["# Benchmarks", "", "Compare ratios first. Seconds belong to the machine named."]
    for k in kept:
        shrunk = "" if k["scale"] == 1 else f" **scaled to {k['scale']:g}: a test, not a result**"
        text += ["", f"## {k['part']}{shrunk}", ""]
        text += [
            f"{k['minutes']:.1f} min. " + "; ".join(f"{a} {b}" for a, b in k["machine"].items())
        ]
        if "lines" in k:
            text += ["", *(f"    {line}" for line in k["lines"])]
            continue
        text += ["", "| grid | measure | value | unit | note |", "|---|---|---:|---|---|"]
        text += [
            f"| {grid} | {measure} | {_shown(value)} | {unit} | {note} |"
            for grid, measure, value, unit, note in k["rows"]
        ]
    (folder / "benchmarks.md").write_text("\n".join(text) + "\n")
    if len(table):
        newest = max((k["machine"] for k in kept), key=lambda machine: machine["started"])
        draw(table, newest, folder)


def draw(table: pd.DataFrame, on: dict[str, str], folder: Path) -> None:
    """Plot the ratios, the parts of the default study's time, and the growth."""
    import matplotlib as mpl

    mpl.use("agg")
    from matplotlib import pyplot as plt

    figure, (ratios, parts, growth) = plt.subplots(1, 3, figsize=(17, 5))
    some = table[(table["unit"] == "ratio") & table["part"].isin(["floor", "peers"])]
    ratios.barh(some["grid"] + "\n" + some["measure"], some["value"], color="tab:blue")
    for index, (value, note) in enumerate(zip(some["value"], some["note"], strict=True)):
        ratios.annotate(f" {value:.2f}\n {note}", (value, index), va="center", fontsize="small")
    ratios.set(title="ratios")
    ratios.margins(x=0.4)
    some = table[(table["part"] == "floor") & table["measure"].str.startswith("part: ")]
    some = some[some["unit"] == "s"].pivot_table(index="grid", columns="measure", values="value")
    if len(some):
        some.plot.barh(stacked=True, ax=parts)
        parts.legend(fontsize="x-small")
    parts.set(title="seconds of the default study by part, per core", ylabel="")
    some = table[(table["part"] == "growth") & (table["unit"] == "s")]
    for measure, group in some.groupby("measure"):
        cells = group["grid"].str.replace(",", "").str.extract(r"(\d+) cells")[0].astype(float)
        growth.loglog(cells, group["value"], "o-", label=measure)
    if len(some):
        growth.legend()
    growth.set(title="growth", xlabel="cells", ylabel="s")
    what = (
        "processor",
        "cores",
        "memory",
        "python",
        "tensorflow",
        "snakemake",
        "commit",
        "started",
    )
    figure.suptitle(", ".join(f"{name} {on[name]}" for name in what), fontsize="small")
    figure.tight_layout()
    for ending in ("svg", "png"):
        figure.savefig(folder / f"benchmarks.{ending}")
    plt.close(figure)


def expected() -> dict[str, float]:
    """Return the minutes that each part took when it was last run in full."""
    table = pd.read_csv(ROOT / "docs/numbers/benchmarks.csv")
    minutes = table[table["measure"] == "minutes"]
    return dict(zip(minutes["part"], minutes["value"], strict=True))


def main() -> None:
    """Measure the named parts, one after the other."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", metavar="PART", default=list(PARTS))
    parser.add_argument("--scale", type=float, default=1, help="below 1: test the benchmark only")
    parser.add_argument("--limit", type=float, default=5, help="minutes for growth's complete runs")
    parser.add_argument("--whole", action="store_true", help="extrapolate nothing in slow_peers")
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--out", type=Path, default=ROOT / "results/benchmarks")
    parser.add_argument(
        "--work", type=Path, help="folder for the runs; default: the system's temporary folder"
    )
    parser.add_argument("--keep", action="store_true", help="keep the folders of the runs")
    options = parser.parse_args()
    # SIGTERM ends child processes, as Ctrl-C does
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    minutes, known = expected(), (*PARTS, *BY_NAME, *SCRIPTS)
    for part in options.parts:
        if part not in known:
            parser.error(f"there is no part {part!r}: choose from {', '.join(known)}")
    # the workflow and its peers get the same number of cores
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: options.cores])
    options.out.mkdir(parents=True, exist_ok=True)
    load = os.getloadavg()[0]
    if load > 0.5:
        print(f"the load is {load:.1f}: other programs are running and will distort the results")
    failed = []
    for number, part in enumerate(options.parts, 1):
        about = f", about {minutes[part]:.0f} min" if part in minutes else ""
        print(f"{number} of {len(options.parts)}: {part}{about}", flush=True)
        try:
            record = measured(part, options)
        except (RuntimeError, AssertionError) as error:
            print(f"{part} failed: {error}", file=sys.stderr)
            failed.append(part)
            continue
        for row in record.get("rows", ()):
            print(f"    {row[0]:28} {row[1]:48} {_shown(row[2]):>10} {row[3]:10} {row[4]}")
        (options.out / f"{part}.json").write_text(json.dumps(record, indent=1) + "\n")
        write(options.out)
    print(f"table and plot: {options.out}/benchmarks.md, .csv, .svg, .png")
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
