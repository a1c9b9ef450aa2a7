# Training: one job per task, method and chunk of seeds. A job that was killed resumes from checkpoints/.
def train_options(wildcards):
    """The budget, and what the method changes; not the whole configuration, so that an edit reruns little."""
    budget = asdict(STUDY.train_config(PLAN.tasks[wildcards.task].suite))
    seeds = {"seeds": CHUNKS[wildcards.seeds], "label": wildcards.method}
    settings = PLAN.methods[wildcards.method].settings(PLAN.tasks[wildcards.task].suite)
    return flags(seeds) + flags(budget, "train.") + flags(settings)


def execution_options(wildcards):
    """Where training runs and how fast."""
    return flags(asdict(STUDY.execution), "execution.")


# The policies of a run are named by their steps, and suites may differ in those, so every suite has its own rule.
for suite, tasks in PLAN.suites().items():

    rule:
        name:
            f"train_{suite}"
        input:
            data="<results>/<study>/data/{task}/transitions.safetensors",
            code=code_of_method("gtp.training.loop"),
        output:
            policies=expand(
                f"{RUN}/policy-{{step}}.safetensors",
                step=STUDY.train_config(suite).snapshot_steps(),
                allow_missing=True,
            ),
            training=f"{RUN}/training.csv",
            run=f"{RUN}/run.json",
        log:
            "<logs>/<study>/train/{task}/{method}/{seeds}.log",
        benchmark:
            "<benchmarks>/<study>/train/{task}/{method}/{seeds}.tsv"
        wildcard_constraints:
            task=one_of(tasks),
        priority: STUDY.train_config(suite).steps  # the longest first, so that no core is idle at the end
        conda:
            "../../environment.yml"
        threads: STUDY.execution.threads
        resources:
            gpu=GPUS,
            mem_mb=8000,
            runtime="24h",
        params:
            algorithm=lambda wildcards: PLAN.methods[wildcards.method].algorithm,
            folder=subpath(output.run, parent=True),
            options=train_options,
            execution=execution_options,
        message:
            "training {wildcards.method} on {wildcards.task}, {wildcards.seeds}"
        # Inductor's cache is shared, so that each method compiles once for all tasks.
        shell:
            'TORCHINDUCTOR_CACHE_DIR="$PWD/.cache/inductor" python -m gtp train {params.algorithm:q}'
            " --data {input.data:q} --output {params.folder:q} --checkpoints checkpoints"
            " {params.options:q} {params.execution:q} 2>&1 | tee {log:q}"
