rule compare:
    input:
        stages=rules.raw_outputs.output.stages,
    output:
        samples=expand(
            f"{RESULTS}/compare/{CELL}/{{stage}}.parquet",
            stage=STAGES,
            allow_missing=True,
        ),
        batches=expand(
            f"{RESULTS}/compare/{CELL}/{{stage}}.batches.parquet",
            stage=STAGES,
            allow_missing=True,
        ),
    log:
        f"{LOGS}/compare/{CELL}.log",
    benchmark:
        f"{BENCHMARKS}/compare/{CELL}.tsv"
    threads: 1
    resources:
        mem_mb=800,
        runtime=5,
    params:
        # this rule deletes the checkpoints of the training: from here on, no failure of another job
        # can delete the training's outputs
        spent_checkpoints=f"{FOLDER}/train/{CELL}",
        batch_sizes=STUDY.comparison.batch_sizes,
        releases=PLAN.releases("ml_dtypes", "mpmath", "numpy"),
        code=PLAN.code("compare"),
    conda:
        "../../envs/comparison.yaml"
    group:
        PLAN.group("comparison")
    script:
        "../scripts/compare.py"


rule datasets:
    input:
        summaries=expand(
            f"{RESULTS}/data/{{dataset}}/summary.json", dataset=PLAN.datasets
        ),
    output:
        datasets=f"{RESULTS}/tables/datasets.csv",
        datasets_html=report(
            f"{RESULTS}/tables/datasets.html",
            caption="../report/tables/datasets.rst",
            category=CHAPTERS["tables"],
            labels={"table": "data sets"},
        ),
        values=f"{RESULTS}/tables/datasets.rst",
    log:
        f"{LOGS}/datasets.log",
    benchmark:
        f"{BENCHMARKS}/datasets.tsv"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=5,
    params:
        datasets=PLAN.datasets,
        code=PLAN.code("datasets"),
    conda:
        "../../envs/figures.yaml"
    localrule: True
    script:
        "../scripts/datasets.py"


rule tables:
    input:
        raw=PLAN.of_cells(
            f"{RESULTS}/raw_outputs/{CELL}/{{stage}}.parquet", stage=STAGES
        ),
        samples=PLAN.of_cells(
            f"{RESULTS}/compare/{CELL}/{{stage}}.parquet", stage=STAGES
        ),
        batches=PLAN.of_cells(
            f"{RESULTS}/compare/{CELL}/{{stage}}.batches.parquet", stage=STAGES
        ),
        runs=PLAN.of_cells(f"{RESULTS}/train/{CELL}/run.json"),
        datasets=rules.datasets.output.datasets,
    output:
        cells=f"{RESULTS}/tables/cells.csv",
        models=f"{RESULTS}/tables/models.csv",
        batches=f"{RESULTS}/tables/batches.csv",
        cells_html=report(
            f"{RESULTS}/tables/cells.html",
            caption="../report/tables/cells.rst",
            category=CHAPTERS["tables"],
            labels={"table": "every network, at both stages"},
        ),
        models_html=report(
            f"{RESULTS}/tables/models.html",
            caption="../report/tables/models.rst",
            category=CHAPTERS["tables"],
            labels={"table": "networks by model and stage"},
        ),
        batches_html=report(
            f"{RESULTS}/tables/batches.html",
            caption="../report/tables/batches.rst",
            category=CHAPTERS["tables"],
            labels={"table": "errors by batch size"},
        ),
        values=f"{RESULTS}/tables/values.rst",
    log:
        f"{LOGS}/tables.log",
    benchmark:
        f"{BENCHMARKS}/tables.tsv"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=30,
    params:
        cells=[str(cell) for cell in PLAN.cells],
        stages=list(STAGES),
        early_epochs=STUDY.training.early_epochs,
        models={name: plain(STUDY.models[name]) for name in PLAN.of_grid("model")},
        seen={name: seen(STUDY.datasets[name]) for name in PLAN.of_grid("dataset")},
        training=STUDY.training.model_dump(mode="json"),
        code=PLAN.code("tables"),
    conda:
        "../../envs/figures.yaml"
    localrule: True
    script:
        "../scripts/tables.py"
