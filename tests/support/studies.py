"""Small studies whose numbers are made up, as figures read them."""

import numpy as np
import pandas as pd

from sigmoid_bce.comparison import compare
from sigmoid_bce.comparison.learning import tables
from sigmoid_bce.figures.inputs import CellTables, LaboratoryTables
from sigmoid_bce.figures.trainings import LearningTables
from sigmoid_bce.jobs.files import read_json, read_parquet
from sigmoid_bce.numerics import article, formulas, reference
from sigmoid_bce.planning.chapters import title
from sigmoid_bce.study import reading
from sigmoid_bce.study.cells import STAGES
from sigmoid_bce.study.cells import cells as all_cells
from sigmoid_bce.study.learning import Regime, learning_cells, regimes
from sigmoid_bce.study.parse import parse
from support.checkout import ROOT

RECORD = ROOT / "tests/record/thresholds.csv"
MARGINS = {"accuracy": 0.005, "auc": 0.002, "ece": 0.005, "exact_loss": 0.005}
LOSSES = ("logits", "twin_up", "sigmoid_clipped", "naive", "focal")
MODEL = {"architecture": "linear", "optimizer": "sgd", "max_epochs": 5}
MODELS = {"slow": {**MODEL, "learning_rate": 0.1}, "fast": {**MODEL, "learning_rate": 10.0}}
NOISE = {"tame": 0.0, "flipped": 0.2}
EPOCHS = (0, 1, 5)


def regime(dataset="tame", model="slow", question="rates", seeds=range(12), losses=LOSSES, **keys):
    models = dict.fromkeys(losses, model)
    asks, primary = "Does it matter?", keys.pop("primary", "accuracy")
    return Regime("exploratory", question, asks, primary, dataset, models, 32, seeds, **keys)


RATES = [regime(dataset, model) for dataset in NOISE for model in MODELS]
STUDY = [*RATES, regime(question="loss", primary="exact_loss", losses=LOSSES[:3])]


def cell(name, seeds):
    """Return the rows of a learning cell, in which the loss and the rate decide what happens."""
    rng = np.random.default_rng(sum(map(ord, str(name))))
    wild = name.model == "fast" and name.loss in ("sigmoid_clipped", "focal")
    rows = []
    for seed in seeds:
        stuck, nan = wild and seed % 2, name.loss == "naive" and seed % 3 == 0
        for epoch in EPOCHS:
            ended = np.nan if nan and epoch else 1.0
            accuracy = 0.5 if stuck else 0.9 + rng.normal(0, 0.001)
            row = {"seed": seed, "epoch": epoch, "failed": bool(nan and epoch), "majority": 0.6}
            row |= {"accuracy": accuracy, "exact_loss": 0.5 * ended, "loss": 0.4 * ended}
            row |= {"dead_misclassified": 0.9 if stuck else 0.0}
            row |= {"val_accuracy": accuracy, "val_auc": accuracy, "val_ece": 1 - accuracy}
            row |= {"val_exact_loss": (3.0 if stuck else 0.3) * ended * (1 + rng.random())}
            row |= {"gradient_cosine": (np.nan if seed == 1 else -0.5) if stuck else 1.0}
            for label in (0, 1):
                for side in ("correct", "wrong"):
                    row[f"dead_{label}_{side}"] = rng.random()
                for i, q in enumerate(("q05", "q25", "q50", "q75", "q95")):
                    row[f"raw_{label}_{q}"] = ended * (i - 2 + 9 * epoch * (2 * label - 1) + seed)
            rows.append(row)
    return pd.DataFrame(rows)


def learning_tables(folder, regimes, models=MODELS, noise=NOISE, order=None):
    """Write the files of a study of learning, in an order if one is given; return its tables."""
    seeds = {}
    for one in regimes:
        for loss in one.models:
            seeds.setdefault(one.cell(loss), set()).update(one.seeds)
    rows = {name: cell(name, sorted(some)) for name, some in seeds.items()}
    made = tables(regimes, rows.get, MARGINS)
    files = {name: folder / f"{name}.csv" for name in ("learning", "stuck")}
    epochs = {name: folder / f"{i}.parquet" for i, name in enumerate(rows)}
    for name, file in (files | epochs).items():
        table = rows[name] if name in rows else getattr(made, name)
        table = table if order is None else table.sample(frac=1, random_state=order)
        write = table.to_csv if file.suffix == ".csv" else table.to_parquet
        write(file, index=False)
    return LearningTables(files, epochs, regimes, models, noise)


