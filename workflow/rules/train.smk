# Training: one job per task, method and chunk of seeds. A job that was killed resumes from checkpoints/. Methods that only
# act otherwise have their policies from another's run.
DERIVED = [name for name, method in PLAN.methods.items() if method.weights_of]


def train_options(wildcards):
    """The budget, and what the method changes; not the whole configuration, so that an edit reruns little."""
    budget = asdict(STUDY.train_config(PLAN.tasks[wildcards.task].suite))
    seeds = {"seeds": CHUNKS[wildcards.seeds], "label": wildcards.method}
    return flags(seeds) + flags(budget, "train.") + settings_options(wildcards)


def settings_options(wildcards):
    """What the method changes."""
    return flags(PLAN.methods[wildcards.method].settings(PLAN.tasks[wildcards.task].suite))


def run_of_weights(wildcards):
    """The files of the run whose weights a method acts from, run.json first."""
    parent = PLAN.methods[wildcards.method].weights_of
    steps = STUDY.train_config(PLAN.tasks[wildcards.task].suite).snapshot_steps()
    names = ["run.json", "training.csv", *(f"policy-{step}.safetensors" for step in steps)]
    return [f"<results>/<study>/runs/{wildcards.task}/{parent}/{wildcards.seeds}/{name}" for name in names]


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
            method=one_of(set(PLAN.methods) - set(DERIVED)),
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
            code=code_of_method("gtp.training.loop"),
        message:
            "training {wildcards.method} on {wildcards.task}, {wildcards.seeds}"
        # Inductor's cache is shared: a method compiles once for all chunks of seeds, and again where sizes of a task differ.
        shell:
            'TORCHINDUCTOR_CACHE_DIR="$PWD/.cache/inductor" python -m gtp train {params.algorithm:q}'
            " --data {input.data:q} --output {params.folder:q} --checkpoints checkpoints"
            " --overwrite True {params.options:q} {params.execution:q} 2>&1 | tee {log:q}"

    rule:
        name:
            f"derive_{suite}"
        input:
            run=run_of_weights,
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
        wildcard_constraints:
            task=one_of(tasks),
            method=one_of(DERIVED),
        conda:
            "../../environment.yml"
        resources:
            mem_mb=4000,
            runtime="30m",
        params:
            algorithm=lambda wildcards: PLAN.methods[wildcards.method].algorithm,
            source=lambda wildcards, input: os.path.dirname(input.run[0]),
            folder=subpath(output.run, parent=True),
            options=settings_options,
            code=code_of_method("gtp.training.variant"),
        message:
            "{wildcards.method} on {wildcards.task}, {wildcards.seeds}: acting from the weights in {params.source}"
        shell:
            "python -m gtp derive {params.algorithm:q} --run {params.source:q} --output {params.folder:q}"
            " --overwrite True --label {wildcards.method:q} {params.options:q} 2>&1 | tee {log:q}"
