from sigmoid_bce.jobs.forkserver import forked

forked("tables")

from datetime import date
from pathlib import Path

from sigmoid_bce.figures.explorer.content import content, values
from sigmoid_bce.figures.explorer.page import write
from sigmoid_bce.figures.style import write_values
from sigmoid_bce.jobs.logs import logged_to
from sigmoid_bce.numerics.tables import read_thresholds

with logged_to(snakemake.log[0], snakemake.output):
    given, made = snakemake.input, snakemake.output
    day = date.fromtimestamp(Path(given.thresholds).stat().st_mtime).isoformat()
    thresholds = read_thresholds(given.thresholds, objective=None)
    shown = content(given.sweep, thresholds, given.implementations, snakemake.params.study, day)
    write(shown, made.data, made.html)
    write_values(values(shown), made["values"])
