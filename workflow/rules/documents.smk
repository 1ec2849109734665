# not part of `all`: the rule graph of the default study, for docs/architecture.md
rule rulegraph:
    input:
        config=lambda wildcards: relpath(WORKFLOW.parent / "config/config.yaml"),
        rules=lambda wildcards: sorted(map(relpath, WORKFLOW.glob("rules/*.smk"))),
    output:
        graph="docs/rulegraph.mmd",
    log:
        f"{LOGS}/rulegraph.log",
    benchmark:
        f"{BENCHMARKS}/rulegraph.tsv"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        snakefile=workflow.main_snakefile,
        code=PLAN.code("rulegraph"),
    conda:
        "../../envs/figures.yaml"
    localrule: True
    script:
        "../scripts/rulegraph.py"
