"""Every figure and table, once: what it is made of, and which studies have it.

A figure is an entry here and a script workflow/scripts/figure_<name>.py; a table likewise.
"""

import csv
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

from gtp.report.record import StudyRecord

PUBLISHED = "workflow/published"
"""Folder of the scores that others have published."""
CLAIMS = "workflow/claims.yaml"
"""The claims of papers, with the rules that decide them."""


def always(study: StudyRecord) -> bool:
    """For figures and tables of every study."""
    return True


def has_mazes(study: StudyRecord) -> bool:
    """Whether a task of a study has a maze."""
    return any(task.maze for task in study.tasks)


def has_other_tasks(study: StudyRecord) -> bool:
    """Whether a task of a study has no maze."""
    return not all(task.maze for task in study.tasks)


def has_group(group: str) -> Callable[[StudyRecord], bool]:
    """Whether a study has methods of a group, rl or cloning."""
    return lambda study: any(method.group == group for method in study.methods)


def has_ablations(study: StudyRecord) -> bool:
    """Whether a study has an ablation together with its parent."""
    names = {method.name for method in study.methods}
    return any(method.ablation_of in names for method in study.methods)


def has_published(study: StudyRecord) -> bool:
    """Whether others have published scores of a study's methods on its tasks."""
    tasks, methods = ({item.name for item in items} for items in (study.tasks, study.methods))
    with open(f"{PUBLISHED}/scores.csv", newline="", encoding="utf-8") as file:
        return any(row["task"] in tasks and row["method"] in methods for row in csv.DictReader(file))


def has_several_tasks(study: StudyRecord) -> bool:
    """Whether a study has so many tasks that a distribution over them has a shape."""
    return len(study.tasks) >= 4


def has_sizes(study: StudyRecord) -> bool:
    """Whether a study has a method in three sizes or more."""
    return bool(study.sizes())


def trains_long(study: StudyRecord) -> bool:
    """Whether a study trains long enough to tell what a tenth of its budget would have said."""
    return study.steps >= 50_000


@dataclass(frozen=True, kw_only=True)
class Product:
    """A figure or a table: a function of study.json and of some results tables."""

    name: str
    label: str
    """What the report calls it."""
    caption: str
    """What the report says below it: reStructuredText, in which {view} is the study or ablation shown."""
    alt: str = ""
    """What a figure shows and where its numbers stand in words, for those who cannot see it."""
    tables: tuple[str, ...] = ()
    """The results tables that it needs: keys of gtp.schema.TABLES and names of its script's inputs."""
    more: tuple[str, ...] = ()
    """Those that it takes where they are, all together as its script's input of this name: a study of trials
    has none of them, a committed reference those that lie in its folder."""
    files: Mapping[str, str] = field(default_factory=dict)
    """Further inputs of its script: name -> committed file."""
    applies: Callable[[StudyRecord], bool] = always
    """Whether a study has it; a study of trials has none but those with `of_trials`."""
    of_trials: bool | None = False
    """Whether it is of studies of trials alone (True), of all others (False), or of both (None)."""
    of_ablations: bool = False
    """Whether it is made for the targets that compare an ablation with its parent as well."""
    record: str = "study.json"
    """The file beside the tables that describes them, which its script is given as `study`."""
    script: str = ""
    """Its script in workflow/scripts without .py, when others share it."""
    options: Mapping[str, str] = field(default_factory=dict)
    """What a shared script is told: name -> value of a parameter."""


