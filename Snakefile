# `snakemake --cores N` from the root: everything is in workflow/Snakefile. Snakemake looks for profiles
# beside the Snakefile that it is given, hence the link `profiles`.
include: "workflow/Snakefile"


# an included rule is no default target by itself
if FIRST:
    workflow.default_target = workflow.modifier.modify_rulename("all")
