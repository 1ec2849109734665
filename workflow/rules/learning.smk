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
        seen=PLAN.seen,
        model=PLAN.model,
        module=PLAN.module,
        seeds=PLAN.seeds,
        releases=PLAN.releases("keras", "numpy", "scikit-learn", "scipy", "tensorflow"),
        code=PLAN.code_with("learn", "loss", "optimizer", "architecture"),
    conda:
        "../../envs/training.yaml"
    priority: PLAN.urgency
    group:
        PLAN.group("learning")
    script:
        "../scripts/learn.py"


rule learning_tables:
    input:
        epochs=[f"{LEARNING}/{cell}.parquet" for cell in PLAN.learning_cells],
    output:
        learning=f"{RESULTS}/tables/learning.csv",
        stuck=f"{RESULTS}/tables/stuck.csv",
        answer=f"{RESULTS}/tables/answer.csv",
        conclusions=f"{RESULTS}/tables/conclusions.csv",
        pairs=f"{RESULTS}/tables/pairs.parquet",
        answer_html=report(
            f"{RESULTS}/tables/answer.html",
            caption="../report/tables/answer.rst",
            category=CHAPTERS["answer"],
            labels={"page": "2 does it matter for learning?"},
        ),
        conclusions_html=report(
            f"{RESULTS}/tables/conclusions.html",
            caption="../report/tables/conclusions.rst",
            category=CHAPTERS["answer"],
            labels={"page": "3 the article's conclusions"},
        ),
        learning_html=report(
            f"{RESULTS}/tables/learning.html",
            caption="../report/tables/learning.rst",
            category=CHAPTERS["tables"],
            labels={"table": "learning: every loss, regime and metric"},
        ),
        stuck_html=report(
            f"{RESULTS}/tables/stuck.html",
            caption="../report/tables/stuck.rst",
            category=CHAPTERS["tables"],
            labels={"table": "learning: stuck trainings"},
        ),
    log:
        f"{LOGS}/learning_tables.log",
    benchmark:
        f"{BENCHMARKS}/learning_tables.tsv"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=growing(60),
    params:
        learning=STUDY.learning.model_dump() if STUDY.learning else None,
        releases=PLAN.releases("numpy", "scipy", "statsmodels"),
        code=PLAN.code("learning_tables"),
    conda:
        "../../envs/figures.yaml"
    localrule: True
    script:
        "../scripts/learning_tables.py"
