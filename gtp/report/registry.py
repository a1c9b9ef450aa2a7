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
            "Normalised score of the policies kept during training against gradient updates, one panel for "
            "each task. Lines are means over training seeds, each seed being the mean of its episodes; bands "
            "are 95 % Student t intervals over seeds, which is why they are wide. A score on a maze is the "
            "percentage of episodes that reach the goal: bands that leave [0, 100] are cut by the frame, not "
            "clipped. Policies act by one sample, those without noise in their one way. The footnote has the "
            "number of seeds and episodes, and seeds that diverged."
        ),
        alt=(
            "Line charts of score against gradient updates, a panel for each task and a line with a band "
            "for each method. The table of values below the figure has every point and interval."
        ),
        tables=("curves",),
        of_ablations=True,
    ),
    Product(
        name="budget",
        label="score against the budget",
        caption=(
            "Normalised score of the policies kept during training against gradient updates (logarithmic "
            "axis), one panel for each task: what a smaller budget would have said. Thick: mean over "
            "training seeds; thin: seeds. The dotted line is a tenth of the budget. Where lines cross to its "
            "right, a study of that length ends with another order of methods. Policies act by one sample, "
            "those without noise in their one way. Learning rates are constant, so a policy on the way is "
            "one that a shorter run ends with."
        ),
        alt=(
            "Line charts of score against gradient updates on a logarithmic axis, a panel for each task, "
            "a thick line for each method and thin ones for its seeds."
        ),
        tables=("curves",),
        applies=trains_long,
    ),
    Product(
        name="nfe",
        label="score against the number of function evaluations",
        caption=(
            "Normalised score of the final policies against the number of function evaluations *K* that an "
            "action takes (logarithmic axis; methods stand side by side at each *K*). Means and 95 % Student "
            "t intervals over training seeds; intervals that leave the frame are cut by it. Methods that "
            "draw an action in one evaluation have no *K*: they are horizontal lines with the interval as a "
            "band. Policies act by one sample, those without noise in their one way; other rules are in the "
            "figure of times. A method may have been scored at more *K* than others; all panels share one "
            "axis."
        ),
        alt=(
            "Charts of score against one to eight function evaluations for an action, a panel for each task "
            "and a line for each method. The table of main scores has the values at the headline K."
        ),
        tables=("scores",),
        of_ablations=True,
    ),
    Product(
        name="speed",
        label="score against the time of an action",
        caption=(
            "Normalised score of the final policies against the time that one action takes (logarithmic "
            "axis), a line for each method and acting rule and a point for each number of function "
            "evaluations *K*, which the first line of a panel names. Points as in the legend: one sample, or "
            "the one way of methods without noise. Points in a ring, on thin lines: the same policies by the "
            "other rules that the footnote names, such as the best of several samples by the averaged "
            "critic, whose evaluations are timed too. Vertical intervals: 95 % Student t over training "
            "seeds. Horizontal ones: geometric mean and 95 % t interval over repeated rounds of measurements "
            "in one process, which tell how steady the machine was and nothing about other machines. Times "
            "are of single observations, transfers included, and were measured on the first task of each "
            "suite. Intervals that leave the frame are cut by it."
        ),
        alt=(
            "Charts of score against the time of one action on a logarithmic axis, a line for each method "
            "and way of acting. Up and to the left is better. The tables of scores and of cost have the "
            "values."
        ),
        tables=("scores", "cost"),
    ),
    Product(
        name="support",
        label="support and over-estimation",
        caption=(
            "Where the final policies act, and whether their critics know what follows. Above: share of "
            "actions, in states of the data, that are farther from the nearest transition than 95 % of the "
            "data's own actions; distances in (state, action), each coordinate in its standard deviations. "
            "The dashed line is the share that the data have, 5 %. Below: mean of the smaller Q at the "
            "actions that a policy takes in its own episodes (markers), joined to the mean discounted return "
            "of the same episodes from there on (bars), in the rewards of training: a marker to the right "
            "of its bar is over-estimation. Filled: one sample, or the one way of methods without noise; "
            "hollow: the other rules. Means over training seeds; small dots above are seeds. Methods "
            "without a critic have no Q. Episodes run on after the task's horizon until what follows weighs "
            "1 %."
        ),
        alt=(
            "Panels of how far each method's actions lie from the data's, and of the critic's values "
            "beside the returns that followed."
        ),
        tables=("support",),
    ),
    Product(
        name="profiles",
        label="performance profiles",
        caption=(
            "Performance profiles: the share of all runs, one for each training seed and task, whose "
            "normalised score at the last checkpoint lies above a threshold. Higher is better everywhere; a "
            "method that is above another at every threshold is better in each quantile. Bands are pointwise "
            "95 % bootstrap intervals that draw seeds anew within each task, too narrow with few seeds. "
            "Tasks whose data have different sources are not put together. Policies act by one sample, those "
            "without noise in their one way."
        ),
        alt=(
            "Falling step curves: for each threshold of the score, the share of runs above it, a line for "
            "each method. A higher line is better. The table of aggregates has means over the same runs."
        ),
        tables=("scores",),
    ),
    Product(
        name="scaling",
        label="score against the size of the model",
        caption=(
            "Normalised score of one method in several sizes against the number of its parameters "
            "(logarithmic axis), one panel for each task. Dots are training seeds, lines their means, "
            "intervals 95 % Student t over seeds. Solid: at the headline *K*; dotted: at the smallest. The "
            "search, where there is one, is the same for all sizes. A panel says whether the means rise from "
            "each size to the next, and how many of these steps are larger than their interval (Welch)."
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
            "What each method has learned in one state around which the dataset's actions differ most: the "
            "same noise samples, of standard deviation *T*, and the trajectories along which they are "
            "carried to actions. Above, whole trajectories; below, the surroundings of the box [-1, 1] x "
            "[-1, 1] (black), to which actions are clipped when acting. Diamonds are the actions that the "
            "dataset took in the most similar states. One training seed."
        ),
        alt=(
            "A panel for each method, in which lines lead from wide noise to actions in two dimensions, and "
            "diamonds mark the actions of the data. It shows whether the lines end at the diamonds, and at "
            "how many groups."
        ),
        tables=("trajectories",),
    ),
    Product(
        name="coverage",
        label="coverage of the datasets",
        caption=(
            "Where the dataset of each maze has been, by suite: share of all recorded positions per area of "
            "a maze cell, on a logarithmic scale that all mazes share. White was never visited, grey is "
            "wall. The circle is the start and the star the goal of the episodes on which policies are "
            "evaluated."
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
            "Paths of the final policies from the start (circle) to the goal (star), a few episodes of every "
            "training seed. Solid paths reach the goal; dotted ones do not and end at a cross. Policies act "
            "by one sample, those without noise in their one way. The count below each maze is of the paths "
            "shown; the score over all episodes is in the main table. A dagger marks counts that lack the "
            "seeds that diverged."
        ),
        alt=(
            "Maps of the mazes with the paths that each method takes from start to goal; dotted paths fail "
            "and end at a cross. The count of paths that arrive stands below each map."
        ),
        tables=("rollouts", "mazes"),
        applies=has_mazes,
    ),
    Product(
        name="dataset_returns",
        label="returns in the datasets",
        caption=(
            "What the dataset of each task without a maze holds: returns of its episodes as they were "
            "recorded, as shares of all episodes (filled) and of all steps (line), which is how often "
            "training draws them. Panels of one environment have the same bins and the same horizontal axis. "
            "Dashed lines are the returns that score 0 and 100."
        ),
        alt=(
            "Histograms of the returns of recorded episodes, a panel for each task, with dashed lines at "
            "the returns that score 0 and 100. The data cards have their means and extremes."
        ),
        tables=("episodes",),
        applies=has_other_tasks,
    ),
    Product(
        name="trials",
        label="best of several trials",
        caption=(
            "Equal tuning: the best average score over the tasks that each method is expected to reach "
            "against its number of trials *k*, the mean over all choices of *k* of its trials (exact, "
            "without replacement). A curve begins at the average of all trials and ends at the best one; "
            "where two curves cross, which method is better depends on how much both are tuned. The trials "
            "are in the table of trials. The best is chosen and reported on the same episodes."
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
            "Normalised score of every method of {view} that uses rewards, at the last checkpoint: mean over "
            "training seeds with the 95 % Student t interval over seeds; averages over tasks, and the "
            "interquartile mean with a stratified bootstrap interval. A method has a row for each rule by "
            "which its policy acts (column `acting`): one sample, or the best of several by the averaged "
            "critic; without noise there is one way. `best` marks the rows that a Welch interval does not "
            "tell from the highest mean among those that act alike or in one way only. The table's own "
            "caption says what scores are measured against, and which data are not D4RL's."
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
            "Aggregates over all tasks for every method of {view}: the mean with a Student t interval, the "
            "interquartile mean, and `probability_of_improvement`: how often a seed of the method in the "
            "column `better` scores above a seed of the row's on the same task. The latter two have "
            "stratified bootstrap intervals, which are too narrow with few seeds. Policies act by one "
            "sample, those without noise in their one way (column `acting`)."
        ),
        tables=("scores",),
    ),
    Product(
        name="ablations",
        label="ablations",
        caption=(
            "What each ablation in {view} changes: its mean normalised score minus that of the method it is "
            "made from (column `minus`; empty for that method's own score), with the 95 % Welch interval "
            "over training seeds, by task and averaged over tasks, by suite where their data have different "
            "sources. Both act by the rule in the column `acting`; there is a block of rows for each rule "
            "that an ablation and its method can follow. The table's own caption says which data are not "
            "D4RL's."
        ),
        tables=("scores",),
        applies=has_ablations,
        of_ablations=True,
    ),
    Product(
        name="cost",
        label="cost",
        caption=(
            "Cost of training and acting with each method of {view}: parameters, updates per second, "
            "training and compilation time in seconds, peak memory in MB, and, for each number of function "
            "evaluations *K* and acting rule, the network evaluations of one action, the critic's among "
            "them, and seconds per action at each batch size, on the device named: geometric mean over "
            "repeated rounds with its 95 % t interval."
        ),
        tables=("cost",),
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
            "What the papers claim, and what {view} says of it: holds, does not hold, undecided (the "
            "interval covers both), or cannot be tested here, and why. Each claim has a rule that says which "
            "effects count, taken from the papers (`workflow/claims.yaml`). Estimate and interval are of the "
            "comparison on which the verdict turns, over the replicates named. `gtp claims`, with the folder "
            "as `--study` and the claim's name as `--claim`, prints the rows that a verdict rests on."
        ),
        tables=("scores",),
        more=("curves", "cost"),
        files={"claims": CLAIMS},
        of_trials=None,
    ),
    Product(
        name="trials",
        label="trials",
        caption=(
            "Every trial of {view}: method, number and settings of the trial, score on each task, and the "
            "average over tasks (by suite where their data have different sources). `best` marks the highest "
            "average of a method. No trial is left out; the first one is the method's default."
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
            "Median distance of *K*-step samples to where the exact ODE carries the same noise, against the "
            "number of function evaluations *K* (both axes logarithmic), a panel for each Gaussian mixture "
            "that is cloned. Thick: mean over training seeds; thin: seeds. Each method acts as it was "
            "trained: by jumps, by steps of the ODE, or by steps towards its end. The exact flow is "
            "integrated with errors below 1e-8 a step. Lower is better; seeds that diverged are left out and "
            "counted in the footnote."
        ),
        alt=(
            "Line charts of the distance between learned and exact end points against the number of "
            "function evaluations, a panel for each mixture and a line for each method."
        ),
        tables=("solution_map",),
        record="record.json",
    ),
    Product(
        name="theorem",
        label="Theorem 1 in numbers",
        caption=(
            "Gap between the consistency loss with a solver and the ideal one, for known maps on a Gaussian "
            "mixture (both axes logarithmic). Left: against the solver's step *h* at fixed times; right: "
            "against the distance of the two times, crossed in one step. With the exact field the gap "
            "vanishes at the solver's order, as the theorem says; with the surrogate that training uses it "
            "does not vanish with *h*, but at second order with the distance. Numbers at the lines are "
            "fitted slopes; dots are seeds, which mostly coincide. The verdicts are in the table."
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
