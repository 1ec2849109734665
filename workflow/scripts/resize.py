from sigmoid_bce.forkserver import forked

forked("tables")

import numpy as np

from sigmoid_bce.data.resize import resize
from sigmoid_bce.files import write_array
from sigmoid_bce.logs import logged_to

with logged_to(snakemake.log[0]):
    images = np.load(snakemake.input.images, mmap_mode="r")
    write_array(resize(images, int(snakemake.wildcards.size)), snakemake.output.inputs)
