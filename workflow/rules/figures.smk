STAGE_OF_FIGURE = {"4": "early", "5": "full"}
FIGURES = [
    path
    for name in ("figure-4", "figure-5", "figure-6", "batch-mean")
    for path in of_cells(
        f"{RESULTS}/figures/{CELL}/{name}.{{format}}", format=["svg", "png"]
    )
]


rule figure_stage:
    input:
        samples=lambda wildcards: f"{RESULTS}/compare/{CELL}/{STAGE_OF_FIGURE[wildcards.figure]}.parquet",
        raw=lambda wildcards: f"{RESULTS}/raw_outputs/{CELL}/{STAGE_OF_FIGURE[wildcards.figure]}.parquet",
    output:
        svg=report(
            f"{RESULTS}/figures/{CELL}/figure-{{figure}}.svg",
            caption="../report/figure-stage.rst",
            category=lambda wildcards: f"Figure {wildcards.figure}: {STAGE_OF_FIGURE[wildcards.figure]} stage",
            subcategory="{dataset}",
            labels=labels,
        ),
        png=f"{RESULTS}/figures/{CELL}/figure-{{figure}}.png",
        values=f"{RESULTS}/figures/{CELL}/figure-{{figure}}.values.rst",
    log:
        f"{LOGS}/figure_stage/{CELL}/figure-{{figure}}.log",
    benchmark:
        f"{BENCHMARKS}/figure_stage/{CELL}/figure-{{figure}}.tsv"
    wildcard_constraints:
        figure="|".join(STAGE_OF_FIGURE),
    threads: 1
    resources:
        mem_mb=800,
        runtime=15,
    params:
        title=title,
        stage=lambda wildcards: STAGE_OF_FIGURE[wildcards.figure],
        classes=lambda wildcards: class_names(wildcards.dataset),
        code=code("figure_stage"),
    conda:
        "../../envs/figures.yaml"
    script:
        "../scripts/figure_stage.py"


rule figure_batch_mean:
    input:
        batches=f"{RESULTS}/compare/{CELL}/full.batches.parquet",
    output:
        svg=report(
            f"{RESULTS}/figures/{CELL}/{{figure}}.svg",
            caption="../report/batch-mean.rst",
            category=lambda wildcards: {
                "figure-6": "Figure 6: batches",
                "batch-mean": "Batches of other sizes",
            }[wildcards.figure],
            subcategory="{dataset}",
            labels=labels,
        ),
        png=f"{RESULTS}/figures/{CELL}/{{figure}}.png",
        values=f"{RESULTS}/figures/{CELL}/{{figure}}.values.rst",
    log:
        f"{LOGS}/figure_batch_mean/{CELL}/{{figure}}.log",
    benchmark:
        f"{BENCHMARKS}/figure_batch_mean/{CELL}/{{figure}}.tsv"
    wildcard_constraints:
        figure="figure-6|batch-mean",
    threads: 1
    resources:
        mem_mb=800,
        runtime=15,
    params:
        title=title,
        batch_sizes=lambda wildcards: (
            [STUDY.comparison.figure_batch_size]
            if wildcards.figure == "figure-6"
            else STUDY.comparison.batch_sizes
        ),
        code=code("figure_batch_mean"),
    conda:
        "../../envs/figures.yaml"
    script:
        "../scripts/figure_batch_mean.py"


rule report:
    input:
        figures=FIGURES + NUMERICS_FIGURES,
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
        # the report is Snakemake's own, of the jobs that are done by now
        snakefile=workflow.main_snakefile,
        config=STUDY.model_dump(mode="json", exclude={"tracking"}),
        captions=package_code.files_digest(WORKFLOW / "report"),
        code=code("report"),
    conda:
        "../../envs/figures.yaml"
    script:
        "../scripts/report.py"
