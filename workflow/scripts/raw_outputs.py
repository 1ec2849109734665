from sigmoid_bce.jobs.forkserver import forked

forked("networks")

from pydantic import TypeAdapter

from sigmoid_bce.jobs.files import read_array, read_parquet, write_parquet
from sigmoid_bce.jobs.logs import logged_to
from sigmoid_bce.study.datasets import Seen
from sigmoid_bce.study.models import Model

with logged_to(snakemake.log[0], snakemake.output):
    from sigmoid_bce.training.raw_outputs import raw_outputs

    model = TypeAdapter(Model).validate_python(snakemake.params.model)
    inputs = read_array(snakemake.input.inputs)
    manifest = read_parquet(snakemake.input.manifest)
    tables = raw_outputs(
        model,
        snakemake.input.weights,
        inputs,
        manifest,
        seen=Seen(**snakemake.params.seen),
        threads=snakemake.threads,
        precision=snakemake.params.precision,
    )
    for table, file in zip(tables, snakemake.output.stages, strict=True):
        write_parquet(table, file)
