from sigmoid_bce.logs import logged_to
from sigmoid_bce.outputs import page
from sigmoid_bce.outputs.read import from_file
from sigmoid_bce.outputs.verdict import judge

with logged_to(snakemake.log[0]):
    outputs = from_file(snakemake.input.raw)
    found = judge(outputs, snakemake.input.thresholds)
    print(found[0])
    page.write(snakemake.output.folder, *found, outputs.shape)
