from sigmoid_bce.jobs.forkserver import forked

forked("tables")

from sigmoid_bce.data.resize import resize
from sigmoid_bce.jobs.files import read_array, remove_parts, write_array
from sigmoid_bce.jobs.logs import logged_to

with logged_to(snakemake.log[0], snakemake.output):
    remove_parts(snakemake.output.inputs)
    images = read_array(snakemake.input.images)
    write_array(resize(images, int(snakemake.wildcards.size)), snakemake.output.inputs)
