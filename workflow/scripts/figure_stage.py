import pandas as pd

from sigmoid_bce.figures import stage, style
from sigmoid_bce.logs import logged_to

with logged_to(snakemake.log[0]):
    split = pd.read_parquet(snakemake.input.raw, columns=["split"])["split"].to_numpy()
    samples = pd.read_parquet(snakemake.input.samples)[split == "train"]
    title = f"{snakemake.params.title}, {snakemake.params.stage} stage"
    figure = stage.draw(samples, snakemake.params.classes, title)
    style.save(figure, snakemake.output.svg, snakemake.output.png)
    style.write_values(stage.values(samples), snakemake.output["values"])
