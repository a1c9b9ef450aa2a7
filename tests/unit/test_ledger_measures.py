"""Measures of the ledger on tables made by hand, whose answers are known."""

import json
from dataclasses import asdict
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from gtp.report.ledger.evidence import averages, spans
from gtp.report.ledger.measure import Missing
from gtp.report.ledger.mixtures import GapOrder, MapDistance
from gtp.report.ledger.rates import GoalsReached, SolvedTasks, effective_number
from gtp.report.ledger.results import Results, Untestable, read_folder
from gtp.report.ledger.returns import ReturnDifference
from gtp.report.ledger.scores import BestTrial, LateChange, NfeDifference, ScoreDifference, SizeSteps
from gtp.report.ledger.times import ActionTime, UpdateTime
from gtp.report.record import MappedMethod, OracleRecord
from gtp.schema import TABLES

TASKS = {"maze": ("mazes", "umaze"), "hopper": ("locomotion", None)}
METHODS = {"gtp": ["sample", "best_of_16"], "dql": ["sample", "best_of_16"], "iql": ["deterministic"]}


def write_study(
    folder: Path,
    scores: dict,
    *,
    curves: dict | None = None,
    costs: list[dict] = (),
    tasks=TASKS,
    methods=METHODS,
    episodes: int = 2,
    changes: dict | None = None,
):
    """Results in which scores[task, method, nfe, acting] are the scores of the seeds."""
    seeds = range(len(next(iter(scores.values()))))
    record = {
        "study": "made",
        "tasks": [
            {
                "name": name,
                "suite": suite,
                "label": name,
                "source": "generate",
                "environment": name,
                "reference_min": 0.0,
                "reference_max": 1.0,
                "maze": maze,
            }
            for name, (suite, maze) in tasks.items()
        ],
        "methods": [
            {
                "name": name,
                "label": name,
                "algorithm": "gtp",
                "group": "rl",
                "ablation_of": None,
                "generative": rules != ["deterministic"],
                "nfe": [1, 2, 5] if rules != ["deterministic"] else [1],
                "acting": rules,
                "order": order,
                **(changes or {}).get(name, {}),
            }
            for order, (name, rules) in enumerate(methods.items())
        ],
        "seeds": list(seeds),
        "steps": 1000,
        "episodes": episodes,
        "nfe": [1, 2, 5],
        "headline_nfe": 5,
        "acting": ["sample", "best_of_16"],
    }
    folder.mkdir(exist_ok=True)
    (folder / "study.json").write_text(json.dumps(record))
    write(folder, "scores", rows_of(scores, tasks, episodes))
    if curves:
        write(folder, "curves", rows_of(curves, tasks, episodes))
    if costs:
        blank = dict.fromkeys(["nfe", "acting", "batch_size", "repetition"], "")
        write(folder, "cost", [{"study": "made", "device": "cpu", **blank, **row} for row in costs])
    return read_folder(folder)


def rows_of(scores: dict, tasks: dict, episodes: int) -> list[dict]:
    """Episodes whose scores lie around a seed's score, which is their mean."""
    rows = []
    for (task, method, nfe, acting, *step), seeds in scores.items():
        for seed, score in enumerate(seeds):
            for episode in range(episodes):
                value = score + (1.0 if episode % 2 else -1.0) * (episodes % 2 == 0)
                labels = {
                    "study": "made",
                    "suite": tasks[task][0],
                    "task": task,
                    "method": method,
                    "seed": seed,
                }
                how = {"nfe": nfe, "acting": acting, "episode": episode}
                outcome = {"return": value / 100, "normalized_score": value, "success": 1, "length": 4}
                rows.append(
                    {**labels, **how, **outcome, "status": "ok", **({"step": step[0]} if step else {})}
                )
    return rows


def write(folder: Path, name: str, rows: list[dict]) -> None:
    pd.DataFrame(rows)[list(TABLES[name].columns)].to_csv(folder / f"{name}.csv", index=False)


