rule train:
    input:
        inputs=PLAN.inputs,
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
        runtime=PLAN.growing(heads=10, networks=240),
        gpu=1,
    params:
        model=PLAN.model,
        module=PLAN.module,
        seen=PLAN.seen,
        training=PLAN.training,
        releases=PLAN.releases("keras", "numpy", "tensorflow"),
        code=PLAN.code_with("train", "loss", "optimizer", "architecture"),
    conda:
        "../../envs/training.yaml"
    priority: PLAN.urgency
    group:
        PLAN.group(PLAN.kind)
    script:
        "../scripts/train.py"
