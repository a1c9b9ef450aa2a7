"""Synthetic results of a study in the files that figures and tables read; believable to the eye."""

import json
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd

NFE = [1, 2, 3, 5, 8]
HEADLINE_NFE = 5
STEPS = 10_000
MAPS = {  # the mazes of Gymnasium-Robotics; # is a wall
    "umaze": "##### #...# ###.# #...# #####",
    "medium": "######## #..##..# #..#...# ##...### #..#...# #.#..#.# #...#..# ########",
    "large": (
        "############ #....#.....# #.##.#.#.#.# #......#...# #.####.###.#"
        " #..#.#.....# ##.#.#.#.### #..#...#...# ############"
    ),
}
ENDS = {"umaze": ((1, 1), (3, 1)), "medium": ((1, 1), (6, 6)), "large": ((1, 1), (7, 10))}

METHODS = {  # label, generative, parent, score at K = 1, score with many K
    "gtp": ("GTP", True, None, 0.86, 0.93),
    "gtp-no_guidance": ("GTP, no guidance", True, "gtp", 0.42, 0.48),
    "gtp-no_consistency": ("GTP, no consistency", True, "gtp", 0.35, 0.84),
    "gaussian_bc": ("Gaussian BC", False, None, 0.2, 0.2),
    "gtp-no_flow": ("GTP, no flow matching", True, "gtp", 0.5, 0.6),
    "gtp-tau_zero": ("GTP, jumps to 0 only", True, "gtp", 0.8, 0.82),
    "gtp-ode_solver": ("GTP, ODE solver for the score", True, "gtp", 0.8, 0.9),
    "gtp-linear_q": ("GTP, linear Q-term", True, "gtp", 0.7, 0.75),
    "gtp-truncate": ("GTP, negative advantages truncated", True, "gtp", 0.84, 0.9),
    "diffusion_ql": ("Diffusion-QL", True, None, 0.1, 0.88),
    "consistency_ac": ("Consistency-AC", True, None, 0.6, 0.7),
    "fql": ("FQL", False, None, 0.8, 0.8),
    "iql": ("IQL", False, None, 0.66, 0.66),
}
DETERMINISTIC, CLONES = ("gaussian_bc", "iql"), ("gtp-no_guidance",)
RULES = ["sample", "best_of_16"]


def acting_of(method: str) -> list[str]:
    """The rules by which a method is scored."""
    if method in DETERMINISTIC:
        return ["deterministic"]
    return RULES[:1] if method in CLONES else RULES


MAZE_TASKS = {"pointmaze-umaze": "U-Maze", "pointmaze-medium": "Medium", "pointmaze-large": "Large"}
ANTMAZE_TASKS = {
    f"antmaze-{kind}": f"AntMaze {label}"
    for kind, label in (
        ("umaze", "U-Maze"),
        ("umaze-diverse", "U-Maze diverse"),
        ("medium-play", "Medium play"),
        ("medium-diverse", "Medium diverse"),
        ("large-play", "Large play"),
        ("large-diverse", "Large diverse"),
    )
}
LOCOMOTION_TASKS = {
    f"{body}-{quality}": f"{body.capitalize()} {quality}"
    for body in ("halfcheetah", "hopper", "walker2d")
    for quality in ("medium", "medium-replay", "medium-expert")
}
D4RL_TASKS = LOCOMOTION_TASKS | ANTMAZE_TASKS
RETURNS = {"halfcheetah": 12135.0, "hopper": 3234.3, "walker2d": 4592.3}  # of an expert
CELL = {"pointmaze": 1.0, "antmaze": 4.0}  # edge of a cell


