# Figures: each is a function of the tidy tables of its view, drawn by workflow/scripts/figure_<name>.py.
DRAWING_CODE = files_behind("gtp.report.plotting")


rule figure_learning_curves:
    input:
        curves="<results>/{view}/curves.csv",
        study="<results>/{view}/study.json",
        code=DRAWING_CODE,
    output:
        pdf="<figures>/{view}/learning_curves.pdf",
        png=report(
            "<figures>/{view}/learning_curves.png",
            caption="../report/figure_learning_curves.rst",
            category="Figures",
            subcategory="{view}",
            labels={"figure": "learning curves"},
        ),
    log:
        "<logs>/{view}/figure_learning_curves.log",
    localrule: True
    conda:
        "../../environment.yml"
    message:
        "drawing {output.pdf}"
    script:
        "../scripts/figure_learning_curves.py"


rule figure_nfe:
    input:
        scores="<results>/{view}/scores.csv",
        study="<results>/{view}/study.json",
        code=DRAWING_CODE,
    output:
        pdf="<figures>/{view}/nfe.pdf",
        png=report(
            "<figures>/{view}/nfe.png",
            caption="../report/figure_nfe.rst",
            category="Figures",
            subcategory="{view}",
            labels={"figure": "score against the number of function evaluations"},
        ),
    log:
        "<logs>/{view}/figure_nfe.log",
    localrule: True
    conda:
        "../../environment.yml"
    message:
        "drawing {output.pdf}"
    script:
        "../scripts/figure_nfe.py"


rule figure_speed:
    input:
        scores="<results>/{view}/scores.csv",
        cost="<results>/{view}/cost.csv",
        study="<results>/{view}/study.json",
        code=DRAWING_CODE + files_behind("gtp.report.speed"),
    output:
        pdf="<figures>/{view}/speed.pdf",
        png=report(
            "<figures>/{view}/speed.png",
            caption="../report/figure_speed.rst",
            category="Figures",
            subcategory="{view}",
            labels={"figure": "score against the time of an action"},
        ),
    log:
        "<logs>/{view}/figure_speed.log",
    localrule: True
    conda:
        "../../environment.yml"
    message:
        "drawing {output.pdf}"
    script:
        "../scripts/figure_speed.py"


rule figure_profiles:
    input:
        scores="<results>/{view}/scores.csv",
        study="<results>/{view}/study.json",
        code=DRAWING_CODE,
    output:
        pdf="<figures>/{view}/profiles.pdf",
        png=report(
            "<figures>/{view}/profiles.png",
            caption="../report/figure_profiles.rst",
            category="Figures",
            subcategory="{view}",
            labels={"figure": "performance profiles"},
        ),
    log:
        "<logs>/{view}/figure_profiles.log",
    localrule: True
    conda:
        "../../environment.yml"
    message:
        "drawing {output.pdf}"
    script:
        "../scripts/figure_profiles.py"


rule figure_trials:
    input:
        scores="<results>/{view}/scores.csv",
        study="<results>/{view}/study.json",
        code=DRAWING_CODE + files_behind("gtp.report.trials"),
    output:
        pdf="<figures>/{view}/trials.pdf",
        png=report(
            "<figures>/{view}/trials.png",
            caption="../report/figure_trials.rst",
            category="Figures",
            subcategory="{view}",
            labels={"figure": "best of several trials"},
        ),
    log:
        "<logs>/{view}/figure_trials.log",
    localrule: True
    conda:
        "../../environment.yml"
    message:
        "drawing {output.pdf}"
    script:
        "../scripts/figure_trials.py"


rule figure_flow_map:
    input:
        flow_map="<results>/{view}/flow_map.csv",
        study="<results>/{view}/study.json",
        code=DRAWING_CODE,
    output:
        pdf="<figures>/{view}/flow_map.pdf",
        png=report(
            "<figures>/{view}/flow_map.png",
            caption="../report/figure_flow_map.rst",
            category="Figures",
            subcategory="{view}",
            labels={"figure": "learned trajectories"},
        ),
    log:
        "<logs>/{view}/figure_flow_map.log",
    localrule: True
    conda:
        "../../environment.yml"
    message:
        "drawing {output.pdf}"
    script:
        "../scripts/figure_flow_map.py"


rule figure_returns:
    input:
        episodes="<results>/{view}/episodes.csv",
        study="<results>/{view}/study.json",
        code=DRAWING_CODE,
    output:
        pdf="<figures>/{view}/returns.pdf",
        png=report(
            "<figures>/{view}/returns.png",
            caption="../report/figure_returns.rst",
            category="Figures",
            subcategory="{view}",
            labels={"figure": "returns in the datasets"},
        ),
    log:
        "<logs>/{view}/figure_returns.log",
    localrule: True
    conda:
        "../../environment.yml"
    message:
        "drawing {output.pdf}"
    script:
        "../scripts/figure_returns.py"


rule figure_coverage:
    input:
        coverage="<results>/{view}/coverage.csv",
        mazes="<results>/{view}/mazes.csv",
        study="<results>/{view}/study.json",
        code=DRAWING_CODE + files_behind("gtp.report.mazes"),
    output:
        pdf="<figures>/{view}/coverage.pdf",
        png=report(
            "<figures>/{view}/coverage.png",
            caption="../report/figure_coverage.rst",
            category="Figures",
            subcategory="{view}",
            labels={"figure": "coverage of the datasets"},
        ),
    log:
        "<logs>/{view}/figure_coverage.log",
    localrule: True
    conda:
        "../../environment.yml"
    message:
        "drawing {output.pdf}"
    script:
        "../scripts/figure_coverage.py"


rule figure_rollouts:
    input:
        rollouts="<results>/{view}/rollouts.csv",
        mazes="<results>/{view}/mazes.csv",
        study="<results>/{view}/study.json",
        code=DRAWING_CODE + files_behind("gtp.report.mazes"),
    output:
        pdf="<figures>/{view}/rollouts.pdf",
        png=report(
            "<figures>/{view}/rollouts.png",
            caption="../report/figure_rollouts.rst",
            category="Figures",
            subcategory="{view}",
            labels={"figure": "paths of the trained policies"},
        ),
    log:
        "<logs>/{view}/figure_rollouts.log",
    localrule: True
    conda:
        "../../environment.yml"
    message:
        "drawing {output.pdf}"
    script:
        "../scripts/figure_rollouts.py"
