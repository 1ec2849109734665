import numpy as np
import pandas as pd
from pydantic import TypeAdapter

from sigmoid_bce.cells import Cell
from sigmoid_bce.config import Model, Training
from sigmoid_bce.logs import logged_to

with logged_to(snakemake.log[0]):
    from sigmoid_bce.training.train import train

    train(
        Cell.parse(snakemake.output.run),
        TypeAdapter(Model).validate_python(snakemake.params.model),
        Training(**snakemake.params.training),
        np.load(snakemake.input.inputs, mmap_mode="r"),
        pd.read_parquet(snakemake.input.manifest),
        threads=snakemake.threads,
        **dict(snakemake.output.items()),
    )
