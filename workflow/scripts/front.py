from sigmoid_bce.jobs.forkserver import forked

forked("tables")

from pathlib import Path

from sigmoid_bce.figures import front, html
from sigmoid_bce.jobs.csv_tables import read_csv
from sigmoid_bce.jobs.files import replacing
from sigmoid_bce.jobs.logs import logged_to

with logged_to(snakemake.log[0], snakemake.output):
    given, params = snakemake.input, snakemake.params
    cells, programs, trainings = (
        list(map(read_csv, files)) for files in (given.networks, given.programs, given.trainings)
    )
    found = [
        front.networks(*cells) if cells else front.Found(cells=(front.ABSENT,) * 2),
        front.programs(*programs) if programs else front.Found(),
        front.trainings(*trainings) if trainings else front.Found(),
    ]
    picture = front.picture(given.pictures, cells[0] if cells else None, params.titles)
    page = front.page(params.study, found, picture, params.chapters)
    with replacing(snakemake.output.front) as part:
        Path(part).write_text(page, encoding="utf-8")
    html.write(snakemake.output.own, "Your own", front.own())
