"""Collect the numbers that documents quote into docs/numbers: `make numbers`.

Run it where the studies ran: the machine is written on every row. A table whose source is not
there is left as it is.
"""

from __future__ import annotations

import json
import socket
import sys
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd

import explorer
from committed import FOLDER, KEYS, PICTURED, PROGRAMS, ROOT, machine, write
from sigmoid_bce.figures.explorer.page import render
from sigmoid_bce.jobs import provenance
from sigmoid_bce.jobs.machine import processor
from sigmoid_bce.numerics.criteria import PLACES
from sigmoid_bce.numerics.record import KEY, MOVED
from sigmoid_bce.numerics.tables import RECORD, TRAITS, read_thresholds
from sigmoid_bce.study.cells import STAGES

WITHHELD = {
    "elpv": "no: ELPV images, CC BY-NC-SA 4.0",
    "dogs_vs_cats": "no: photographs of the competition Dogs vs. Cats",
}
"""Data sets that this repository cannot pass on, and why; of all others the column says yes."""


class Absent(Exception):
    """A study or a file that a table needs and that is not there."""


def present(path: Path) -> Path:
    """Return a path, or raise `Absent`."""
    if not path.exists():
        raise Absent(f"{path} is missing")
    return path


def runs(study: Path) -> Iterator[tuple[dict, Path]]:
    """Yield the run.json of each cell, and the cell's part of the path."""
    root = present(study / "train")
    for file in sorted(root.rglob("run.json")):
        yield json.loads(file.read_text()), file.parent.relative_to(root)


def samples(study: Path, cell: Path, stage: str) -> pd.DataFrame:
    """Return a cell's comparison by sample, with the column split."""
    raw = pd.read_parquet(present(study / f"raw_outputs/{cell}/{stage}.parquet"))
    table = pd.read_parquet(present(study / f"compare/{cell}/{stage}.parquet"))
    return table.assign(split=raw["split"].to_numpy())


def models(study: Path) -> pd.DataFrame:
    """Return the extremes over the cells of each model and stage, `furthest_wrong` among them.

    That is the largest |raw output| of a misclassified validation sample.
    """
    table = pd.read_csv(present(study / "tables/models.csv"))
    wrong = extremes(study).query("split == 'validation'").set_index(["model", "stage"])
    furthest = wrong["raw_output"].abs().rename("furthest_wrong")
    return table.merge(furthest, "left", left_on=["model", "stage"], right_index=True)


def batches(study: Path) -> pd.DataFrame:
    """Return how far the losses of batches are off, by the size of the batch."""
    return pd.read_csv(present(study / "tables/batches.csv"))


def extremes(study: Path) -> pd.DataFrame:
    """Return the sample furthest on the wrong side, by model, stage and split."""
    rows = []
    for record, cell in runs(study):
        named = dict(part.split("~") for part in cell.parts)
        for stage in STAGES:
            table = samples(study, cell, stage)
            wrong = table[(table["raw_output"] > 0) != (table["label"] == 1)]
            worst = wrong.loc[wrong["raw_output"].abs().groupby(wrong["split"]).idxmax()]
            columns = ["split", "label", "raw_output", "bce_exact", "bce_raw", "bce_sigmoid"]
            place = {"dataset": named["dataset"], "model": named["model"], "stage": stage}
            rows.append(worst[columns].assign(**place, epochs=record["epochs"]))
    table = pd.concat(rows)
    last = table.groupby(KEYS["extremes"])["raw_output"].transform(lambda x: x.abs().max())
    table = table[table["raw_output"].abs() == last].drop_duplicates(KEYS["extremes"])
    front = ["dataset", *KEYS["extremes"]]
    return table[[*front, *(c for c in columns if c not in front)]].sort_values(front)


def measured(study: Path) -> pd.DataFrame:
    """Return the table of implementations, if no framework is missing from it."""
    table = pd.read_csv(present(study / "numerics/implementations.csv"))
    missing = table[table["status"].str.endswith("not installed")]
    if len(missing):
        names = ", ".join(missing["framework"].unique())
        raise Absent(f"{names} not measured: run `make frameworks-more` first")
    return table


