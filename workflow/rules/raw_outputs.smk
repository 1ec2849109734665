rule raw_outputs:
    input:
        inputs=PLAN.inputs,
        manifest=f"{RESULTS}/data/{{dataset}}/manifest.parquet",
        weights=expand(
            f"{RESULTS}/train/{CELL}/{{stage}}.weights.h5",
            stage=STAGES,
            allow_missing=True,
        ),
    output:
        stages=expand(
            f"{RESULTS}/raw_outputs/{CELL}/{{stage}}.parquet",
            stage=STAGES,
            allow_missing=True,
        ),
    log:
        f"{LOGS}/raw_outputs/{CELL}.log",
    benchmark:
        f"{BENCHMARKS}/raw_outputs/{CELL}.tsv"
    threads: 1
    resources:
        mem_mb=growing(2500),
        runtime=PLAN.growing(heads=3, networks=60),
        gpu=1,
    params:
        model=PLAN.model,
        module=PLAN.module,
        seen=PLAN.seen,
        precision=PLAN.precision,
        releases=PLAN.releases("keras", "numpy", "tensorflow"),
        code=PLAN.code_with("raw_outputs", "architecture"),
    conda:
        "../../envs/training.yaml"
    group:
        PLAN.group(PLAN.kind)
    script:
        "../scripts/raw_outputs.py"
