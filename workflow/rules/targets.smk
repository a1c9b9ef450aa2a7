# Targets: names for `snakemake <target>`. Figures and tables of the study, of its ablations, and of the reference.
FIGURES = ["learning_curves", "nfe", "flow_map"] + (["coverage", "rollouts"] if DRAWN_MAZES else [])
LISTED_ABLATIONS = [name for name in STUDY.methods if PLAN.methods[name].ablation_of in STUDY.methods]
STUDY_TABLES = ["main", "cost"] + (["ablations"] if LISTED_ABLATIONS else [])


rule figures:
    input:
        expand("<figures>/<study>/{figure}.{format}", figure=FIGURES, format=["pdf", "png"]),
    localrule: True


rule tables:
    input:
        expand("<tables>/<study>/{table}.{format}", table=STUDY_TABLES, format=["md", "tex", "csv"]),
        # Not drawn, but part of the record: losses, values and weights during training.
        "<results>/<study>/training.csv",
    localrule: True


rule data:
    input:
        expand("<results>/<study>/data/{task}/transitions.safetensors", task=TASKS),
    localrule: True


rule references:
    input:
        "<results>/<study>/references.csv",
    localrule: True


rule behaviour_policies:
    input:
        expand(f"{POLICIES}/{{robot}}.safetensors", robot=["hopper", "halfcheetah", "walker2d", "ant"]),
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


# Redraws the committed reference from its committed tables, byte for byte.
rule reference:
    input:
        expand(
            "<figures>/reference/{figure}.{format}",
            figure=["learning_curves", "nfe", "flow_map", "coverage", "rollouts"],
            format=["pdf", "png"],
        ),
        expand(
            "<tables>/reference/{table}.{format}",
            table=["main", "cost", "ablations"],
            format=["md", "tex", "csv"],
        ),
    localrule: True


# Catches misspelt targets: no file of the workflow is a bare word.
rule unknown_target:
    input:
        refuse_target,
    output:
        "{target}",
    wildcard_constraints:
        target="[A-Za-z0-9_-]+",
