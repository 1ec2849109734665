rule resize:
    input:
        images=f"{RESULTS}/data/{{dataset}}/images.npy",
    output:
        inputs=f"{RESULTS}/features/dataset~{{dataset}}/size~{{size}}.npy",
    log:
        f"{LOGS}/resize/dataset~{{dataset}}/size~{{size}}.log",
    benchmark:
        f"{BENCHMARKS}/resize/dataset~{{dataset}}/size~{{size}}.tsv"
    threads: 1
    resources:
        mem_mb=1500,
        runtime=30,
    params:
        code=code("resize"),
    conda:
        "../../envs/data.yaml"
    script:
        "../scripts/resize.py"


rule extract:
    input:
        images=f"{RESULTS}/data/{{dataset}}/images.npy",
        weights=lambda wildcards: wheel_file(STUDY.models[wildcards.model].weights),
    output:
        inputs=f"{RESULTS}/features/dataset~{{dataset}}/model~{{model}}.npy",
    log:
        f"{LOGS}/extract/dataset~{{dataset}}/model~{{model}}.log",
    benchmark:
        f"{BENCHMARKS}/extract/dataset~{{dataset}}/model~{{model}}.tsv"
    threads: 2
    resources:
        mem_mb=2500,
        runtime=60,
        gpu=0,
    params:
        code=code("extract"),
    conda:
        "../../envs/training.yaml"
    script:
        "../scripts/extract.py"
