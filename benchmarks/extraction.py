"""The speed of feature extraction, as a ratio to Keras's `predict` on images of the final size.

python benchmarks/extraction.py [architecture] [images]
"""

import sys
import tempfile
import time
from pathlib import Path

import numpy as np


def main(architecture="efficientnet_lite0", count=512):
    """Print the seconds of both in turn, and their ratio: at 1, extraction is as fast."""
    from sigmoid_bce.data.resize import resize
    from sigmoid_bce.models import backbones, features
    from sigmoid_bce.training import devices

    devices.set_up(2)
    # as in the default study: grey, 300 x 300
    images = np.random.default_rng(0).integers(0, 256, (count, 300, 300, 1)).astype(np.uint8)
    backbone = backbones.build(architecture, "none", channels=1)
    ready = resize(images, backbone.input_shape[1])
    backbone.predict(ready[:64], batch_size=16, verbose=0)
    ratios = []
    with tempfile.TemporaryDirectory() as folder:
        for repeat in range(3):
            start = time.perf_counter()
            backbone.predict(ready, batch_size=16, verbose=0)
            middle = time.perf_counter()
            features.extract(images, backbone, Path(folder) / f"{repeat}.npy", {})
            end = time.perf_counter()
            ratios.append((middle - start) / (end - middle))
            print(
                f"predict {middle - start:.2f} s, extraction with resizing and writing "
                f"{end - middle:.2f} s, ratio {ratios[-1]:.2f}",
                flush=True,
            )
    print(f"median ratio {np.median(ratios):.2f}")


if __name__ == "__main__":
    main(*sys.argv[1:2], *map(int, sys.argv[2:3]))
