from sigmoid_bce.jobs.forkserver import forked

forked("tracking")

import pandas as pd

from sigmoid_bce.jobs.files import write_csv
from sigmoid_bce.jobs.logs import logged_to
from sigmoid_bce.study.cells import Cell

with logged_to(snakemake.log[0]):
    from sigmoid_bce.tracking.sync import log_cells

    cells = [Cell.parse(cell) for cell in snakemake.params.cells]
    runs = log_cells(snakemake.params.study, snakemake.params.results, cells)
    write_csv(pd.DataFrame(runs, columns=["cell", "run_id"]), snakemake.output.runs)
