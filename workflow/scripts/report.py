from sigmoid_bce.jobs.forkserver import forked

forked("report")

import json
import tempfile
from html import escape
from pathlib import Path

from sigmoid_bce.jobs.files import replacing
from sigmoid_bce.jobs.logs import logged_to

with logged_to(snakemake.log[0], snakemake.output), tempfile.TemporaryDirectory() as folder:
    from snakemake.cli import main

    from sigmoid_bce.figures.front import STYLE

    config, snakefile = Path(folder, "config.json"), Path(folder, "Snakefile")
    config.write_text(json.dumps(snakemake.params.config))
    # a module's rules and places are as its host has them
    if host := snakemake.resources.get("host"):
        snakefile.write_text(json.loads(host))
    else:
        # no param: a project that was moved has another path, but the same report
        snakefile = Path(snakemake.scriptdir).parent / "Snakefile"
    with replacing(snakemake.output.html) as part:
        command = ["figures", "--report", str(part), "--configfile", str(config)]
        command += ["--snakefile", str(snakefile)]
        # the run that this is a job of holds the lock; the report covers its finished jobs
        command += ["--nolock", "--workflow-profile", "none"]
        command += ["--report-stylesheet", str(STYLE)]
        try:
            main(command)
        except SystemExit as end:
            if end.code:
                raise RuntimeError("Snakemake made no report: its reason is above") from None
        page = part.read_text(encoding="utf-8")
        title = escape(snakemake.params.config["study"])
        page = page.replace("<title>Snakemake Report</title>", f"<title>{title}: report</title>", 1)
        part.write_text(page, encoding="utf-8")
