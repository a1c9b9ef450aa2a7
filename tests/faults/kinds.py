"""Every kind of file that the artifact reads: how a sound one is written, and what reading it gives."""

import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import cache, partial
from pathlib import Path

import numpy as np
import torch

from gtp import algorithms, load_policy
from gtp.algorithms.common.interface import Algorithm
from gtp.algorithms.mbdpo import MBDPO
from gtp.config import Execution, TaskSpec
from gtp.data.generate.behaviour import policy as behaviour
from gtp.data.prepare import prepare_transitions
from gtp.data.sources import FromD4RL
from gtp.data.sources.d4rl import fetch as fetch_d4rl
from gtp.data.store.card import checksums, installed_versions, verify_card, write_card
from gtp.data.store.minari_store import open_dataset, read_episodes
from gtp.data.transitions import ARRAYS, load_transitions, save_transitions
from gtp.errors import UserError
from gtp.evaluation.cost import measure
from gtp.online.loop import OnlineRun, new_agent
from gtp.online.origin import Origin
from gtp.online.settings import ModelBasedConfig
from gtp.online.world import make_world, task_of
from gtp.report.online import read_record, read_returns
from gtp.report.results import read_results, read_study
from gtp.schema import OnlineEpisode, write_rows
from gtp.studies import load_plan, read_mapping
from gtp.studies.online import load_online
from gtp.training.checkpoint import load_checkpoint, save_checkpoint
from gtp.training.learner import Learner
from gtp.training.loop import train
from tests.unit.d4rl_files import HOPPER, hopper_columns, write_file
from tests.unit.minari_data import MEDIUM, write_hopper
from tests.unit.results_fixtures import write_study
from tests.unit.training_fixtures import CONFIG, tiny_transitions

CPU = torch.device("cpu")
EAGER = Execution(device="cpu", compile="off")
PLANNER = MBDPO(size="nano", samples=8, elites=4, prior_sequences=2)
ONLINE = ModelBasedConfig(
    environment="Pendulum-v1", max_episode_steps=10, steps=40, seed_steps=20, batch_size=4, nfe=2,
    evaluate_every=20, evaluation_episodes=1,
)  # fmt: skip
CONFIGURATION = Path(__file__).parents[2] / "config"
STATE = {"step": torch.tensor(20), "params/actor/weight": torch.ones(2, 3)}
TABLES_TRIED = ("scores", "cost", "rollouts", "coverage")


@dataclass(frozen=True)
class Kind:
    """One kind of file."""

    name: str
    write: Callable[[Path], Path]
    """Writes a sound one, and what belongs to it, into an empty folder; returns its path."""
    read: Callable[[Path], object]
    """Reads it as the artifact does."""
    form: str
    """tensors, json, hdf5, csv or yaml: which damages make sense."""
    has_checksum: bool = False
    """Whether any change of a byte can be told; otherwise a digit for a digit is another sound file."""


def fingerprint(value: object) -> str:
    """A digest of what was read; arrays count with every value."""
    digest = hashlib.sha256()

    def add(part: object) -> None:
        if isinstance(part, torch.Tensor):
            part = part.numpy()
        if isinstance(part, np.ndarray):
            digest.update(f"{part.dtype}{part.shape}".encode() + part.tobytes())
        elif isinstance(part, dict):
            for key in sorted(part, key=str):
                add(key)
                add(part[key])
        elif isinstance(part, list | tuple):
            for item in part:
                add(item)
        else:
            digest.update(f"{type(part).__name__}{part!r};".encode())

    add(value)
    return digest.hexdigest()


def write_policy(folder: Path, algorithm: Algorithm | None = None) -> Path:
    algorithm = algorithm or algorithms.get("td3_bc")()
    config = replace(CONFIG, steps=2, snapshots=1, hidden_size=4)
    options = {"output": folder / "run", "checkpoints": folder / "checkpoints"}
    train(algorithm, config, tiny_transitions(20), (0, 1), execution=EAGER, **options)
    return folder / "run" / "policy-2.safetensors"


def read_policy(path: Path) -> object:
    found = [load_policy(path, seed) for seed in load_policy(path).seeds]
    return [
        (policy.act(np.ones(3)), asdict(policy.task), policy.label, policy.seed, policy.step, policy.params)
        for policy in found
    ]


def write_run(folder: Path) -> Path:
    return write_policy(folder).with_name("run.json")


def read_run(path: Path) -> object:
    (rows,) = measure([(path.with_name("policy-2.safetensors"), path)], [1], [1])
    return [asdict(row) for row in rows if row.quantity != "seconds_per_action"]


def write_checkpoint(folder: Path) -> Path:
    path = folder / "checkpoint.safetensors"
    log = [[10, 1.5, ["loss"], [[0.5, 0.25]]], [20, 3.0, ["loss"], [[0.4, 0.2]]]]
    save_checkpoint(path, STATE, run_digest="r", step=20, log=log, seconds=3.0)
    return path


