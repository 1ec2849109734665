from sigmoid_bce.figures import registry as figure_registry

# the tables that a laboratory figure may name in READS
LABORATORY_TABLES = {
    "curves": rules.article_models.output.curves,
    "sweep": rules.numerics_tables.output.sweep,
    "thresholds": rules.numerics_tables.output.thresholds,
}
try:
    REGISTERED = figure_registry.figures(WORKFLOW / "report", LABORATORY_TABLES)
except plugins.PluginError as error:
    raise WorkflowError(str(error)) from None
CELL_FIGURES = REGISTERED["cell"]
LABORATORY_FIGURES = (
    figure_registry.of_objectives(REGISTERED["laboratory"], STUDY.numerics.objectives)
    if STUDY.numerics
    else {}
)
REGISTERED["laboratory"] |= LABORATORY_FIGURES
LEARNING_FIGURES = PLAN.paired_figures(REGISTERED["learning"])
NAMED = {}
for kind in REGISTERED.values():
    NAMED |= aligned(figure.title for figure in kind.values())
FIGURES = {
    format: PLAN.of_cells(
        f"{RESULTS}/figures/{CELL}/{{figure}}.{format}",
        some=PLAN.figure_cells,
        figure=list(CELL_FIGURES),
    )
    for format in ("svg", "png")
}
NUMERICS_FIGURES = expand(
    f"{RESULTS}/figures/{{figure}}.{{format}}",
    figure=list(LABORATORY_FIGURES),
    format=["svg", "png"],
)
PAIRED_FIGURES = expand(
    f"{RESULTS}/figures/{{figure}}.{{format}}",
    figure=list(LEARNING_FIGURES),
    format=["svg", "png"],
)


TABLES = PLAN.made(
    datasets=rules.datasets.output,
    grid=rules.tables.output,
    numerics=[*rules.numerics_tables.output, *rules.explorer.output],
    learning=rules.learning_tables.output,
)


rule figure_cell:
    input:
        samples=rules.compare.output.samples,
        batches=rules.compare.output.batches,
        raw=rules.raw_outputs.output.stages,
        summary=rules.prepare.output.summary,
    output:
        svg=[f"{RESULTS}/figures/{CELL}/{figure}.svg" for figure in CELL_FIGURES],
        # the report has pixels: the points of many networks would not fit into it
        png=[
            report(
                f"{RESULTS}/figures/{CELL}/{figure.name}.png",
                caption=f"../report/{figure.name}.rst",
                category=CHAPTERS["grid"],
                subcategory=NAMED[figure.title],
                labels=labels_of(PLAN.cells),
            )
            for figure in CELL_FIGURES.values()
        ],
        drawn=[f"{RESULTS}/figures/{CELL}/{figure}.csv" for figure in CELL_FIGURES],
        values=f"{RESULTS}/figures/{CELL}/values.rst",
    log:
        f"{LOGS}/figure_cell/{CELL}.log",
    benchmark:
        f"{BENCHMARKS}/figure_cell/{CELL}.tsv"
    threads: 1
    resources:
        mem_mb=800,
        runtime=5,
    params:
        title=title_of,
        stages=list(STAGES),
        batch_sizes=STUDY.comparison.batch_sizes,
        figure_batch_size=STUDY.comparison.figure_batch_size,
        code=PLAN.code(
            "figure_cell", *(figure.file for figure in CELL_FIGURES.values())
        ),
    conda:
        "../../envs/figures.yaml"
    group:
        PLAN.group("comparison")
    script:
        "../scripts/figure_cell.py"


# a rule for each figure, since a caption cannot depend on a wildcard
for figure in LABORATORY_FIGURES.values():

    rule:
        name:
            f"laboratory_{figure_registry.module_name(figure.name)}"
        input:
            **{table: LABORATORY_TABLES[table] for table in figure.reads},
        output:
            svg=report(
                f"{RESULTS}/figures/{figure.name}.svg",
                caption=f"../report/{figure.caption}.rst",
                category=CHAPTERS["numerics"],
                labels={"figure": NAMED[figure.title]},
            ),
            png=f"{RESULTS}/figures/{figure.name}.png",
            drawn=f"{RESULTS}/figures/{figure.name}.csv",
            values=f"{RESULTS}/figures/{figure.name}.values.rst",
        log:
            f"{LOGS}/figure_laboratory/{figure.name}.log",
        benchmark:
            f"{BENCHMARKS}/figure_laboratory/{figure.name}.tsv"
        threads: 1
        resources:
            mem_mb=growing(2500),
            runtime=growing(30),
        params:
            figure=figure.caption,
            objective=figure.objective,
            code=PLAN.code("figure_laboratory", figure.file),
        conda:
            "../../envs/figures.yaml"
        group:
            PLAN.group("numerics")
        script:
            "../scripts/figure_laboratory.py"


