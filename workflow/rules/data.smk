# Datasets: generated or fetched as Minari datasets, then expressed in each task's terms.
rule generate_dataset:
    input:
        code=files_behind("gtp.data.generate"),
    output:
        card=f"{MINARI}/{{dataset}}/card.json",
        data=f"{MINARI}/{{dataset}}/data/main_data.hdf5",
        metadata=f"{MINARI}/{{dataset}}/data/metadata.json",
    log:
        "<logs>/generate_dataset/{dataset}.log",
    benchmark:
        "<benchmarks>/generate_dataset/{dataset}.tsv"
    wildcard_constraints:
        dataset=one_of(GENERATED),
    conda:
        "../../environment.yml"
    threads: 4
    resources:
        mem_mb=4000,
        runtime="2h",
    params:
        options=generate_options,
    message:
        "generating dataset {wildcards.dataset}"
    shell:
        "python -m gtp dataset generate {params.options:q} --workers {threads} 2>&1 | tee {log}"


rule fetch_dataset:
    output:
        card=f"{MINARI}/{{dataset}}/card.json",
        data=f"{MINARI}/{{dataset}}/data/main_data.hdf5",
        metadata=f"{MINARI}/{{dataset}}/data/metadata.json",
    log:
        "<logs>/fetch_dataset/{dataset}.log",
    wildcard_constraints:
        dataset=one_of(set(DATASETS) - set(GENERATED)),
    conda:
        "../../environment.yml"
    resources:
        network=1,
    params:
        options=fetch_options,
    message:
        "fetching dataset {wildcards.dataset}"
    shell:
        "python -m gtp.data.fetch {params.options:q} 2>&1 | tee {log}"


rule prepare_transitions:
    input:
        dataset=dataset_of_task,
        code=files_behind("gtp.data.prepare"),
    output:
        transitions="<results>/<study>/data/{task}/transitions.safetensors",
    log:
        "<logs>/<study>/prepare_transitions/{task}.log",
    wildcard_constraints:
        task=one_of(set(TASKS) - set(MAZE_TASKS)),
    conda:
        "../../environment.yml"
    resources:
        mem_mb=8000,
        runtime="30m",
    params:
        options=prepare_options,
    message:
        "preparing the transitions of {wildcards.task}"
    shell:
        "python -m gtp dataset prepare {params.options:q} 2>&1 | tee {log}"


use rule prepare_transitions as prepare_maze_transitions with:
    input:
        dataset=dataset_of_task,
        code=files_behind("gtp.data.prepare", "gtp.data.coverage"),
    output:
        transitions="<results>/<study>/data/{task}/transitions.safetensors",
        coverage="<results>/<study>/data/{task}/coverage.csv",
    wildcard_constraints:
        task=one_of(MAZE_TASKS),