SCORES = {
    ("maze", "gtp", 5, "sample"): [50.0, 60.0, 70.0],
    ("maze", "dql", 5, "sample"): [40.0, 49.0, 61.0],  # 10, 11, 9 below
    ("hopper", "gtp", 5, "sample"): [30.0, 30.0, 33.0],
    ("hopper", "dql", 5, "sample"): [32.0, 31.0, 36.0],  # 2, 1, 3 above
    ("maze", "iql", 1, "deterministic"): [80.0, 80.0, 80.0],
    ("hopper", "iql", 1, "deterministic"): [4.0, 5.0, 6.0],
}


@pytest.fixture
def made(tmp_path):
    return write_study(tmp_path / "made", SCORES)


def test_a_difference_of_scores_is_paired_by_task_and_seed(made):
    against_dql, against_iql, missing = ScoreDifference(method="gtp", minus=("dql", "iql", "fql")).parts(made)
    effect = against_dql.effect(0.95)
    assert effect.mean == pytest.approx((10.0 - 2.0) / 2)
    # Pairs of both tasks have the variance 1, so the average has 1/6, with four degrees of freedom.
    assert effect.high - effect.mean == pytest.approx(2.776445 * np.sqrt(1 / 6), abs=1e-5)
    assert against_dql.effect(0.99).high - effect.mean == pytest.approx(4.604095 * np.sqrt(1 / 6), abs=1e-5)
    assert (against_dql.tasks, against_dql.nfe, against_dql.acting) == (("maze", "hopper"), (5,), ("sample",))
    assert against_iql.effect(0.95).mean == pytest.approx((-20.0 + 26.0) / 2)
    assert (against_iql.nfe, against_iql.acting) == ((5, 1), ("sample", "deterministic"))
    assert missing == Missing("against fql", "no fql here")


def test_evidence_is_what_was_averaged(made):
    part = ScoreDifference(method="gtp", minus=("dql",)).parts(made)[0]
    rows = pd.concat([averages(evidence, made) for evidence in part.evidence])
    assert len(rows) == 12
    means = rows.groupby(["task", "method"])["value"].mean().unstack()
    assert (means["gtp"] - means["dql"]).mean() == pytest.approx(part.effect(0.95).mean)
    lines = made.files["scores"].read_text().splitlines()
    first = rows.iloc[0]
    start, end = map(int, first["lines"].split("-"))
    assert (first["rows"], end - start) == (2, 1)
    values = [float(line.split(",")[9]) for line in lines[start - 1 : end]]
    assert np.mean(values) == first["value"]


def test_spans_of_lines():
    assert spans(pd.Series([4, 2, 3, 9, 12, 11])) == "2-4, 9, 11-12"


def test_a_way_that_was_not_scored_is_missing(made):
    with pytest.raises(Untestable, match="no ctm here"):
        ScoreDifference(method="ctm", minus=("gtp",)).parts(made)
    with pytest.raises(Untestable, match="gtp not scored at K = 31"):
        ScoreDifference(method="gtp", minus=("dql",), nfe={"gtp": 31}).parts(made)
    other = ScoreDifference(method="gtp", minus=("dql",), nfe={"dql": 8}).parts(made)[0]
    assert other.reason == "dql not scored at K = 8"
    with pytest.raises(Untestable, match="gtp not scored by mean_of_4"):
        ScoreDifference(method="gtp", minus=("dql",), acting="mean_of_4").parts(made)


def test_tasks_on_which_nobody_learned_anything_say_nothing(tmp_path):
    scores = SCORES | {
        ("hopper", "gtp", 5, "sample"): [9.0, 9.0, 9.0],
        ("hopper", "dql", 5, "sample"): [1.0, 2.0, 3.0],
    }
    part = ScoreDifference(method="gtp", minus=("dql",)).parts(write_study(tmp_path / "s", scores))[0]
    assert (part.tasks, part.left_out) == (("maze",), ("hopper",))
    assert part.effect(0.95).mean == pytest.approx(10.0)
    nothing = {cell: [1.0, 2.0, 3.0] for cell in SCORES}
    part = ScoreDifference(method="gtp", minus=("dql",)).parts(write_study(tmp_path / "s", nothing))[0]
    assert part == Missing("against dql", "at this budget neither reaches 10 points on a task")


