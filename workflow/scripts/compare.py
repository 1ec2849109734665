import pandas as pd

from sigmoid_bce.comparison import compare
from sigmoid_bce.files import write_parquet
from sigmoid_bce.logs import logged_to

with logged_to(snakemake.log[0]):
    raw = pd.read_parquet(snakemake.input.raw)
    samples = compare.samples(raw)
    # the article runs the training images through the trained network
    train = samples[(raw["split"] == "train").to_numpy()]
    batches = compare.batches(train, snakemake.params.batch_sizes, snakemake.params.seed)
    write_parquet(batches, snakemake.output.batches)
    write_parquet(samples, snakemake.output.samples)
