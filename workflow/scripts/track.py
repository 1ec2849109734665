import pandas as pd

from sigmoid_bce.cells import Cell
from sigmoid_bce.files import write_csv
from sigmoid_bce.logs import logged_to

with logged_to(snakemake.log[0]):
    from sigmoid_bce.tracking.log import log_study

    runs = log_study(
        snakemake.params.study,
        snakemake.params.results,
        [Cell.parse(cell) for cell in snakemake.params.cells],
        files=snakemake.input.study,
        question=snakemake.params.question,
        settings=snakemake.params.settings,
    )
    write_csv(pd.DataFrame(runs, columns=["cell", "run_id"]), snakemake.output.runs)
