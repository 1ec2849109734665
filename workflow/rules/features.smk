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
        releases=PLAN.releases("numpy", "pillow"),
        code=PLAN.code("resize"),
    conda:
        "../../envs/data.yaml"
    # seconds, and whole networks wait for it: the slowest trainings
    priority: 200000
    group:
        PLAN.group("data")
    script:
        "../scripts/resize.py"


rule extract:
    input:
        images=f"{RESULTS}/data/{{dataset}}/images.npy",
        weights=PLAN.weights,
    output:
        inputs=f"{RESULTS}/features/dataset~{{dataset}}/backbone~{{backbone}}.npy",
    log:
        f"{LOGS}/extract/dataset~{{dataset}}/backbone~{{backbone}}.log",
    benchmark:
        f"{BENCHMARKS}/extract/dataset~{{dataset}}/backbone~{{backbone}}.tsv"
    threads: PLAN.extract_threads
    resources:
        mem_mb=growing(3500),
        runtime=growing(240),
        gpu=1,
    params:
        frozen=PLAN.frozen,
        releases=PLAN.releases("keras", "numpy", "tensorflow"),
        code=PLAN.code_with("extract", "architecture"),
    conda:
        "../../envs/training.yaml"
    # before any training, since many trainings wait for it
    priority: 100000
    script:
        "../scripts/extract.py"
