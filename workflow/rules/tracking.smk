onstart:
    from sigmoid_bce.files import Unwritable, check_writable
    from sigmoid_bce.tracking.reconcile import at_start

    try:
        check_writable(RESULTS)
    except Unwritable as error:
        raise WorkflowError(error) from None
    to_cluster()
    at_start(RESULTS)


onerror:
    from sigmoid_bce.tracking.reconcile import after_error

    after_error(RESULTS)


rule track:
    input:
        history=of_cells(f"{RESULTS}/train/{CELL}/history.parquet"),
        run=of_cells(f"{RESULTS}/train/{CELL}/run.json"),
        manifests=expand(
            f"{RESULTS}/data/{{dataset}}/manifest.parquet", dataset=STUDY.grid.dataset
        ),
        # shown with the study's own run; the report comes after all figures
        study=[
            rules.tables.output.cells,
            rules.tables.output.models,
            rules.tables.output.batches,
            *(path for path in NUMERICS_FIGURES if path.endswith(".png")),
            *(
                path
                for path in (rules.numerics_tables.output if STUDY.numerics else [])
                if path.endswith(".csv")
            ),
            rules.report.output.html,
        ],
    output:
        runs=f"{RESULTS}/tracking/runs.csv",
    log:
        f"{LOGS}/track.log",
    benchmark:
        f"{BENCHMARKS}/track.tsv"
    threads: 1
    resources:
        mem_mb=1500,
        runtime=60,
    params:
        study=STUDY.study,
        question=STUDY.question,
        cells=[str(cell) for cell in CELLS],
        settings=STUDY.model_dump(
            mode="json", exclude={"study", "question", "tracking"}
        ),
        results=lambda wildcards, input: str(Path(input.study[-1]).parent),
        code=code("track"),
    conda:
        "../../envs/tracking.yaml"
    script:
        "../scripts/track.py"
