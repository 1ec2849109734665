import subprocess
import sys

from sigmoid_bce.figures.rulegraph import simplified
from sigmoid_bce.jobs.files import replacing
from sigmoid_bce.jobs.logs import logged_to

with logged_to(snakemake.log[0], snakemake.output):
    command = [sys.executable, "-m", "snakemake", "--rulegraph", "mermaid-js", "--nolock"]
    command += ["--snakefile", snakemake.params.snakefile, "--workflow-profile", "none"]
    command += ["--configfile", snakemake.input.config]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    with replacing(snakemake.output.graph) as part:
        part.write_text(simplified(done.stdout))
