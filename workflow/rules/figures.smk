# the figures of a trained network: category in the report; caption is report/<figure>.rst
CELL_FIGURES = {
    "figure-4": "Figure 4: early stage",
    "figure-5": "Figure 5: full stage",
    "figure-6": "Figure 6: batches",
    "batch-mean": "Batches of other sizes",
}
FIGURES = {
    format: PLAN.of_cells(
        f"{RESULTS}/figures/{CELL}/{{figure}}.{format}",
        some=PLAN.figure_cells,
        figure=list(CELL_FIGURES),
    )
    for format in ("svg", "png")
}


rule figure_cell:
    input:
        samples=rules.compare.output.samples,
        batches=rules.compare.output.batches,
        raw=rules.raw_outputs.output.stages,
    output:
        svg=[
            report(
                f"{RESULTS}/figures/{CELL}/{figure}.svg",
                caption=f"../report/{figure}.rst",
                category=category,
                subcategory="{dataset}",
                labels=labels,
            )
            for figure, category in CELL_FIGURES.items()
        ],
        png=[f"{RESULTS}/figures/{CELL}/{figure}.png" for figure in CELL_FIGURES],
        values=f"{RESULTS}/figures/{CELL}/values.rst",
    log:
        f"{LOGS}/figure_cell/{CELL}.log",
    benchmark:
        f"{BENCHMARKS}/figure_cell/{CELL}.tsv"
    threads: 1
    resources:
        mem_mb=800,
        runtime=5,
    params:
        title=TITLE,
        classes=PLAN.classes,
        batch_sizes=STUDY.comparison.batch_sizes,
        figure_batch_size=STUDY.comparison.figure_batch_size,
        code=PLAN.code("figure_cell", *plugins.files("figures/cell").values()),
    conda:
        "../../envs/figures.yaml"
    group:
        PLAN.group("comparison")
    script:
        "../scripts/figure_cell.py"


rule report:
    input:
        # each comes with its PNG
        figures=FIGURES["svg"],
        laboratory=NUMERICS_FIGURES,
        tables=rules.tables.output,
        numerics=rules.numerics_tables.output if STUDY.numerics else [],
    output:
        html=f"{RESULTS}/report.html",
    log:
        f"{LOGS}/report.log",
    benchmark:
        f"{BENCHMARKS}/report.tsv"
    threads: 1
    resources:
        mem_mb=1500,
        runtime=30,
    params:
        # Snakemake's own report, of the jobs that are finished by now
        snakefile=workflow.main_snakefile,
        config=STUDY.model_dump(mode="json", exclude={"tracking"}),
        captions=digest.files_digest(WORKFLOW / "report"),
        code=PLAN.code("report"),
    conda:
        "../../envs/figures.yaml"
    localrule: True
    script:
        "../scripts/report.py"
