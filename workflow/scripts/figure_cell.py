from sigmoid_bce.jobs.forkserver import forked

forked("tables")

from pathlib import Path

from sigmoid_bce.figures import registry, style
from sigmoid_bce.figures.inputs import CellTables
from sigmoid_bce.jobs.digests import sources
from sigmoid_bce.jobs.files import read_json, read_parquet
from sigmoid_bce.jobs.logs import logged_to

with logged_to(snakemake.log[0], snakemake.output):
    given, made, params = snakemake.input, snakemake.output, snakemake.params
    samples = {
        stage: read_parquet(table).assign(split=read_parquet(raw)["split"].to_numpy())
        for stage, table, raw in zip(params.stages, given.samples, given.raw, strict=True)
    }
    batches = dict(zip(params.stages, map(read_parquet, given.batches), strict=True))
    sizes = params.batch_sizes, params.figure_batch_size
    classes = read_json(given.summary)["classes"]
    tables = CellTables(params.title, classes, samples, batches, *sizes)
    values, made_from = {}, sources(snakemake.log[0], given)
    for svg in map(Path, made.svg):
        figure = registry.load("cell", svg.stem)
        places = svg, *map(svg.with_suffix, (".png", ".csv"))
        style.save(figure.draw(tables), *places, sources=made_from)
        prefix = registry.module_name(svg.stem)
        values |= {f"{prefix}_{name}": value for name, value in figure.values(tables).items()}
    style.write_values(values, made["values"])
