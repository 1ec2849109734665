from sigmoid_bce.jobs.forkserver import forked

forked("networks")

import time
from pathlib import Path

from pydantic import TypeAdapter

from sigmoid_bce.jobs.files import check_dates, read_array, read_parquet, write_json, write_parquet
from sigmoid_bce.jobs.logs import logged_to
from sigmoid_bce.jobs.provenance import circumstances
from sigmoid_bce.study.datasets import Seen
from sigmoid_bce.study.learning import LearningCell
from sigmoid_bce.study.models import Model

with logged_to(snakemake.log[0], snakemake.output):
    started = int(time.time() * 1000)
    check_dates(snakemake.input)
    from sigmoid_bce.training.learn import learn

    params, names = snakemake.params, snakemake.wildcards
    model = TypeAdapter(Model).validate_python(params.model)
    cell = LearningCell(names.dataset, names.model, names.loss, int(names.batch_size))
    found = learn(
        cell,
        Seen(**params.seen),
        model,
        params.seeds,
        read_array(snakemake.input.inputs),
        read_parquet(snakemake.input.manifest),
        threads=snakemake.threads,
    )
    settings = {"model": params.model, "data": params.seen}
    # learning/<dataset>/<model>/<loss>/<batch_size>.json
    results = Path(snakemake.output.run).parents[4]
    record = {"started": started, **circumstances(results), **settings, **found.record}
    write_json(record, snakemake.output.run)
    write_parquet(found.epochs, snakemake.output.epochs)
