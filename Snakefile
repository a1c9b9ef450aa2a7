# Entry point: `snakemake --cores all`, or `snakemake <target> --cores all`; the targets are in workflow/Snakefile.
include: "workflow/Snakefile"


# An included workflow loses its default target, so the entry point names one.
rule reproduce:
    default_target: True
    input:
        rules.all.input,
    localrule: True
