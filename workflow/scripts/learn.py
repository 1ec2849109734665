from sigmoid_bce.jobs.forkserver import forked

forked("networks")

from pathlib import Path

from pydantic import TypeAdapter

from sigmoid_bce.jobs.attempts import Attempt
from sigmoid_bce.jobs.files import check_dates, read_array, read_parquet, write_json, write_parquet
from sigmoid_bce.jobs.logs import logged_to
from sigmoid_bce.study.datasets import Seen
from sigmoid_bce.study.learning import LearningCell
from sigmoid_bce.study.models import Model

params, names = snakemake.params, snakemake.wildcards
cell = LearningCell(names.dataset, names.model, names.loss, int(names.batch_size))
# learning/<dataset>/<model>/<loss>/<batch_size>
folder = Path(snakemake.output.run).with_suffix("")

with logged_to(snakemake.log[0], snakemake.output):
    check_dates(snakemake.input)
    model = TypeAdapter(Model).validate_python(params.model)
    with Attempt(str(cell), folder) as attempt:
        from sigmoid_bce.training.learn import learn

        found = learn(
            cell,
            Seen(**params.seen),
            model,
            params.seeds,
            read_array(snakemake.input.inputs),
            read_parquet(snakemake.input.manifest),
            threads=snakemake.threads,
            note=attempt.note,
        )
        settings = {"model": params.model, "data": params.seen}
        write_json({**attempt.record, **settings, **found.record}, snakemake.output.run)
        write_parquet(found.epochs, snakemake.output.epochs)
