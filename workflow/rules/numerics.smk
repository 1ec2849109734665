from sigmoid_bce.numerics.names import BCE

NUMERICS = f"{RESULTS}/numerics"
FRAMEWORKS = STUDY.numerics.frameworks if STUDY.numerics else []


rule sweep:
    output:
        sweep=f"{NUMERICS}/frameworks/{{framework}}/sweep.parquet",
        thresholds=f"{NUMERICS}/frameworks/{{framework}}/thresholds.csv",
        special=f"{NUMERICS}/frameworks/{{framework}}/special.csv",
        implementations=f"{NUMERICS}/frameworks/{{framework}}/implementations.csv",
    log:
        f"{LOGS}/sweep/{{framework}}.log",
    benchmark:
        f"{BENCHMARKS}/sweep/{{framework}}.tsv"
    wildcard_constraints:
        framework=r"\w+",
    threads: 1
    resources:
        mem_mb=growing(2500),
        runtime=growing(60),
    params:
        objectives=[BCE, *STUDY.numerics.objectives] if STUDY.numerics else [],
        releases=PLAN.framework_releases,
        code=PLAN.code_with("sweep", "framework"),
    conda:
        "../../envs/frameworks.yaml"
    # after whole networks, before heads: the longest takes as long as a small network
    priority: 50
    group:
        PLAN.group("numerics")
    script:
        "../scripts/sweep.py"


rule numerics_tables:
    input:
        sweep=expand(rules.sweep.output.sweep, framework=FRAMEWORKS),
        thresholds=expand(rules.sweep.output.thresholds, framework=FRAMEWORKS),
        special=expand(rules.sweep.output.special, framework=FRAMEWORKS),
        implementations=expand(rules.sweep.output.implementations, framework=FRAMEWORKS),
    output:
        sweep=f"{NUMERICS}/sweep.parquet",
        thresholds=f"{NUMERICS}/thresholds.csv",
        special=f"{NUMERICS}/special.csv",
        implementations=f"{NUMERICS}/implementations.csv",
        findings=f"{NUMERICS}/findings.csv",
        reference=f"{NUMERICS}/reference.csv",
        points=f"{NUMERICS}/points.csv",
        findings_html=report(
            f"{NUMERICS}/findings.html",
            caption="../report/tables/findings.rst",
            category=CHAPTERS["tables"],
            labels={"table": "programs: findings, worst first"},
        ),
        implementations_html=report(
            f"{NUMERICS}/implementations.html",
            caption="../report/tables/implementations.rst",
            category=CHAPTERS["tables"],
            labels={"table": "programs: what was measured"},
        ),
        values=f"{NUMERICS}/values.rst",
    log:
        f"{LOGS}/numerics_tables.log",
    benchmark:
        f"{BENCHMARKS}/numerics_tables.tsv"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=growing(30),
    params:
        code=PLAN.code("numerics_tables"),
    conda:
        "../../envs/figures.yaml"
    # figures and the explorer wait for it
    priority: 60
    group:
        PLAN.group("numerics")
    script:
        "../scripts/numerics_tables.py"


rule explorer:
    input:
        sweep=rules.numerics_tables.output.sweep,
        thresholds=rules.numerics_tables.output.thresholds,
        implementations=rules.numerics_tables.output.implementations,
    output:
        data=f"{RESULTS}/explorer.json",
        html=report(
            f"{RESULTS}/explorer.html",
            caption="../report/tables/explorer.rst",
            category=CHAPTERS["numerics"],
            labels={"figure": "explorer: every program at every raw output"},
        ),
        values=f"{RESULTS}/explorer.values.rst",
    log:
        f"{LOGS}/explorer.log",
    benchmark:
        f"{BENCHMARKS}/explorer.tsv"
    threads: 1
    resources:
        mem_mb=growing(1500),
        runtime=growing(15),
    params:
        study=STUDY.study,
        code=PLAN.code("explorer"),
    conda:
        "../../envs/figures.yaml"
    group:
        PLAN.group("numerics")
    script:
        "../scripts/explorer.py"


rule article_models:
    output:
        curves=f"{NUMERICS}/article.parquet",
    log:
        f"{LOGS}/article_models.log",
    benchmark:
        f"{BENCHMARKS}/article_models.tsv"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=growing(30),
    params:
        releases=PLAN.releases("keras", "mpmath", "numpy", "tensorflow"),
        code=PLAN.code("article_models"),
    conda:
        "../../envs/frameworks.yaml"
    # a figure and so the report wait for it
    priority: 60
    group:
        PLAN.group("numerics")
    script:
        "../scripts/article_models.py"