def test_seeds_that_all_agree_have_the_episodes_spread_in_a_maze_and_none_elsewhere(tmp_path):
    same = {cell: [80.0] * 3 if cell[1] == "gtp" else [20.0] * 3 for cell in SCORES}
    both = write_study(tmp_path / "a", same, episodes=10)
    effect = ScoreDifference(method="gtp", minus=("dql",)).parts(both)[0].effect(0.95)
    assert effect.mean == 60.0
    assert 30.0 < effect.low < 50.0 < 70.0 < effect.high < 90.0
    robots = write_study(
        tmp_path / "b", {c: s for c, s in same.items() if c[0] == "hopper"}, tasks={"hopper": TASKS["hopper"]}
    )
    effect = ScoreDifference(method="gtp", minus=("dql",)).parts(robots)[0].effect(0.95)
    assert (effect.low, effect.high) == (60.0, 60.0)  # which no verdict takes for an interval


def test_one_policy_at_two_numbers_of_evaluations(tmp_path):
    scores = {
        ("maze", "gtp", 2, "sample"): [50.0, 61.0, 72.0],
        ("maze", "gtp", 5, "sample"): [50.0, 60.0, 70.0],
    }
    made = write_study(tmp_path / "s", scores, tasks={"maze": TASKS["maze"]})
    part = NfeDifference(method="gtp", nfe=2, minus_nfe=5).parts(made)[0]
    assert part.effect(0.95).mean == pytest.approx(1.0)
    assert part.nfe == (2, 5)


def test_sizes_step_by_step_in_the_order_of_their_parameters(tmp_path):
    names = ["middle", "small", "large"]
    scores = {
        ("maze", name, 5, "sample"): [x, x + 1, x - 1]
        for name, x in zip(names, (40.0, 20.0, 45.0), strict=True)
    }
    costs = [
        {"task": "maze", "method": name, "quantity": "parameters", "value": size}
        for name, size in zip(names, (200, 100, 400), strict=True)
    ]
    methods = {name: ["sample"] for name in names}
    changes = {name: {"size_of": "middle"} for name in ("small", "large")}
    one = {"maze": TASKS["maze"]}
    made = write_study(tmp_path / "s", scores, costs=costs, tasks=one, methods=methods, changes=changes)
    first, second = SizeSteps(method="middle").parts(made)
    assert (first.label, first.effect(0.95).mean) == ("middle against small", pytest.approx(20.0))
    assert (second.label, second.effect(0.95).mean) == ("large against middle", pytest.approx(5.0))
    with pytest.raises(Untestable, match="fewer than three sizes of small"):
        SizeSteps(method="small").parts(made)


def test_other_trials_are_held_to_the_one_that_is_best_on_average(tmp_path):
    scores = {
        ("maze", "gtp-trial_0", 5, "sample"): [90.0, 92.0, 94.0],
        ("hopper", "gtp-trial_0", 5, "sample"): [20.0, 21.0, 22.0],
        ("maze", "gtp-trial_1", 5, "sample"): [50.0, 52.0, 54.0],
        ("hopper", "gtp-trial_1", 5, "sample"): [28.0, 29.0, 31.0],
    }
    trials = {f"gtp-trial_{i}": {"trial_of": "gtp", "settings": "eta"} for i in range(2)}
    made = write_study(tmp_path / "s", scores, methods={name: ["sample"] for name in trials}, changes=trials)
    maze, hopper = BestTrial(method="gtp").parts(made)
    assert (maze.label, maze.effect(0.95).mean) == ("gtp-trial_1 on maze", pytest.approx(-40.0))
    assert (hopper.label, hopper.effect(0.95).mean) == ("gtp-trial_1 on hopper", pytest.approx(25 / 3))
    with pytest.raises(Untestable, match="no trials of dql"):
        BestTrial(method="dql").parts(made)


