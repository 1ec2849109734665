rule track:
    input:
        history=of_cells(f"{RESULTS}/train/{CELL}/history.parquet"),
        run=of_cells(f"{RESULTS}/train/{CELL}/run.json"),
        manifests=expand(
            f"{RESULTS}/data/{{dataset}}/manifest.parquet", dataset=STUDY.grid.dataset
        ),
        cells=rules.tables.output.cells,
        models=rules.tables.output.models,
        batches=rules.tables.output.batches,
        figures=[path for path in FIGURES + NUMERICS_FIGURES if path.endswith(".png")],
        report=rules.report.output.html,
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
        results=lambda wildcards, input: str(Path(input.report).parent),
        code=code("track"),
    conda:
        "../../envs/tracking.yaml"
    script:
        "../scripts/track.py"
