LEARNING = f"{RESULTS}/learning"


rule learn:
    input:
        inputs=PLAN.inputs,
        manifest=rules.prepare.output.manifest,
    output:
        epochs=f"{LEARNING}/{{dataset}}/{{model}}/{{loss}}/{{batch_size}}.parquet",
        run=f"{LEARNING}/{{dataset}}/{{model}}/{{loss}}/{{batch_size}}.json",
    log:
        f"{LOGS}/learn/{{dataset}}/{{model}}/{{loss}}/{{batch_size}}.log",
    benchmark:
        f"{BENCHMARKS}/learn/{{dataset}}/{{model}}/{{loss}}/{{batch_size}}.tsv"
    threads: 1
    resources:
        mem_mb=growing(2500),
        runtime=PLAN.growing(heads=60, networks=240),
        gpu=1,
    params:
        drawn=PLAN.drawn,
        model=PLAN.model,
        module=PLAN.module,
        seeds=PLAN.seeds,
        releases=PLAN.releases("keras", "numpy", "scikit-learn", "scipy", "tensorflow"),
        code=PLAN.code_with("learn", "loss", "optimizer", "architecture"),
    conda:
        "../../envs/training.yaml"
    group:
        PLAN.group("learning")
    script:
        "../scripts/learn.py"