def test_the_end_of_training_is_held_to_the_second_half(tmp_path):
    curves = {
        ("maze", "gtp", 5, "sample", step): [score - 1, score, score + 1]
        for step, score in {200: 99.0, 500: 60.0, 800: 70.0, 1000: 65.0}.items()
    } | {
        ("hopper", "gtp", 5, "sample", step): [score, score, score]
        for step, score in {400: 99.0, 1000: 20.0, 1600: 30.0, 2000: 25.0}.items()
    }
    made = write_study(tmp_path / "s", SCORES, curves=curves)
    late, half = LateChange(method="gtp").parts(made)
    assert late.effect(0.95).mean == pytest.approx(-5.0)
    assert half.effect(0.95).mean == pytest.approx(5.0)
    steps = {evidence.where["step"] for evidence in half.evidence}
    assert steps == {500.0, 1000.0, 2000.0}
    only_last = {cell: seeds for cell, seeds in curves.items() if cell[4] in (1000, 2000)}
    made = write_study(
        tmp_path / "t",
        SCORES,
        curves={c: s for c, s in only_last.items() if c[0] == "maze"}
        | {c: s for c, s in only_last.items() if c[0] == "hopper" and c[4] == 2000},
    )
    with pytest.raises(Untestable, match="no policy was kept in the second half"):
        LateChange(method="gtp").parts(made)


def test_solved_tasks_have_intervals_within_0_and_100_that_are_never_empty(tmp_path):
    scores = {
        ("maze", "gtp", 5, "sample"): [100.0, 100.0, 100.0],
        ("other", "gtp", 5, "sample"): [0.0, 50.0, 100.0],
    }
    tasks = {"maze": ("mazes", "umaze"), "other": ("mazes", "umaze")}
    made = write_study(tmp_path / "s", scores, tasks=tasks, episodes=100)
    perfect, uneven = (part.effect(0.95) for part in SolvedTasks(method="gtp", suite="mazes").parts(made))
    # Wilson with Student's quantile of two degrees of freedom, of 300 episodes: 300 / (300 + 4.3027²).
    assert (perfect.high, perfect.low) == (100.0, pytest.approx(100 * 300 / (300 + 4.302653**2), abs=1e-3))
    assert 0.0 <= uneven.low < 10.0  # three seeds that have nothing in common are few episodes
    assert 90.0 < uneven.high <= 100.0
    with pytest.raises(Untestable, match="no task of antmaze"):
        SolvedTasks(method="gtp", suite="antmaze").parts(made)


def test_goals_are_told_apart_by_their_worth(tmp_path):
    made = write_study(tmp_path / "s", SCORES, episodes=4)
    rows = pd.read_csv(made.files["scores"])
    mine = (rows["task"] == "hopper") & (rows["method"] == "gtp")
    rows.loc[mine, "length"] = rows.loc[mine, "episode"] + 3
    worths = {
        0: [0.5, 1.0, 0.5, 1.0],
        1: [0.5, 0.5, 0.5, 0.5],
        2: [0.0, 1.0, 0.3, 0.0],
    }  # two goals, one, two
    for seed, values in worths.items():
        own = mine & (rows["seed"] == seed)
        rows.loc[own, "return"] = np.array(values) - 0.01 * rows.loc[own, "length"].to_numpy()
    rows.to_csv(made.files["scores"], index=False)
    part = GoalsReached(method="gtp", task="hopper", step_cost=0.01).parts(read_folder(tmp_path / "s"))[0]
    assert part.effect(0.95).mean == pytest.approx((2 + 1 + 2) / 3)
    assert effective_number(np.array([])) == 0.0
    assert effective_number(np.array([1, 1, 2, 3])) == pytest.approx(2**1.5)
    with pytest.raises(Untestable, match="no task ring"):
        GoalsReached(method="gtp", task="ring", step_cost=0.01).parts(made)


def rate(task: str, method: str, value: float) -> dict:
    return {"task": task, "method": method, "quantity": "seed_updates_per_second", "value": value}


def seconds(task: str, method: str, nfe: int, values: list[float]) -> list[dict]:
    about = {"task": task, "method": method, "quantity": "seconds_per_action", "nfe": nfe, "acting": "sample"}
    return [
        {**about, "batch_size": b, "repetition": i, "value": v * b}
        for b in (1, 64)
        for i, v in enumerate(values)
    ]


