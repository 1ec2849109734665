from sigmoid_bce.jobs.forkserver import forked

forked("tables")

from sigmoid_bce.comparison import summary
from sigmoid_bce.figures.style import write_values
from sigmoid_bce.figures.tables import write_html
from sigmoid_bce.jobs.digests import sources
from sigmoid_bce.jobs.files import read_json, write_csv
from sigmoid_bce.jobs.logs import logged_to

with logged_to(snakemake.log[0], snakemake.output):
    made_from = sources(snakemake.log[0], snakemake.input)
    made = snakemake.output
    summaries = map(read_json, snakemake.input.summaries)
    table = summary.of_datasets(dict(zip(snakemake.params.datasets, summaries, strict=True)))
    write_csv(table.reset_index(), made.datasets)
    write_html(table.reset_index(), "Data sets", made.datasets_html, sources=made_from)
    # "values" is also a method of Snakemake's outputs
    write_values(summary.in_captions(table), made["values"])
