import json
import subprocess
import sys
import tempfile
from pathlib import Path

from sigmoid_bce.files import replacing
from sigmoid_bce.logs import logged_to

with logged_to(snakemake.log[0]), tempfile.TemporaryDirectory() as folder:
    config = Path(folder) / "config.json"
    config.write_text(json.dumps(snakemake.params.config))
    with replacing(snakemake.output.html) as part:
        command = [sys.executable, "-m", "snakemake", "figures", "--report", str(part)]
        command += ["--snakefile", snakemake.params.snakefile, "--configfile", str(config)]
        # the run that this is a job of holds the lock
        command += ["--nolock", "--workflow-profile", "none"]
        subprocess.run(command, check=True)
