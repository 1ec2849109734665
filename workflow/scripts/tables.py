from sigmoid_bce.jobs.forkserver import forked

forked("tables")

from dataclasses import asdict

import pandas as pd

from sigmoid_bce.comparison import summary
from sigmoid_bce.figures.style import write_values
from sigmoid_bce.figures.tables import write_html
from sigmoid_bce.jobs.csv_tables import read_csv
from sigmoid_bce.jobs.digests import sources
from sigmoid_bce.jobs.files import read_json, read_parquet, write_csv
from sigmoid_bce.jobs.logs import logged_to
from sigmoid_bce.study.cells import Cell, trained_with

with logged_to(snakemake.log[0], snakemake.output):
    made_from = sources(snakemake.log[0], snakemake.input)
    given, made, params = snakemake.input, snakemake.output, snakemake.params
    stages = [(Cell.parse(cell), stage) for cell in params.cells for stage in params.stages]
    runs = {cell: read_json(f) for cell, f in zip(params.cells, given.runs, strict=True)}
    for (cell, run), file in zip(runs.items(), given.runs, strict=True):
        named = Cell.parse(cell)
        of_study = {
            **trained_with(named, params.training),
            **params.models[named.model],
            **params.seen[named.dataset],
        }
        del of_study["split"]  # run.json has none: the manifest has it
        made_with = {**run["training"], **run["model"], **run["data"]}
        summary.check_settings(file, made_with, of_study)
    datasets = read_csv(given.datasets).set_index("dataset")
    rows, batches = [], []
    for (cell, stage), raw, samples, batch in zip(
        stages, given.raw, given.samples, given.batches, strict=True
    ):
        last = runs[str(cell)]["epochs"]
        epochs = min(params.early_epochs, last) if stage == "early" else last
        rows += summary.stage_rows(
            cell,
            stage,
            epochs,
            datasets["quarantined"][cell.dataset],
            read_parquet(raw),
            read_parquet(samples),
        )
        batches.append(
            read_parquet(batch)
            .rename(columns={"batch_size": "compared_batch_size"})
            .assign(**asdict(cell), stage=stage)
        )
    cells, means = map(summary.with_axes, (pd.DataFrame(rows), pd.concat(batches)))
    models, sizes = summary.by_model(cells), summary.by_batch_size(means)
    for table, name, title in (
        (cells, "cells", "Every network, at both stages"),
        (models, "models", "By model and stage"),
        (sizes, "batches", "By size of the batch"),
    ):
        write_csv(table, made[name])
        write_html(table, title, made[f"{name}_html"], sources=made_from)
    write_values(summary.values(datasets, cells, models, sizes), made.values)