FIGURES = (
    Product(
        name="learning_curves",
        label="learning curves",
        caption=(
            "Normalised score against gradient updates: a thin line for each training seed, their mean, and "
            "at the end the scores of the tables, of more episodes. More than three methods have a row of "
            "small panels each, in which the first method's mean is dotted."
        ),
        alt=(
            "Line charts of score against gradient updates: a thin line for each seed, a thick one for the "
            "mean of a method. The table of values below the figure has every point and interval."
        ),
        tables=("curves", "scores"),
        of_ablations=True,
    ),
    Product(
        name="budget",
        label="score against the budget",
        caption=(
            "Normalised score of the policies kept during training against gradient updates (logarithmic "
            "axis), a panel for each task. Thick: mean over seeds; thin: seeds. Where lines cross to the "
            "right of the dotted line, a tenth of the budget, a shorter study ends with another order of "
            "methods."
        ),
        alt=(
            "Line charts of score against gradient updates on a logarithmic axis, a panel for each task, a "
            "thick line for each method and thin ones for its seeds."
        ),
        tables=("curves",),
        applies=trains_long,
    ),
    Product(
        name="nfe",
        label="score against the number of function evaluations",
        caption=(
            "Normalised score of the final policies against the number of function evaluations *K* of an "
            "action (methods stand side by side at each *K*); those without *K* are horizontal lines. Means "
            "and 95 % intervals over seeds, by the first acting rule of each method."
        ),
        alt=(
            "Charts of score against the number of function evaluations of an action, a panel for each task "
            "and a line for each method. The table of main scores has the values at the headline K."
        ),
        tables=("scores",),
        of_ablations=True,
    ),
    Product(
        name="speed",
        label="score against the time of an action",
        caption=(
            "Normalised score against the time of one action, a scatter for each suite. Methods in colour at"
            " every *K* (numbers) and by every acting rule (rings), those in grey once. Dashed: no point is "
            "faster and better. Intervals over seeds, and over rounds of measurements."
        ),
        alt=(
            "A scatter for each suite of score against the time of one action on a logarithmic axis, with "
            "the names of methods beside their points and a dashed line that nothing beats. Up and to the "
            "left is better. The tables of scores and of cost have the values."
        ),
        tables=("scores", "cost"),
    ),
    Product(
        name="support",
        label="support and over-estimation",
        caption=(
            "Above: share of actions farther from the data than 95 % of the data's own (dashed: 5 %). Below:"
            " smaller Q at the policy's actions (markers) joined to the returns that follow (bars); a marker"
            " to the right of its bar is over-estimation. Hollow: the other acting rules. Dots are seeds."
        ),
        alt=(
            "Panels of how far each method's actions lie from the data's, and of the critic's values beside "
            "the returns that followed."
        ),
        tables=("support",),
    ),
    Product(
        name="overview",
        label="average score of every seed",
        caption=(
            "Average normalised score over the tasks of {view}: a dot for each training seed, hollow by the "
            "second acting rule, a stroke at the mean and its 95 % interval. Suites whose data differ in "
            "source stand apart."
        ),
        alt=(
            "A row for each method and way of acting: a dot for each seed's average score, a stroke at their"
            " mean and a line for the interval. Farther to the right is better. The table of aggregates has "
            "the values."
        ),
        tables=("scores",),
        script="figure_seeds",
        options={"over": "average"},
    ),
    Product(
        name="seeds",
        label="scores of every seed",
        caption=(
            "Normalised score of every training seed of {view} on each task: a dot for each, hollow by the "
            "second acting rule, a stroke at the mean and its 95 % interval (t, Wilson for shares of "
            "episodes), which the frame may cut."
        ),
        alt=(
            "A panel for each task, and in it a row for each method and way of acting: a dot for each seed's"
            " score, a stroke at their mean and a line for the interval. The tables of scores have the "
            "values."
        ),
        tables=("scores",),
        script="figure_seeds",
        options={"over": "tasks"},
    ),
    Product(
        name="profiles",
        label="performance profiles",
        caption=(
            "Share of all runs (a seed on a task) whose score lies above a threshold: higher is better. "
            "Bands: pointwise 95 % bootstrap intervals that draw seeds anew within each task, too narrow "
            "with few seeds. Tasks whose data differ in source are not put together."
        ),
        alt=(
            "Falling step curves: for each threshold of the score, the share of runs above it, a line for "
            "each method. A higher line is better. The table of aggregates has means over the same runs."
        ),
        tables=("scores",),
        applies=has_several_tasks,
    ),
    Product(
        name="scaling",
        label="score against the size of the model",
        caption=(
            "Normalised score of one method in several sizes against its parameters, a panel for each task. "
            "Dots are seeds, lines their means with 95 % intervals; solid at the headline *K*, dotted at the"
            " smallest. Panels say whether the means rise, and how many steps beyond chance."
        ),
        alt=(
            "Charts of score against the number of parameters, a panel for each task, with dots for seeds "
            "and a line through their means. The table of scores has the values."
        ),
        tables=("scores", "cost"),
        applies=has_sizes,
    ),
    Product(
        name="trajectories",
        label="learned trajectories",
        caption=(
            "What each method has learned in one state around which the dataset's actions differ most: paths"
            " from noise to actions near the box of actions, and the density of where samples end, at one "
            "evaluation and at the headline *K* where the results have them. One training seed."
        ),
        alt=(
            "For each method a panel of lines that lead from noise to actions in two dimensions, and below "
            "it one of where many samples end, beside the actions of the data. It shows at how many groups "
            "they end, and whether these are the data's."
        ),
        tables=("trajectories",),
        more=("endpoints",),
    ),
    Product(
        name="coverage",
        label="coverage of the datasets",
        caption=(
            "Where the dataset of each maze has been: share of all recorded positions per area of a maze "
            "cell, on a logarithmic scale that all mazes share. White was never visited, grey is wall; "
            "circle and star are start and goal of the evaluation."
        ),
        alt=(
            "Maps of the mazes, darker where the data have been more often, with the start as a circle and "
            "the goal as a star."
        ),
        tables=("coverage", "mazes"),
        applies=has_mazes,
    ),
    Product(
        name="rollouts",
        label="paths of the trained policies",
        caption=(
            "A few paths of the final policies from start (circle) to goal (star); dotted ones fail and end "
            "at a cross. Below: the share of all evaluation episodes that reach the goal, since so few paths"
            " estimate nothing. A dagger marks methods of which seeds diverged."
        ),
        alt=(
            "Maps of the mazes with some paths that each method takes from start to goal; dotted paths fail "
            "and end at a cross. The share of all episodes that arrive stands below each map."
        ),
        tables=("rollouts", "mazes", "scores"),
        applies=has_mazes,
    ),
    Product(
        name="dataset_returns",
        label="returns in the datasets",
        caption=(
            "Returns of the episodes of each dataset without a maze, as they were recorded: shares of all "
            "episodes (filled) and of all steps (line), which is how often training draws them. Dashed lines"
            " are the returns that score 0 and 100."
        ),
        alt=(
            "Histograms of the returns of recorded episodes, a panel for each task, with dashed lines at the"
            " returns that score 0 and 100. The data cards have their means and extremes."
        ),
        tables=("episodes",),
        applies=has_other_tasks,
    ),
    Product(
        name="trials",
        label="best of several trials",
        caption=(
            "Equal tuning: the best average score to expect of *k* trials of a method, the mean over all "
            "choices of *k* of them. A curve ends at the best trial; where two cross, the better method "
            "depends on the tuning. The best is chosen and reported on the same episodes."
        ),
        alt=(
            "Rising curves: the best average score to expect of one, two and more trials, a line for each "
            "method. The table of trials has every trial."
        ),
        tables=("scores",),
        of_trials=True,
    ),
)

