from sigmoid_bce.jobs.forkserver import forked

forked("networks")

from pathlib import Path

from pydantic import TypeAdapter

from sigmoid_bce.jobs import checkpoint_files
from sigmoid_bce.jobs.attempts import Attempt
from sigmoid_bce.jobs.files import check_dates, read_array, read_parquet, sha256
from sigmoid_bce.jobs.locks import hold
from sigmoid_bce.jobs.logs import logged_to
from sigmoid_bce.study.cells import Cell
from sigmoid_bce.study.config import Training
from sigmoid_bce.study.datasets import Seen
from sigmoid_bce.study.models import Model
from sigmoid_bce.tracking import live

cell = Cell.parse(snakemake.output.run)
folder = Path(snakemake.output.run).parent

with logged_to(snakemake.log[0], snakemake.output):
    check_dates(snakemake.input)
    manifest = read_parquet(snakemake.input.manifest)
    identity = {"cell": str(cell), **dict(snakemake.params.items())}
    identity |= {name: sha256(file) for name, file in snakemake.input.items()}
    with hold(folder / ".lock", snakemake.output, identity) as needed:
        if not needed:
            checkpoint_files.remove(folder)
        else:
            with Attempt(str(cell), folder, live.follower) as attempt:
                from sigmoid_bce.training.train import train

                train(
                    cell,
                    TypeAdapter(Model).validate_python(snakemake.params.model),
                    Training(**snakemake.params.training),
                    read_array(snakemake.input.inputs),
                    manifest,
                    seen=Seen(**snakemake.params.seen),
                    threads=snakemake.threads,
                    note=attempt.note,
                    resumed=attempt.resume,
                    attempt=attempt.record,
                    identity=identity,
                    **dict(snakemake.output.items()),
                )
