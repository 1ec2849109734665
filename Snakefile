# `snakemake --cores N` from the root: everything is in workflow/Snakefile
include: "workflow/Snakefile"


workflow.default_target = "all"
