import numpy as np

from sigmoid_bce.files import write_array
from sigmoid_bce.logs import logged_to

with logged_to(snakemake.log[0]):
    from sigmoid_bce.models.features import extract
    from sigmoid_bce.training import devices

    devices.set_up(snakemake.threads)
    images = np.load(snakemake.input.images, mmap_mode="r")
    write_array(extract(images, snakemake.input.weights), snakemake.output.inputs)
