rule raw_outputs:
    input:
        inputs=inputs,
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
        runtime=growing(heads=3, networks=60),
        gpu=1,
    params:
        model=lambda wildcards: settings("models", wildcards.model),
        module=lambda wildcards: module_digest(wildcards.model),
        precision=STUDY.training.precision,
        code=code("raw_outputs"),
    conda:
        "../../envs/training.yaml"
    group:
        submission(kind)
    script:
        "../scripts/raw_outputs.py"
