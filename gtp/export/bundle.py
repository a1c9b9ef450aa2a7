"""From a policy file to a graph that was checked against it, with its card in JSON and in Markdown."""

import hashlib
import importlib.metadata
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

from gtp.data.transitions import load_transitions
from gtp.errors import UserError, told_to_the_user
from gtp.export.card import Data, PolicyCard
from gtp.export.check import TOLERANCE, Times, largest_difference, measure_times, open_graph
from gtp.export.graph import OUTPUT, build_graph, graph_inputs, settle
from gtp.files import read_json, write_atomically, write_text
from gtp.policy import Policy, load_policy
from gtp.policy_file import PolicyHeader, read_policy_file

PACKAGES = ("gtp", "torch", "onnx", "onnxscript", "onnxruntime")


class Exported(NamedTuple):
    """What an export says of itself."""

    card: PolicyCard
    difference: float
    """Of actions in [-1, 1] between policy and graph, at most."""
    times: Times


def card_files(output: Path) -> tuple[Path, Path]:
    """The card's files beside a graph: JSON, and Markdown."""
    return output.with_suffix(".card.json"), output.with_suffix(".card.md")


def export_policy(
    path: Path,
    output: Path,
    *,
    nfe: int = 5,
    acting: str = "sample",
    seed: int | None = None,
    data: Path | None = None,
    run: Path | None = None,
    scores: Path | None = None,
    licence: str = "MIT",
    environment: str | None = None,
) -> Exported:
    """Write one seed of a policy file as an ONNX graph, with its card beside it; flags of `gtp export`.

    Nothing is written unless the graph agrees with the policy. Raises: UserError for unusable files, for a
    method that no graph can follow, for files that are not the policy's, and where graph and policy differ.
    """
    policy, header = load_policy(path, seed, environment=environment), read_policy_file(path)[0]
    with told_to_the_user():
        rule, nfe = settle(policy, nfe, acting)
    score = None
    if scores:
        from gtp.export.score import read_score  # needs pandas

        score = read_score(scores, policy, rule, nfe)
    own_data = read_data(data, policy) if data else None
    training = read_training(run, header) if run else None
    identity: dict[str, Any] = {
        "label": policy.label,
        "algorithm": header.algorithm,
        "seed": policy.seed,
        "step": policy.step,
        "acting": rule.name,
        "nfe": nfe,
        "licence": licence,
    }
    about = {name: str(value) for name, value in identity.items()}
    model = build_graph(policy, rule, nfe, about | {"task": policy.task.name})
    graph = open_graph(model).run
    difference = largest_difference(policy, rule, nfe, graph)
    if not difference <= TOLERANCE:
        raise UserError(
            f"the graph's actions differ from those of {path} by up to {difference:.2g} of [-1, 1], more than"
            f" {TOLERANCE:g}; take another K, or act with gtp.load_policy"
        )
    times = measure_times(policy, rule, nfe, graph)
    card = PolicyCard(
        file=output.name,
        sha256=hashlib.sha256(model).hexdigest(),
        **identity,
        inputs=graph_inputs(policy, rule, nfe),
        outputs={OUTPUT: tuple(policy.action_low.shape)},
        action_low=tuple(policy.action_low.tolist()),
        action_high=tuple(policy.action_high.tolist()),
        task=policy.task,
        hyperparameters=asdict(policy.algorithm),
        hidden_size=header.hidden_size,
        hidden_layers=header.hidden_layers,
        training=training,
        data=own_data,
        score=score,
        versions={name: importlib.metadata.version(name) for name in PACKAGES},
    )
    for_programs, for_people = card_files(output)
    write_atomically(output, lambda temporary: temporary.write_bytes(model))
    write_text(for_programs, card.as_json())
    write_text(for_people, card.as_text())
    return Exported(card, difference, times)


def read_data(path: Path, policy: Policy) -> Data:
    """What the card says of the transitions in `path`. Raises UserError when they are another task's."""
    transitions = load_transitions(path)
    if transitions.task != policy.task:
        raise UserError(
            f"{path} holds transitions of another task, {transitions.task.name!r}, than the policy's,"
            f" {policy.task.name!r}; name those that it was trained on"
        )
    return Data(
        dataset_id=transitions.dataset_id,
        dataset_digest=transitions.dataset_digest,
        transitions=len(transitions.rewards),
    )


def read_training(path: Path, header: PolicyHeader) -> dict[str, Any]:
    """The budget in a run.json. Raises UserError when it is none, or another run's."""
    remedy = "name the run.json beside the policy"
    try:
        run = read_json(path)
        found = (run["algorithm"], run["label"], tuple(run["seeds"]))
        training = dict(run["config"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path} is not the run.json of a training run; {remedy}") from error
    if found != (header.algorithm, header.label, tuple(header.seeds)):
        raise UserError(f"{path} is the record of another run than the policy's; {remedy}")
    return training
