from sigmoid_bce.jobs.forkserver import forked

forked("tables")

from sigmoid_bce.figures import registry, style
from sigmoid_bce.figures.inputs import LaboratoryTables
from sigmoid_bce.jobs.digests import sources
from sigmoid_bce.jobs.logs import logged_to

with logged_to(snakemake.log[0], snakemake.output):
    made = snakemake.output
    params = snakemake.params
    tables = LaboratoryTables(dict(snakemake.input.items()), params.objective)
    figure = registry.load("laboratory", params.figure)
    made_from = sources(snakemake.log[0], snakemake.input)
    style.save(figure.draw(tables), made.svg, made.png, made.drawn, sources=made_from)
    style.write_values(figure.values(tables), made["values"])
