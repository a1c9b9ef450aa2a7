# Datasets: generated or fetched as Minari datasets, checked, then expressed in each task's terms.


MINARI = "resources/minari"
SHIPPED_POLICIES = "gtp/data/generate/behaviour/policies"
TRAINED_POLICIES = "resources/behaviour"
GENERATED = [name for name, origin in DATASETS.items() if origin.dataset.recorded_here]
MEASURED = [task for task in STUDY.tasks if ORIGINS[task].dataset.recorded_here]


def card_of_task(wildcards):
    """The card of the task's dataset; it is written last, so that it stands for all files."""
    return f"{MINARI}/{PLAN.dataset_id(wildcards.task)}/card.json"


def behaviour_of_dataset(wildcards):
    """The shipped behaviour policies that a dataset is recorded with, if any."""
    files = DATASETS[wildcards.dataset].dataset.files_used(STUDY.dataset_steps)
    return [os.path.relpath(file) for file in files]


def dataset_command(wildcards):
    """What follows `gtp dataset` to make or fetch a dataset."""
    dataset = DATASETS[wildcards.dataset].dataset
    words, options = dataset.command(wildcards.dataset, MINARI, STUDY.dataset_steps)
    return [*words, *flags(options)]


def validate_options(wildcards):
    """The task's dataset and what is expected of it."""
    origin = ORIGINS[wildcards.task]
    dataset = {"id": PLAN.dataset_id(wildcards.task), "root": MINARI, "maze": origin.spec.maze}
    return flags(dataset) + flags(asdict(origin.expect), "expect.")


def prepare_options(wildcards, output):
    """The task and where its transitions go; mazes have a coverage file too."""
    files = {"output": output.transitions, "episodes": output.episodes, "coverage": output.get("coverage")}
    dataset = {"id": PLAN.dataset_id(wildcards.task), "root": MINARI}
    return flags(dataset | files) + flags(asdict(ORIGINS[wildcards.task].spec), "task.")


def reference_returns_options(wildcards):
    """The task, and the recipe that names its expert."""
    origin = ORIGINS[wildcards.task]
    options = origin.dataset.recipe_options(STUDY.dataset_steps)
    return [origin.dataset.recipe, *flags(options), *flags(asdict(origin.spec), "task.")]


# Hours of training, for the target behaviour_policies alone: datasets are recorded with the policies that the
# repository contains, which no rule names as its output, as Snakemake deletes outputs before it makes them.
rule train_behaviour:
    output:
        multiext(f"{TRAINED_POLICIES}/{{robot}}", ".safetensors", ".csv", ".json"),
    log:
        "<logs>/train_behaviour/{robot}.log",
    benchmark:
        "<benchmarks>/train_behaviour/{robot}.tsv"
    wildcard_constraints:
        robot=one_of(ROBOTS),
    conda:
        "../../environment.yml"
    resources:
        mem_mb=4000,
        runtime="4h",
    params:
        folder=lambda wildcards, output: os.path.dirname(output[0]),
    message:
        "training the behaviour policies of the {wildcards.robot}"
    shell:
        "python -m gtp behaviour train --robot {wildcards.robot:q} --output {params.folder:q}"
        " --work checkpoints/behaviour/{wildcards.robot:q} 2>&1 | tee {log:q}"


rule generate_dataset:
    input:
        policies=behaviour_of_dataset,
    output:
        card=f"{MINARI}/{{dataset}}/card.json",
    log:
        "<logs>/generate_dataset/{dataset}.log",
    benchmark:
        "<benchmarks>/generate_dataset/{dataset}.tsv"
    wildcard_constraints:
        dataset=one_of(GENERATED),
    priority: 1_000_000_000  # before any training: it takes several cores, which would never be free at once
    conda:
        "../../environment.yml"
    threads: 4
    resources:
        mem_mb=4000,
        runtime="2h",
    params:
        command=dataset_command,
        code=code_behind("gtp.data.sources.generate", "gtp.data.generate.recipes"),
    message:
        "generating dataset {wildcards.dataset}"
    shell:
        "python -m gtp dataset {params.command:q} --workers {threads} 2>&1 | tee {log:q}"