for figure in LEARNING_FIGURES.values():

    rule:
        name:
            f"learning_{figure.file.stem}"
        input:
            learning=rules.learning_tables.output.learning,
            stuck=rules.learning_tables.output.stuck,
            epochs=rules.learning_tables.input.epochs,
        output:
            svg=report(
                f"{RESULTS}/figures/{figure.name}.svg",
                caption=f"../report/{figure.name}.rst",
                category=CHAPTERS["learning"],
                labels={"figure": NAMED[figure.title]},
            ),
            png=f"{RESULTS}/figures/{figure.name}.png",
            drawn=f"{RESULTS}/figures/{figure.name}.csv",
            values=f"{RESULTS}/figures/{figure.name}.values.rst",
        log:
            f"{LOGS}/figure_learning/{figure.name}.log",
        benchmark:
            f"{BENCHMARKS}/figure_learning/{figure.name}.tsv"
        threads: 1
        resources:
            mem_mb=growing(1500),
            runtime=growing(15),
        params:
            learning=STUDY.learning.model_dump(),
            models={
                name: STUDY.models[name].model_dump(mode="json")
                for name in sorted({cell.model for cell in PLAN.learning_cells})
            },
            noise={
                name: STUDY.datasets[name].label_noise
                for name in sorted({cell.dataset for cell in PLAN.learning_cells})
            },
            code=PLAN.code("figure_learning", figure.file),
        conda:
            "../../envs/figures.yaml"
        localrule: True
        script:
            "../scripts/figure_learning.py"


# one figure on the first page: of networks, else of programs, else of trainings
PICTURES = PLAN.of_cells(
    f"{RESULTS}/figures/{CELL}/figure-5.png", some=PLAN.figure_cells
)
if not STUDY.grid:
    PICTURES = [
        path
        for path in [*NUMERICS_FIGURES, *PAIRED_FIGURES]
        if Path(path).name in ("figure-3.png", "figure-9.png")
    ][:1]


rule front:
    input:
        networks=PLAN.made(grid=[rules.tables.output.cells]),
        programs=PLAN.made(
            numerics=[
                rules.numerics_tables.output.findings,
                rules.numerics_tables.output.implementations,
            ]
        ),
        trainings=PLAN.made(
            learning=[
                rules.learning_tables.output.answer,
                rules.learning_tables.output.stuck,
            ]
        ),
        pictures=PICTURES,
    output:
        front=report(
            f"{RESULTS}/front.html",
            caption="../report/pages/front.rst",
            category=CHAPTERS["answer"],
            labels={"page": "1 in short"},
        ),
        own=report(
            f"{RESULTS}/own.html",
            caption="../report/pages/own.rst",
            category=CHAPTERS["own"],
            labels={"page": "your own outputs, images and code"},
        ),
    log:
        f"{LOGS}/front.log",
    benchmark:
        f"{BENCHMARKS}/front.tsv"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=5,
    params:
        study=literal(recorded(STUDY, "tracking")),
        titles={
            figure.name: figure.title
            for kind in REGISTERED.values()
            for figure in kind.values()
        },
        chapters={key: name for key, name in CHAPTERS.items() if name[0].isdigit()},
        code=PLAN.code("front"),
    conda:
        "../../envs/figures.yaml"
    localrule: True
    script:
        "../scripts/front.py"


rule report:
    input:
        front=rules.front.output,
        # the rule of each SVG also makes its PNG, and the CSV of what is drawn
        figures=FIGURES["svg"],
        laboratory=NUMERICS_FIGURES,
        tables=TABLES,
        paired=PAIRED_FIGURES,
    output:
        html=f"{RESULTS}/report.html",
    log:
        f"{LOGS}/report.log",
    benchmark:
        f"{BENCHMARKS}/report.tsv"
    threads: 1
    resources:
        **HOST,
        mem_mb=1500,
        runtime=30,
    params:
        config=recorded(STUDY, "tracking"),
        captions=[
            digest.files_digest(WORKFLOW / folder)
            for folder in ("report", "report/pages", "report/tables")
        ],
        code=PLAN.code("report"),
    conda:
        "../../envs/figures.yaml"
    localrule: True
    script:
        "../scripts/report.py"
