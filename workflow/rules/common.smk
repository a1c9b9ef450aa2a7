# Reads the configuration and answers the questions of the other files about it; nothing else looks at `config`.
import json
import os
import re
import sys
from dataclasses import asdict
from pathlib import Path

import torch
from snakemake.utils import update_config

from gtp.data.generate.behaviour.robots import ROBOTS
from gtp.errors import UserError, suggest
from gtp.provenance import code_behind
from gtp.report.results import read_study
from gtp.schema import TABLES
from gtp.studies import CONFIGURATION, Layers, flags, load_plan, read_mapping

METHODS_FILE, TASKS_FILE, TRIALS_FILE = map(str, CONFIGURATION)
RUN = "<results>/<study>/runs/{task}/{method}/{seeds}"


def numbers_in(value):
    """Nested values of --config with numbers, true and false for the texts that Snakemake makes of them."""
    if isinstance(value, dict):
        return {key: numbers_in(item) for key, item in value.items()}
    if isinstance(value, list):
        return [numbers_in(item) for item in value]
    try:
        return json.loads(value)
    except (TypeError, ValueError):
        return value


# The files of --configfile come first in the list, before the default study that they extend.
STUDY_FILES = [os.path.relpath(path) for path in workflow.overwrite_configfiles or workflow.configfiles]


def read_plan():
    """The checked study; a mistake in the configuration ends the program with one line."""
    # In Snakemake's list the files of --configfile come before the default study that they extend.
    given = workflow.overwrite_configfiles
    default = [path for path in workflow.configfiles if path not in given]
    layers = {}
    try:
        for path in [*default, *given]:
            # Of two equal keys Snakemake keeps the last without a word, and it would merge what a study has by
            # suite or by method with what the default study has.
            written = layers[os.path.relpath(path)] = read_mapping(path)
            config["train_by_suite"] = written.get("train_by_suite", config["train_by_suite"])
            evaluation = written.get("evaluation", {})
            if isinstance(evaluation, dict) and "nfe_by_method" in evaluation:
                config["evaluation"]["nfe_by_method"] = evaluation["nfe_by_method"]
        if typed := numbers_in(workflow.config_settings.config):
            layers["--config"] = typed
            update_config(config, typed)
        return load_plan(config, METHODS_FILE, TASKS_FILE, TRIALS_FILE, file=Layers(layers))
    except UserError as error:
        sys.exit(f"error: {error}")


PLAN = read_plan()
STUDY = PLAN.study
CHUNKS = STUDY.seed_chunks()
ABLATIONS = PLAN.ablations()
RECORD = PLAN.record(STUDY.methods)


# A view is a folder of results/, figures/ and paper_tables/: the study with its own methods, one ablation beside
# its parent, or all ablations. Committed references are views too, but nothing is collected for them.
VIEWS = {STUDY.study: list(STUDY.methods)}
for ablation, name in ABLATIONS.items():
    VIEWS[f"{STUDY.study}/ablation_{ablation}"] = [PLAN.methods[name].ablation_of, name]
VIEWS[f"{STUDY.study}/ablations"] = list(
    dict.fromkeys([PLAN.methods[name].ablation_of for name in ABLATIONS.values()] + list(ABLATIONS.values()))
)
REFERENCES = [path.parent.name for path in sorted(Path("results/reference").glob("*/study.json"))]
# Known answers have figures and tables of their own (oracle.smk).
ORACLE_VIEWS = ["oracle"]
if Path("results/reference/oracle/record.json").exists():
    ORACLE_VIEWS.append("reference/oracle")

TASKS = [task for tasks in PLAN.suites().values() for task in tasks]
ORIGINS = {task: PLAN.origin(task) for task in TASKS}
MAZE_TASKS = [task for task in TASKS if ORIGINS[task].spec.maze]
DRAWN_MAZES = [task for task in STUDY.tasks if task in MAZE_TASKS]
DATASETS = {PLAN.dataset_id(task): ORIGINS[task] for task in TASKS}

# Measuring the time of an action asks for them all, so that nothing runs beside it.
ALL_CORES = os.cpu_count()

# On a GPU one training job at a time takes the card (profiles may allow more); on CPUs none waits for another.
GPUS = int(
    STUDY.execution.device == "cuda" or (STUDY.execution.device == "auto" and torch.cuda.is_available())
)


def one_of(names):
    """Regular expression that matches these names and nothing else; with no names, nothing at all."""
    return "|".join(map(re.escape, names)) or "(?!)"


def code_of_method(*modules):
    """Parameter: digest of the code behind a stage and behind the wildcard's method."""
    return lambda wildcards: code_behind(
        *modules, f"gtp.algorithms.{PLAN.methods[wildcards.method].algorithm}"
    )


pathvars:
    study=STUDY.study,
    figures="figures",
    tables="paper_tables",


wildcard_constraints:
    task=one_of(TASKS),
    method=one_of(PLAN.methods),
    seeds=one_of(CHUNKS),
    dataset=one_of(DATASETS),
    view=one_of([*VIEWS, *(f"reference/{name}" for name in REFERENCES), *ORACLE_VIEWS]),
    table=one_of(name for name, table in TABLES.items() if table.file),
    step=r"\d+",
