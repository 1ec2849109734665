rule verdict:
    input:
        raw=f"{RESULTS}/raw_outputs/{CELL}/{{stage}}.parquet",
        thresholds=f"{WORKFLOW}/src/sigmoid_bce/numerics/thresholds.csv",
    output:
        folder=directory(f"{RESULTS}/verdict/{CELL}/{{stage}}"),
    log:
        f"{LOGS}/verdict/{CELL}/{{stage}}.log",
    benchmark:
        f"{BENCHMARKS}/verdict/{CELL}/{{stage}}.tsv"
    threads: 2
    resources:
        mem_mb=1000,
        runtime=30,
    params:
        code=code("verdict"),
    conda:
        "../../envs/figures.yaml"
    script:
        "../scripts/verdict.py"
