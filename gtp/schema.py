"""The columns of every results table, once: for the code that writes, collects and reads them.

A run writes rows of a dataclass (`column_kinds`), collecting puts the files of all runs together and adds
the columns that tell them apart (`Table.columns`), figures and tables read the result by the same columns. A
field added to a dataclass is therefore a column of the table.
"""

from collections.abc import Iterable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, get_args, get_type_hints

from gtp.files import write_csv

TEXT, NUMBER, OPTIONAL = "text", "a number", "a number or nothing"
WHOLE, OPTIONAL_WHOLE = "a whole number", "a whole number or nothing"
"""What a column contains."""


@dataclass(frozen=True)
class Episode:
    """An evaluation episode. `status` is ok, or diverged@<step> for a policy that is not finite."""

    seed: int
    step: int
    """Of training, after which the policy was kept."""
    nfe: int
    acting: str
    """Name of an acting rule (gtp.acting)."""
    episode: int
    episode_return: float | None
    normalized_score: float | None
    success: int | None
    length: int | None
    status: str


@dataclass(frozen=True)
class Measurement:
    """A loss, a value or the like during the training of one seed, the mean over a log interval."""

    step: int
    seed: int
    quantity: str
    value: float


@dataclass(frozen=True)
class Cost:
    """A figure of what a method costs; empty where a column has no meaning."""

    quantity: str
    """One that training records, network_evaluations or seconds_per_action."""
    nfe: int | None
    acting: str
    batch_size: int | None
    repetition: int | None
    device: str
    value: float | None


@dataclass(frozen=True)
class Point:
    """A point of a learned trajectory: kind is path (of a sample, at time t) or data (an action)."""

    state: int
    sample: int
    kind: str
    t: float
    a0: float
    a1: float


@dataclass(frozen=True)
class EndPoint:
    """What a policy does in one state, and where that is: a point of the picture of learned trajectories.

    `kind` is action (of a sample, at nfe evaluations, in [-1, 1] units, unclipped), or, where observations
    begin with a position, state (that of the state) or visited (one of the dataset).
    """

    kind: str
    nfe: int | None
    sample: int
    x: float
    y: float


@dataclass(frozen=True)
class Position:
    """Where the body was at one step of a rollout, in the simulator's units."""

    seed: int
    episode: int
    step: int
    x: float
    y: float
    success: int


@dataclass(frozen=True)
class Bin:
    """A square of the maze that was visited; x and y are its centre in the simulator's units."""

    x: float
    y: float
    count: int


@dataclass(frozen=True)
class RecordedEpisode:
    """Return and length of an episode of a dataset, before a task cuts or relabels it."""

    episode: int
    episode_return: float
    length: int
    success: int | None
    """Whether info["success"] was ever true; None where the data do not say."""


@dataclass(frozen=True)
class Reference:
    """What one policy reaches in the task's evaluation environment."""

    policy: str
    """random, or expert."""
    episodes: int
    mean: float
    """Mean return of an episode, raw rewards."""
    low: float
    """95 % Student-t interval of the mean over episodes."""
    high: float
    success: float | None
    """Share of the episodes that succeed, where the environment says so."""
    length: float
    """Mean number of steps of an episode."""


@dataclass(frozen=True)
class OnlineEpisode:
    """An evaluation episode of a method that trains online, with a policy of `step` environment steps."""

    environment: str
    """Gymnasium id."""
    method: str
    seed: int
    step: int
    way: str
    """search: by the planner; prior: by the policy prior alone; actor: of a method that does not plan."""
    episode: int
    episode_return: float | None
    length: int | None
    status: str
    """ok, or diverged@<update> for a policy that is not finite."""