def read_checkpoint(path: Path) -> object:
    state, header = load_checkpoint(path, "r", STATE, [])
    return state, asdict(header)


@cache
def planner_state() -> dict[str, torch.Tensor]:
    """What a checkpoint of MBDPO holds, after 20 steps as it says."""
    learner = Learner(PLANNER.for_discount(0.99), CONFIG, 3, 2, [0, 1], CPU, False)
    return {**learner.state(), "step": torch.tensor(20)}


def write_planner_checkpoint(folder: Path) -> Path:
    path = folder / "checkpoint.safetensors"
    save_checkpoint(path, planner_state(), run_digest="r", step=20, log=[], seconds=3.0)
    return path


def read_planner_checkpoint(path: Path) -> object:
    state, header = load_checkpoint(path, "r", planner_state(), [])
    return state, asdict(header)


def online_run(folder: Path) -> OnlineRun:
    """A run before its first step, or its return."""
    task, origin = task_of(ONLINE), Origin()
    method = origin.algorithm(PLANNER, task)
    frame = origin.frame(make_world(task), task)
    agent = new_agent(method, ONLINE, frame, origin, 0, CPU, compiled=False, label="m")
    return OnlineRun(agent, folder, "r", EAGER)


def write_online_checkpoint(folder: Path) -> Path:
    run = online_run(folder)
    run.evaluate()
    for _ in range(2):
        run.play()
    run.save()
    return run.checkpoint


def read_online_checkpoint(path: Path) -> object:
    if not path.exists():  # a run without a checkpoint begins at its start
        raise UserError(f"{path} does not exist")
    run = online_run(path.parent)
    run.resume()
    learner, replay = run.agent.learner.state(), run.agent.replay.state()
    rows = [asdict(row) for row in run.rows]
    return learner, replay, rows, run.log, run.episodes, run.step, run.episode, run.seconds


def write_online_transitions(folder: Path) -> Path:
    run = online_run(folder)
    for _ in range(2):
        run.play()
    save_transitions(folder / "transitions.safetensors", run.transitions())
    return folder / "transitions.safetensors"


def write_online_results(folder: Path) -> Path:
    """record.json, with online.csv beside it."""
    record = {"environments": ["E-v0"], "seeds": [0, 1], "steps": 10, "episodes": 1, "labels": {"m": "M"}}
    rows = [
        OnlineEpisode("E-v0", "m", seed, step, way, 0, -1.5 * seed - step, 7, "ok")
        for seed in record["seeds"]
        for step in (0, 10)
        for way in ("search", "prior")
    ]
    write_rows(folder / "online.csv", OnlineEpisode, rows)
    (folder / "record.json").write_text(json.dumps(record))
    return folder / "record.json"


def read_online_record(path: Path) -> object:
    return asdict(read_record(path))


def read_online_rows(path: Path) -> object:
    table = read_returns(str(path), read_record(path.with_name("record.json"))).table
    return {column: list(map(str, table[column])) for column in table}


def write_online_study(folder: Path) -> Path:
    return Path(shutil.copy(CONFIGURATION / "online.yaml", folder))


def read_online_study(path: Path) -> object:
    return asdict(load_online(path))


def write_transitions(folder: Path) -> Path:
    save_transitions(folder / "transitions.safetensors", tiny_transitions(40))
    return folder / "transitions.safetensors"


def read_transitions(path: Path) -> object:
    loaded = load_transitions(path)
    return {name: getattr(loaded, name) for name in ARRAYS}, asdict(loaded.task), loaded.dataset_id


def write_behaviour(folder: Path) -> Path:
    return Path(shutil.copy(behaviour.policies_file("hopper"), folder / "hopper.safetensors"))


def read_behaviour(path: Path) -> object:
    behaviour.FOLDER = path.parent
    behaviour.load_policies.cache_clear()
    loaded = behaviour.load_policies("hopper")
    return loaded.steps, loaded.medium_index, [vars(policy) for policy in loaded.policies]


def write_dataset(folder: Path) -> Path:
    write_hopper(folder, MEDIUM, 2, seed=0)
    return folder / MEDIUM / "data" / "main_data.hdf5"


def write_dataset_with_card(folder: Path) -> Path:
    path = write_dataset(folder)
    place = folder / MEDIUM
    card = {"dataset_id": MEDIUM, "recipe": {"name": "minari", "version": 1, "ids": [MEDIUM]}}
    numbers = {"episodes": 2, "steps": 100, "success": None, "action_range": [[-1.0], [1.0]]}
    write_card(place, card | numbers | {"sha256": checksums(place), "versions": installed_versions()})
    return path


