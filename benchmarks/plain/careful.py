"""The study as a careful user would write it: one script with nested loops.

python careful.py CONFIG IMAGES MANIFEST WEIGHTS OUT [--features FILE] [--share 1/2] [--tricks]

Features are computed once, or read from a file. `fit` and `predict` get NumPy arrays and their
default arguments, TensorFlow its default threads. MLflow logs one run a cell to SQLite.
With `--share`, the script trains its share of the cells on one thread. With `--tricks`, it uses
what Keras and TensorFlow offer for speed. `parts.py` states the assumptions.
"""

import argparse
import itertools
import time
from pathlib import Path

import keras
import matplotlib as mpl
import mlflow
import numpy as np
import pandas as pd
import parts
import yaml

mpl.use("agg")


def read_arguments():
    parser = argparse.ArgumentParser()
    for name in ("config", "images", "manifest", "weights", "out"):
        parser.add_argument(name)
    parser.add_argument("--features")
    parser.add_argument("--share", default="1/1")
    parser.add_argument("--tricks", action="store_true")
    return parser.parse_args()


def inputs(settings, images, given):
    """Return what a network is trained on: resized images, or features of the backbone."""
    if settings["architecture"] == "convnet":
        return parts.resized(images, settings["image_size"])
    return np.load(given.features) if given.features else parts.features(images, given.weights)


def main(given):
    config, out = yaml.safe_load(Path(given.config).read_text()), Path(given.out).resolve()
    share, shares = map(int, given.share.split("/"))
    if shares > 1:
        parts.use_one_thread()
    out.mkdir(parents=True)
    grid, training, comparison = config["grid"], config["training"], config["comparison"]
    drawn = grid["seed"][: comparison.get("figure_seeds", 3)]
    images, table, y, is_train = parts.load_data(given.images, given.manifest)
    mlflow.set_tracking_uri(f"sqlite:///{out}/mlflow.db")
    mlflow.create_experiment("careful", artifact_location=(out / "artifacts").as_uri())
    mlflow.set_experiment("careful")
    every = itertools.product(grid["model"], grid["batch_size"], grid["seed"])
    mine = list(every)[share - 1 :: shares]
    cells, x, last = [], None, None
    for name, batch_size, seed in mine:
        settings = config["models"][name]
        if name != last:
            x, last = inputs(settings, images, given), name
        start = time.perf_counter()
        keras.utils.set_random_seed(seed)
        folder = out / name / str(batch_size) / str(seed)
        folder.mkdir(parents=True)
        steps = parts.steps(is_train.sum(), batch_size) if given.tricks else 1
        network = parts.build(settings, x.shape[1:], steps)
        fit = parts.train_with_tricks if given.tricks else parts.train
        history = fit(network, settings, training, x, y, is_train, batch_size, folder)
        stages, made = {}, []
        for stage in ("early", "full"):
            network.load_weights(folder / f"{stage}.weights.h5")
            size = parts.LARGE if given.tricks else None
            raw = network.predict(x, batch_size=size, verbose=0)[:, 0]
            outputs = table.join(parts.losses(raw, y))
            outputs.to_parquet(folder / f"{stage}.parquet")
            train = outputs[is_train]
            batches = parts.batch_means(train, comparison["batch_sizes"], seed)
            batches.to_parquet(folder / f"{stage}.batches.parquet")
            stages[stage] = train
        if seed in drawn:
            sizes, shown = comparison["batch_sizes"], comparison["figure_batch_size"]
            made = parts.figures(stages, batches, sizes, shown, folder)
        with mlflow.start_run(run_name=f"{name} {batch_size} {seed}"):
            mlflow.log_params({**settings, "batch_size": batch_size, "seed": seed})
            for row in history.to_dict("records"):
                step = int(row.pop("epoch"))
                mlflow.log_metrics(row, step=step)
            for stage, outputs in stages.items():
                mlflow.log_metric(f"{stage}/bce_raw", outputs["bce_raw"].mean())
                mlflow.log_metric(f"{stage}/bce_sigmoid", outputs["bce_sigmoid"].mean())
            for file in [f for f in made if f.suffix == ".png"]:
                mlflow.log_artifact(str(file))
            mlflow.log_artifact(str(folder / "history.csv"))
            mlflow.log_artifact(str(folder / "full.weights.h5"))
        seconds = time.perf_counter() - start
        cells.append((name, batch_size, seed, len(history), seconds))
        print(f"{name} {batch_size} {seed}: {len(history)} epochs, {seconds:.1f} s")
    names = ["model", "batch_size", "seed", "epochs", "seconds"]
    pd.DataFrame(cells, columns=names).to_csv(out / "cells.csv", index=False)


if __name__ == "__main__":
    main(read_arguments())