def write_study(
    folder: Path,
    *,
    tasks: dict[str, str] = MAZE_TASKS,
    methods: int = 4,
    seeds: int = 3,
    episodes: int = 50,
    diverged: tuple[str, str, int] | None = None,
) -> Path:
    """Write study.json and all tables of a study with the first `methods` of METHODS; returns the folder.

    `diverged` names a task, a method and a seed whose training broke down after 6000 updates.
    """
    folder.mkdir(parents=True, exist_ok=True)
    names = list(METHODS)[:methods]
    record = {
        "study": folder.name,
        "tasks": [
            {
                "name": task,
                "suite": suite_of(task),
                "label": label,
                "source": "generate",
                "environment": task.split("-")[0] if suite_of(task) == "locomotion" else task,
                "reference_min": 0.0,
                "reference_max": RETURNS[task.split("-")[0]] if suite_of(task) == "locomotion" else 1.0,
                "maze": mazes_of([task]).get(task),
            }
            for task, label in tasks.items()
        ],
        "methods": [
            {
                "name": name,
                "label": METHODS[name][0],
                "algorithm": name.split("-")[0],
                "group": "cloning" if name in ("gtp-no_guidance", "gaussian_bc") else "rl",
                "ablation_of": METHODS[name][2],
                "generative": METHODS[name][1],
                "nfe": NFE if METHODS[name][1] else [1],
                "acting": acting_of(name),
                "order": [n for n in METHODS if bool(METHODS[n][2]) == bool(METHODS[name][2])].index(name),
            }
            for name in names
        ],
        "seeds": list(range(seeds)),
        "steps": STEPS,
        "episodes": episodes,
        "nfe": NFE,
        "headline_nfe": HEADLINE_NFE,
        "acting": RULES,
    }
    (folder / "study.json").write_text(json.dumps(record))
    rng = np.random.default_rng(0)
    scores, curves = episode_rows(rng, tasks, names, seeds, episodes, diverged)
    tables = {
        "scores": scores,
        "curves": curves,
        "cost": cost_rows(np.random.default_rng(1), tasks, names),
        "trajectories": trajectories_rows(rng, [name for name in names if METHODS[name][1]][:3]),
        "support": support_rows(np.random.default_rng(2), tasks, names, seeds, diverged),
        "endpoints": endpoint_rows(
            np.random.default_rng(3), [name for name in names if METHODS[name][1]][:3]
        ),
        "rollouts": rollout_rows(rng, tasks, names, seeds),
        "coverage": coverage_rows(rng, tasks),
        "mazes": maze_rows(tasks),
        "episodes": recorded_rows(rng, tasks),
    }
    for name, rows in tables.items():
        frame = pd.DataFrame(rows)
        frame.insert(0, "study", folder.name)
        frame.to_csv(folder / f"{name}.csv", index=False, float_format="%.6g")
    return folder