def root_of(path: Path) -> Path:
    """The Minari root above a file of the dataset MEDIUM."""
    return next(parent for parent in path.parents if (parent / MEDIUM).is_dir())


def read_dataset(path: Path) -> object:
    task = TaskSpec(name="hopper", environment="Hopper-v4", max_episode_steps=1000)
    prepared = prepare_transitions(MEDIUM, root_of(path), task)
    return {name: getattr(prepared, name) for name in ARRAYS}


def read_card(path: Path) -> object:
    return verify_card(root_of(path) / MEDIUM)


def write_d4rl(folder: Path) -> Path:
    return write_file(folder / "file.hdf5", hopper_columns(60, timeouts=[29, 59]))


def read_d4rl(path: Path) -> object:
    root = path.parent / "root"
    fetch_d4rl(FromD4RL(id=HOPPER, file=str(path)), f"d4rl/{HOPPER}", root)
    episodes = read_episodes(open_dataset(f"d4rl/{HOPPER}", root), root)
    return [(episode.observations, episode.actions, episode.rewards) for episode in episodes]


def write_json_of_study(folder: Path) -> Path:
    return write_study(folder / "s", tasks={"pointmaze-umaze": "U-Maze"}, seeds=2, episodes=2) / "study.json"


def read_json_of_study(path: Path) -> object:
    return asdict(read_study(path))


def table_kind(name: str) -> Kind:
    def write(folder: Path) -> Path:
        return write_json_of_study(folder).with_name(f"{name}.csv")

    def read(path: Path) -> object:
        frame = read_results(path, name)
        return {column: list(map(str, frame[column])) for column in frame}

    return Kind(f"results {name}.csv", write, read, "csv")


def yaml_kind(name: str) -> Kind:
    def write(folder: Path) -> Path:
        for file in ("smoke", "methods", "tasks", "trials"):
            shutil.copy(CONFIGURATION / f"{file}.yaml", folder)
        return folder / f"{name}.yaml"

    def read(path: Path) -> object:
        files = [path.with_name(f"{file}.yaml") for file in ("methods", "tasks", "trials")]
        plan = load_plan(read_mapping(path.with_name("smoke.yaml")), *files)
        study = plan.study
        return asdict(plan.record(study.methods)), asdict(study), [plan.origin(task) for task in study.tasks]

    return Kind(f"config {name}.yaml", write, read, "yaml")


def within(write: Callable[[Path], Path], *parts: str) -> Callable[[Path], Path]:
    """Writes what `write` does, and names another file of the dataset."""

    def write_all(folder: Path) -> Path:
        write(folder)
        return folder.joinpath(MEDIUM, *parts)

    return write_all


KINDS = (
    Kind("policy", write_policy, read_policy, "tensors", has_checksum=True),
    Kind("checkpoint", write_checkpoint, read_checkpoint, "tensors", has_checksum=True),
    Kind("transitions", write_transitions, read_transitions, "tensors", has_checksum=True),
    Kind("behaviour policies", write_behaviour, read_behaviour, "tensors", has_checksum=True),
    Kind(
        "MBDPO's policy",
        partial(write_policy, algorithm=PLANNER),
        read_policy,
        "tensors",
        has_checksum=True,
    ),
    Kind(
        "MBDPO's checkpoint", write_planner_checkpoint, read_planner_checkpoint, "tensors", has_checksum=True
    ),
    Kind("online checkpoint", write_online_checkpoint, read_online_checkpoint, "tensors", has_checksum=True),
    Kind("online transitions", write_online_transitions, read_transitions, "tensors", has_checksum=True),
    Kind("online record.json", write_online_results, read_online_record, "json"),
    Kind(
        "online online.csv",
        lambda folder: write_online_results(folder).with_name("online.csv"),
        read_online_rows,
        "csv",
    ),
    Kind("run.json", write_run, read_run, "json"),
    Kind("card", within(write_dataset_with_card, "card.json"), read_card, "json", has_checksum=True),
    Kind(
        "metadata, with card",
        within(write_dataset_with_card, "data", "metadata.json"),
        read_dataset,
        "json",
        has_checksum=True,
    ),
    Kind("metadata, no card", within(write_dataset, "data", "metadata.json"), read_dataset, "json"),
    Kind("dataset, with card", write_dataset_with_card, read_dataset, "hdf5", has_checksum=True),
    Kind("dataset, no card", write_dataset, read_dataset, "hdf5"),
    Kind("D4RL's file", write_d4rl, read_d4rl, "hdf5"),
    Kind("study.json", write_json_of_study, read_json_of_study, "json"),
    *map(table_kind, TABLES_TRIED),
    *map(yaml_kind, ("smoke", "methods", "tasks")),
    Kind("config online.yaml", write_online_study, read_online_study, "yaml"),
)
