import numpy as np
from pydantic import TypeAdapter

from sigmoid_bce.config import Model
from sigmoid_bce.files import sha256
from sigmoid_bce.logs import logged_to

with logged_to(snakemake.log[0]):
    from sigmoid_bce.models import backbones, features
    from sigmoid_bce.training import devices

    devices.set_up(snakemake.threads)
    model = TypeAdapter(Model).validate_python(snakemake.params.model)
    weights = snakemake.input.get("weights") or None
    images = np.load(snakemake.input.images, mmap_mode="r")
    identity = {"images": sha256(snakemake.input.images), "code": snakemake.params.code}
    identity |= {"model": snakemake.params.model, "weights": weights and sha256(weights)}
    backbone = backbones.build(model, weights, images.shape[-1])
    features.extract(images, backbone, snakemake.output.inputs, identity)
