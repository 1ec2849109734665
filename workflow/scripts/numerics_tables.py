from sigmoid_bce.jobs.forkserver import forked

forked("tables")

from sigmoid_bce.figures.style import write_values
from sigmoid_bce.figures.tables import write_html
from sigmoid_bce.jobs.digests import sources
from sigmoid_bce.jobs.files import write_csv
from sigmoid_bce.jobs.logs import logged_to
from sigmoid_bce.numerics import findings
from sigmoid_bce.numerics.tables import fallbacks, merge_sweeps, points, read_all

with logged_to(snakemake.log[0], snakemake.output):
    made_from = sources(snakemake.log[0], snakemake.input)
    given, made = snakemake.input, snakemake.output
    tables = {name: read_all(given[name]) for name in ("thresholds", "special", "implementations")}
    tables["findings"] = findings.find(tables["thresholds"], tables["implementations"])
    tables["reference"] = fallbacks()
    merge_sweeps(given.sweep, made.sweep)
    for name, table in {**tables, "points": points(made.sweep)}.items():
        write_csv(table, made[name])
    summary = findings.summary(tables["findings"])
    write_html(summary, "Findings, worst first", made.findings_html, sources=made_from)
    write_html(
        tables["implementations"], "Programs measured", made.implementations_html, sources=made_from
    )
    write_values(findings.values(**tables), made["values"])