def episode_rows(rng, tasks, methods, seeds, episodes, diverged):
    """Rows of scores.csv and of curves.csv: successes of episodes, rarer on later tasks."""
    scores, curves = [], []

    def append(rows, task, method, seed, nfe, rule, chance, step, count):
        labels = {"suite": suite_of(task), "task": task, "method": method, "seed": seed, "nfe": nfe}
        labels["acting"] = rule
        at = {} if step is None else {"step": step}
        if (task, method, seed) == diverged and (step is None or step > 6000):
            blank = dict.fromkeys(["return", "normalized_score", "success", "length"], "")
            rows.append({**labels, "episode": -1, **blank, "status": "diverged@6100", **at})
            return
        for episode, success in enumerate(rng.uniform(size=count) < chance):
            score = {"normalized_score": 100 * int(success)}
            outcome = {"return": int(success), **score, "success": int(success)}
            rows.append({**labels, "episode": episode, **outcome, "length": 200, "status": "ok", **at})

    for difficulty, task in enumerate(tasks):
        for method in methods:
            _, generative, _, first, last = METHODS[method]
            for seed in range(seeds):
                luck = (0.93 ** (difficulty % 6)) * rng.normal(1.0, 0.06)
                for nfe, rule in product(NFE if generative else [1], acting_of(method)):
                    chance = luck * (last + (first - last) * np.exp(1 - nfe))
                    chance += 0.3 * (1 - chance) * rule.startswith("best")
                    append(scores, task, method, seed, nfe, rule, chance, None, episodes)
                for step in range(STEPS // 5, STEPS + 1, STEPS // 5):
                    chance = luck * last * (1 - np.exp(-step / 2500 / (1 + 0.2 * difficulty % 6)))
                    nfe = HEADLINE_NFE if generative else 1
                    append(curves, task, method, seed, nfe, acting_of(method)[0], chance, step, 20)
    return scores, curves


def cost_rows(rng, tasks, methods):
    """Rows of cost.csv, measured on the first task of each suite."""
    rows = []
    firsts = {suite_of(task): task for task in reversed(tasks)}.values()
    for task, method in product(firsts, methods):
        labels = {"task": task, "method": method, "device": "cpu"}
        for quantity, value in {
            "parameters": 103_240 if METHODS[method][1] else 68_100,
            "seed_updates_per_second": rng.uniform(80, 300),
            "training_seconds": rng.uniform(90, 300),
            "compilation_seconds": rng.uniform(10, 30),
            "peak_memory_mb": rng.uniform(600, 800) if method != "fql" else "",
        }.items():
            blank = dict.fromkeys(["nfe", "acting", "batch_size", "repetition"], "")
            rows.append({**labels, "quantity": quantity, **blank, "value": value})
        effort = rng.uniform(0.7, 1.4)
        for nfe, rule in product(NFE if METHODS[method][1] else [1], acting_of(method)):
            count = 16 * (nfe + 1) if rule == "best_of_16" else nfe
            way = {**labels, "nfe": nfe, "acting": rule}
            blank = dict.fromkeys(["batch_size", "repetition"], "")
            rows.append({**way, "quantity": "network_evaluations", **blank, "value": count})
            for batch_size in (1, 64, 4096):
                for repetition in range(5):
                    value = (1e-4 + 1.5e-4 * effort * count**0.5) / batch_size**0.7 * rng.normal(1.0, 0.06)
                    measured = {"quantity": "seconds_per_action", "batch_size": batch_size}
                    rows.append({**way, **measured, "repetition": repetition, "value": value})
    return rows


def support_rows(rng, tasks, methods, seeds, diverged):
    """Rows of support.csv: the best of several acts farther away, where its critic promises more."""
    rows = []
    for task, method, seed in product(tasks, methods, range(seeds)):
        for rule in acting_of(method):
            best = rule.startswith("best")
            about = {"task": task, "method": method, "seed": seed, "acting": rule, "pairs": 100}
            about["nfe"] = HEADLINE_NFE if METHODS[method][1] else 1
            if (task, method, seed) == diverged:
                blank = dict.fromkeys(["distance", "far_share", "q", "mc_return", "over_share"], "")
                rows.append({**about, **blank, "data_distance": 1.0, "visited": 0, "status": "diverged@6100"})
                continue
            far = rng.uniform(0.05, 0.1) + 0.3 * best
            critic = method not in (*CLONES, "gaussian_bc")
            values = {"visited": 500 * critic, "q": "", "mc_return": "", "over_share": ""}
            if critic:
                value = rng.uniform(0.4, 0.6)
                values |= {"q": value + 0.2 + 0.5 * best, "mc_return": value, "over_share": 0.8}
            near = {"distance": 1 + far, "data_distance": 1.0, "far_share": far, "status": "ok"}
            rows.append({**about, **near, **values})
    return rows


def trajectories_rows(rng, methods, samples=64):
    """Rows of trajectories.csv: noise of scale 3 flows to two directions at a junction."""
    rows = []
    labels = {"task": "pointmaze-medium", "state": 17}
    modes = np.array([[0.95, 0.1], [-0.1, -0.9]])
    for method in methods:
        data = modes[rng.integers(2, size=samples)] + 0.25 * rng.standard_normal((samples, 2))
        for i, action in enumerate(data.clip(-1, 1)):
            rows.append(point(labels, method, i, "data", 0.0, action))
    times = [3.0, 2.16, 1.5, 1.0, 0.62, 0.34, 0.16, 0.06, 0.0]
    noise = 3.0 * rng.standard_normal((samples, 2))
    for method in methods:
        weights = {"gtp": 0.6, "gtp-no_guidance": 0.0, "gtp-no_consistency": 0.45}[method]
        chosen = np.where(noise[:, 0] - noise[:, 1] > -2 * weights, 0, 1)
        blur = 0.35 if method == "gtp-no_consistency" else 0.12
        target = (modes[chosen] + blur * noise / 3.0).clip(-1.05, 1.05)
        for t in times:
            sharpness = 1 / (1 + t**2)
            center = sharpness * target + (1 - sharpness) * modes.mean(axis=0)
            for i, action in enumerate(center + (noise - center) * (t / 3.0)):
                rows.append(point(labels, method, i, "path", t, action))
    return rows


def endpoint_rows(rng, methods, samples=40):
    """Rows of endpoints.csv: two directions, sharper with more evaluations, and the state's place."""
    rows = []
    modes = np.array([[0.95, 0.1], [-0.1, -0.9]])
    for method in methods:
        labels = {"task": "pointmaze-medium", "method": method}
        for nfe in (1, HEADLINE_NFE):
            ends = modes[rng.integers(2, size=samples)] + 0.3 / nfe * rng.standard_normal((samples, 2))
            about = {**labels, "kind": "action", "nfe": nfe}
            rows += [{**about, "sample": i, "x": x, "y": y} for i, (x, y) in enumerate(ends)]
        rows.append({**labels, "kind": "state", "nfe": "", "sample": 0, "x": 0.5, "y": 1.5})
        places = rng.uniform(-3, 3, size=(50, 2))
        about = {**labels, "kind": "visited", "nfe": ""}
        rows += [{**about, "sample": i, "x": x, "y": y} for i, (x, y) in enumerate(places)]
    return rows


def point(labels, method, sample, kind, t, action):
    """One row of trajectories.csv."""
    about = {**labels, "method": method, "sample": sample, "kind": kind, "t": t}
    return {**about, "a0": action[0], "a1": action[1]}


def maze_cells(maze):
    """(row, col) -> centre x, y and whether it is a wall, the origin in the middle of the map."""
    grid = MAPS[maze].split()
    height, width = len(grid), len(grid[0])
    return {
        (row, col): (col + 0.5 - width / 2, height / 2 - row - 0.5, grid[row][col] == "#")
        for row in range(height)
        for col in range(width)
    }


def suite_of(task):
    """The suite of a task."""
    return task.split("-")[0] if "maze" in task else "locomotion"


def mazes_of(tasks):
    """Task -> maze, of the tasks that have one."""
    return {task: task.split("-")[1] for task in tasks if suite_of(task) in CELL}


def maze_rows(tasks):
    """Rows of mazes.csv."""
    rows = []
    for task, maze in mazes_of(tasks).items():
        start, goal = ENDS[maze]
        edge = CELL[suite_of(task)]
        for (row, col), (x, y, wall) in maze_cells(maze).items():
            kind = "wall" if wall else {start: "start", goal: "goal"}.get((row, col), "free")
            rows.append({"task": task, "row": row, "col": col, "x": edge * x, "y": edge * y, "kind": kind})
    return rows or [{"task": "none", "row": 0, "col": 0, "x": 0, "y": 0, "kind": "wall"}]


def shortest_path(maze):
    """Centres of the cells from start to goal, (n, 2)."""
    cells, (start, goal) = maze_cells(maze), ENDS[maze]
    before, frontier = {start: start}, [start]
    for cell in frontier:
        for step in ((0, 1), (1, 0), (0, -1), (-1, 0)):
            following = (cell[0] + step[0], cell[1] + step[1])
            if following not in before and not cells[following][2]:
                before[following] = cell
                frontier.append(following)
    path = [goal]
    while path[-1] != start:
        path.append(before[path[-1]])
    return np.array([cells[cell][:2] for cell in reversed(path)])


def rollout_rows(rng, tasks, methods, seeds, episodes=5):
    """Rows of rollouts.csv: smooth walks along the shortest path; some stop on the way."""
    rows = []
    for task, maze in mazes_of(tasks).items():
        path, edge = shortest_path(maze), CELL[suite_of(task)]
        for method in methods:
            for seed in range(seeds):
                for episode in range(episodes):
                    success = rng.uniform() < METHODS[method][4]
                    end = len(path) - 1 if success else rng.uniform(1, len(path) - 1)
                    where = np.linspace(0, end, 25 * len(path))
                    wobble = np.cumsum(rng.standard_normal((len(where), 2)), axis=0)
                    offset = 0.08 * wobble / (1e-9 + np.abs(wobble).max()) + rng.uniform(-0.15, 0.15, 2)
                    x = np.interp(where, np.arange(len(path)), path[:, 0]) + offset[:, 0]
                    y = np.interp(where, np.arange(len(path)), path[:, 1]) + offset[:, 1]
                    labels = {"task": task, "method": method, "seed": seed, "episode": episode}
                    for step in range(len(where)):
                        at = {"x": edge * x[step], "y": edge * y[step], "success": int(success)}
                        rows.append({**labels, "step": step, **at})
    labels = {"task": "none", "method": "gtp", "seed": 0, "episode": 0, "step": 0}
    return rows or [{**labels, "x": 0, "y": 0, "success": 0}]


def coverage_rows(rng, tasks, bins=8):
    """Rows of coverage.csv: visits pile up in the middle of the corridors."""
    rows = []
    for task, maze in mazes_of(tasks).items():
        edge = CELL[suite_of(task)]
        for x, y, wall in maze_cells(maze).values():
            if wall:
                continue
            busy = rng.uniform(20, 200)
            offsets = (np.arange(bins) + 0.5) / bins - 0.5
            for dx in offsets:
                for dy in offsets:
                    count = rng.poisson(busy * np.exp(-8 * (dx**2 + dy**2)) / 4)
                    if count:
                        at = {"x": edge * (x + dx), "y": edge * (y + dy), "count": count}
                        rows.append({"task": task, **at})
    return rows or [{"task": "none", "x": 0, "y": 0, "count": 1}]


def recorded_rows(rng, tasks, steps=100_000):
    """Rows of episodes.csv: one mode, two, or a spread; bad episodes end early."""
    rows = []
    for task in tasks:
        robot, _, quality = task.partition("-")
        scale, taken, episode = RETURNS.get(robot, 1.0), 0, 0
        while taken < steps:
            expert = quality == "medium-expert" and taken >= steps / 2
            skill = rng.uniform(0, 0.5) if quality == "medium-replay" else 1.0 if expert else 0.5
            score = skill * rng.normal(1.0, 0.05)
            length = int(1000 * min(1.0, 0.05 + 2 * skill)) if robot in ("hopper", "walker2d") else 1000
            outcome = {"return": scale * score, "length": length, "success": ""}
            if suite_of(task) != "locomotion":
                outcome = {"return": 1, "length": 200, "success": 1}
            rows.append({"suite": suite_of(task), "task": task, "episode": episode, **outcome})
            taken, episode = taken + outcome["length"], episode + 1
    return rows
