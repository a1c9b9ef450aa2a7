# Evaluation: the last policy at every number of function evaluations, the kept ones at the headline number, the
# cost of acting, where a policy acts and whether its critic knows, and the learned trajectories in one state.

# Environments of our own are registered by name, so that no import leads to them.
WORLDS = ("gtp.envs.multigoal", "gtp.envs.d4rl_ant")


def kept_policies(wildcards):
    """The policies that a run keeps, in the order of training."""
    steps = STUDY.train_config(PLAN.tasks[wildcards.task].suite).snapshot_steps()
    folder = RUN.format(**wildcards)  # not `expand`, which is slow: a large grid asks for thousands of files
    return [f"{folder}/policy-{step}.safetensors" for step in steps]


def last_policy(wildcards):
    """The policy that counts."""
    return kept_policies(wildcards)[-1]


def last_policies(wildcards):
    """The policies that count, of all methods."""
    step = STUDY.train_config(PLAN.tasks[wildcards.task].suite).snapshot_steps()[-1]
    return expand(f"{RUN}/policy-{step}.safetensors", method=STUDY.methods, **wildcards)


def headline_nfe(wildcards):
    """The number of function evaluations that tables and curves report."""
    return STUDY.evaluation.headline_nfe if PLAN.methods[wildcards.method].choosable_nfe else 1


def named_environment(wildcards):
    """The task's environment where its id has a module: the configuration names what is imported, no file does."""
    environment = ORIGINS[wildcards.task].spec.environment
    return flags({"environment": environment}) if ":" in environment else []


def evaluate_options(wildcards, output):
    """How the last policy is scored; in mazes some paths are recorded for the figure."""
    settings = {
        "episodes": STUDY.evaluation.episodes,
        "nfe": PLAN.nfe(wildcards.method),
        "acting": STUDY.evaluation.acting,
        "output": output.scores,
    }
    if "rollouts" in output.keys():
        settings |= {
            "rollouts": output.rollouts,
            "rollout_episodes": STUDY.evaluation.rollout_episodes,
            "rollout_nfe": headline_nfe(wildcards),
        }
    return flags(settings)


rule evaluate_policy:
    input:
        policy=last_policy,
    output:
        scores=f"{RUN}/scores.csv",
    log:
        "<logs>/<study>/evaluate_policy/{task}/{method}/{seeds}.log",
    benchmark:
        "<benchmarks>/<study>/evaluate_policy/{task}/{method}/{seeds}.tsv"
    wildcard_constraints:
        task=one_of(set(TASKS) - set(MAZE_TASKS)),
    conda:
        "../../environment.yml"
    resources:
        mem_mb=4000,
        runtime="4h",
    params:
        options=evaluate_options,
        environment=named_environment,
        code=code_of_method("gtp.evaluation.rollouts", *WORLDS),
    message:
        "evaluating {wildcards.method} on {wildcards.task}, {wildcards.seeds}"
    shell:
        "python -m gtp evaluate --policy {input.policy:q} {params.options:q} {params.environment:q} 2>&1 | tee {log:q}"


use rule evaluate_policy as evaluate_maze_policy with:
    output:
        scores=f"{RUN}/scores.csv",
        rollouts=f"{RUN}/rollouts.csv",
    wildcard_constraints:
        task=one_of(MAZE_TASKS),


rule evaluate_curve:
    input:
        policies=kept_policies,
    output:
        curve=f"{RUN}/curve.csv",
    log:
        "<logs>/<study>/evaluate_curve/{task}/{method}/{seeds}.log",
    benchmark:
        "<benchmarks>/<study>/evaluate_curve/{task}/{method}/{seeds}.tsv"
    conda:
        "../../environment.yml"
    resources:
        mem_mb=4000,
        runtime="4h",
    params:
        episodes=STUDY.evaluation.curve_episodes,
        nfe=headline_nfe,
        acting=STUDY.evaluation.acting[0],
        environment=named_environment,
        code=code_of_method("gtp.evaluation.rollouts", *WORLDS),
    message:
        "evaluating the learning curve of {wildcards.method} on {wildcards.task}, {wildcards.seeds}"
    shell:
        "python -m gtp evaluate --policy {input.policies:q} --output {output.curve:q} {params.environment:q}"
        " --nfe {params.nfe:q} --acting {params.acting:q} --episodes {params.episodes:q} 2>&1 | tee {log:q}"


