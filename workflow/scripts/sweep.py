import os

from sigmoid_bce.jobs.logs import logged_to

with logged_to(snakemake.log[0]):
    os.environ["CUDA_VISIBLE_DEVICES"] = ""  # the laboratory measures CPUs
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    from sigmoid_bce.numerics.measure import measure_framework

    measure_framework(snakemake.wildcards.framework, **dict(snakemake.output.items()))
