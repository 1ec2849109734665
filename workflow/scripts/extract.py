from sigmoid_bce.forkserver import forked

forked("networks")

import numpy as np

from sigmoid_bce.files import sha256
from sigmoid_bce.logs import logged_to

with logged_to(snakemake.log[0]):
    from sigmoid_bce.models import backbones, features
    from sigmoid_bce.training import devices

    devices.set_up(snakemake.threads)
    file, frozen = snakemake.input.get("weights"), snakemake.params.frozen
    images = np.load(snakemake.input.images, mmap_mode="r")
    identity = {"images": sha256(snakemake.input.images), "code": snakemake.params.code}
    identity |= {"frozen": frozen, "weights": file and sha256(file)}
    backbone = backbones.build(
        frozen["architecture"],
        file or frozen["weights"],
        size=frozen["image_size"],
        features=frozen["features"],
        channels=images.shape[-1],
    )
    features.extract(images, backbone, snakemake.output.inputs, identity)
