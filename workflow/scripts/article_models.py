from sigmoid_bce.jobs.forkserver import forked

forked("networks")

import os

from sigmoid_bce.jobs.files import write_parquet
from sigmoid_bce.jobs.logs import logged_to

with logged_to(snakemake.log[0], snakemake.output):
    os.environ["CUDA_VISIBLE_DEVICES"] = ""  # the laboratory measures CPUs
    from sigmoid_bce.numerics.article_models import curves

    write_parquet(curves(), snakemake.output.curves)
