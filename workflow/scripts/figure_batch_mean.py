import pandas as pd

from sigmoid_bce.figures import batch_mean, style
from sigmoid_bce.logs import logged_to

with logged_to(snakemake.log[0]):
    batches = pd.read_parquet(snakemake.input.batches)
    sizes = snakemake.params.batch_sizes
    figure = batch_mean.draw(batches, sizes, f"{snakemake.params.title}, full stage")
    style.save(figure, snakemake.output.svg, snakemake.output.png)
    style.write_values(batch_mean.values(batches, sizes[0]), snakemake.output["values"])
