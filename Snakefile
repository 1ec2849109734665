# `snakemake --cores N` from the root: everything is in workflow/Snakefile. Snakemake looks for profiles
# beside the Snakefile that it is given, hence the link `profiles`.
include: "workflow/Snakefile"


workflow.default_target = "all"
