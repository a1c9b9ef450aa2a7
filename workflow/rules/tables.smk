# Tables: each is a function of the tidy tables of its view, as Markdown, LaTeX and CSV.
TABLE_CODE = files_behind("gtp.report.tables")


rule table_main:
    input:
        scores="<results>/{view}/scores.csv",
        study="<results>/{view}/study.json",
        code=TABLE_CODE,
    output:
        md="<tables>/{view}/main.md",
        tex="<tables>/{view}/main.tex",
        csv=report(
            "<tables>/{view}/main.csv",
            caption="../report/table_main.rst",
            category="Tables",
            subcategory="{view}",
            labels={"table": "main scores"},
        ),
    log:
        "<logs>/{view}/table_main.log",
    localrule: True
    conda:
        "../../environment.yml"
    params:
        group="rl",
    message:
        "writing {output.md}"
    script:
        "../scripts/table_scores.py"


rule table_cloning:
    input:
        scores="<results>/{view}/scores.csv",
        study="<results>/{view}/study.json",
        code=TABLE_CODE,
    output:
        md="<tables>/{view}/cloning.md",
        tex="<tables>/{view}/cloning.tex",
        csv=report(
            "<tables>/{view}/cloning.csv",
            caption="../report/table_cloning.rst",
            category="Tables",
            subcategory="{view}",
            labels={"table": "scores of cloning"},
        ),
    log:
        "<logs>/{view}/table_cloning.log",
    localrule: True
    conda:
        "../../environment.yml"
    params:
        group="cloning",
    message:
        "writing {output.md}"
    script:
        "../scripts/table_scores.py"


rule table_aggregates:
    input:
        scores="<results>/{view}/scores.csv",
        study="<results>/{view}/study.json",
        code=TABLE_CODE,
    output:
        md="<tables>/{view}/aggregates.md",
        tex="<tables>/{view}/aggregates.tex",
        csv=report(
            "<tables>/{view}/aggregates.csv",
            caption="../report/table_aggregates.rst",
            category="Tables",
            subcategory="{view}",
            labels={"table": "aggregates over tasks"},
        ),
    log:
        "<logs>/{view}/table_aggregates.log",
    localrule: True
    conda:
        "../../environment.yml"
    message:
        "writing {output.md}"
    script:
        "../scripts/table_aggregates.py"


rule table_ablations:
    input:
        scores="<results>/{view}/scores.csv",
        study="<results>/{view}/study.json",
        code=TABLE_CODE,
    output:
        md="<tables>/{view}/ablations.md",
        tex="<tables>/{view}/ablations.tex",
        csv=report(
            "<tables>/{view}/ablations.csv",
            caption="../report/table_ablations.rst",
            category="Tables",
            subcategory="{view}",
            labels={"table": "ablations"},
        ),
    log:
        "<logs>/{view}/table_ablations.log",
    localrule: True
    conda:
        "../../environment.yml"
    message:
        "writing {output.md}"
    script:
        "../scripts/table_ablations.py"


rule table_trials:
    input:
        scores="<results>/{view}/scores.csv",
        study="<results>/{view}/study.json",
        code=TABLE_CODE + files_behind("gtp.report.trials"),
    output:
        md="<tables>/{view}/trials.md",
        tex="<tables>/{view}/trials.tex",
        csv=report(
            "<tables>/{view}/trials.csv",
            caption="../report/table_trials.rst",
            category="Tables",
            subcategory="{view}",
            labels={"table": "trials"},
        ),
    log:
        "<logs>/{view}/table_trials.log",
    localrule: True
    conda:
        "../../environment.yml"
    message:
        "writing {output.md}"
    script:
        "../scripts/table_trials.py"


rule table_cost:
    input:
        cost="<results>/{view}/cost.csv",
        study="<results>/{view}/study.json",
        code=TABLE_CODE + files_behind("gtp.report.speed"),
    output:
        md="<tables>/{view}/cost.md",
        tex="<tables>/{view}/cost.tex",
        csv=report(
            "<tables>/{view}/cost.csv",
            caption="../report/table_cost.rst",
            category="Tables",
            subcategory="{view}",
            labels={"table": "cost"},
        ),
    log:
        "<logs>/{view}/table_cost.log",
    localrule: True
    conda:
        "../../environment.yml"
    message:
        "writing {output.md}"
    script:
        "../scripts/table_cost.py"


rule table_published:
    input:
        published=f"{PUBLISHED}/scores.csv",
        sources=f"{PUBLISHED}/sources.csv",
        study="<results>/{view}/study.json",
        code=TABLE_CODE,
    output:
        md="<tables>/{view}/published.md",
        tex="<tables>/{view}/published.tex",
        csv=report(
            "<tables>/{view}/published.csv",
            caption="../report/table_published.rst",
            category="Tables",
            subcategory="{view}",
            labels={"table": "published scores"},
        ),
    log:
        "<logs>/{view}/table_published.log",
    localrule: True
    conda:
        "../../environment.yml"
    message:
        "writing {output.md}"
    script:
        "../scripts/table_published.py"
