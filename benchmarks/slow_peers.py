"""Compare the workflow with programs that do again what they have done already.

All start from decoded images and downloaded weights, make every other file, and end when the last
run is logged. `plain/` contains the peers and states their assumptions.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pandas as pd
import yaml

from measured import default_study, run, snakemake
from peers import PLAIN, arguments, plain, prepared
from studies import grid_only, short_cells, shrink

NAIVE_SEEDS = 3
"""Number of seeds for which the naive workflow is measured; it is the slowest peer."""


def careless(given, ours: Path, config: dict) -> list[tuple]:
    """Return the time that the careless script would take for the workflow's number of epochs."""
    out = given.work / "careless.json"
    plain(given, "careless.json", "careless.py", arguments(ours, config))
    epoch = json.loads(out.read_text())
    heads = {n for n, m in config["models"].items() if m["architecture"] != "convnet"}
    cells = pd.read_csv(given.work / "careful-default/cells.csv")
    total = cells.loc[~cells["model"].isin(heads), "seconds"].sum()
    for file in (ours / "results" / config["study"] / "train").rglob("run.json"):
        record = json.loads(file.read_text())
        parts = dict(part.split("~") for part in record["cell"].split("/"))
        if parts["model"] in heads:
            total += record["epochs"] * epoch[parts["batch_size"]] + 2 * epoch["predict"]
    grid = "default study"
    return [
        *((grid, f"careless: an epoch, batch size {size}", s, "s", "measured after tracing")
          for size, s in epoch.items() if size != "predict"),
        (grid, "careless: all images once", epoch["predict"], "s", "measured"),
        (grid, "careless", total, "s",
         "extrapolated: a measured epoch times the epochs of frozen networks; rest as careful"),
    ]  # fmt: skip


def naive(given, config: dict, images: Path) -> tuple[float, float]:
    """Run the naive workflow and return the seconds of its features and of all other steps."""
    folder = given.work / "naive"
    folder.mkdir()
    (folder / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
    study, (_, data, manifest, weights) = folder / "config.yaml", images
    named = {"naive": PLAIN / "naive.py", "study": study, "images": data, "manifest": manifest}
    settings = [f"{key}={value}" for key, value in {**named, "weights": weights}.items()]
    command = [sys.executable, "-m", "snakemake", "--snakefile", PLAIN / "Snakefile"]
    command += ["--workflow-profile", "none", "--resources", "database=1", "--cores", given.cores]
    command += ["--config", *settings]
    features = run([*command, "--until", "features"], folder, folder / "features.log").wall
    return features, run(command, folder, folder / "all.log", TF_CPP_MIN_LOG_LEVEL="2").wall


def measure(given) -> list[tuple]:
    """Return the rows of this part."""
    return [*of_default(given), *of_short(given)]


def of_default(given) -> list[tuple]:
    """Compare on the default study, without the laboratory."""
    config = grid_only(shrink(default_study(), given.scale))
    grid = "default study"
    given.say(f"{grid}: images")
    folder = prepared(given, "ours-default", config, "prepare", "download")
    given.say(f"{grid}: ours")
    ours = snakemake(folder, cores=given.cores).wall
    given.say(f"{grid}: careful")
    careful = plain(given, "careful-default", "careful.py", arguments(folder, config))
    given.say(f"{grid}: careless")
    rows = careless(given, folder, config)
    return [
        (grid, "ours", ours, "s", ""),
        (grid, "careful", careful, "s", ""),
        *rows,
        (grid, "careful / ours", careful / ours, "ratio", "wanted: at least 1.1"),
        (grid, "careless / ours", rows[-1][2] / ours, "ratio", "wanted: at least 10"),
    ]


def of_short(given) -> list[tuple]:
    """Compare on 100 short cells."""
    config = shrink(short_cells(), given.scale)
    cells = len(config["grid"]["batch_size"]) * len(config["grid"]["seed"])
    grid = f"{cells} short cells"
    given.say(f"{grid}: images")
    folder = prepared(given, "ours-short", config, "prepare", "download")
    given.say(f"{grid}: ours")
    ours = snakemake(folder, cores=given.cores).wall
    given.say(f"{grid}: careful")
    what = arguments(folder, config)
    careful = plain(given, "careful-short", "careful.py", what)
    some = {**config, "grid": {**config["grid"]}}
    if not given.whole:
        some["grid"]["seed"] = some["grid"]["seed"][:NAIVE_SEEDS]
    measured = len(some["grid"]["batch_size"]) * len(some["grid"]["seed"])
    given.say(f"{grid}: naive, {measured} cells")
    features, rest = naive(given, some, what)
    slow = features + rest * cells / measured
    note = f"{measured} cells measured, times {cells / measured:g}" if measured < cells else ""
    return [
        (grid, "ours", ours, "s", ""),
        (grid, "careful", careful, "s", ""),
        (grid, "naive", slow, "s", note),
        (grid, "careful / ours", careful / ours, "ratio", "wanted: at least 3"),
        (grid, "naive / ours", slow / ours, "ratio", "wanted: at least 3"),
    ]
