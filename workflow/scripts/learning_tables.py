from sigmoid_bce.jobs.forkserver import forked

forked("tables")

from sigmoid_bce.comparison.learning import tables
from sigmoid_bce.figures.tables import write_html
from sigmoid_bce.jobs.files import read_parquet, write_csv, write_parquet
from sigmoid_bce.jobs.logs import logged_to
from sigmoid_bce.study.learning import Learning, learning_cells, regimes

with logged_to(snakemake.log[0]):
    learning, made = Learning(**snakemake.params.learning), snakemake.output
    files = dict(zip(learning_cells(learning), snakemake.input.epochs, strict=True))
    found = tables(
        regimes(learning), lambda cell: read_parquet(files[cell]), learning.margins.model_dump()
    )
    write_parquet(found.pairs, made.pairs)
    for name, title in (("learning", "Paired differences"), ("stuck", "Stuck trainings")):
        write_csv(getattr(found, name), made[name])
        write_html(getattr(found, name), title, made[f"{name}_html"])
