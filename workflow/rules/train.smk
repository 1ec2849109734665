rule train:
    input:
        inputs=inputs,
        manifest=f"{RESULTS}/data/{{dataset}}/manifest.parquet",
    output:
        history=f"{RESULTS}/train/{CELL}/history.parquet",
        run=f"{RESULTS}/train/{CELL}/run.json",
        early=f"{RESULTS}/train/{CELL}/early.weights.h5",
        full=f"{RESULTS}/train/{CELL}/full.weights.h5",
    log:
        f"{LOGS}/train/{CELL}.log",
    benchmark:
        f"{BENCHMARKS}/train/{CELL}.tsv"
    threads: 1
    resources:
        mem_mb=growing(2500),
        runtime=growing(heads=10, networks=240),
        gpu=1,
    params:
        model=lambda wildcards: settings("models", wildcards.model),
        module=lambda wildcards: module_digest(wildcards.model),
        training=STUDY.training.model_dump(),
        code=code("train"),
    conda:
        "../../envs/training.yaml"
    priority: urgency
    group:
        submission(kind)
    script:
        "../scripts/train.py"
