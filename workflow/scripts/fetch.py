import json

from sigmoid_bce.data.fetch import fetch
from sigmoid_bce.jobs.logs import logged_to

with logged_to(snakemake.log[0], snakemake.output):
    fetch(
        json.loads(snakemake.resources.sources),
        snakemake.params.sha256,
        snakemake.output.file,
        most=snakemake.resources.most,
    )
