# Targets: names for `snakemake <target>`. Figures and tables of the study, its ablations, and the references.


def refuse_target(wildcards):
    """Input function that ends the program: no rule and no file has this name."""
    targets = [
        "all",
        "figures",
        "films",
        "tables",
        "page",
        "data",
        "ablations",
        "reference",
        "reference_returns",
        "behaviour_policies",
        "online",
        "oracle",
        *(["trials"] if RECORD.tunes else []),
        *(f"ablation_{name}" for name in ABLATIONS),
    ]
    advice = suggest(wildcards.target, targets, "`snakemake --list`")
    sys.exit(f"error: unknown target '{wildcards.target}'; {advice}")


rule figures:
    input:
        figures_of("<study>", of_study(FIGURES, RECORD)),
    localrule: True


rule films:
    input:
        films_of("<study>", of_study(FIGURES, RECORD)),
    localrule: True


rule tables:
    input:
        tables_of("<study>", of_study(PRINTED_TABLES, RECORD)),
        # Not drawn, but part of the record: losses, values and weights during training.
        [] if RECORD.tunes else "<results>/<study>/training.csv",
    localrule: True


# A study of trials has this one figure and this one table.
if RECORD.tunes:

    rule trials:
        input:
            rules.figures.input,
            rules.tables.input,
        localrule: True


rule data:
    input:
        expand("<results>/<study>/data/{task}/transitions.safetensors", task=TASKS),
    localrule: True


rule reference_returns:
    input:
        "<results>/<study>/reference_returns.csv",
    localrule: True


# Copies them over those that the repository contains.
rule behaviour_policies:
    input:
        expand(f"{TRAINED_POLICIES}/{{robot}}.{{kind}}", robot=ROBOTS, kind=["safetensors", "csv", "json"]),
    log:
        "<logs>/behaviour_policies.log",
    localrule: True
    conda:
        "../../environment.yml"
    params:
        folder=SHIPPED_POLICIES,
    shell:
        "cp -v {input:q} {params.folder:q} 2>&1 | tee {log:q}"


rule oracle:
    input:
        products_of_oracle("oracle"),
    localrule: True


rule ablations:
    input:
        products_of_ablation(f"{STUDY.study}/ablations"),
    localrule: True


for ablation in ABLATIONS:

    rule:
        name:
            f"ablation_{ablation}"
        input:
            products_of_ablation(f"{STUDY.study}/ablation_{ablation}"),
        localrule: True


def tables_of_references(wildcards):
    """Input function: every table of every committed reference, those beside other studies among them."""
    folders = [Path("results/reference", name) for name in REFERENCES]
    beside = [*ONLINE_PLACES, *ORACLE_VIEWS]
    folders += [Path("results", place) for place in beside if place.startswith("reference/")]
    tables = [folder / f"{name}.csv" for folder in folders for name in TABLES]
    return [str(table) for table in tables if table.exists()]


# Every claim with the reference that tests it best.
rule reference_claims:
    input:
        tables=tables_of_references,
        claims=CLAIMS,
    output:
        md="<tables>/reference/claims.md",
        tex="<tables>/reference/claims.tex",
        csv="<tables>/reference/claims.csv",
    log:
        "<logs>/reference/reference_claims.log",
    localrule: True
    conda:
        "../../environment.yml"
    params:
        code=code_imported_by("workflow/scripts/reference_claims.py"),
    message:
        "writing {output.md}"
    script:
        "../scripts/reference_claims.py"


# Redraws every committed reference from its committed tables, byte for byte.
rule reference:
    input:
        products_of_references,
        [f"docs/report-{name}.html" for name in PAGES_IN_DOCS],
        tables_of("reference", ["claims"]),
        [file for place in ONLINE_PLACES if place != "online" for file in online_products(place)],
        [file for view in ORACLE_VIEWS if view != "oracle" for file in products_of_oracle(view)],
    localrule: True


# Catches misspelt targets: no file of the workflow is a bare word.
rule unknown_target:
    input:
        refuse_target,
    output:
        "{target}",
    wildcard_constraints:
        target="[A-Za-z0-9_-]+",
