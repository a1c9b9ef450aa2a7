# Methods that train in an environment: a study of its own (config/online.yaml), whatever the configuration's is.
# Its outputs are below online/ of results, figures and tables; the target is `online`.
from gtp.studies.online import execution_flags, load_online

ONLINE_FILE = "config/online.yaml"
ONLINE_RUN = "<results>/online/runs/{environment}/{online}/seed_{seed}"
ONLINE_PLACES = ["online"]
if Path("results/reference/online/online.csv").exists():
    ONLINE_PLACES.append("reference/online")


def read_online_study():
    """The checked study; a mistake in it ends the program with one line."""
    try:
        return load_online(ONLINE_FILE)
    except UserError as error:
        sys.exit(f"error: {error}")


ONLINE = read_online_study()
CONTINUED = [name for name, method in ONLINE.methods.items() if method.offline_first]


def online_command(wildcards):
    """What follows `gtp online` for one run, but for its folder and its files."""
    method = ONLINE.methods[wildcards.online]
    options = {**ONLINE.options(wildcards.online, wildcards.environment), "seed": wildcards.seed}
    execution = execution_flags(ONLINE, wildcards.online)
    # SAC begins anew when it is cut off.
    folders = {"checkpoints": "checkpoints"} if method.algorithm == "mbdpo" else {}
    return [method.algorithm, *flags(options), *flags(execution), *flags(folders)]


def online_code(wildcards):
    """Parameter: digest of the code behind a run."""
    modules = {"mbdpo": ("gtp.online.loop", "gtp.algorithms.mbdpo"), "sac": ("gtp.online.sac",)}
    return code_behind(*modules[ONLINE.methods[wildcards.online].algorithm])


def policy_before(wildcards, input):
    """Flags of what a run takes over from its training before."""
    before = ONLINE.methods[wildcards.online].offline_first
    policy = Path(input.run).with_name(f"policy-{before.updates}.safetensors")
    return flags({"start": policy, "data": input.data if before.keep_data else None})


def collected_before(wildcards):
    """The episodes on which a method trains offline, before its run."""
    source = ONLINE.methods[wildcards.online].offline_first.data_of
    return f"<results>/online/runs/{wildcards.environment}/{source}/seed_{wildcards.seed}/transitions.safetensors"


def offline_options(wildcards):
    """Flags of the training before a run."""
    options = {"label": wildcards.online, "seeds": wildcards.seed, **ONLINE.offline_options(wildcards.online)}
    return flags(options) + flags(asdict(ONLINE.execution), "execution.")


rule online_run:
    output:
        table=f"{ONLINE_RUN}/online.csv",
        run=f"{ONLINE_RUN}/run.json",
    log:
        "<logs>/online/run/{environment}/{online}/seed_{seed}.log",
    wildcard_constraints:
        environment=one_of(ONLINE.environments),
        online=one_of(set(ONLINE.methods) - set(CONTINUED) - ONLINE.sources),
        seed=r"\d+",
    conda:
        "../../environment.yml"
    threads: ONLINE.execution.threads
    resources:
        mem_mb=4000,
        runtime="24h",
    params:
        folder=subpath(output.run, parent=True),
        command=online_command,
        code=online_code,
    message:
        "training {wildcards.online} in {wildcards.environment}, seed {wildcards.seed}"
    shell:
        'TORCHINDUCTOR_CACHE_DIR="$PWD/.cache/inductor" python -m gtp online {params.command:q}'
        " --overwrite True --output {params.folder:q} 2>&1 | tee {log:q}"


use rule online_run as online_run_kept with:
    output:
        table=f"{ONLINE_RUN}/online.csv",
        run=f"{ONLINE_RUN}/run.json",
        data=f"{ONLINE_RUN}/transitions.safetensors",
    wildcard_constraints:
        environment=one_of(ONLINE.environments),
        online=one_of(ONLINE.sources),
        seed=r"\d+",


# Offline to online: first on the episodes of another run, then in the environment.
rule online_pretrain:
    input:
        data=collected_before,
    output:
        run=f"{ONLINE_RUN}/offline/run.json",
    log:
        "<logs>/online/pretrain/{environment}/{online}/seed_{seed}.log",
    wildcard_constraints:
        environment=one_of(ONLINE.environments),
        online=one_of(CONTINUED),
        seed=r"\d+",
    conda:
        "../../environment.yml"
    threads: ONLINE.execution.threads
    resources:
        mem_mb=4000,
        runtime="24h",
    params:
        folder=subpath(output.run, parent=True),
        options=offline_options,
        code=code_behind("gtp.training.loop", "gtp.algorithms.mbdpo"),
    message:
        "training {wildcards.online} offline for {wildcards.environment}, seed {wildcards.seed}"
    shell:
        'TORCHINDUCTOR_CACHE_DIR="$PWD/.cache/inductor" python -m gtp train mbdpo --overwrite True'
        " --data {input.data:q} --output {params.folder:q} --checkpoints checkpoints"
        " {params.options:q} 2>&1 | tee {log:q}"