PRINTED_TABLES = (
    Product(
        name="main",
        label="main scores",
        caption=(
            "Normalised score of the methods of {view} that use rewards, at the last checkpoint: mean over "
            "seeds with its 95 % interval (t, Wilson for shares of episodes), a row for each acting rule. "
            "The column `best` marks rows not told from the highest mean among those that act alike."
        ),
        tables=("scores",),
        applies=has_group("rl"),
        script="table_scores",
        options={"group": "rl"},
    ),
    Product(
        name="cloning",
        label="scores of cloning",
        caption=(
            "Normalised score of the methods of {view} that clone actions without rewards, as in the main "
            "table."
        ),
        tables=("scores",),
        applies=has_group("cloning"),
        script="table_scores",
        options={"group": "cloning"},
    ),
    Product(
        name="aggregates",
        label="aggregates over tasks",
        caption=(
            "Aggregates over tasks for every method of {view}: mean, difference of the first method's mean "
            "to it (Welch), interquartile mean, and how often a seed of the first scores above one of the "
            "row's. Bootstraps of few seeds are too narrow; degenerate ones are left out."
        ),
        tables=("scores",),
    ),
    Product(
        name="ablations",
        label="ablations",
        caption=(
            "What each ablation in {view} changes: its mean score minus that of the method in the column "
            "`minus`, with the 95 % Welch interval over seeds, by task and averaged, in a block of rows for "
            "each acting rule that both can follow."
        ),
        tables=("scores",),
        applies=has_ablations,
        of_ablations=True,
    ),
    Product(
        name="cost",
        label="cost",
        caption=(
            "Cost of training and acting of each method of {view}: parameters, updates per second, training "
            "time, peak memory and the time of an action first, then compilation and, for each *K*, rule and"
            " batch size, network evaluations and seconds per action."
        ),
        tables=("cost",),
    ),
    Product(
        name="paper_cloning",
        label="the paper's Table 1",
        caption=(
            "Scores of the methods of {view} that clone, in the form of the GTP paper's Table 1: mean and "
            "standard deviation over seeds. The table of cloning has intervals."
        ),
        tables=("scores",),
        applies=has_group("cloning"),
        script="table_paper_scores",
        options={"group": "cloning"},
    ),
    Product(
        name="paper_rewards",
        label="the paper's Table 2",
        caption=(
            "Scores of the methods of {view} that use rewards, in the form of the GTP paper's Table 2: mean "
            "and standard deviation over seeds. The main table has intervals and ways of acting."
        ),
        tables=("scores",),
        applies=has_group("rl"),
        script="table_paper_scores",
        options={"group": "rl"},
    ),
    Product(
        name="paper_components",
        label="the paper's Table 3",
        caption=(
            "A method of {view} and its ablations with scores and minutes of training, in the form of the "
            "GTP paper's Table 3. The table of ablations has differences with intervals."
        ),
        tables=("scores", "cost"),
        applies=has_ablations,
    ),
    Product(
        name="published",
        label="published scores",
        caption=(
            "What others have published about the methods of {view} on its tasks, on D4RL's own datasets, "
            "each number with its source. None was made here, and none may be set against scores on "
            "generated data."
        ),
        files={"published": f"{PUBLISHED}/scores.csv", "sources": f"{PUBLISHED}/sources.csv"},
        applies=has_published,
    ),
    Product(
        name="claims",
        label="claims",
        caption=(
            "What the papers claim and what {view} says of it, by rules fixed beforehand "
            "(`workflow/claims.yaml`): holds, does not hold, undecided, or cannot be tested here, and why. "
            "`gtp claims --study FOLDER --claim NAME` prints the rows behind a verdict."
        ),
        tables=("scores",),
        more=("curves", "cost"),
        files={"claims": CLAIMS},
        of_trials=None,
    ),
    Product(
        name="budget",
        label="verdicts by budget",
        caption=(
            "What the claims that compare scores would have been told by a tenth, a fifth, a half and all of "
            "the updates, over all tasks and on each, from the policies kept during training."
        ),
        tables=("curves",),
        files={"claims": CLAIMS},
        applies=trains_long,
    ),
    Product(
        name="trials",
        label="trials",
        caption=(
            "Every trial of {view}: method, number and settings, score on each task and their average (by "
            "suite where data differ in source). `best` marks the highest average of a method; the first "
            "trial is its default."
        ),
        tables=("scores",),
        of_trials=True,
    ),
)