def thresholds(study: Path) -> pd.DataFrame:
    """Return the thresholds of the programs that the README's table lists, in float32."""
    measured(study)
    table = read_thresholds(present(study / "numerics/thresholds.csv"))
    named = pd.MultiIndex.from_frame(table[["framework", "implementation"]]).isin(list(PROGRAMS))
    # float64 where there is nothing else: scikit-learn's mode of single samples has float32 too
    rows = table[named & (table["dtype"] == "float32") & table["y"].isin([0, 1])]
    return rows.drop(columns="objective")


def values(study: Path) -> pd.DataFrame:
    """Return single numbers: of the laboratory, and of the network that figure 5 shows."""
    state = measured(study)
    limits = read_thresholds(study / "numerics/thresholds.csv")
    curves = pd.read_parquet(present(study / "numerics/article.parquet"))
    wrong = limits[(limits["side"] == "wrong") & limits["y"].isin([0, 1])]
    dead = wrong.groupby("dtype")["gradient_zero_first"].min()
    historic = curves[curves["curve"] == "Keras of 2018"].groupby("y")["loss"].max()
    found = {
        "programs": (state["status"] == "measured").sum(),
        **{f"dead_when_wrong_{dtype}": dead[dtype] for dtype in ("bfloat16", "float16")},
        **{f"historic_ceiling_label_{y:g}": ceiling for y, ceiling in historic.items()},
        **{f"pictured_{name}": value for name, value in _pictured(study).items()},
    }
    table = pd.DataFrame(found.items(), columns=["name", "value"])
    of_images = table["name"].str.startswith("pictured")
    return table.assign(passed_on=of_images.map({True: WITHHELD["elpv"], False: "yes"}))


def pictured(study: Path) -> tuple[dict, pd.DataFrame]:
    """Return the run and the images of the network that figure 5 shows."""
    for record, cell in runs(study):
        if str(cell) == PICTURED:
            return record, samples(study, cell, STAGES[-1])
    raise Absent(f"{study} has no cell {PICTURED}")


def _pictured(study: Path) -> dict[str, float]:
    record, table = pictured(study)
    table = table[table["split"] == "train"]
    return {
        "epochs": record["epochs"],
        "images": len(table),
        "raw_output_max": table["raw_output"].max(),
    }


def figure_3(study: Path) -> pd.DataFrame:
    """Return the curves of figure 3, a column each."""
    curves = pd.read_parquet(present(study / "numerics/article.parquet"))
    wide = curves.pivot(index=KEYS["figure-3"], columns="curve", values="loss")
    return wide.reset_index().rename_axis(columns=None)


def figure_5(study: Path) -> pd.DataFrame:
    """Return the samples of figure 5: labels and raw outputs, in no order of the images."""
    table = pictured(study)[1].sort_values(["split", "label", "raw_output"])
    return pd.DataFrame(
        {
            "sample": np.arange(len(table)),
            "split": table["split"].to_numpy(),
            "label": table["label"].to_numpy(),
            "raw_output": table["raw_output"].to_numpy(),
        }
    )


def serving(study: Path) -> pd.DataFrame:
    """Return what became of the probabilities of served networks."""
    return pd.read_csv(present(study / "serving.csv"))


def smoke(study: Path) -> pd.DataFrame:
    """Return the smoke study's table of cells."""
    return pd.read_csv(present(study / "tables/cells.csv"))


def benchmarks(folder: Path) -> pd.DataFrame:
    """Return the rows of every benchmark that was run in full, with their own origin."""
    tables = []
    for file in sorted(present(folder).glob("*.json")):
        kept = json.loads(file.read_text())
        if kept["scale"] != 1 or "rows" not in kept:
            continue
        on = kept["machine"]
        rows = [*kept["rows"], ["", "minutes", round(kept["minutes"]), "min", "of two cores"]]
        table = pd.DataFrame(rows, columns=["grid", "measure", "value", "unit", "note"])
        table.insert(0, "part", kept["part"])
        tables.append(
            table.assign(
                processor=on["processor"],
                cores=on["cores"].split()[0],
                releases=" ".join(f"{name} {on[name]}" for name in ("tensorflow", "snakemake")),
                commit=on["commit"],
                date=on["started"].split()[0],
                kernels=on.get("kernels", ""),
                load=on.get("load at start", "").split(" ")[0],
                passed_on=WITHHELD["elpv"]
                if kept["part"] in ("floor", "peers", "slow_peers")
                else "yes",
            )
        )
    if not tables:
        raise Absent(f"{folder} has no benchmark that was run in full")
    return pd.concat(tables, ignore_index=True)


