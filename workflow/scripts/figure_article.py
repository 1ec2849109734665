from sigmoid_bce.jobs.forkserver import forked

forked("tables")

from sigmoid_bce.figures import article, style
from sigmoid_bce.jobs.files import read_parquet
from sigmoid_bce.jobs.logs import logged_to

with logged_to(snakemake.log[0]):
    curves = read_parquet(snakemake.input.curves)
    figure, values = article.FIGURES[snakemake.wildcards.figure](curves)
    style.save(figure, snakemake.output.svg, snakemake.output.png)
    style.write_values(values, snakemake.output["values"])
