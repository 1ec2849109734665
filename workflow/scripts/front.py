from sigmoid_bce.jobs.forkserver import forked

forked("tables")

from pathlib import Path

from sigmoid_bce.figures import front, html
from sigmoid_bce.jobs.csv_tables import read_csv
from sigmoid_bce.jobs.files import replacing
from sigmoid_bce.jobs.logs import logged_to

with logged_to(snakemake.log[0]):
    given, params = snakemake.input, snakemake.params
    found = [
        tell(*map(read_csv, files)) if files else nothing
        for tell, files, nothing in (
            (front.networks, given.networks, front.Found(cells=(front.ABSENT,) * 2)),
            (front.programs, given.programs, front.Found()),
            (front.trainings, given.trainings, front.Found()),
        )
    ]
    cells = read_csv(given.networks[0]) if given.networks else None
    picture = front.picture(given.pictures, cells, params.titles)
    page = front.page(params.study, found, picture, params.chapters)
    with replacing(snakemake.output.front) as part:
        Path(part).write_text(page, encoding="utf-8")
    html.write(snakemake.output.own, "Your own", front.own())
