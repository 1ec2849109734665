import os

from sigmoid_bce.jobs.logs import logged_to

with logged_to(snakemake.log[0], snakemake.output):
    os.environ["CUDA_VISIBLE_DEVICES"] = ""  # the laboratory measures CPUs
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    from pathlib import Path

    from sigmoid_bce.numerics import reuse
    from sigmoid_bce.numerics.watched import measure_watched

    name, params = snakemake.wildcards.framework, snakemake.params
    files = dict(snakemake.output.items())
    key = reuse.key(name, params.objectives, params.code)
    # results/<study>/numerics/frameworks/<framework>/sweep.parquet, of any study
    if found := reuse.copied(Path(files["sweep"]).parents[4], key, files):
        print(f"measured before, the same way: copied from {found.parent}")
    else:
        measure_watched(name, objectives=params.objectives, key=key, **files)
