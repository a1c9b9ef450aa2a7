"""What the page tells in numbers beside the printed tables: curves, data and cost of a study."""

from collections.abc import Iterator

import pandas as pd

from gtp.acting import ActingRule
from gtp.data.sources import SOURCES
from gtp.report.ledger.results import Results
from gtp.report.page.tables import PageCell, PageGroup, PagePart, PageTable
from gtp.report.record import StudyRecord, TaskRecord
from gtp.report.tables import score, signed

Facts = list[tuple[str, str]]
"""Names with what is to be said of them."""


def curve_tables(results: Results) -> Iterator[tuple[str, PageTable]]:
    """Label of each task, and the scores of its learning curves: rows methods, columns updates."""
    study = results.study
    for task in study.tasks:
        curves = {method.label: results.curves.curve(task, method.name) for method in study.methods}
        steps = sorted({step for curve in curves.values() for step in curve})
        rows = tuple(
            (
                PageCell(label),
                *(
                    PageCell(score(curve[step], task.is_goal_reaching) if step in curve else "–")
                    for step in steps
                ),
            )
            for label, curve in curves.items()
        )
        part = PagePart(("Method", *(f"{step:,}" for step in steps)), (PageGroup("", rows),))
        notes = (
            f"Columns are gradient updates, of {results.curves.episodes()} episodes a seed, so that the last"
            f" column is not the table of scores, which has {study.episodes}. Intervals of 95 % over seeds:"
            f" {'Wilson’s, in brackets' if task.is_goal_reaching else 'half of Student’s t'}."
        )
        yield (
            task.label,
            PageTable(f"{task.label}: score by updates.", f"{notes} {study.acting_notice()}", (part,)),
        )


def data_card(task: TaskRecord, results: Results) -> Facts:
    """What is known of the data of a task and of how its policies are scored."""
    source = SOURCES[task.source]
    kind = f"{source.in_print} data" + ("" if source.used_by_paper else ", not D4RL's")
    facts = [("Data", kind), ("Environment", task.environment), ("Suite", task.suite)]
    if task.maze:
        facts.append(("Maze", task.maze))
    else:
        returns = f"{task.reference_min:,g} scores 0, {task.reference_max:,g} scores 100".replace("-", "−")
        facts.append(("Reference returns", returns))
    facts.append(("A score is", task.scored_by))
    if "episodes" in results.files:
        episodes = results.table("episodes")
        own = episodes[episodes["task"] == task.name]
        if len(own):
            facts += recorded_facts(own, task)
    if "coverage" in results.files:
        bins = results.table("coverage")
        own = bins[bins["task"] == task.name]
        if len(own):
            facts.append(
                ("Recorded positions", f"{own['count'].sum():,.0f} in {len(own):,} squares of the maze")
            )
    return facts


def recorded_facts(episodes: pd.DataFrame, task: TaskRecord) -> Facts:
    """Number, length and score of a dataset's episodes as they were recorded."""
    scale = 100.0 / (task.reference_max - task.reference_min)
    scores = (episodes["return"] - task.reference_min) * scale
    count, steps = len(episodes), episodes["length"].sum()
    return [
        ("Recorded", f"{count:,} episodes, {steps:,.0f} steps"),
        (
            "Score of the recorded episodes",
            f"mean {signed(scores.mean())}, median {signed(scores.median())},"
            f" lowest {signed(scores.min())}, highest {signed(scores.max())}",
        ),
    ]