rule online_continue:
    input:
        run=f"{ONLINE_RUN}/offline/run.json",
        data=collected_before,
    output:
        table=f"{ONLINE_RUN}/online.csv",
        run=f"{ONLINE_RUN}/run.json",
    log:
        "<logs>/online/run/{environment}/{online}/seed_{seed}.log",
    wildcard_constraints:
        environment=one_of(ONLINE.environments),
        online=one_of(CONTINUED),
        seed=r"\d+",
    conda:
        "../../environment.yml"
    threads: ONLINE.execution.threads
    resources:
        mem_mb=4000,
        runtime="24h",
    params:
        folder=subpath(output.run, parent=True),
        command=online_command,
        start=policy_before,
        code=online_code,
    message:
        "going on with {wildcards.online} in {wildcards.environment}, seed {wildcards.seed}"
    shell:
        'TORCHINDUCTOR_CACHE_DIR="$PWD/.cache/inductor" python -m gtp online {params.command:q}'
        " {params.start:q} --overwrite True --output {params.folder:q} 2>&1 | tee {log:q}"


rule collect_online:
    input:
        parts=expand(
            f"{ONLINE_RUN}/online.csv",
            environment=ONLINE.environments,
            online=ONLINE.methods,
            seed=ONLINE.seeds,
        ),
    output:
        "<results>/online/online.csv",
    log:
        "<logs>/online/collect_online.log",
    localrule: True
    conda:
        "../../environment.yml"
    params:
        labels=lambda wildcards, input: [{} for _ in input.parts],
        columns=list(TABLES["online"].columns),
    message:
        "collecting the online runs"
    script:
        "../scripts/collect_table.py"


rule collect_online_record:
    output:
        "<results>/online/record.json",
    log:
        "<logs>/online/collect_record.log",
    localrule: True
    conda:
        "../../environment.yml"
    params:
        record=asdict(ONLINE.record),
    message:
        "describing the online study"
    script:
        "../scripts/collect_study.py"


rule online_figure:
    input:
        online="<results>/{place}/online.csv",
        record="<results>/{place}/record.json",
    output:
        pdf="<figures>/{place}/online.pdf",
        png=report(
            "<figures>/{place}/online.png",
            caption="../report/online/figure.rst",
            category="Figures",
            subcategory="{place}",
            labels={"figure": "return during online training"},
        ),
    log:
        "<logs>/{place}/online_figure.log",
    wildcard_constraints:
        place=one_of(ONLINE_PLACES),
    localrule: True
    conda:
        "../../environment.yml"
    params:
        code=code_imported_by("workflow/scripts/online_figure.py"),
    message:
        "drawing {output.pdf}"
    script:
        "../scripts/online_figure.py"


rule online_table:
    input:
        online="<results>/{place}/online.csv",
        record="<results>/{place}/record.json",
    output:
        md="<tables>/{place}/online.md",
        tex="<tables>/{place}/online.tex",
        csv=report(
            "<tables>/{place}/online.csv",
            caption="../report/online/table.rst",
            category="Tables",
            subcategory="{place}",
            labels={"table": "return after online training"},
        ),
    log:
        "<logs>/{place}/online_table.log",
    wildcard_constraints:
        place=one_of(ONLINE_PLACES),
    localrule: True
    conda:
        "../../environment.yml"
    params:
        code=code_imported_by("workflow/scripts/online_table.py"),
    message:
        "writing {output.md}"
    script:
        "../scripts/online_table.py"


rule online_claims:
    input:
        online="<results>/{place}/online.csv",
        record="<results>/{place}/record.json",
        claims=CLAIMS,
    output:
        md="<tables>/{place}/claims.md",
        tex="<tables>/{place}/claims.tex",
        csv=report(
            "<tables>/{place}/claims.csv",
            caption="../report/online/claims.rst",
            category="Tables",
            subcategory="{place}",
            labels={"table": "claims"},
        ),
    log:
        "<logs>/{place}/online_claims.log",
    wildcard_constraints:
        place=one_of(ONLINE_PLACES),
    localrule: True
    conda:
        "../../environment.yml"
    params:
        code=code_imported_by("workflow/scripts/online_claims.py"),
    message:
        "writing {output.md}"
    script:
        "../scripts/online_claims.py"


def online_products(place):
    """The figure and the tables of the study, or of its committed reference."""
    figures = expand("<figures>/{place}/online.{format}", place=place, format=["pdf", "png"])
    return figures + tables_of(place, ["online", "claims"])


rule online:
    input:
        online_products("online"),
    localrule: True
