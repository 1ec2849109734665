onstart:
    from sigmoid_bce.jobs.files import check_writable
    from sigmoid_bce.jobs.logs import UserError
    from sigmoid_bce.jobs.provenance import refuse_changes, tell_jobs
    from sigmoid_bce.tracking.reconcile import at_start

    try:
        check_writable(FOLDER)
        if STUDY.tracking.uncommitted == "refuse":
            refuse_changes()
    except UserError as error:
        raise WorkflowError(error) from None
    tell_jobs(Path(FOLDER))
    snakemake_patches.lift_rate_limit(workflow)
    start_on_cluster()
    at_start(FOLDER)
    warm_up()
    if STANDALONE:
        progress.start(workflow, FOLDER)


onsuccess:
    import atexit
    from sigmoid_bce.jobs.ending import links

    progress.end()
    # below Snakemake's own last lines; `make run` says it itself, since no hook is called where nothing
    # is to be done
    if STANDALONE and not environ.get("SIGMOID_BCE_ENDING"):
        atexit.register(print, links(FOLDER, CONFIG), file=sys.stderr)


onerror:
    import atexit
    from sigmoid_bce.jobs.ending import summary
    from sigmoid_bce.tracking.reconcile import after_error

    progress.end()
    # below Snakemake's own last lines
    atexit.register(print, summary(workflow), file=sys.stderr)
    after_error(FOLDER)


rule track_cells:
    input:
        history=PLAN.of_cells(f"{RESULTS}/train/{CELL}/history.parquet"),
        run=PLAN.of_cells(f"{RESULTS}/train/{CELL}/run.json"),
        manifests=expand(
            f"{RESULTS}/data/{{dataset}}/manifest.parquet",
            dataset=PLAN.of_grid("dataset"),
        ),
        table=PLAN.made(grid=[rules.tables.output.cells]),
        learning=[
            f"{LEARNING}/{cell}.{part}"
            for cell in PLAN.learning_cells
            for part in ("parquet", "json")
        ],
        # names the questions of each learning cell
        stuck=PLAN.made(learning=[rules.learning_tables.output.stuck]),
        verdicts=PLAN.made(learning=[rules.learning_tables.output.learning]),
        # the PNG beside each SVG is logged
        figures=FIGURES["svg"],
    output:
        runs=f"{RESULTS}/tracking/cells.csv",
    log:
        f"{LOGS}/track_cells.log",
    benchmark:
        f"{BENCHMARKS}/track_cells.tsv"
    threads: 1
    resources:
        mem_mb=1500,
        runtime=60,
    params:
        study=STUDY.study,
        cells=[str(cell) for cell in PLAN.cells],
        learning=[str(cell) for cell in PLAN.learning_cells],
        results=literal(FOLDER),
        code=PLAN.code("track_cells"),
    conda:
        "../../envs/tracking.yaml"
    localrule: True
    script:
        "../scripts/track_cells.py"


rule track_study:
    input:
        cells=rules.track_cells.output.runs,
        study=[
            path
            for path in [*TABLES, *NUMERICS_FIGURES, *PAIRED_FIGURES]
            if path.endswith((".csv", ".png"))
        ]
        + [
            rules.report.output.html,
        ],
    output:
        runs=f"{RESULTS}/tracking/runs.csv",
    log:
        f"{LOGS}/track_study.log",
    benchmark:
        f"{BENCHMARKS}/track_study.tsv"
    threads: 1
    resources:
        mem_mb=1500,
        runtime=60,
    params:
        study=STUDY.study,
        question=literal(STUDY.question),
        cells=[str(cell) for cell in PLAN.cells],
        learning=[str(cell) for cell in PLAN.learning_cells],
        settings=recorded(STUDY, "study", "question", "tracking"),
        results=literal(FOLDER),
        code=PLAN.code("track_study"),
    conda:
        "../../envs/tracking.yaml"
    localrule: True
    script:
        "../scripts/track_study.py"