@dataclass(frozen=True)
class ClaimVerdict:
    """What a study says of a claim of workflow/claims.yaml: a row of paper_tables/<study>/claims.csv.

    Estimate and interval are of the comparison on which the verdict turns, empty where nothing was measured.
    """

    study: str
    claim: str
    """Its name there: `gtp claims --study results/<study> --claim <name>` prints the rows behind it."""
    paper: str
    title: str
    text: str
    """The whole claim."""
    source: str
    measure: str
    """What is measured, in words."""
    rule: str
    """Which effects count, in words."""
    why: str
    """Where the rule's number comes from."""
    verdict: str
    """holds, does not hold, undecided, or cannot be tested."""
    reason: str
    comparison: str
    """The one that is printed, of those that the claim makes."""
    estimate: float | None
    low: float | None
    high: float | None
    confidence: float | None
    """Of the interval, from 0 to 1: above 0.95 where the claim makes several comparisons."""
    line: float
    """The smallest (or largest) effect that counts."""
    unit: str
    """points (of normalised score), percent, times (a ratio), goals, or of return."""
    replicates: int | None
    """How many the interval is over."""
    replicate: str
    """What they are: seeds, tasks or rounds of measurements."""
    comparisons: int
    """How many the claim makes."""
    compared: int
    """How many of them the study can make."""
    tasks: str
    """Names, with a space between two; so nfe and acting."""
    left_out: str
    """Tasks on which no method has learned anything."""
    nfe: str
    acting: str
    updates: int | None
    """Of training, of the longest run of the study."""
    studies: str
    """Those of config/ that can test the claim."""


@dataclass(frozen=True)
class Accuracy:
    """How far K-step samples of a cloned mixture are from the data, and from the exact flow of their noise.

    Distances are in action units. Figures of a policy that is not finite are empty.
    """

    seed: int
    nfe: int
    mean_error: float | None
    """Distance of the samples' mean to the data's."""
    deviation_ratio: float | None
    """Root of the samples' total variance over the data's: below 1 they are too narrow."""
    energy_distance: float | None
    """2 E|x - y| - E|x - x'| - E|y - y'| between samples and data; 0 for equal laws."""
    off_mode_share: float | None
    """Share of samples farther than four standard deviations from every mode."""
    median_distance: float | None
    """Median distance to the exact end point."""
    smallest_mode_share: float | None
    """Share of the samples nearest to the mode that got fewest."""


@dataclass(frozen=True)
class LossGap:
    """How far the consistency loss with a solver is from the ideal one, at fixed times (GTP, Theorem 1)."""

    seed: int
    sweep: str
    """What changes from row to row: step, the solver's at fixed t and u; distance, t - u with one step."""
    field: str
    """What the solver integrates from a_t to a_u: surrogate, (x - a) / t of the sample, or exact."""
    solver: str
    """euler or heun."""
    order: int
    """The solver's order p: the theorem says that the gap is O(h^p)."""
    t: float
    u: float
    tau: float
    steps: int
    """Equal steps of the solver from t to u."""
    step: float
    """h, the length of one."""
    ideal: float
    """L_ideal, with a_u on the exact trajectory through a_t."""
    practical: float
    """L_prac, with a_u as the solver has it."""
    gap: float
    """L_prac - L_ideal, of the same samples."""


@dataclass(frozen=True)
class Support:
    """Whether one seed's actions lie where the data are, and whether its critic is right about them.

    Distances are to the nearest of a part of the data in (state, action), each coordinate in its standard
    deviations over the data, from states of another part.
    """

    seed: int
    nfe: int
    acting: str
    """Name of an acting rule (gtp.acting)."""
    pairs: int
    """States from which distances are taken."""
    distance: float | None
    """Median distance of the policy's actions."""
    data_distance: float
    """Median distance of the actions that the data took there."""
    far_share: float | None
    """Share of the policy's actions farther away than 95 % of the data's; 0.05 for those of the data."""
    visited: int
    """States of the policy's own episodes at which Q and returns are compared; 0 without a critic."""
    q: float | None
    """Mean over them of min_j Q_j at the action taken, in training's rewards; empty without a critic."""
    mc_return: float | None
    """Mean discounted return of the same episodes from there on, in the same units."""
    over_share: float | None
    """Share of them at which Q is above the return."""
    status: str
    """ok, or diverged@<step> for a policy that is not finite."""


