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
        sha256=PLAN.wheel_sha256,
        code=PLAN.code("download"),
    conda:
        "../../envs/data.yaml"
    # whole chains of jobs wait for it: before all others
    priority: 400000
    localrule: True
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
        # resources and not params, so that another mirror of the same file reruns nothing
        sources=PLAN.sources,
        most=PLAN.most,
    params:
        # no digest of code, since the SHA-256 shows whether the file is right
        sha256=lambda wildcards: wildcards.digest,
    conda:
        "../../envs/data.yaml"
    priority: 400000
    localrule: True
    script:
        "../scripts/fetch.py"


rule prepare:
    input:
        file=PLAN.dataset_file,
    output:
        images=f"{RESULTS}/data/{{dataset}}/images.npy",
        manifest=f"{RESULTS}/data/{{dataset}}/manifest.parquet",
        quarantine=f"{RESULTS}/data/{{dataset}}/quarantine.csv",
        summary=f"{RESULTS}/data/{{dataset}}/summary.json",
    log:
        f"{LOGS}/prepare/{{dataset}}.log",
    benchmark:
        f"{BENCHMARKS}/prepare/{{dataset}}.tsv"
    threads: 1
    resources:
        mem_mb=growing(2500),
        runtime=growing(60),
    params:
        dataset=PLAN.dataset,
        contents=PLAN.contents,
        releases=PLAN.releases("numpy", "pillow", "scikit-learn"),
        code=PLAN.code_with("prepare", "source"),
    conda:
        "../../envs/data.yaml"
    priority: 300000
    group:
        PLAN.group("data")
    script:
        "../scripts/prepare.py"
