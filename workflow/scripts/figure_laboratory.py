from sigmoid_bce.jobs.forkserver import forked

forked("tables")

from sigmoid_bce.figures import laboratory, style
from sigmoid_bce.jobs.logs import logged_to
from sigmoid_bce.numerics.tables import read_thresholds

with logged_to(snakemake.log[0]):
    thresholds = read_thresholds(snakemake.input.thresholds)
    draw = laboratory.FIGURES[snakemake.wildcards.figure]
    figure, values = draw(snakemake.input.sweep, thresholds)
    style.save(figure, snakemake.output.svg, snakemake.output.png)
    style.write_values(values, snakemake.output["values"])
