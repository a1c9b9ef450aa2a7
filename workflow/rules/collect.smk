# Tidy tables: the results of all runs of a view, each in one CSV, from which every figure and table is drawn.

# The tasks of which a table has files, where that is not all of them. Episodes are those that the figure of returns
# draws; a maze has thousands, and tells by its coverage.
TASKS_OF = {
    "rollouts": DRAWN_MAZES,
    "coverage": DRAWN_MAZES,
    "episodes": [task for task in STUDY.tasks if task not in MAZE_TASKS],
    "reference_returns": MEASURED,
}


def runs_of(methods, tasks):
    """What identifies every training job of these methods on these tasks."""
    return [
        {"task": task, "method": method, "seeds": seeds}
        for task in tasks
        for method in methods
        for seeds in CHUNKS
    ]


def parts_of(wildcards):
    """The pieces of a results table: what each is about, and its file."""
    name, table = wildcards.table, TABLES[wildcards.table]
    methods, tasks = VIEWS[wildcards.view], TASKS_OF.get(name, STUDY.tasks)
    if not table.of_runs:
        return [({"task": task}, f"<results>/<study>/data/{task}/{table.file}") for task in tasks]
    if name == "cost":
        # Acting costs the same on every task of a suite, whose networks have the same shapes.
        firsts = {PLAN.tasks[task].suite: task for task in reversed(STUDY.tasks)}.values()
        runs = [run for run in runs_of(methods, firsts) if run["seeds"] == next(iter(CHUNKS))]
    elif name in ("trajectories", "endpoints"):
        runs = runs_of(STUDY.trajectories.methods, [STUDY.trajectories.task])[:: len(CHUNKS)]
    else:
        runs = runs_of(methods, tasks)
    return [(run, expand(f"{RUN}/{table.file}", **run)[0]) for run in runs]


def files_of_parts(wildcards):
    """Input function: the files from which a results table is put together."""
    return [file for _, file in parts_of(wildcards)]


def labels_of_parts(wildcards):
    """The columns that tell one piece of a results table from another, for each piece."""
    return [
        {
            "study": STUDY.study,
            "suite": PLAN.tasks[about["task"]].suite,
            "task": about["task"],
            "method": about.get("method", ""),
        }
        for about, _ in parts_of(wildcards)
    ]


rule collect_table:
    input:
        parts=files_of_parts,
    output:
        "<results>/{view}/{table}.csv",
    log:
        "<logs>/{view}/collect_table/{table}.log",
    benchmark:
        "<benchmarks>/{view}/collect_table/{table}.tsv"
    wildcard_constraints:
        view=one_of(VIEWS),
    localrule: True
    conda:
        "../../environment.yml"
    params:
        labels=labels_of_parts,
        columns=lambda wildcards: list(TABLES[wildcards.table].columns),
    message:
        "collecting {wildcards.table} of {wildcards.view}"
    script:
        "../scripts/collect_table.py"


rule collect_mazes:
    output:
        "<results>/{view}/mazes.csv",
    log:
        "<logs>/{view}/collect_mazes.log",
    benchmark:
        "<benchmarks>/{view}/collect_mazes.tsv"
    wildcard_constraints:
        view=one_of(VIEWS),
    localrule: True
    conda:
        "../../environment.yml"
    params:
        study=STUDY.study,
        tasks=[asdict(ORIGINS[task].spec) for task in DRAWN_MAZES],
        code=code_behind("gtp.envs.mazes"),
    message:
        "collecting the mazes of {wildcards.view}"
    script:
        "../scripts/collect_mazes.py"


rule collect_study:
    output:
        "<results>/{view}/study.json",
    log:
        "<logs>/{view}/collect_study.log",
    benchmark:
        "<benchmarks>/{view}/collect_study.tsv"
    wildcard_constraints:
        view=one_of(VIEWS),
    localrule: True
    conda:
        "../../environment.yml"
    params:
        record=lambda wildcards: asdict(PLAN.record(VIEWS[wildcards.view])),
    message:
        "describing {wildcards.view}"
    script:
        "../scripts/collect_study.py"