rule fetch_dataset:
    output:
        card=f"{MINARI}/{{dataset}}/card.json",
    log:
        "<logs>/fetch_dataset/{dataset}.log",
    benchmark:
        "<benchmarks>/fetch_dataset/{dataset}.tsv"
    wildcard_constraints:
        dataset=one_of(set(DATASETS) - set(GENERATED)),
    localrule: True  # nodes of a cluster seldom reach the internet
    conda:
        "../../environment.yml"
    resources:
        network=1,
    params:
        command=dataset_command,
    message:
        "fetching dataset {wildcards.dataset}"
    shell:
        "python -m gtp dataset {params.command:q} 2>&1 | tee {log:q}"


rule validate_dataset:
    input:
        card=card_of_task,
    output:
        "<results>/<study>/data/{task}/validation.json",
    log:
        "<logs>/<study>/validate_dataset/{task}.log",
    benchmark:
        "<benchmarks>/<study>/validate_dataset/{task}.tsv"
    conda:
        "../../environment.yml"
    resources:
        mem_mb=4000,
        runtime="30m",
    params:
        options=validate_options,
        code=code_behind("gtp.data.summaries.expectations"),
    message:
        "checking the dataset of {wildcards.task} against its expectations"
    shell:
        "python -m gtp dataset validate {params.options:q} --output {output:q} 2>&1 | tee {log:q}"


rule prepare_transitions:
    input:
        card=card_of_task,
        validation="<results>/<study>/data/{task}/validation.json",
    output:
        transitions="<results>/<study>/data/{task}/transitions.safetensors",
        episodes="<results>/<study>/data/{task}/episodes.csv",
    log:
        "<logs>/<study>/prepare_transitions/{task}.log",
    benchmark:
        "<benchmarks>/<study>/prepare_transitions/{task}.tsv"
    wildcard_constraints:
        task=one_of(set(TASKS) - set(MAZE_TASKS)),
    conda:
        "../../environment.yml"
    resources:
        mem_mb=8000,
        runtime="30m",
    params:
        options=prepare_options,
        code=code_behind("gtp.data.prepare", "gtp.data.summaries.episodes"),
    message:
        "preparing the transitions of {wildcards.task}"
    shell:
        "python -m gtp dataset prepare {params.options:q} 2>&1 | tee {log:q}"


use rule prepare_transitions as prepare_maze_transitions with:
    output:
        transitions="<results>/<study>/data/{task}/transitions.safetensors",
        episodes="<results>/<study>/data/{task}/episodes.csv",
        coverage="<results>/<study>/data/{task}/coverage.csv",
    wildcard_constraints:
        task=one_of(MAZE_TASKS),
    params:
        code=code_behind("gtp.data.prepare", "gtp.data.summaries.episodes", "gtp.data.summaries.coverage"),


# What a random policy and the shipped expert reach: the reference returns that config/tasks.yaml states.
rule measure_reference_returns:
    output:
        "<results>/<study>/data/{task}/reference_returns.csv",
    log:
        "<logs>/<study>/measure_reference_returns/{task}.log",
    benchmark:
        "<benchmarks>/<study>/measure_reference_returns/{task}.tsv"
    wildcard_constraints:
        task=one_of(MEASURED),
    conda:
        "../../environment.yml"
    resources:
        mem_mb=4000,
        runtime="2h",
    params:
        options=reference_returns_options,
        code=code_behind("gtp.data.summaries.reference_returns", "gtp.data.generate.recipes"),
    message:
        "measuring the reference returns of {wildcards.task}"
    shell:
        "python -m gtp dataset reference_returns {params.options:q} --output {output:q} 2>&1 | tee {log:q}"
