from sigmoid_bce.jobs.forkserver import forked

forked("tables")

from pathlib import Path

from sigmoid_bce.comparison import compare
from sigmoid_bce.jobs import checkpoint_files
from sigmoid_bce.jobs.files import read_parquet, write_parquet
from sigmoid_bce.jobs.logs import logged_to

with logged_to(snakemake.log[0], snakemake.output):
    sizes, seed = snakemake.params.batch_sizes, int(snakemake.wildcards.seed)
    made = zip(snakemake.output.samples, snakemake.output.batches, strict=True)
    for stage, (samples_file, batches_file) in zip(snakemake.input.stages, made, strict=True):
        raw = read_parquet(stage)
        samples = compare.samples(raw)
        # the article runs the training images through the trained network
        train = samples[(raw["split"] == "train").to_numpy()]
        batches = compare.batches(train, sizes, seed)
        write_parquet(batches, batches_file)
        write_parquet(samples, samples_file)
    checkpoint_files.remove(Path(snakemake.params.spent_checkpoints))
