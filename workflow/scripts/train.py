from sigmoid_bce.forkserver import forked

forked("networks")

from pathlib import Path

import numpy as np
import pandas as pd
from pydantic import TypeAdapter

from sigmoid_bce.cells import Cell
from sigmoid_bce.config import Model, Training
from sigmoid_bce.logs import logged_to
from sigmoid_bce.training.attempts import Attempt

cell = Cell.parse(snakemake.output.run)
folder = Path(snakemake.output.run).parent

with logged_to(snakemake.log[0]), Attempt(cell, folder) as attempt:
    from sigmoid_bce.training.train import train

    train(
        cell,
        TypeAdapter(Model).validate_python(snakemake.params.model),
        Training(**snakemake.params.training),
        np.load(snakemake.input.inputs, mmap_mode="r"),
        pd.read_parquet(snakemake.input.manifest),
        threads=snakemake.threads,
        note=attempt.note,
        circumstances=attempt.record,
        **dict(snakemake.output.items()),
    )
