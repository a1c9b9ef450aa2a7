# Tidy tables: the results of all runs of a view, each in one CSV, from which every figure and table is drawn.
rule collect_table:
    input:
        parts=files_of_parts,
    output:
        "<results>/{view}/{table}.csv",
    log:
        "<logs>/{view}/collect_table/{table}.log",
    wildcard_constraints:
        view=one_of(VIEWS),
    localrule: True
    conda:
        "../../environment.yml"
    params:
        labels=labels_of_parts,
        columns=lambda wildcards: TABLES[wildcards.table].columns.split(),
    message:
        "collecting {wildcards.table} of {wildcards.view}"
    script:
        "../scripts/collect_table.py"


rule collect_mazes:
    input:
        code=files_behind("gtp.envs.mazes"),
    output:
        "<results>/{view}/mazes.csv",
    log:
        "<logs>/{view}/collect_mazes.log",
    wildcard_constraints:
        view=one_of(VIEWS),
    localrule: True
    conda:
        "../../environment.yml"
    params:
        study=STUDY.study,
        tasks=[asdict(ORIGINS[task].spec) for task in DRAWN_MAZES],
    message:
        "collecting the mazes of {wildcards.view}"
    script:
        "../scripts/collect_mazes.py"


rule collect_study:
    output:
        "<results>/{view}/study.json",
    log:
        "<logs>/{view}/collect_study.log",
    wildcard_constraints:
        view=one_of(VIEWS),
    localrule: True
    conda:
        "../../environment.yml"
    params:
        record=lambda wildcards: PLAN.record(VIEWS[wildcards.view]),
    message:
        "describing {wildcards.view}"
    script:
        "../scripts/collect_study.py"