def cost_summary(results: Results) -> PageTable:
    """What each method costs: training on every task that was timed, and one action at the headline K."""
    study, costs, acting = results.study, results.table("cost"), results.acting_costs
    tasks = [acting.measured_on(study, suite) for suite in study.suites()]
    rows = []
    for method in study.methods:
        own = costs[costs["method"] == method.name]
        cells = [PageCell(method.label)]
        for task in tasks:
            here = own[(own["task"] == task.name) & (own["quantity"] == "training_seconds")]["value"]
            cells.append(PageCell(f"{here.iloc[0]:,.0f}" if len(here) else "–"))
        first, nfe, rule = tasks[0], study.headline(method), method.acting[0]
        time = acting.seconds(first.name, method.name, nfe, 1, rule) if 1 in acting.batch_sizes() else None
        parameters = own[(own["task"] == first.name) & (own["quantity"] == "parameters")]["value"]
        cells.append(PageCell(f"{1e3 * time.mean:.2f}" if time else "–"))
        cells.append(PageCell(f"{acting.evaluations(first.name, method.name, nfe, rule)}"))
        cells.append(PageCell(f"{parameters.iloc[0]:,.0f}" if len(parameters) else "–"))
        rows.append(tuple(cells))
    headings = (
        "Method",
        *(f"Training, {task.label} (s)" for task in tasks),
        "One action (ms)",
        "Network evaluations of it",
        "Parameters",
    )
    notes = (
        f"Training: wall-clock seconds of one job with {seeds_of(study)}, compilation included, other jobs"
        f" beside it. An action: of a single observation at K = {study.headline_nfe}, or the one way that a"
        f" method has, measured on {tasks[0].label}. {study.acting_notice()}"
    )
    return PageTable("What each method costs.", notes, (PagePart(headings, (PageGroup("", tuple(rows)),)),))


def seeds_of(study: StudyRecord) -> str:
    """How many seeds a training job may have."""
    return "its seed" if len(study.seeds) == 1 else f"its seeds ({len(study.seeds)} in the study)"


WORDS: Facts = [
    ("K", "how many evaluations of the network one action takes"),
    ("One sample", "the policy draws one action and takes it"),
    ("Best of 16", "it draws 16 and takes the one that its own critic rates highest"),
    ("Its mean", "the one way to act of a policy that draws nothing at random"),
    ("Update", "one gradient step on a batch of the data"),
    ("Seed", "one training from the beginning with other random numbers"),
    (
        "Interval",
        "95 % where nothing else is said: of scores over seeds, of times over tasks or rounds of timing."
        " A claim with several comparisons has a higher confidence (99 % for five), since one of many is"
        " easily off by chance. Claims pair the seeds of two methods and tables do not, so theirs differ",
    ),
    ("Points", "of normalised score"),
    ("Times", "a ratio, such as the time of one method over that of another"),
    ("Guidance", "training weighs actions by what the critic says they gain"),
    ("Consistency loss", "makes one long jump along the flow end where several short ones do"),
    ("Cloning", "learning to act as the data do, without their rewards"),
    (
        "GTP, choice only",
        "the weights of GTP without guidance, whose critic only chooses among samples: by one sample the same"
        " policy",
    ),
    (
        "Names of studies",
        "quick, rivals, laptop, paper and so on are files config/<name>.yaml; references are those that were"
        " run and committed; gtp-no_guidance and the like are methods in config/methods.yaml",
    ),
]
"""Terms that a reader may not know, for the page's own glossary."""


def updates_of(results: Results) -> str:
    """Updates behind the scores, which suites may differ in; the curves end with the tables' policies."""
    if "curves" not in results.files:
        return f"at most {results.study.steps:,} updates"
    steps = results.curves.table.groupby("task")["step"].max()
    least, most = int(steps.min()), int(steps.max())
    return f"{least:,} to {most:,} updates by task" if least < most else f"{most:,} updates"


def headline(results: Results) -> Facts:
    """What was run, for the head of the page."""
    study = results.study
    rules = ", ".join(ActingRule.parse(rule).label for rule in study.acting)
    return [
        ("Tasks", ", ".join(task.label for task in study.tasks)),
        ("Methods", "; ".join(method.label for method in study.methods)),
        (
            "Budget",
            f"{updates_of(results)}; {len(study.seeds)} training seeds; {study.episodes} evaluation episodes"
            " of each seed at each K by each way of acting",
        ),
        ("Acting", f"{rules}; K = {study.headline_nfe} where nothing else is said"),
    ]