def releases(folder: Path) -> pd.DataFrame:
    """Return where programs of old releases go wrong, with their own origin."""
    table = read_thresholds(present(folder / "releases.csv"))
    columns = [*KEYS["releases"], *TRAITS[:-1], *PLACES, "processor", "date"]
    return table[columns].assign(
        cores=machine()["cores"],
        releases=table["version"],
        commit=(provenance.circumstances()["git_commit"] or "unknown")[:7],
        passed_on="yes",
    )


def photographs(study: Path) -> pd.DataFrame:
    """Return the table of models, with the largest error of a validation image."""
    cells = pd.read_csv(present(study / "tables/cells.csv"))
    cells = cells[cells["split"] == "validation"]
    worst = cells.groupby(["model", "stage"])["bce_sigmoid_error_max"].max()
    worst = worst.rename("val_bce_sigmoid_error_max").reset_index()
    return models(study).merge(worst, on=["model", "stage"], validate="one_to_one")


def answer(study: Path) -> pd.DataFrame:
    """Return the answer of the study of learning."""
    return pd.read_csv(present(study / "tables/answer.csv"))


def conclusions(study: Path) -> pd.DataFrame:
    """Return the article's conclusions beside the measured ones."""
    return pd.read_csv(present(study / "tables/conclusions.csv"))


def learning(study: Path) -> pd.DataFrame:
    """Return the paired differences in the primary metrics."""
    table = pd.read_csv(present(study / "tables/learning.csv"))
    columns = [*KEYS["learning"], "metric", "seeds", "failed", "failed_reference"]
    columns += ["mean_reference", "mean", "difference", "t_low", "t_high", "margin", "verdict"]
    return with_passed_on(table.loc[table["primary"], columns])


def stuck(study: Path) -> pd.DataFrame:
    """Return the counts of stuck trainings."""
    return with_passed_on(pd.read_csv(present(study / "tables/stuck.csv")))


