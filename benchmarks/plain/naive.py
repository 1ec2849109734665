"""The steps of the naive workflow: each is a process that imports TensorFlow.

python naive.py features|train|predict|compare|log CONFIG IMAGES MANIFEST WEIGHTS OUT [BATCH SEED]

`Snakefile` states their order, and `parts.py` the assumptions.
"""

import sys
from pathlib import Path

import pandas as pd
import yaml


class Naive:
    def __init__(self, config, images, manifest, weights, out, batch_size="0", seed="0"):
        self.config = yaml.safe_load(Path(config).read_text())
        (self.settings,) = self.config["models"].values()
        self.weights, self.out = weights, Path(out)
        self.batch_size, self.seed = int(batch_size), int(seed)
        self.folder = self.out / batch_size / seed
        self.folder.mkdir(parents=True, exist_ok=True)
        self.data = images, manifest

    def load(self):
        import parts

        self.images, self.table, self.y, self.is_train = parts.load_data(*self.data)
        return parts

    def features(self):
        import numpy as np

        parts = self.load()
        np.save(self.out / "features.npy", parts.features(self.images, self.weights))

    def train(self):
        import keras
        import numpy as np

        parts = self.load()
        x = np.load(self.out / "features.npy")
        keras.utils.set_random_seed(self.seed)
        network = parts.build(self.settings, x.shape[1:])
        parts.train(
            network, self.settings, self.config["training"], x, self.y, self.is_train,
            self.batch_size, self.folder,
        )  # fmt: skip

    def predict(self):
        import numpy as np

        parts = self.load()
        x = np.load(self.out / "features.npy")
        network = parts.build(self.settings, x.shape[1:])
        for stage in ("early", "full"):
            network.load_weights(self.folder / f"{stage}.weights.h5")
            np.save(self.folder / f"{stage}.npy", network.predict(x, verbose=0)[:, 0])

    def compare(self):
        import matplotlib as mpl
        import numpy as np

        mpl.use("agg")
        parts = self.load()
        sizes = self.config["comparison"]["batch_sizes"]
        shown = self.config["comparison"]["figure_batch_size"]
        stages = {}
        for stage in ("early", "full"):
            raw = np.load(self.folder / f"{stage}.npy")
            outputs = self.table.join(parts.losses(raw, self.y))
            outputs.to_parquet(self.folder / f"{stage}.parquet")
            stages[stage] = outputs[self.is_train]
            batches = parts.batch_means(stages[stage], sizes, self.seed)
            batches.to_parquet(self.folder / f"{stage}.batches.parquet")
        drawn = self.config["comparison"].get("figure_seeds", 3)
        if self.seed in self.config["grid"]["seed"][:drawn]:
            parts.figures(stages, batches, sizes, shown, self.folder)

    def log(self):
        import mlflow

        mlflow.set_tracking_uri(f"sqlite:///{self.out.resolve()}/mlflow.db")
        if mlflow.get_experiment_by_name("naive") is None:
            place = (self.out.resolve() / "artifacts").as_uri()
            mlflow.create_experiment("naive", artifact_location=place)
        mlflow.set_experiment("naive")
        history = pd.read_csv(self.folder / "history.csv")
        with mlflow.start_run(run_name=f"{self.batch_size} {self.seed}"):
            mlflow.log_params({**self.settings, "batch_size": self.batch_size, "seed": self.seed})
            for row in history.to_dict("records"):
                step = int(row.pop("epoch"))
                mlflow.log_metrics(row, step=step)
            for stage in ("early", "full"):
                outputs = pd.read_parquet(self.folder / f"{stage}.parquet")
                outputs = outputs[outputs["split"] == "train"]
                mlflow.log_metric(f"{stage}/bce_raw", outputs["bce_raw"].mean())
                mlflow.log_metric(f"{stage}/bce_sigmoid", outputs["bce_sigmoid"].mean())
            for file in sorted(self.folder.glob("*.png")):
                mlflow.log_artifact(str(file))
            mlflow.log_artifact(str(self.folder / "history.csv"))
            mlflow.log_artifact(str(self.folder / "full.weights.h5"))
        (self.folder / "logged").touch()


if __name__ == "__main__":
    step, *arguments = sys.argv[1:]
    getattr(Naive(*arguments), step)()