# All methods at once: they are timed in turn, so that what else the machine does disturbs all alike.
rule measure_cost:
    input:
        policies=last_policies,
        runs=expand(f"{RUN}/run.json", method=STUDY.methods, allow_missing=True),
    output:
        costs=expand(f"{RUN}/cost.csv", method=STUDY.methods, allow_missing=True),
    log:
        "<logs>/<study>/measure_cost/{task}/{seeds}.log",
    benchmark:
        "<benchmarks>/<study>/measure_cost/{task}/{seeds}.tsv"
    conda:
        "../../environment.yml"
    # All cores, though it computes with fewer: nothing else may run while the clock does.
    threads: ALL_CORES
    resources:
        gpu=GPUS,
        mem_mb=8000,
        runtime="1h",
    params:
        nfe=PLAN.timed_nfe,
        acting=STUDY.evaluation.acting,
        batch_sizes=STUDY.cost.batch_sizes,
        threads=STUDY.execution.threads,
        environment=named_environment,
        code=code_behind(
            "gtp.evaluation.cost",
            *(f"gtp.algorithms.{PLAN.methods[method].algorithm}" for method in STUDY.methods),
        ),
    message:
        "measuring the cost of all methods on {wildcards.task}"
    shell:
        "python -m gtp cost --policy {input.policies:q} --run {input.runs:q} --output {output.costs:q}"
        " --nfe {params.nfe:q} --acting {params.acting:q} --batch_sizes {params.batch_sizes:q}"
        " --threads {params.threads:q} {params.environment:q} 2>&1 | tee {log:q}"


rule measure_support:
    input:
        policy=last_policy,
        data="<results>/<study>/data/{task}/transitions.safetensors",
    output:
        f"{RUN}/support.csv",
    log:
        "<logs>/<study>/measure_support/{task}/{method}/{seeds}.log",
    benchmark:
        "<benchmarks>/<study>/measure_support/{task}/{method}/{seeds}.tsv"
    conda:
        "../../environment.yml"
    resources:
        mem_mb=4000,
        runtime="4h",
    params:
        discount=lambda wildcards: STUDY.train_config(PLAN.tasks[wildcards.task].suite).discount,
        nfe=headline_nfe,
        acting=STUDY.evaluation.acting,
        episodes=STUDY.evaluation.curve_episodes,
        environment=named_environment,
        code=code_of_method("gtp.evaluation.support", *WORLDS),
    message:
        "measuring where {wildcards.method} acts on {wildcards.task}, {wildcards.seeds}"
    shell:
        "python -m gtp support --policy {input.policy:q} --data {input.data:q} --output {output:q}"
        " --discount {params.discount:q} --nfe {params.nfe:q} --acting {params.acting:q}"
        " --episodes {params.episodes:q} {params.environment:q} 2>&1 | tee {log:q}"


rule draw_trajectories:
    input:
        policy=last_policy,
        data="<results>/<study>/data/{task}/transitions.safetensors",
    output:
        trajectories=f"{RUN}/trajectories.csv",
        endpoints=f"{RUN}/endpoints.csv",
    log:
        "<logs>/<study>/draw_trajectories/{task}/{method}/{seeds}.log",
    benchmark:
        "<benchmarks>/<study>/draw_trajectories/{task}/{method}/{seeds}.tsv"
    conda:
        "../../environment.yml"
    resources:
        mem_mb=4000,
        runtime="30m",
    params:
        samples=STUDY.trajectories.samples,
        nfe=STUDY.trajectories.nfe,
        compared=sorted({1, STUDY.evaluation.headline_nfe}),
        environment=named_environment,
        code=code_of_method("gtp.evaluation.trajectories"),
    message:
        "drawing trajectories of {wildcards.method} on {wildcards.task}"
    shell:
        "python -m gtp trajectories --policy {input.policy:q} --data {input.data:q}"
        " --output {output.trajectories:q} --samples {params.samples:q} --nfe {params.nfe:q}"
        " --endpoints_output {output.endpoints:q} --endpoints_nfe {params.compared:q}"
        " {params.environment:q} 2>&1 | tee {log:q}"