def with_passed_on(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table of several data sets, with what may be passed on of each."""
    return table.assign(passed_on=table["dataset"].map(WITHHELD).fillna("yes"))


def processors(study: Path) -> pd.DataFrame:
    """Return how the study of learning moves where instruction sets are masked, by metric.

    `study` is the run with masks; the one without lies beside it.
    """
    keys = [*KEYS["learning"], "metric"]
    here, there = (
        pd.read_csv(present(folder / "tables/learning.csv"))
        for folder in (study.with_name("learning"), study)
    )
    both = here.merge(there, on=keys, suffixes=("", "_masked"), validate="one_to_one")
    both["moved"] = (both["mean"] - both["mean_masked"]).abs()
    both["equal"] = (both["mean"] == both["mean_masked"]) | both["moved"].isna()
    both["same_verdict"] = both["verdict"] == both["verdict_masked"]
    both["calm"] = both["verdict"] != "not decidable"
    rows = [
        {
            "metric": metric,
            "rows": len(table),
            "equal": int(table["equal"].sum()),
            "same_verdict": int(table["same_verdict"].sum()),
            "moved_calm": table.loc[table["calm"], "moved"].max(),
            "moved": table["moved"].max(),
        }
        for metric, table in both.groupby("metric", sort=False)
    ]
    return with_passed_on(pd.DataFrame(rows).assign(dataset="")).drop(columns="dataset")


def elsewhere(study: Path) -> pd.DataFrame:
    """Return how many rows of thresholds another processor has measured alike, by precision.

    Those of the record are compared that another processor measured with the same releases.
    """
    here = read_thresholds(present(study / "numerics/thresholds.csv"), objective=None)
    then = read_thresholds(RECORD, objective=None)
    then = then[then["processor"] != processor()]
    both = then.astype({"y": float}).merge(
        here.astype({"y": float}), on=KEY, suffixes=("", "_here"), validate="one_to_one"
    )
    places = [place for place in PLACES if f"{place}_here" in both]
    shares = pd.DataFrame(
        {
            place: np.where(
                both[place].isna() != both[f"{place}_here"].isna(),
                np.inf,
                ((both[place] - both[f"{place}_here"]) / both[place]).abs().fillna(0),
            )
            for place in places
        }
    ).max(axis=1)
    grouped = both.assign(share=shares.to_numpy()).groupby("dtype", sort=False)["share"]
    return grouped.agg(
        rows="size",
        equal=lambda share: int((share < 1e-8).sum()),
        moved=lambda share: int((share > MOVED).sum()),
        largest="max",
    ).reset_index()


TABLES: dict[str, tuple[str, Callable[[Path], pd.DataFrame]]] = {
    "models": ("default", models),
    "models-avx2": ("default-avx2", models),
    "models-amd": ("default-amd", models),
    "thresholds-amd": ("default-amd", elsewhere),
    "batches": ("default", batches),
    "extremes": ("default", extremes),
    "thresholds": ("default", thresholds),
    "values": ("default", values),
    "figure-3": ("default", figure_3),
    "figure-5": ("default", figure_5),
    "serving": ("default", serving),
    "smoke": ("smoke", smoke),
    "answer": ("learning", answer),
    "conclusions": ("learning", conclusions),
    "learning": ("learning", learning),
    "stuck": ("learning", stuck),
    "learning-full": ("learning-full", learning),
    "photographs": ("article-cpu", photographs),
    "photographs-learning": ("article-cpu", learning),
    "processors": ("learning-masked", processors),
    "benchmarks": ("benchmarks", benchmarks),
    "releases": ("releases", releases),
}
"""Each table: the folder under results/ that it comes from, and the function of that folder."""
OWN = ("benchmarks", "releases")
"""Tables whose rows have origins of their own."""
LABORATORY = ("thresholds", "thresholds-amd", "figure-3")
"""Tables that rest on no data set."""


def origin(study: Path) -> dict[str, str]:
    """Return where, by what and when a study was run; it must have been run on this machine."""
    files = [*study.glob("train/**/run.json"), *study.glob("learning/**/*.json")]
    if not files:
        raise Absent(f"{study} has no training")
    records = [json.loads(file.read_text()) for file in files]
    elsewhere = {record["host"] for record in records} - {socket.gethostname()}
    if elsewhere:
        raise SystemExit(f"{study} was run on {', '.join(elsewhere)}: run `make numbers` there")
    commits = sorted({(record["git_commit"] or "unknown")[:7] for record in records})
    last = max(file.stat().st_mtime for file in files)
    sets = sorted({path.name.partition("~")[2] for path in study.glob("train/*")})
    return {
        **machine(),
        "commit": " ".join(commits),
        "date": date.fromtimestamp(last).isoformat(),
        "passed_on": next((WITHHELD[name] for name in sets if name in WITHHELD), "yes"),
    }


def main(results: Path = ROOT / "results", folder: Path = FOLDER) -> None:
    """Write every table whose source is there."""
    for name, (source, function) in TABLES.items():
        try:
            table = function(results / source)
            on = {} if name in OWN else origin(results / source)
        except Absent as error:
            print(f"{name}.csv stays as it is: {error}")
            continue
        if name == "benchmarks":  # a part that was not measured now keeps its rows
            old = pd.read_csv(folder / f"{name}.csv", dtype=str)
            table = pd.concat([old[~old["part"].isin(table["part"])], table], ignore_index=True)
        if name in LABORATORY:
            on["passed_on"] = "yes"
        write(name, table, on, folder)
        print(f"{name}.csv: {len(table)} rows")
    try:
        text, differ = explorer.data(present(results / "map/numerics"), measured)
    except Absent as error:
        print(f"explorer.html stays as it is: {error}")
    else:
        folder.with_name("explorer.html").write_text(render(text), "utf-8")
        print(f"explorer.html: {differ} thresholds differ from the record, which it has instead")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
