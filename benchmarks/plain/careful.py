"""The study as a careful user would write it: one script with nested loops.

python careful.py CONFIG IMAGES MANIFEST WEIGHTS OUT

Features are computed once. `fit` and `predict` get NumPy arrays and their default arguments,
TensorFlow its default threads. MLflow logs one run a cell to SQLite. `parts.py` states the
assumptions.
"""

import sys
import time
from pathlib import Path

import keras
import matplotlib as mpl
import mlflow
import pandas as pd
import parts
import yaml

mpl.use("agg")


def main(config, images, manifest, weights, out):
    config, out = yaml.safe_load(Path(config).read_text()), Path(out).resolve()
    out.mkdir(parents=True)
    grid, training, comparison = config["grid"], config["training"], config["comparison"]
    drawn = grid["seed"][: comparison.get("figure_seeds", 3)]
    images, table, y, is_train = parts.load_data(images, manifest)
    mlflow.set_tracking_uri(f"sqlite:///{out}/mlflow.db")
    mlflow.create_experiment("careful", artifact_location=(out / "artifacts").as_uri())
    mlflow.set_experiment("careful")
    cells = []
    for name in grid["model"]:
        settings = config["models"][name]
        if settings["architecture"] == "convnet":
            x = parts.resized(images, settings["image_size"])
        else:
            backbone = parts.load_backbone(weights)
            x = backbone.predict(parts.resized(images, backbone.input_shape[1]), verbose=0)
        for batch_size in grid["batch_size"]:
            for seed in grid["seed"]:
                start = time.perf_counter()
                keras.utils.set_random_seed(seed)
                folder = out / name / str(batch_size) / str(seed)
                folder.mkdir(parents=True)
                network = parts.build(settings, x.shape[1:])
                history = parts.train(
                    network, settings, training, x, y, is_train, batch_size, folder
                )
                stages, made = {}, []
                for stage in ("early", "full"):
                    network.load_weights(folder / f"{stage}.weights.h5")
                    raw = network.predict(x, verbose=0)[:, 0]
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
    main(*sys.argv[1:])
