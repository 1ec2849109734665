rule verdict:
    input:
        raw=f"{RESULTS}/raw_outputs/{CELL}/{{stage}}.parquet",
        thresholds=lambda wildcards: PLAN.beside(
            relpath(plugins.PACKAGE / "numerics/thresholds.csv")
        ),
    output:
        folder=directory(f"{RESULTS}/verdict/{CELL}/{{stage}}"),
    log:
        f"{LOGS}/verdict/{CELL}/{{stage}}.log",
    benchmark:
        f"{BENCHMARKS}/verdict/{CELL}/{{stage}}.tsv"
    threads: 2
    resources:
        mem_mb=growing(1000),
        runtime=growing(30),
    params:
        releases=PLAN.releases("ml_dtypes", "mpmath", "numpy"),
        # a verdict quotes the constant INSTEAD from the file of each framework
        code=PLAN.code("verdict", *plugins.files("numerics/frameworks").values()),
    conda:
        "../../envs/figures.yaml"
    group:
        PLAN.group("comparison")
    script:
        "../scripts/verdict.py"
