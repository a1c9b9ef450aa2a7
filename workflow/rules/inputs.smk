# Input and params functions: what the rules need to know of the plan for their wildcards.


# Environments of our own are registered by name, so that no import leads to them.
WORLDS = ("gtp.envs.multigoal", "gtp.envs.d4rl_ant")


def code_of_method(*modules):
    """Input function: the source files behind a stage and behind the wildcard's method."""
    return lambda wildcards: files_behind(
        *modules, f"gtp.algorithms.{PLAN.methods[wildcards.method].algorithm}"
    )


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


def prepare_options(wildcards, output):
    """The task and where its transitions go; mazes have a coverage file too."""
    files = {"output": output.transitions, "episodes": output.episodes, "coverage": output.get("coverage")}
    dataset = {"id": PLAN.dataset_id(wildcards.task), "root": MINARI}
    return flags(dataset | files) + flags(asdict(ORIGINS[wildcards.task].spec), "task.")


def validate_options(wildcards):
    """The task's dataset and what is expected of it."""
    origin = ORIGINS[wildcards.task]
    dataset = {"id": PLAN.dataset_id(wildcards.task), "root": MINARI, "maze": origin.spec.maze}
    return flags(dataset) + flags(asdict(origin.expect), "expect.")


def references_options(wildcards):
    """The task, and the recipe that names its expert."""
    origin = ORIGINS[wildcards.task]
    options = origin.dataset.recipe_options(STUDY.dataset_steps)
    return [origin.dataset.recipe, *flags(options), *flags(asdict(origin.spec), "task.")]


def train_options(wildcards):
    """The budget, and what the method changes; not the whole configuration, so that an edit reruns little."""
    budget = asdict(STUDY.train_config(PLAN.tasks[wildcards.task].suite))
    seeds = {"seeds": CHUNKS[wildcards.seeds], "label": wildcards.method}
    settings = PLAN.methods[wildcards.method].settings(PLAN.tasks[wildcards.task].suite)
    return flags(seeds) + flags(budget, "train.") + flags(settings)


def execution_options(wildcards):
    """Where training runs and how fast."""
    return flags(asdict(STUDY.execution), "execution.")


def kept_policies(wildcards):
    """The policies that a run keeps, in the order of training."""
    steps = STUDY.train_config(PLAN.tasks[wildcards.task].suite).snapshot_steps()
    return expand(f"{RUN}/policy-{{step}}.safetensors", step=steps, **wildcards)


def last_policy(wildcards):
    """The policy that counts."""
    return kept_policies(wildcards)[-1]


def nfe_of(wildcards):
    """Numbers of function evaluations at which the method is scored."""
    return PLAN.nfe(wildcards.method)


def timed_nfe(wildcards):
    """Numbers of function evaluations at which the time of an action is measured."""
    return PLAN.timed_nfe(wildcards.method)


def evaluate_options(wildcards, output):
    """How the last policy is scored; in mazes some paths are recorded for the figure."""
    settings = {
        "episodes": STUDY.evaluation.episodes,
        "nfe": nfe_of(wildcards),
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


def headline_nfe(wildcards):
    """The number of function evaluations that tables and curves report."""
    return STUDY.evaluation.headline_nfe if PLAN.methods[wildcards.method].generative else 1


def parts_of(wildcards):
    """The pieces of a results table: what each is about, and its file."""
    methods, table = VIEWS[wildcards.view], wildcards.table
    if table in ("coverage", "episodes", "references"):
        # Episodes are those that the figure of returns draws; a maze has thousands, and tells by its coverage.
        robots = [task for task in STUDY.tasks if task not in MAZE_TASKS]
        tasks = {"coverage": DRAWN_MAZES, "episodes": robots, "references": MEASURED}[table]
        return [({"task": task}, f"<results>/<study>/data/{task}/{table}.csv") for task in tasks]
    if table == "cost":
        # Acting costs the same on every task of a suite, whose networks have the same shapes.
        firsts = {PLAN.tasks[task].suite: task for task in reversed(STUDY.tasks)}.values()
        runs = [run for run in runs_of(methods, firsts) if run["seeds"] == next(iter(CHUNKS))]
    elif table == "flow_map":
        runs = runs_of(STUDY.flow_map.methods, [STUDY.flow_map.task])[:: len(CHUNKS)]
    else:
        runs = runs_of(methods, DRAWN_MAZES if table == "rollouts" else STUDY.tasks)
    return [(run, expand(f"{RUN}/{TABLES[table].file}", **run)[0]) for run in runs]


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


def figures_of(view, names):
    """The files of some figures of a view."""
    return expand("<figures>/{view}/{name}.{format}", view=view, name=names, format=["pdf", "png"])


def tables_of(view, names):
    """The files of some tables of a view."""
    return expand("<tables>/{view}/{name}.{format}", view=view, name=names, format=["md", "tex", "csv"])


def figure_names(record):
    """The figures of a study, from its record (the content of study.json)."""
    if has_trials(record):
        return ["trials"]
    mazes = [task["maze"] for task in record["tasks"]]
    names = ["learning_curves", "nfe", "speed", "profiles", "flow_map"]
    names += ["coverage", "rollouts"] if any(mazes) else []
    return names + ([] if all(mazes) else ["returns"])


def table_names(record):
    """The tables of a study, from its record (the content of study.json)."""
    if has_trials(record):
        return ["trials"]
    methods = record["methods"]
    groups = {method["group"] for method in methods}
    names = [name for name, group in (("main", "rl"), ("cloning", "cloning")) if group in groups]
    names += ["aggregates", "cost"]
    if {method["ablation_of"] for method in methods} & {method["name"] for method in methods}:
        names.append("ablations")
    return names + (["published"] if has_published(record) else [])


def has_trials(record):
    """Whether a study tunes methods; it then has nothing but trials, and of them only scores are wanted."""
    return any(method["trial_of"] for method in record["methods"])


def has_published(record):
    """Whether others have published scores of a study's methods on its tasks."""
    tasks = {task["name"] for task in record["tasks"]}
    methods = {method["name"] for method in record["methods"]}
    with open(f"{PUBLISHED}/scores.csv", newline="", encoding="utf-8") as file:
        return any(row["task"] in tasks and row["method"] in methods for row in csv.DictReader(file))


def products_of_ablation(view):
    """Figures and tables that compare the methods of an ablation's view."""
    return figures_of(view, ["learning_curves", "nfe"]) + tables_of(view, ["ablations"])


def products_of_references(wildcards):
    """Input function: the figures and tables of every committed reference, as far as its study has them."""
    files = []
    for name in REFERENCES:
        view = f"reference/{name}"
        try:
            record = asdict(read_study(f"results/{view}/study.json"))
        except UserError as error:
            sys.exit(f"error: {error}")
        files += figures_of(view, figure_names(record))
        files += tables_of(view, table_names(record))
    return files


def refuse_target(wildcards):
    """Input function that ends the program: no rule and no file has this name."""
    targets = [
        "all",
        "figures",
        "tables",
        "data",
        "ablations",
        "reference",
        "references",
        "behaviour_policies",
        *(["trials"] if has_trials(RECORD) else []),
        *(f"ablation_{name}" for name in ABLATIONS),
    ]
    sys.exit(f"error: unknown target '{wildcards.target}'{suggest(wildcards.target, targets)}")