ORACLE_FIGURES = (
    Product(
        name="solution_map",
        label="learned maps against the exact one",
        caption=(
            "Median distance of *K*-step samples to where the exact ODE carries the same noise, against *K*,"
            " a panel for each cloned Gaussian mixture. Thick: mean over seeds; thin: seeds. Each method "
            "acts as it was trained. Lower is better; seeds that diverged are left out and counted in the "
            "footnote."
        ),
        alt=(
            "Line charts of the distance between learned and exact end points against the number of function"
            " evaluations, a panel for each mixture and a line for each method."
        ),
        tables=("solution_map",),
        record="record.json",
    ),
    Product(
        name="theorem",
        label="Theorem 1 in numbers",
        caption=(
            "Gap between the consistency loss with a solver and the ideal one on a Gaussian mixture: against"
            " the solver's step *h* (left) and the distance of the two times (right). The exact field "
            "follows the solver's order, the surrogate does not vanish with *h*. Numbers: fitted slopes; "
            "dots: seeds."
        ),
        alt=(
            "Line charts on logarithmic axes of the gap between the practical and the ideal loss: against "
            "the solver's step at the left, against the distance t minus u at the right, a row for each "
            "mixture."
        ),
        tables=("theorem",),
        record="record.json",
    ),
)

ORACLE_TABLES = (
    Product(
        name="solution_map",
        label="learned maps against the exact one",
        caption=(
            "Median distance of *K*-step samples to where the exact ODE carries the same noise, for every "
            "mixture and method, with the 95 % Student t interval over training seeds. The CSV has the other "
            "quantities too: energy distance to the data, errors of mean and deviation, and the share of "
            "samples on no mode."
        ),
        tables=("solution_map",),
        record="record.json",
    ),
    Product(
        name="theorem",
        label="Theorem 1 in numbers",
        caption=(
            "The order at which the gap between the consistency loss with a solver and the ideal one "
            "vanishes, beside the one that Theorem 1 predicts. The verdict compares the whole 95 % interval "
            "of the fitted order with the predicted one less a quarter."
        ),
        tables=("theorem",),
        record="record.json",
    ),
)
"""Those of the study of known answers, config/oracle.yaml, which takes no other."""


def of_study(
    products: Sequence[Product], study: StudyRecord, available: Collection[str] | None = None
) -> list[str]:
    """Names of those among `products` that a study has.

    `available` are the names of its results tables where those are all that there will ever be, as those of a
    committed reference: what needs another is left out.
    """
    return [
        product.name
        for product in products
        if product.of_trials in (study.tunes, None)
        and product.applies(study)
        and (available is None or set(product.tables) <= set(available))
    ]
