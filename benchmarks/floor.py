"""Compare the default study with its floor: the seconds that must be computed, over the cores.

These are the seconds in `fit`, and of the laboratory and of learning, where the study has them.
Downloads are made beforehand. Everything else is measured: images, features, networks, figures,
report and MLflow runs. The run's jobs are then laid on more cores, to see what they would wait for.
"""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd

import schedule
from measured import Watched, default_study, new_folder, run, snakemake
from studies import grid_only, shrink

# the rules behind each part of the study
STEPS = {
    "data": ("prepare", "resize", "extract"),
    "training": ("train",),
    "evaluation": ("raw_outputs",),
    "comparison": ("compare", "tables"),
    "figures and report": ("figure_cell", "report"),
    "laboratory": ("sweep",),
    "laboratory, tables and figures": (
        "numerics_tables", "article_models", "figure_laboratory", "explorer"
    ),
    "learning": ("learn",),
    "learning, tables and figures": ("learning_tables", "figure_learning"),
    "tracking": ("track_cells", "track_study"),
}  # fmt: skip


COMPUTED = ("laboratory", "learning")
"""The steps whose jobs belong to the floor, beside the seconds in `fit`."""
MORE = (2, 8, 16)  # cores of the simulation


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


def simulated(name: str, folder: Path) -> list[tuple]:
    """Return how long the jobs of a run would take on more cores, and their longest chain."""
    jobs = schedule.Schedule(schedule.jobs(folder))
    chain, (slowest, *_) = jobs.chain, sorted(jobs.chain, key=lambda job: -job.seconds)
    length = sum(job.seconds for job in chain)
    steps = " > ".join(f"{job.rule} {job.seconds:.0f}" for job in chain if job.seconds >= 1)
    return [
        *(
            (name, f"simulated: wall, {cores} cores", jobs.wall(cores), "s", "of the same jobs")
            for cores in MORE
        ),
        (name, "simulated: longest chain", length, "s", steps),
        (name, f"of it {slowest.name.removesuffix('.log')}", slowest.seconds / length, "ratio", ""),
    ]


def rows_of(
    name: str, results: Path, whole: Watched, cores: int, imports: float, wanted: float
) -> list[tuple]:
    """Return the wall time of a run, its floor, and its parts per core."""
    fit = fit_seconds(results)
    seconds = job_seconds(results / "benchmarks")
    computed = sum(sum(seconds.get(rule, ())) for step in COMPUTED for rule in STEPS[step])
    floor = (sum(fit) + computed) / cores
    named = {rule for rules in STEPS.values() for rule in rules}
    steps = {step: sum(sum(seconds.get(r, ())) for r in rules) for step, rules in STEPS.items()}
    steps["other jobs"] = sum(sum(s) for rule, s in seconds.items() if rule not in named)
    idle = cores * whole.wall - sum(steps.values())
    return [
        (name, "wall / floor", whole.wall / floor, "ratio", f"wanted: at most {wanted}"),
        (name, "wall", whole.wall, "s", f"{len(fit)} cells, {cores} cores"),
        (name, "floor", floor, "s", "seconds in fit, and of sweeps and learning, over the cores"),
        *(
            (name, f"part: {step}", spent / cores, "s", "seconds of its jobs, divided by the cores")
            for step, spent in steps.items()
            if spent
        ),
        (name, "of training: around fit", (steps["training"] - sum(fit)) / cores, "s", ""),
        (name, "part: no job runs", idle / cores, "s", "at the start, the end and between jobs"),
        (name, "CPU of all processes", whole.cpu, "s of CPU", "also of forks"),
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
    for name, some, wanted in (
        ("default study, its grid alone", grid_only(config), 1.1),
        ("default study", config, 1.15),
    ):
        given.say(name)
        folder = new_folder(given.work, f"floor-{wanted}", some)
        whole = snakemake(folder, cores=given.cores)
        results = folder / "results" / some["study"]
        rows += rows_of(name, results, whole, given.cores, imports, wanted)
        rows += simulated(name, folder)
    return rows
