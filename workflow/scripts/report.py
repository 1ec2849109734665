from sigmoid_bce.jobs.forkserver import forked

forked("report")

import json
import tempfile
from pathlib import Path

from sigmoid_bce.jobs.files import replacing
from sigmoid_bce.jobs.logs import logged_to

with logged_to(snakemake.log[0]), tempfile.TemporaryDirectory() as folder:
    from snakemake.cli import main

    config = Path(folder) / "config.json"
    config.write_text(json.dumps(snakemake.params.config))
    with replacing(snakemake.output.html) as part:
        command = ["figures", "--report", str(part), "--configfile", str(config)]
        # no param: a project that was moved has another path, but the same report
        command += ["--snakefile", str(Path(snakemake.scriptdir).parent / "Snakefile")]
        # the run that this is a job of holds the lock; the report covers its finished jobs
        command += ["--nolock", "--workflow-profile", "none"]
        try:
            main(command)
        except SystemExit as end:
            if end.code:
                raise RuntimeError("Snakemake made no report: its reason is above") from None