def cell_tables(name, classes, spread, count=2000, sizes=(4, 20, 128)):
    """Return the comparison of a network, by stage.

    Parameters
    ----------
    spread : mapping
        For each stage the mean distance of raw outputs from 0. Negative: the network is wrong.
    """
    samples, batches = {}, {}
    for stage, distance in spread.items():
        rng = np.random.default_rng(len(stage))
        label = np.arange(count) % 2
        x = np.float32(rng.normal(distance * (2 * label - 1), abs(distance) / 2 + 0.01))
        raw = pd.DataFrame({"sample_id": np.arange(count), "label": label, "raw_output": x})
        split = np.where(np.arange(count) % 5 == 4, "validation", "train")
        samples[stage] = compare.samples(raw).assign(split=split)
        train = samples[stage][samples[stage]["split"] == "train"]
        batches[stage] = compare.batches(train, list(sizes), 0)
    return CellTables(name, classes, samples, batches, list(sizes), sizes[0])


def laboratory_tables(folder, programs=None):
    """Return the tables of the laboratory: the record, and a sweep by three formulas.

    Parameters
    ----------
    programs : int, optional
        How many programs of the record have been measured; all of them otherwise.
    """
    thresholds = pd.read_csv(RECORD, keep_default_na=False, na_values="")
    thresholds = thresholds[thresholds["objective"] == "bce"]
    names = thresholds[["framework", "implementation", "mode"]].fillna("").drop_duplicates()
    names = names if programs is None else names[:programs]
    some = thresholds.fillna({"mode": ""}).merge(names)
    files = {name: folder / name for name in ("thresholds", "sweep", "curves")}
    some.to_csv(files["thresholds"], index=False)
    x = np.float32(
        np.unique(np.r_[-120:121, np.arange(-40, 40.1, 0.25), np.arange(13.5, 18, 1 / 16)])
    )
    parts = []
    for i, (framework, implementation, mode) in enumerate(names.itertuples(index=False)):
        for y in (0.0, 1.0):
            label = np.full_like(x, y)
            exact = reference.loss(x, label, "float64")
            p = formulas.sigmoid(x)
            with np.errstate(all="ignore"):
                ways = (np.float32(exact), formulas.loss_from_probabilities(p, label),
                        -np.log(np.where(y, p, 1 - p)))  # fmt: skip
                loss = np.asarray(ways[i % 3], float) * (1 + 1e-6 * (i // 3 % 4))
                gradient = (1 / (1 + np.exp(-x.astype(float))) - y) * (np.abs(x) < 16 + i)
            part = {
                "x": x.astype(float),
                "y": y,
                "loss": loss,
                "gradient": gradient,
                "gradient_exact": 1 / (1 + np.exp(-x.astype(float))) - y,
                "loss_exact": exact,
            }
            part |= {"loss_ulp": np.abs(loss - exact) / np.spacing(np.float32(exact)), "mode": mode}
            part |= {"framework": framework, "implementation": implementation, "dtype": "float32"}
            parts.append(pd.DataFrame(part))
    sweep = pd.concat(parts).replace([np.inf, -np.inf], np.nan)
    sweep = sweep.assign(objective="bce")
    sweep.astype({"framework": "category"}).to_parquet(files["sweep"], index=False)
    curves, x = [], article.raw_outputs()
    for y in (1.0, 0.0):
        exact = reference.loss(x, np.full_like(x, y), "float64")
        for name in article.CURVES:
            clipped = np.clip(exact, 1.19e-7, 16.118) if name == article.HISTORIC else exact
            curves.append(pd.DataFrame({"curve": name, "y": y, "x": x, "loss": clipped}))
    pd.concat(curves).to_parquet(files["curves"], index=False)
    return LaboratoryTables(files)


def finished(results, file):
    """Yield the tables that a finished study has drawn its figures from, by kind of figure."""
    study = parse(reading.load(file))
    files = {"sweep": "sweep.parquet", "thresholds": "thresholds.csv", "curves": "article.parquet"}
    found = {name: results / "numerics" / file for name, file in files.items()}
    yield "laboratory", LaboratoryTables(found)
    for cell in all_cells(study.grid):
        stages = {}
        for stage in STAGES:
            split = read_parquet(results / f"raw_outputs/{cell}/{stage}.parquet")["split"]
            rows = read_parquet(results / f"compare/{cell}/{stage}.parquet")
            stages[stage] = rows.assign(split=split.to_numpy())
        batches = {
            stage: read_parquet(results / f"compare/{cell}/{stage}.batches.parquet")
            for stage in STAGES
        }
        classes = read_json(results / f"data/{cell.dataset}/summary.json")["classes"]
        sizes = study.comparison.batch_sizes, study.comparison.figure_batch_size
        yield "cell", CellTables(title(cell), classes, stages, batches, *sizes)
    yield (
        "learning",
        LearningTables(
            {name: results / f"tables/{name}.csv" for name in ("learning", "stuck")},
            {one: results / f"learning/{one}.parquet" for one in learning_cells(study.learning)},
            regimes(study.learning),
            {name: model.model_dump(mode="json") for name, model in study.models.items()},
            {name: dataset.label_noise for name, dataset in study.datasets.items()},
        ),
    )
