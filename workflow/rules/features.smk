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
        mem_mb=growing(1500),
        runtime=growing(30),
    params:
        code=code("resize"),
    conda:
        "../../envs/data.yaml"
    group:
        submission("data")
    script:
        "../scripts/resize.py"


rule extract:
    input:
        images=f"{RESULTS}/data/{{dataset}}/images.npy",
        weights=lambda wildcards: weights_file(BACKBONES[wildcards.backbone]),
    output:
        inputs=f"{RESULTS}/features/dataset~{{dataset}}/backbone~{{backbone}}.npy",
    log:
        f"{LOGS}/extract/dataset~{{dataset}}/backbone~{{backbone}}.log",
    benchmark:
        f"{BENCHMARKS}/extract/dataset~{{dataset}}/backbone~{{backbone}}.tsv"
    # one of two cores is left to networks that need no features, if the grid has some
    threads: 2 if all(name in HEADS for name in STUDY.grid.model) else 1
    resources:
        mem_mb=growing(3500),
        runtime=growing(240),
        gpu=1,
    params:
        frozen=lambda wildcards: frozen_settings(BACKBONES[wildcards.backbone]),
        code=code("extract"),
    conda:
        "../../envs/training.yaml"
    # before any training: many wait for it
    priority: 100000
    script:
        "../scripts/extract.py"
