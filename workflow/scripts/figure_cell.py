from sigmoid_bce.jobs.forkserver import forked

forked("tables")

from sigmoid_bce.figures import batch_mean, stage, style
from sigmoid_bce.jobs.files import read_parquet
from sigmoid_bce.jobs.logs import logged_to
from sigmoid_bce.study.cells import STAGES

with logged_to(snakemake.log[0]):
    given, made, params = snakemake.input, snakemake.output, snakemake.params
    drawn, values = [], {}
    for name, raw, samples in zip(STAGES, given.raw, given.samples, strict=True):
        split = read_parquet(raw)["split"].to_numpy()
        table = read_parquet(samples)[split == "train"]
        drawn.append(stage.draw(table, params.classes, f"{params.title}, {name} stage"))
        values |= {f"{name}_{key}": value for key, value in stage.values(table).items()}
    batches = read_parquet(given.batches[-1])
    for name, sizes in (
        ("figure_6", [params.figure_batch_size]),
        ("batch_mean", params.batch_sizes),
    ):
        drawn.append(batch_mean.draw(batches, sizes, f"{params.title}, {STAGES[-1]} stage"))
        of_size = batch_mean.values(batches, sizes[0])
        values |= {f"{name}_{key}": value for key, value in of_size.items()}
    for figure, svg, png in zip(drawn, made.svg, made.png, strict=True):
        style.save(figure, svg, png)
    style.write_values(values, made["values"])
