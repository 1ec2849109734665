from sigmoid_bce.jobs.forkserver import forked

forked("networks")

from pathlib import Path

from sigmoid_bce.jobs.files import check_dates, read_array, sha256
from sigmoid_bce.jobs.locks import hold
from sigmoid_bce.jobs.logs import logged_to

with logged_to(snakemake.log[0], snakemake.output):
    check_dates(snakemake.input)
    file, frozen = snakemake.input.get("weights"), snakemake.params.frozen
    identity = {**dict(snakemake.params.items()), "images": sha256(snakemake.input.images)}
    identity |= {"weights": file and sha256(file)}
    output = Path(snakemake.output.inputs)
    with hold(output.with_name(f".{output.name}.lock"), [output], identity) as needed:
        if needed:
            from sigmoid_bce.models import backbones, features
            from sigmoid_bce.training import devices

            devices.set_up(snakemake.threads)
            images = read_array(snakemake.input.images)
            backbone = backbones.build(
                frozen["architecture"],
                file or frozen["weights"],
                size=frozen["image_size"],
                features=frozen["features"],
                channels=images.shape[-1],
            )
            features.extract(images, backbone, output, identity)