def test_the_time_of_an_update_is_a_ratio_over_tasks(tmp_path):
    costs = [
        rate("maze", "gtp", 200.0),
        rate("maze", "dql", 100.0),
        rate("hopper", "gtp", 100.0),
        rate("hopper", "dql", 200.0),
    ]
    made = write_study(tmp_path / "s", SCORES, costs=costs)
    part = UpdateTime(method="gtp", over="dql").parts(made)[0]
    effect = part.effect(0.95)
    assert (effect.mean, effect.n) == (pytest.approx(1.0), 2)
    assert effect.low * effect.high == pytest.approx(1.0)
    half = [rate("maze", "gtp", 200.0), rate("maze", "dql", 100.0)]
    effect = (
        UpdateTime(method="gtp", over="dql")
        .parts(write_study(tmp_path / "t", SCORES, costs=half))[0]
        .effect(0.95)
    )
    assert effect.mean == pytest.approx(0.5)
    assert np.isnan(effect.low)
    with pytest.raises(Untestable, match="no common task"):
        UpdateTime(method="gtp", over="iql").parts(made)


def test_the_time_of_an_action_is_a_ratio_over_rounds(tmp_path):
    costs = [*seconds("maze", "gtp", 5, [4e-4, 4e-4, 4e-4]), *seconds("maze", "dql", 2, [1e-4, 2e-4, 4e-4])]
    made = write_study(tmp_path / "s", SCORES, costs=costs)
    part = ActionTime(method="gtp", over="dql", nfe=5, over_nfe=2).parts(made)[0]
    effect = part.effect(0.95)
    assert (effect.mean, effect.n) == (pytest.approx(2.0), 3)
    assert effect.low < 1.0 < effect.high < 12.0
    assert len(averages(part.evidence[0], made)) == 3  # of batches of one alone
    with pytest.raises(Untestable, match="actions of dql not timed at K = 5"):
        ActionTime(method="gtp", over="dql", nfe=5, over_nfe=5).parts(made)
    # A machine that slows down from round to round does so for both.
    slower = [
        *seconds("maze", "gtp", 5, [2e-4, 4.1e-4, 8e-4]),
        *seconds("maze", "dql", 2, [1e-4, 2e-4, 4e-4]),
    ]
    made = write_study(tmp_path / "t", SCORES, costs=slower)
    effect = ActionTime(method="gtp", over="dql", nfe=5, over_nfe=2).parts(made)[0].effect(0.95)
    assert 1.9 < effect.low < effect.high < 2.15


@pytest.fixture
def online(tmp_path):
    record = {"environments": ["Swing-v1"], "seeds": [0, 1, 2], "steps": 200, "episodes": 2}
    folder = tmp_path / "online"
    folder.mkdir()
    (folder / "record.json").write_text(json.dumps({**record, "labels": {"mbdpo": "MBDPO", "sac": "SAC"}}))
    returns = {  # of steps 0, 100 and 200; seed s has s more
        ("mbdpo", "search"): (-900.0, -400.0, -200.0),
        ("mbdpo", "prior"): (-900.0, -500.0, -100.0),
        ("sac", "actor"): (-900.0, -800.0, -100.0),
    }
    rows = []
    for (method, way), values in returns.items():
        for step, value in zip((0, 100, 200), values, strict=True):
            for seed, episode in product(range(3), range(2)):
                about = {"environment": "Swing-v1", "method": method, "seed": seed, "step": step, "way": way}
                outcome = {"return": value + seed * (way == "search"), "length": 200, "status": "ok"}
                rows.append({**about, "episode": episode, **outcome})
    write(folder, "online", rows)
    return read_folder(folder)


@pytest.mark.parametrize(("over", "mean"), [("run", 1.0), ("end", -99.0)])
def test_returns_are_paired_by_seed(online, over, mean):
    common = {"environment": "Swing-v1", "method": "mbdpo", "way": "search", "over": over}
    part = ReturnDifference(**common, minus="mbdpo", minus_way="prior").parts(online)[0]
    assert (part.effect(0.95).mean, part.effect(0.95).n) == (pytest.approx(mean), 3)
    rows = pd.concat([averages(evidence, online) for evidence in part.evidence])
    ways = rows.groupby("way")["value"].mean()
    assert ways["search"] - ways["prior"] == pytest.approx(mean)  # without the evaluation before training


