# Known answers: learned solution maps beside exact ones, and Theorem 1 in numbers. A study of its own (config/oracle.yaml),
# whatever the configuration's is, in the folders oracle/; the target is `oracle`. Its figures and tables are drawn in
# paper.smk.
from gtp.studies.oracle import load_oracle, oracle_record

ORACLE_FILE = "config/oracle.yaml"
ORACLE_RUN = "<results>/oracle/runs/{mixture}/{method}"


def read_oracle_study():
    """The checked study; a mistake in it ends the program with one line."""
    try:
        return load_oracle(ORACLE_FILE, PLAN.methods)
    except UserError as error:
        sys.exit(f"error: {error}")


ORACLE = read_oracle_study()
# One training job for each; mixtures with the methods that clone them.
ORACLE_RUNS = [
    {"mixture": mixture, "method": method} for mixture in ORACLE.mixtures for method in ORACLE.methods
]


def oracle_options(wildcards):
    """The budget, and what the method changes."""
    return flags(PLAN.methods[wildcards.method].set) + flags(ORACLE.options(wildcards.mixture))


rule clone_mixture:
    output:
        f"{ORACLE_RUN}/solution_map.csv",
    log:
        "<logs>/oracle/clone_mixture/{mixture}/{method}.log",
    benchmark:
        "<benchmarks>/oracle/clone_mixture/{mixture}/{method}.tsv"
    wildcard_constraints:
        mixture=one_of(ORACLE.mixtures),
    conda:
        "../../environment.yml"
    threads: ORACLE.execution.threads
    resources:
        mem_mb=4000,
        runtime="4h",
    params:
        options=oracle_options,
        code=code_behind("gtp.evaluation.oracle"),
    message:
        "cloning {wildcards.mixture} with {wildcards.method}"
    shell:
        'TORCHINDUCTOR_CACHE_DIR="$PWD/.cache/inductor" python -m gtp oracle {params.options:q}'
        " --output {output:q} 2>&1 | tee {log:q}"


rule measure_theorem:
    output:
        "<results>/oracle/runs/{mixture}/theorem.csv",
    log:
        "<logs>/oracle/measure_theorem/{mixture}.log",
    benchmark:
        "<benchmarks>/oracle/measure_theorem/{mixture}.tsv"
    wildcard_constraints:
        mixture=one_of(ORACLE.mixtures),
    conda:
        "../../environment.yml"
    threads: ORACLE.execution.threads
    resources:
        mem_mb=4000,
        runtime="1h",
    params:
        options=lambda wildcards: flags(ORACLE.theorem_options(wildcards.mixture)),
        code=code_behind("gtp.evaluation.theorem"),
    message:
        "measuring Theorem 1 on {wildcards.mixture}"
    shell:
        "python -m gtp theorem {params.options:q} --output {output:q} 2>&1 | tee {log:q}"


rule collect_solution_map:
    input:
        parts=[expand(f"{ORACLE_RUN}/solution_map.csv", **run)[0] for run in ORACLE_RUNS],
    output:
        "<results>/oracle/solution_map.csv",
    log:
        "<logs>/oracle/collect_solution_map.log",
    localrule: True
    conda:
        "../../environment.yml"
    params:
        labels=ORACLE_RUNS,
        columns=list(TABLES["solution_map"].columns),
    message:
        "collecting the accuracy of solution maps"
    script:
        "../scripts/collect_table.py"


use rule collect_solution_map as collect_theorem with:
    input:
        parts=expand("<results>/oracle/runs/{mixture}/theorem.csv", mixture=ORACLE.mixtures),
    output:
        "<results>/oracle/theorem.csv",
    log:
        "<logs>/oracle/collect_theorem.log",
    params:
        labels=[{"mixture": mixture} for mixture in ORACLE.mixtures],
        columns=list(TABLES["theorem"].columns),
    message:
        "collecting the gaps of Theorem 1"


rule collect_oracle_record:
    output:
        "<results>/oracle/record.json",
    log:
        "<logs>/oracle/collect_record.log",
    localrule: True
    conda:
        "../../environment.yml"
    params:
        record=asdict(oracle_record(ORACLE, PLAN)),
    message:
        "describing the study of known answers"
    script:
        "../scripts/collect_study.py"
