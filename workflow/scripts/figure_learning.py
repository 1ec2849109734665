from sigmoid_bce.jobs.forkserver import forked

forked("tables")

from pathlib import Path

from sigmoid_bce.figures import registry, style
from sigmoid_bce.figures.trainings import LearningTables
from sigmoid_bce.jobs.digests import sources
from sigmoid_bce.jobs.logs import logged_to
from sigmoid_bce.study.learning import Learning, learning_cells, regimes

with logged_to(snakemake.log[0], snakemake.output):
    given, made, params = snakemake.input, snakemake.output, snakemake.params
    learning = Learning(**params.learning)
    tables = LearningTables(
        {"learning": given.learning, "stuck": given.stuck},
        dict(zip(learning_cells(learning), given.epochs, strict=True)),
        regimes(learning),
        params.models,
        params.noise,
    )
    figure = registry.load("learning", Path(made.svg).stem)
    made_from = sources(snakemake.log[0], snakemake.input)
    style.save(figure.draw(tables), made.svg, made.png, made.drawn, sources=made_from)
    style.write_values(figure.values(tables), made["values"])