def test_returns_need_their_method_and_way(online, made):
    common = {"method": "mbdpo", "way": "search", "minus": "sac", "over": "run"}
    measure = ReturnDifference(**common, environment="Swing-v1", minus_way="prior")
    with pytest.raises(Untestable, match="sac has no prior"):
        measure.parts(online)
    with pytest.raises(Untestable, match="not in Hop-v1"):
        ReturnDifference(**common, environment="Hop-v1", minus_way="actor").parts(online)
    with pytest.raises(Untestable, match="only in a study of training online"):
        measure.parts(made)
    with pytest.raises(Untestable, match="only in a study that trains on data"):
        ScoreDifference(method="mbdpo", minus=("sac",)).parts(online)


def in_memory(name: str, rows: list[dict]) -> Results:
    """Results that hold one table."""
    return Results("made", None, {name: Path(f"{name}.csv")}, {name: pd.DataFrame(rows)})


def test_the_order_of_the_gap_is_its_slope_over_the_solvers(tmp_path):
    rows = [
        {"mixture": "corners", "seed": seed, "sweep": "step", "field": field, "solver": solver, "order": p,
         "t": 1.0, "u": 0.5, "step": h, "gap": sign * (seed + 1) * h ** (power * p) if power else 0.2}
        for seed, sign in ((0, 1), (1, -1), (2, 1))
        for field, power in (("exact", 1), ("surrogate", 0))
        for solver, p in (("euler", 1), ("heun", 2))
        for h in (0.5, 0.25, 0.125)
    ]  # fmt: skip
    made = in_memory("theorem", rows)
    for part in GapOrder(sweep="step", field="exact").parts(made):
        assert part.effect(0.95).mean == pytest.approx(1.0)
    euler, heun = GapOrder(sweep="step", field="surrogate").parts(made)
    assert (euler.label, heun.label) == ("euler on corners", "heun on corners")
    assert heun.effect(0.95).mean == pytest.approx(0.0, abs=1e-12)
    with pytest.raises(Untestable, match="no sweep over the distance"):
        GapOrder(sweep="distance", field="exact").parts(made)
    apart = [row | {"sweep": "distance", "u": 1.0 - row["step"], "gap": row["step"] ** 2} for row in rows]
    part = GapOrder(sweep="distance", field="exact").parts(in_memory("theorem", apart))[0]
    assert part.effect(0.95).mean == pytest.approx(2.0)
    with pytest.raises(Untestable, match="no table theorem.csv"):
        GapOrder(sweep="step", field="exact").parts(Results("made", None, {}))


def test_distances_to_the_exact_map_are_a_ratio_for_each_mixture():
    rows = [
        {
            "mixture": mixture,
            "method": method,
            "seed": seed,
            "nfe": nfe,
            "median_distance": d * (1 + seed) * nfe,
        }
        for mixture, factor in (("corners", 1.0), ("wide", 4.0))
        for method, d in (("gtp", 0.1 * factor), ("other", 0.2))
        for seed in range(2)
        for nfe in (1, 5)
    ]
    made = in_memory("solution_map", rows)
    corners, wide = MapDistance(method="gtp", over="other", nfe=1).parts(made)
    assert corners.effect(0.95).mean == pytest.approx(0.5)
    assert wide.effect(0.95).mean == pytest.approx(2.0)
    assert averages(wide.evidence[0], made)["value"].tolist() == pytest.approx([0.4, 0.8])
    with pytest.raises(Untestable, match="no maps of gtp and none at K = 1"):
        MapDistance(method="gtp", over="none", nfe=1).parts(made)


def test_a_folder_with_another_record_has_the_measures_of_its_tables_alone(tmp_path):
    method = MappedMethod(name="gtp", label="GTP", order=0, ablation=False)
    record = OracleRecord(
        mixtures={"corners": "Four modes"}, methods=(method,), seeds=(0,), nfe=(1,), steps=10, samples=100
    )
    (tmp_path / "record.json").write_text(json.dumps(asdict(record)))
    results = read_folder(tmp_path)
    with pytest.raises(Untestable, match="only in a study that trains on data"):
        ScoreDifference(method="gtp", minus=("dql",)).parts(results)
    with pytest.raises(Untestable, match="no table theorem.csv"):
        GapOrder(sweep="step", field="exact").parts(results)
