from sigmoid_bce.jobs.forkserver import forked

forked("tracking")

import pandas as pd

from sigmoid_bce.jobs.files import write_csv
from sigmoid_bce.jobs.logs import logged_to
from sigmoid_bce.study.cells import Cell
from sigmoid_bce.study.learning import LearningCell

with logged_to(snakemake.log[0], snakemake.output):
    from sigmoid_bce.tracking.sync import log_cells

    params = snakemake.params
    cells = [Cell.parse(cell) for cell in params.cells]
    learning = [LearningCell.parse(cell) for cell in params.learning]
    runs = log_cells(params.study, params.results, cells, learning)
    write_csv(pd.DataFrame(runs, columns=["cell", "run_id"]), snakemake.output.runs)
