"""Measure an epoch in which the frozen backbone is part of the network, for each batch size.

python careless.py CONFIG IMAGES MANIFEST WEIGHTS OUT

One epoch of `fit` with validation is measured, after a warm-up on four batches that includes the
tracing, and one `predict` of all images. OUT receives the seconds as JSON. `parts.py` states the
assumptions.
"""

import json
import sys
import time
from pathlib import Path

import keras
import parts
import yaml


def main(config, images, manifest, weights, out):
    config, out = yaml.safe_load(Path(config).read_text()), Path(out)
    images, _, y, is_train = parts.load_data(images, manifest)
    (settings,) = [m for m in config["models"].values() if m["architecture"] != "convnet"]
    backbone = parts.load_backbone(weights)
    x = parts.resized(images, backbone.input_shape[1])
    found = {}
    for batch_size in config["grid"]["batch_size"]:
        network = keras.Sequential([keras.Input(x.shape[1:]), backbone, *parts.head(settings)])
        backbone.trainable = False
        parts.compile(network, settings)
        validation = x[~is_train], y[~is_train]
        first = 4 * batch_size
        network.fit(
            x[is_train][:first], y[is_train][:first], batch_size=batch_size,
            validation_data=(validation[0][:64], validation[1][:64]), verbose=0,
        )  # fmt: skip
        start = time.perf_counter()
        network.fit(
            x[is_train], y[is_train], batch_size=batch_size, validation_data=validation, verbose=0
        )
        found[batch_size] = time.perf_counter() - start
        print(f"batch size {batch_size}: {found[batch_size]:.1f} s an epoch", flush=True)
    start = time.perf_counter()
    network.predict(x, verbose=0)
    found["predict"] = time.perf_counter() - start
    out.write_text(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
