"""Compare the default study with its floor: the seconds in `fit` alone, divided by the cores.

Downloads are made beforehand. Everything else is measured: images, features, networks, figures,
report and MLflow runs. The study runs with and without the laboratory, since the floor contains
training only.
"""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd

from measured import Watched, default_study, new_folder, run, snakemake
from studies import shrink

# the rules behind each part of the study
STEPS = {
    "data": ("prepare", "resize", "extract"),
    "training": ("train",),
    "evaluation": ("raw_outputs",),
    "comparison": ("compare", "tables"),
    "figures and report": ("figure_cell", "report"),
    "laboratory": (
        "sweep", "numerics_tables", "article_models", "figure_laboratory"
    ),
    "tracking": ("track_cells", "track_study"),
}  # fmt: skip


def job_seconds(folder: Path) -> dict[str, list[float]]:
    """Return the seconds of the jobs of each rule, from Snakemake's benchmark files."""
    found = {}
    for file in folder.rglob("*.tsv"):
        rule = file.relative_to(folder).parts[0].removesuffix(".tsv")
        found.setdefault(rule, []).append(float(pd.read_csv(file, sep="\t")["s"].iloc[0]))
    return found


def fit_seconds(results: Path) -> list[float]:
    """Return the seconds that each cell spent in `fit`."""
    return [json.loads(file.read_text())["seconds"] for file in results.glob("train/**/run.json")]


def import_seconds(work: Path) -> float:
    """Return the seconds of a process that makes the imports of a training; median of three."""
    import sys

    command = [sys.executable, "-c", "import tensorflow, keras, pandas, pyarrow.parquet, h5py"]
    return sorted(run(command, work, work / "import.log").wall for _ in range(3))[1]


def rows_of(name: str, results: Path, whole: Watched, cores: int, imports: float) -> list[tuple]:
    """Return the wall time of a run, its floor, and its parts per core."""
    fit = fit_seconds(results)
    floor = sum(fit) / cores
    seconds = job_seconds(results / "benchmarks")
    named = {rule for rules in STEPS.values() for rule in rules}
    steps = {step: sum(sum(seconds.get(r, ())) for r in rules) for step, rules in STEPS.items()}
    steps["other jobs"] = sum(sum(s) for rule, s in seconds.items() if rule not in named)
    idle = cores * whole.wall - sum(steps.values())
    return [
        (name, "wall / floor", whole.wall / floor, "ratio", "wanted: at most 1.15"),
        (name, "wall", whole.wall, "s", f"{len(fit)} cells, {cores} cores"),
        (name, "floor", floor, "s", "seconds in fit, summed, divided by the cores"),
        *(
            (name, f"part: {step}", spent / cores, "s", "seconds of its jobs, divided by the cores")
            for step, spent in steps.items()
            if spent
        ),
        (name, "of training: around fit", (steps["training"] - sum(fit)) / cores, "s", ""),
        (name, "part: no job runs", idle / cores, "s", "at the start, the end and between jobs"),
        (name, "part: Snakemake's own process", whole.own_cpu, "s of CPU", ""),
        (name, "import of TensorFlow", imports, "s", "in its own process, median of 3"),
        (name, "jobs", sum(map(len, seconds.values())), "jobs", ""),
        (name, "memory, Snakemake's own process", whole.own_mb, "MB", ""),
    ]


def measure(given) -> list[tuple]:
    """Return the rows of this part."""
    rows, imports = [], import_seconds(given.work)
    config = shrink(default_study(), given.scale)
    fetch = new_folder(given.work, "floor-downloads", config)
    snakemake(fetch, "--until", "download", cores=given.cores)
    for name, laboratory in (("default study, no laboratory", False), ("default study", True)):
        given.say(name)
        some = {k: v for k, v in config.items() if laboratory or k != "numerics"}
        folder = new_folder(given.work, f"floor-{laboratory}", some)
        whole = snakemake(folder, cores=given.cores)
        results = folder / "results" / some["study"]
        rows += rows_of(name, results, whole, given.cores, imports)
    return rows
