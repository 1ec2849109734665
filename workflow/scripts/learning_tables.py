from sigmoid_bce.jobs.forkserver import forked

forked("tables")

from sigmoid_bce.comparison.answer import answer
from sigmoid_bce.comparison.conclusions import conclusions
from sigmoid_bce.comparison.learning import from_files, tables
from sigmoid_bce.figures.tables import in_short, write_html
from sigmoid_bce.jobs.digests import sources
from sigmoid_bce.jobs.files import write_csv, write_parquet
from sigmoid_bce.jobs.logs import logged_to
from sigmoid_bce.study.learning import Learning, learning_cells, regimes

with logged_to(snakemake.log[0], snakemake.output):
    made_from = sources(snakemake.log[0], snakemake.input)
    learning, made = Learning(**snakemake.params.learning), snakemake.output
    files = dict(zip(learning_cells(learning), snakemake.input.epochs, strict=True))
    found = tables(regimes(learning), from_files(files), learning.margins.model_dump())
    write_parquet(found.pairs, made.pairs)
    answers = answer(found.learning, found.stuck)
    pages = {"answer": answers[["sentence"]], "learning": in_short(found.learning)}
    for name, title, table in (
        ("answer", "Does it matter for learning?", answers),
        ("conclusions", "The article's conclusions", conclusions(found.learning, found.stuck)),
        ("learning", "Paired differences", found.learning),
        ("stuck", "Stuck trainings", found.stuck),
    ):
        write_csv(table, made[name])
        write_html(pages.get(name, table), title, made[f"{name}_html"], sources=made_from)
