from sigmoid_bce.jobs.logs import logged_to
from sigmoid_bce.verdicts import page
from sigmoid_bce.verdicts.judge import judge
from sigmoid_bce.verdicts.read import from_file

with logged_to(snakemake.log[0], snakemake.output):
    outputs = from_file(snakemake.input.raw)
    verdict, *details = judge(outputs, snakemake.input.thresholds)
    print(verdict)
    page.write(snakemake.output.folder, verdict, *details, outputs.shape)
