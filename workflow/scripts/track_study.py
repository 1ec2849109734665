from sigmoid_bce.jobs.forkserver import forked

forked("tracking")

import pandas as pd

from sigmoid_bce.jobs.digests import of_other_jobs
from sigmoid_bce.jobs.files import write_csv
from sigmoid_bce.jobs.logs import logged_to
from sigmoid_bce.study.cells import Cell
from sigmoid_bce.study.learning import LearningCell

with logged_to(snakemake.log[0], snakemake.output):
    from sigmoid_bce.tracking.sync import log_study

    params = snakemake.params
    run_id = log_study(
        params.study,
        params.results,
        [Cell.parse(cell) for cell in params.cells],
        [LearningCell.parse(cell) for cell in params.learning],
        files=snakemake.input.study,
        question=params.question,
        settings=params.settings,
    )
    runs = pd.read_csv(snakemake.input.cells)
    runs.loc[len(runs)] = [f"study~{params.study}", run_id]
    write_csv(runs, snakemake.output.runs)
    # no job can record what its own log and benchmark will hold
    print(*of_other_jobs(snakemake.log[0]), sep="\n")