@dataclass(frozen=True)
class MazeCell:
    """One cell of a task's maze; x and y are its centre in the simulator's units."""

    row: int
    col: int
    x: float
    y: float
    kind: str
    """wall, free, start or goal."""


def column_kinds(row: type) -> dict[str, str]:
    """Column -> what it contains, for each field of a dataclass of rows; episode_return is called return."""
    kinds = {}
    for name, hint in get_type_hints(row).items():
        members = get_args(hint) or (hint,)
        if str in members:
            content = TEXT
        elif int in members:
            content = OPTIONAL_WHOLE if type(None) in members else WHOLE
        else:
            content = OPTIONAL if type(None) in members else NUMBER
        kinds[name.removeprefix("episode_")] = content
    return kinds


def column_values(row: Any) -> list[object]:
    """The values of one row in the order of `column_kinds`."""
    return [getattr(row, field.name) for field in fields(row)]


def write_rows(path: Path, row: type, rows: Iterable) -> None:
    """Instances of the dataclass `row` as CSV, atomically, with the columns of `column_kinds`."""
    write_csv(path, column_kinds(row), map(column_values, rows))


TASK = ("study", "task")
RUN = ("study", "task", "method")
"""Labels of a table that has one file for each task, and of one that has one for each training job."""


@dataclass(frozen=True)
class Table:
    """A table of results/: the dataclass of its rows, and what collecting adds to them."""

    row: type
    labels: tuple[str, ...]
    """Columns that tell the collected files apart, all text."""
    file: str | None = None
    """The file that each run or task of a study has of it; None for a table of no study."""
    first: tuple[str, ...] = ()
    """Columns of the rows that follow the labels before all others."""
    last: tuple[str, ...] = ()
    """Those that stand at the end."""
    without: tuple[str, ...] = ()
    """Those that are left out."""

    @property
    def columns(self) -> dict[str, str]:
        """Column of the collected table -> what it contains, in order."""
        kinds = column_kinds(self.row)
        placed = {*self.first, *self.last, *self.without}
        names = [*self.first, *(name for name in kinds if name not in placed), *self.last]
        return dict.fromkeys(self.labels, TEXT) | {name: kinds[name] for name in names}

    @property
    def of_runs(self) -> bool:
        """Whether it has a file for each training job, and not one for each task."""
        return "method" in self.labels


EPISODES = ("study", "suite", "task", "method")
TABLES = {
    "scores": Table(Episode, EPISODES, "scores.csv", without=("step",)),
    "curves": Table(Episode, EPISODES, "curve.csv", last=("step",)),
    "training": Table(Measurement, RUN, "training.csv", first=("seed",)),
    "cost": Table(Cost, RUN, "cost.csv", first=("device",)),
    "trajectories": Table(Point, RUN, "trajectories.csv"),
    "endpoints": Table(EndPoint, RUN, "endpoints.csv"),
    "rollouts": Table(Position, RUN, "rollouts.csv"),
    "coverage": Table(Bin, TASK, "coverage.csv"),
    "episodes": Table(RecordedEpisode, ("study", "suite", "task"), "episodes.csv"),
    "reference_returns": Table(Reference, ("study", "suite", "task"), "reference_returns.csv"),
    "mazes": Table(MazeCell, TASK),
    "support": Table(Support, RUN, "support.csv"),
    "online": Table(OnlineEpisode, ()),
    "claims": Table(ClaimVerdict, ()),
    "solution_map": Table(Accuracy, ("mixture", "method")),
    "theorem": Table(LossGap, ("mixture",)),
}
"""Name of a table, without .csv -> its columns and where they come from."""
